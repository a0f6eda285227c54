"""Branches on data: follow every way through the code of a model, and join the results.

A file runs the same operations for every input. Where Python asks whether a traced value is true,
the model is run again for the other answer, in the same trace. A way that ends in an error that the
model's code raises is assumed away: the condition is a check of the inputs. Results of two other
ways are joined by `hybridx::select`, which `merge_paths.py` replaces afterwards.
"""

from __future__ import annotations

import dis
import sys
import traceback
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from hybridx.capture.graph.ops import SELECT_OP
from hybridx.capture.python.branch_statements import Question, question_at
from hybridx.capture.python.concrete_values import EqualValues
from hybridx.capture.python.source_location import is_of_models, is_ours, place
from hybridx.capture.torch_internals import (
    checks,
    current_tracer,
    node_of,
    submodules_left,
)
from hybridx.errors import DataBranchError, HybridxError, first_line

MOST_WAYS = 16
"""The most ways through a model that are followed; each is a trace of its own."""

UNLIKE = "its sides return tensors of different shapes or dtypes"

MOST_ROUNDS = 8
"""The most rounds of a loop on data that are followed."""

Answers: TypeAlias = tuple[bool, ...]
Outputs: TypeAlias = tuple[tuple[str, ...], tuple[Tensor, ...]]
"""What a model returned: the names of its tensors, and the tensors."""


@dataclass(frozen=True)
class Decision:
    """A question that Python asks of traced values, met on a way through the model.

    Attributes:
        condition: a boolean tensor of shape `()`.
        question: the statement that asks.
        place: file, line and submodule, for messages.
        key: equal for the same statement in the same calls.
    """

    condition: Tensor
    question: Question
    place: str
    key: Hashable


@dataclass(frozen=True)
class _Raised:
    """The end of a way in an error of the user's code."""

    error: Exception


class Branches:
    """The branches on data that one trace meets.

    Args:
        model: whose submodules are named in messages.
        restart: called before each way but the first.
        refuse: raises an error, or notes it where all are collected.

    Attributes:
        selected: the decisions by which results are selected; `hybridx::select` holds their index.
        asked: how often Python asked whether a traced value is true.
        kept: those that still select in the graph.
        assumed: sentences on the checks that are assumed to pass.
        dropped: sentences on the branches that change no result.
    """

    def __init__(
        self,
        model: nn.Module,
        restart: Callable[[], None],
        refuse: Callable[[HybridxError], None],
    ) -> None:
        self._model = model
        self._restart = restart
        self._take_refusal = refuse
        self.selected: list[Decision] = []
        self.assumed: dict[str, None] = {}
        self.dropped: dict[str, None] = {}
        self.longest: list[Any] = []
        self.asked = 0
        self.kept: tuple[Decision, ...] = ()
        self._decisions: dict[Answers, Decision] = {}
        self._checks: dict[Hashable, tuple[bool, Exception]] = {}
        self._forced: Answers = ()
        self._given: Answers = ()
        self._values = EqualValues()
        self._told: dict[int, bool] = {}
        self._refusal: DataBranchError | None = None

    # --- While a way is followed -----------------------------------------------------------------

    def decide(self, condition: Tensor) -> bool:
        """Answer whether a traced value is true, on the way that is followed.

        Raises:
            DataBranchError: too many ways lead through the model.
        """
        self.asked += 1
        frame, is_direct = _asking(sys._getframe(1))
        question = question_at(frame, is_direct=is_direct)
        if question.skips is not None:
            self.dropped[f"the branch on `{question.condition}` at {question.place} only prints, "
                         "warns or logs: the file leaves it out"] = None  # fmt: skip
            return question.skips
        if _in_testing(sys._getframe(1)):
            self._assume(question, "")
            return True
        known = None if question.loops else self._number(condition)
        if known is not None and known in self._told:
            return self._told[known]
        answer = self._answer(condition, frame, question)
        if known is not None:
            self._told[known] = answer
        return answer

    def _number(self, condition: Tensor) -> int | None:
        """Return a number that is equal for conditions with the same value on this way."""
        tracer = current_tracer()
        node = None if tracer is None else node_of(condition, tracer)
        return None if node is None else self._values.number(node)

    def _answer(self, condition: Tensor, frame: FrameType, question: Question) -> bool:
        key = tuple(_calls(frame))
        where = place(self._model, (frame, frame.f_lineno))
        if self._refusal is not None:
            raise self._refusal
        if question.loops and self._rounds(key) >= MOST_ROUNDS:
            self._refuse(where, "a loop runs as often as the data says")
        before = self._given
        self._decisions.setdefault(
            before, Decision(condition.reshape(()).bool(), question, where, key)
        )
        first = False if question.stops is None else not question.stops
        if key in self._checks:
            first = not self._checks[key][0]
        answer = self._forced[len(before)] if len(before) < len(self._forced) else first
        self._given = (*before, answer)
        return answer

    def assume_lengths(self, longest: Any) -> None:
        """Note the check of pack_padded_sequence that lengths of the data can be packed.

        Args:
            longest: the largest length, a number of the data.
        """
        self.longest.append(longest)
        self.check()

    def check(self) -> None:
        """Note a check that torch itself makes, such as `torch._assert`."""
        frame, is_direct = _asking(sys._getframe(1))
        self._assume(question_at(frame, is_direct=is_direct), "")

    def _rounds(self, key: Hashable) -> int:
        ends = range(len(self._given))
        return sum(self._decisions[self._given[:end]].key == key for end in ends)

    def _refuse(self, where: str, reason: str) -> None:
        # The user's code may catch every exception: it is raised once more at the end of the way.
        self._refusal = DataBranchError(where, reason)
        raise self._refusal

    @property
    def were_met(self) -> bool:
        """True if the trace met a branch on data, so that its graph may hold what is not used."""
        return bool(self._decisions or self.dropped or self.assumed)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the branches other than checks."""
        kept = (
            f"the file computes both sides of the branch on `{one.question.condition}` at "
            f"{one.question.place}, and selects"
            for one in self.kept
        )
        return tuple(dict.fromkeys((*self.dropped, *kept)))

    def keep(self, indices: Collection[int]) -> None:
        """Note which branches still select a result; the others change none."""
        for index, decision in enumerate(self.selected):
            if index not in indices:
                question = decision.question
                self.dropped[
                    f"both sides of the branch on `{question.condition}` at {question.place} give "
                    "the same results: the file leaves it out"
                ] = None
        self.kept = tuple(self.selected[index] for index in indices)

    def unlike(self, index: int) -> DataBranchError:
        """Return the error that says that the sides of a branch do not fit each other."""
        return DataBranchError(self.selected[index].place, UNLIKE)

    # --- All ways --------------------------------------------------------------------------------

    def follow(
        self, call: Callable[[Sequence[Tensor]], Outputs], inputs: Sequence[Tensor]
    ) -> Outputs:
        """Return what a model returns, whichever way its inputs lead it.

        Args:
            call: runs the model on traced tensors.
            inputs: of the model.

        Raises:
            DataBranchError: the results of two ways cannot be joined, or there are too many ways.
        """
        # A way may write into its inputs. Where there is one way, nothing reads these copies.
        spare = [one.clone() for one in inputs]
        ends: dict[Answers, Outputs | _Raised] = {}
        waiting: list[Answers] = [()]
        count = 0
        while waiting:
            self._forced, self._given, self._told = waiting.pop(0), (), {}
            known = self._known_end()
            if known is not None:
                ends[self._forced] = known
                continue
            count += 1
            if count > MOST_WAYS:
                last = self._decisions[self._forced[:-1]]
                raise DataBranchError(last.place, f"more than {MOST_WAYS} ways lead through it")
            given = inputs if count == 1 else [one.clone() for one in spare]
            if count > 1:
                self._restart()
            end = self._end_of_way(call, given)
            ends[self._given] = end
            met = range(len(self._forced), len(self._given))
            waiting += [(*self._given[:length], not self._given[length]) for length in met]
        return self._joined(ends)

    def _known_end(self) -> _Raised | None:
        """Return the end of the way that is forced, if its last answer has been seen to raise."""
        if not self._forced:
            return None
        key = self._decisions[self._forced[:-1]].key
        answer, error = self._checks.get(key, (None, None))
        return _Raised(error) if error is not None and answer == self._forced[-1] else None

    def _end_of_way(
        self, call: Callable[[Sequence[Tensor]], Outputs], inputs: Sequence[Tensor]
    ) -> Outputs | _Raised:
        try:
            with submodules_left():
                end = call(inputs)
        except HybridxError:
            raise
        except Exception as error:
            if self._refusal is not None:
                raise self._refusal from error
            if not self._given or not is_raised_by_model(error):
                raise
            self._note_check(error)
            return _Raised(error)
        if self._refusal is not None:
            raise self._refusal
        return end

    def _note_check(self, error: Exception) -> None:
        decision = self._decisions[self._given[:-1]]
        if decision.question.stops == self._given[-1]:
            self._checks[decision.key] = self._given[-1], error

    def _joined(self, ends: Mapping[Answers, Outputs | _Raised]) -> Outputs:
        found = self._join((), ends)
        if isinstance(found, _Raised):
            raise found.error
        return found

    def _join(
        self, before: Answers, ends: Mapping[Answers, Outputs | _Raised]
    ) -> Outputs | _Raised:
        if before in ends:
            return ends[before]
        decision = self._decisions[before]
        yes, no = (self._join((*before, answer), ends) for answer in (True, False))
        match yes, no:
            case _Raised(), _Raised():
                return yes
            case (_Raised(error), end) | (end, _Raised(error)):
                text = f": {first_line(error)}" if str(error) else ""
                self._assume(decision.question, f" ({type(error).__name__}{text})")
                return end
        assert not isinstance(yes, _Raised)
        assert not isinstance(no, _Raised)
        return self._selected(decision, yes, no)

    def _selected(self, decision: Decision, yes: Outputs, no: Outputs) -> Outputs:
        """Return the outputs of two ways, selected by the condition."""
        if yes[0] != no[0]:
            self._take_refusal(DataBranchError(decision.place, "its sides return other outputs"))
            return yes
        index = len(self.selected)
        self.selected.append(decision)
        tensors = []
        for one, other in zip(yes[1], no[1], strict=True):
            if one.dtype != other.dtype or not _fit(one, other):
                self._take_refusal(DataBranchError(decision.place, UNLIKE))
                return yes
            is_same = one is other
            tensors.append(one if is_same else SELECT_OP(decision.condition, one, other, index))
        return yes[0], tuple(tensors)

    def _assume(self, question: Question, what: str) -> None:
        self.assumed[
            f"the check `{question.condition}` at {question.place} is left out{what}: the file "
            "assumes that its inputs pass it"
        ] = None


def _fit(one: Tensor, other: Tensor) -> bool:
    """Return whether two shapes may be equal; lengths that the data give are compared later."""
    return one.dim() == other.dim() and all(
        left == right
        for left, right in zip(one.shape, other.shape, strict=True)
        if isinstance(left, int) and isinstance(right, int)
    )


# --- Frames --------------------------------------------------------------------------------------


def _asking(frame: FrameType) -> tuple[FrameType, bool]:
    """Return the innermost frame of a model's code, and whether it asks without torch's help."""
    frames = [one for one, _ in traceback.walk_stack(frame)]
    is_direct = True
    for one in frames:
        if is_of_models(one.f_code.co_filename):
            return one, is_direct
        is_direct = is_direct and is_ours(one.f_code.co_filename)
    return next(one for one in frames if not is_ours(one.f_code.co_filename)), False


def is_asked_by_model(frame: FrameType) -> bool:
    """Return whether a model's code asks for the truth of a symbol, directly or of a number."""
    for one, _ in traceback.walk_stack(frame):
        if one.f_code.co_filename != torch.__file__:  # `SymInt.__bool__` asks a `SymBool`
            return is_of_models(one.f_code.co_filename)
    return False


def _calls(frame: FrameType) -> Iterator[Hashable]:
    """Yield where each call of a model's code on the stack stands."""
    for one, _ in traceback.walk_stack(frame):
        if is_of_models(one.f_code.co_filename):
            yield one.f_code, one.f_lasti


def _in_testing(frame: FrameType) -> bool:
    """Return whether `torch.testing` asks, which writes the numbers into its message."""
    for one, _ in traceback.walk_stack(frame):
        name = one.f_globals.get("__name__", "")
        if not is_ours(one.f_code.co_filename):
            return str(name).startswith("torch.testing")
    return False


def is_raised_by_model(error: BaseException) -> bool:
    """Return whether a `raise` or `assert` of a model's code, or a check of torch's, raised it."""
    if isinstance(error, HybridxError):
        return False
    lines = [(tb, tb.tb_frame.f_code) for tb in _lines(error)]
    if not lines or lines[-1][1].co_code[lines[-1][0].tb_lasti] != _RAISE:
        return False
    while lines and lines[-1][1].co_filename == torch.__file__:
        if lines.pop()[1].co_name not in _CHECKS:
            return False  # torch's own code makes the same checks of shapes
    while lines and is_ours(lines[-1][1].co_filename):
        lines.pop()
    if not lines or not is_of_models(lines[-1][1].co_filename):
        return False
    # torch calls the model where it handles errors of its own; those are no cause of this one.
    cause = error.__cause__ or error.__context__
    return cause is None or not _passes_model(cause) or is_raised_by_model(cause)


_CHECKS = frozenset({"_assert", "_check_with", *(check.__name__ for check in checks())})


def _lines(error: BaseException) -> Iterator[TracebackType]:
    line = error.__traceback__
    while line is not None:
        yield line
        line = line.tb_next


def _passes_model(error: BaseException) -> bool:
    lines = traceback.walk_tb(error.__traceback__)
    return any(is_of_models(frame.f_code.co_filename) for frame, _ in lines)


_RAISE = dis.opmap["RAISE_VARARGS"]
