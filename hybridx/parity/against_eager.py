"""An execution compared with the eager model, or another one, at several lengths of open axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from hybridx.artifact import Signature
from hybridx.circuit import BATCH
from hybridx.errors import DroppedAxisError, NothingComparedError
from hybridx.parity.axes import open_axes
from hybridx.parity.difference import Difference, OutputDifference, compare
from hybridx.parity.draw import Whole, draw_inputs, may_be_indices, own_lengths
from hybridx.parity.trials import (
    SEED,
    Expected,
    Typical,
    choose_trials,
    other_lengths,
    reason_of,
)
from hybridx.storage import Array

EAGER: Final = "the eager model"

Change: TypeAlias = Callable[[Any], Any]
"""Returns an array of other numbers."""


@dataclass(frozen=True)
class Comparison:
    """A comparison with the eager model that passed.

    Attributes:
        worst: the largest error.
        batches: the batch sizes that were compared; empty for a model without a batch. The size of
            the example is always compared and is listed where no other of the usual ones was.
        refused: the batch sizes that the eager model itself refuses, each with its reason; the size
            is None where there is no batch.
        unmoved: the open axes of which no other length than the example's was compared, by
            name, each with the reason.
        outputs: how far each output is off.
        reference: what it was compared with.
    """

    worst: float
    batches: tuple[int, ...]
    refused: Mapping[int | None, str]
    unmoved: Mapping[str, str]
    outputs: tuple[OutputDifference, ...]
    reference: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it."""
        if not self.refused:
            return ()
        *others, last = map(str, self.refused)
        what = f"batch sizes {', '.join(others)} and {last}" if others else f"batch size {last}"
        what = "other drawn inputs" if None in self.refused else what
        reason = next(iter(self.refused.values()))
        return (f"{self.reference} itself refuses {what}, these are not compared: {reason}",)


class Comparable(Protocol):
    """What can be compared with the eager model: a session, or a graph in memory."""

    @property
    def inputs(self) -> tuple[Signature, ...]:
        """Names, dtypes and shapes."""

    @property
    def device(self) -> str:
        """What runs the circuits."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name."""


def compare_with_eager(
    execution: Comparable,
    typical: Typical,
    expected: Expected,
    *,
    batches: Sequence[int],
    tolerance: float,
    changes: Sequence[Change] = (),
    reference: str = EAGER,
) -> Comparison:
    """Compare an execution with the eager model at several lengths of the open axes.

    The lengths of the example are always compared. Other lengths that the eager model itself
    refuses are left out: it may take lengths up to a limit, or integer inputs may hold numbers of
    rows.

    Args:
        execution: what is compared.
        typical: inputs as long as the example, and the eager model's outputs.
        expected: the eager model.
        batches: batch sizes to compare at; empty for a model without a batch.
        tolerance: the largest error that passes.
        changes: of the typical inputs, on which the execution is compared too.
        reference: what `expected` is, for messages, if not the eager model itself.

    Raises:
        MismatchError: an error is above the tolerance.
        NothingComparedError: no output has an element that can be compared.
    """
    own_rows = next(iter(batches), None)
    trials = _Trials(execution, typical, expected, tolerance, reference)
    if BATCH in trials.own:
        own_rows = trials.own[BATCH]
    # The file's self-test is made of these: their error counts only where no other is known.
    own_found = trials.compare(typical.inputs, typical.outputs, own_rows or 1)
    for change in changes:
        trials.run_changed(change, own_rows or 1)
    for lengths in choose_trials(trials.own, batches):
        # Rather than nothing, the example's own lengths of the other axes.
        if not trials.run(lengths) and BATCH in lengths:
            trials.run({BATCH: lengths[BATCH]})
    if not trials.compared:
        trials.found = own_found
        trials.compared.append(own_rows)
    for called, length in trials.own.items():
        for other in other_lengths(length):
            if called in trials.moved or trials.run({called: other}):
                break
    if not trials.elements:
        raise NothingComparedError(trials.name, reference, "its outputs hold no finite numbers")
    return Comparison(
        worst=trials.found.worst,
        batches=tuple(dict.fromkeys(one for one in trials.compared if one is not None)),
        refused=trials.refused,
        unmoved={
            called: trials.reasons.get(called, "no output had numbers at another length")
            for called in trials.own
            if called not in trials.moved
        },
        outputs=trials.found.outputs,
        reference=reference,
    )


class _Trials:
    """Comparisons of one execution, and what came of them.

    Attributes:
        name: of the execution, for messages.
        own: the example's length of each open axis.
        found: how far the outputs were off in the trials.
        elements: how many numbers were compared.
        compared: the batch size of each trial; None where the trial does not name it.
        moved: the open axes of which another length was compared.
        refused: the batch sizes that the model refuses, with its reasons.
        reasons: why the model refuses other lengths of an open axis.
    """

    def __init__(
        self,
        execution: Comparable,
        typical: Typical,
        expected: Expected,
        tolerance: float,
        reference: str,
    ) -> None:
        self.name = f"the file on {execution.device}"
        self.found, self.elements = Difference(), 0
        self.compared: list[int | None] = []
        self.moved: set[str] = set()
        self.refused: dict[int | None, str] = {}
        self.reasons: dict[str, str] = {}
        self._execution, self._typical = execution, typical
        self._expected, self._tolerance, self._reference = expected, tolerance, reference
        self._axes = open_axes(execution.inputs)
        self.own = own_lengths(typical.inputs, self._axes)
        arrays = typical.inputs.values()
        has_indices = any(may_be_indices(array, self.own) for array in arrays)
        # The model itself says what its integers may be.
        self._whole: tuple[Whole, ...] = (
            ("spread", "within", "repeated") if has_indices else ("repeated",)
        )

    def run(self, lengths: Mapping[str, int]) -> bool:
        """Compare at these lengths, and at the example's of other axes, if the model takes them."""
        batch = lengths.get(BATCH)
        moved = {called for called, own in self.own.items() if lengths.get(called, own) != own}
        refusal = ""
        for whole in self._whole:
            inputs = draw_inputs(
                self._typical.inputs,
                self._axes,
                lengths=lengths,
                distribution=self._typical.distribution,
                seed=SEED + (1 if batch is None else batch),
                whole=whole,
            )
            try:
                outputs = self._expected(inputs)
                break
            except Exception as error:
                # The model is the user's own code and may raise anything.
                refusal = reason_of(error)
        else:
            self.reasons = dict.fromkeys(moved, refusal) | self.reasons
            if batch is not None or not moved:
                self.refused[batch] = refusal
            return False
        self.refused.pop(batch, None)
        before = self.elements
        self.found = self.found.joined(self.compare(inputs, outputs, batch or 1))
        self.compared.append(batch)
        if self.elements > before:
            self.moved |= moved
        return True

    def run_changed(self, change: Change, batch: int) -> None:
        """Compare on typical inputs that are changed, if the model takes them."""
        inputs = {
            name: np.asarray(change(array), array.dtype) if array.dtype.kind == "f" else array
            for name, array in self._typical.inputs.items()
        }
        try:
            outputs = self._expected(inputs)
        except Exception:
            # The model is the user's own code and may raise anything.
            return
        # What is not finite in eager need not be the same: a circuit that is computed in parts
        # spreads NaN to the results that depend on it, PennyLane to all.
        finite = {name: np.where(np.isfinite(o), 1.0, np.nan) for name, o in outputs.items()}
        compare(
            {
                name: found * finite[name] if found.shape == finite[name].shape else found
                for name, found in self._execution.run(inputs).items()
            },
            {name: output * finite[name] for name, output in outputs.items()},
            # What classical layers make ten times as large they round ten times as coarsely.
            tolerance=10 * self._tolerance,
            left=self.name,
            right=self._reference,
            batch=batch,
        )

    def compare(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], batch: int
    ) -> Difference:
        """Return how far the outputs are off on these inputs.

        Raises:
            DroppedAxisError: the model returns an output of another rank, with as many elements.
            MismatchError: the error is above the tolerance.
        """
        actual = self._execution.run(inputs)
        for name, output in outputs.items():
            other = actual.get(name, output)
            if other.ndim != output.ndim and other.size == output.size and BATCH in self.own:
                raise DroppedAxisError(name, batch, output.ndim, other.ndim)
        found = compare(
            actual,
            outputs,
            tolerance=self._tolerance,
            left=self.name,
            right=self._reference,
            batch=batch,
        )
        self.elements += found.elements
        return found
