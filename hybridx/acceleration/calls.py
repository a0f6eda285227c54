"""The calls of one QNode: each structure is traced, compared and kept, or stays eager."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any, Final, TypeAlias

import pennylane as qml
import torch
from torch import Tensor, fx, nn

from hybridx.acceleration.batch import Axes, batch_axes, closed, open_axes, with_rows
from hybridx.acceleration.checked_call import CheckedCall
from hybridx.acceleration.circuit import LiveCircuit
from hybridx.acceleration.comparison import difference
from hybridx.capture import (
    Arguments,
    FixedBatch,
    Guard,
    Reading,
    Uses,
    draws_noted,
    fingerprint,
    flatten,
    outside_transforms,
    read_call,
    side_by_side,
    trace_call,
    unchanged,
    unflatten,
    untransformed,
    version_of,
)
from hybridx.errors import CaptureError, DataBranchError, LoweringError, first_line

_log = logging.getLogger(__name__)

MOST_STRUCTURES: Final = 32
"""Circuits of one QNode that are compiled; a call with a further one stays eager."""

_MOST_BYTES: Final = 2**16
"""The size of a tensor whose numbers are compared in each call, where the circuit has them."""

_MOST_WIRES_OF_BACKPROP: Final = 14
"""It keeps the state after each gate, 16 MB a row at 20 wires; lightning's own method keeps one."""

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.complex64)


class FixedRows:
    """A call that is compiled for each batch size by itself."""


_UNREADABLE = (
    "it reads what cannot be compared between calls, such as a file, a clock, an iterator or a "
    "cache: read that before, and pass it as an argument"
)
_CHANGES = "it changes what it reads, such as a counter: do that in forward"
_TOO_MANY = (
    f"it has more than {MOST_STRUCTURES} circuits, and further ones stay eager: pass what differs "
    "between its calls as a tensor"
)
_SHOTS = "it samples shots, and a compiled circuit is exact: train with shots=None"
_ESTIMATES = (
    "its gradients are estimates by random differences, and a compiled circuit has exact ones: use "
    "another diff_method than 'spsa'"
)
_NO_TENSOR = (
    "it returns what is no tensor: pass its arguments as tensors, and measure expectation values, "
    "probabilities or states"
)
_FAILS = "it fails where a call is tried once without gradients"
_HIDDEN_WEIGHT = (
    "a weight reaches it from where it cannot be read again: pass it as an argument, or keep it in "
    "an attribute"
)


@dataclass(frozen=True)
class Stays:
    """Why calls stay eager."""

    reason: str


@dataclass(frozen=True)
class Compiled:
    """A traced call, with compiled circuits.

    Attributes:
        run: from the tensors that the call takes, its arguments first, to those among the results.
        structure: how the results are nested.
        circuits: that it runs.
        joined: the same as `run` with the results side by side in one tensor, or None.
    """

    run: fx.GraphModule
    structure: Any
    circuits: tuple[LiveCircuit, ...]
    joined: fx.GraphModule | None

    def answer(self, tensors: Sequence[Tensor]) -> Any:
        """Return what the QNode returns."""
        return unflatten(list(self.run.forward(*tensors)), self.structure)


@dataclass(frozen=True)
class _Known:
    """What is done for calls that read the same.

    Attributes:
        answer: how they are computed.
        live: the tensors that a call reads other than as arguments and takes as inputs, by their
            numbers in a reading.
        fixed: those whose numbers are part of the circuit, likewise, with these numbers.
    """

    answer: Compiled | Stays | FixedRows
    live: tuple[int, ...] = ()
    fixed: tuple[tuple[int, Hashable], ...] = ()

    def fits(self, reading: Reading) -> bool:
        """Return whether the fixed tensors have these numbers."""
        try:
            found = [fingerprint(reading.tensors[number]) for number, _ in self.fixed]
        except RuntimeError:  # a transform of torch hides them
            return False
        return found == [numbers for _, numbers in self.fixed]


Found: TypeAlias = tuple[Compiled | Stays, list[Tensor]]
"""What is done for a call, and the inputs of a compiled one."""


class Calls:
    """What is known of a QNode's calls.

    Args:
        eager: `QNode.__call__`.
        layer: where the QNode stands, in the user's words.

    Attributes:
        live: the tensors that the last call read other than as arguments, of those whose circuits
            take them as inputs.
    """

    def __init__(self, eager: Any, layer: str) -> None:
        self._eager = eager
        self.layer = layer
        self._known: dict[tuple[Hashable, Hashable], list[_Known]] = {}
        self._axes: dict[Hashable, Axes] = {}
        self._recent: tuple[CheckedCall, ...] = ()
        self._lock = RLock()
        self._is_full = False
        self.live: tuple[Tensor, ...] = ()

    def __deepcopy__(self, memo: Any) -> Calls:
        copy = Calls(self._eager, self.layer)
        # The copy of a QNode may read other objects, but equal calls have equal answers.
        copy._known, copy._axes, copy._lock = self._known, self._axes, self._lock
        return copy

    def __reduce__(self) -> Any:
        return Calls, (self._eager, str(self.layer))  # what is loaded compiles its first calls

    def call(self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of the QNode."""
        answer, tensors = self.find(qnode, args, kwargs)
        if isinstance(answer, Stays):
            return self._eager(qnode, *args, **kwargs)
        return answer.answer(tensors)

    def call_side_by_side(self, qnode: Any, kwargs: dict[str, Any]) -> Tensor | None:
        """Return the results of a call as one tensor, or None if they are not of that kind."""
        answer, tensors = self.find(qnode, (), kwargs)
        if isinstance(answer, Stays) or answer.joined is None:
            return None
        results: Tensor = answer.joined.forward(*tensors)
        return results

    def find(self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Found:
        """Return what is done for a call; one of a new structure is compiled first."""
        recent = self._recent
        for checked in recent:
            tensors = checked.inputs(qnode, args, kwargs)
            if tensors is not None:
                if checked is not recent[0]:
                    self._recent = (checked, *(one for one in recent if one is not checked))
                self.live = tuple(tensors[checked.takes :])
                return checked.answer, tensors
        return self._find(qnode, Arguments(args, kwargs))

    def learn(self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Compiled | Stays:
        """Compile a call, unless it is known, and compare it with PennyLane."""
        answer, _ = self.find(qnode, args, kwargs)
        given = Arguments(args, kwargs)
        reading = read_call(qnode, given)
        axes = None if reading is None else self._axes.get(_form(given, reading))
        if isinstance(answer, Compiled) and axes and axes != open_axes(given, axes):
            self.find(qnode, *with_rows(given, axes, 2).call)  # one row: more will come
        return answer

    def _find(self, qnode: Any, given: Arguments) -> Found:
        reading = read_call(qnode, given)
        if reading is None:
            return Stays(_UNREADABLE), []
        if self._look_up(given, reading) is None:
            caught = warnings.catch_warnings()
            with self._lock, caught, outside_transforms(), unchanged(_Holder(qnode)):
                if self._look_up(given, reading) is None:
                    try:
                        refusal = self._learn(qnode, given, reading)
                    except Exception as error:  # of a call that is wrong, or only without gradients
                        refusal = Stays(f"{_FAILS}: {type(error).__name__}: {first_line(error)}")
                    if refusal is not None:
                        return refusal, []
            reading = read_call(qnode, given)
        found = None if reading is None else self._look_up(given, reading)
        if reading is None or found is None:
            return Stays(_CHANGES), []
        known, answer, axes = found
        if reading.watch.is_whole:
            guard = Guard(reading.watch, known.live, [number for number, _ in known.fixed])
            checked = CheckedCall(qnode, given, axes, guard, answer)
            self._recent = (checked, *self._recent)[:MOST_STRUCTURES]
        self.live = tuple(reading.tensors[number] for number in known.live)
        return answer, [*given.tensors, *self.live]

    def _look_up(
        self, given: Arguments, reading: Reading
    ) -> tuple[_Known, Compiled | Stays, Axes] | None:
        form = _form(given, reading)
        if form not in self._axes:
            return None
        for axes in (open_axes(given, self._axes[form]), closed(given)):
            alike = self._known.get((form, _shapes(given, axes)), ())
            known = next((known for known in alike if known.fits(reading)), None)
            if known is None:
                return None
            if not isinstance(known.answer, FixedRows):
                return known, known.answer, axes
        return None

    def _learn(self, qnode: Any, given: Arguments, reading: Reading) -> Stays | None:
        """Find out what is done for a call, and keep it; if nothing can be kept, return why."""
        if sum(map(len, self._known.values())) >= MOST_STRUCTURES:
            if not self._is_full:
                self._is_full = True
                _log.warning("%s is slow from now on: %s", self.layer, _TOO_MANY)
            return Stays(_TOO_MANY)
        given = given.with_tensors(list(map(untransformed, given.tensors)))
        arguments = [tensor.detach() for tensor in given.tensors]
        with torch.no_grad(), Uses(reading.tensors) as uses:
            given.given_to(partial(self._eager, qnode), arguments)
        used = [number for number, tensor in enumerate(reading.tensors) if id(tensor) in uses.met]
        has_unknown = len(used) < len(uses.met)
        form = _form(given, reading)
        tensors = reading.tensors
        changes = self._fixed_before(form, reading)
        live = [one for one in used if one in changes or _is_live(tensors[one])]
        full = given.with_live([tensors[number] for number in live])
        full = full.with_tensors(list(map(untransformed, full.tensors)))
        axes = batch_axes(qnode, full)
        count = len(given.tensors)
        if any(axis is not None for axis in axes[count:]):
            axes = closed(full)  # data that is no argument: each batch size has a circuit
        self._axes[form] = axes[:count]
        for opened in (open_axes(full, axes), closed(full)):
            shapes = _shapes(given, opened[:count])
            alike = self._known.setdefault((form, shapes), [])
            known = next((known for known in alike if known.fits(reading)), None)
            if known is None:
                answer = (
                    Stays(_HIDDEN_WEIGHT) if has_unknown else self._compiled(qnode, full, opened)
                )
                fixed = [number for number in used if number not in live]
                known = _Known(
                    answer,
                    tuple(live),
                    tuple((number, fingerprint(tensors[number])) for number in fixed),
                )
                alike.append(known)
            if not isinstance(known.answer, FixedRows):
                break
        return None

    def _fixed_before(self, form: Hashable, reading: Reading) -> set[int]:
        """Return the tensors that were part of a circuit and have other numbers now."""
        return {
            number
            for (one, _), alike in self._known.items()
            if one == form
            for known in alike
            if not isinstance(known.answer, Stays)
            for number, numbers in known.fixed
            if reading.tensors[number].is_floating_point()
            and fingerprint(reading.tensors[number]) != numbers
        }

    def _compiled(self, qnode: Any, given: Arguments, axes: Axes) -> Compiled | Stays | FixedRows:
        if qnode.shots.total_shots:
            return Stays(_SHOTS)
        if qnode.diff_method == "spsa":
            return Stays(_ESTIMATES)
        is_trained = [tensor.requires_grad for tensor in given.tensors]
        given = with_rows(given, axes, 3)

        def run(qnode: Any, tensors: Sequence[Tensor]) -> list[Tensor]:
            return flatten(given.given_to(partial(self._eager, qnode), tensors))[0]

        tensors = [tensor.detach().clone() for tensor in given.tensors]
        versions = list(map(version_of, tensors))
        before = read_call(qnode, given)
        with torch.no_grad(), draws_noted() as draws:
            results = run(qnode, tensors)
        if draws:
            return Stays(f"it draws from {draws[0]}")
        if list(map(version_of, tensors)) != versions:
            return Stays("it writes into its arguments: write into a copy")
        after = read_call(qnode, given)
        if before is None or after is None or not before.is_same(after):
            return Stays(_CHANGES)
        if not all(isinstance(result, Tensor) for result in results):
            return Stays(_NO_TENSOR)
        dtypes = {tensor.dtype for tensor in tensors}
        is_narrow = not dtypes & {torch.float64, torch.complex128} and dtypes & {*_FLOATS}
        dtype = torch.float32 if is_narrow else torch.float64
        try:
            traced = trace_call(qnode, given, axes, dtype, [result.dtype for result in results])
            circuits = tuple(LiveCircuit(circuit, data) for circuit, data in traced.circuits)
            module = traced.with_circuits(circuits)
            # A TorchLayer puts a list of numbers side by side.
            joined = side_by_side(module) if isinstance(traced.nested, list) else None
            compiled = Compiled(module, traced.structure, circuits, joined)
            differs = difference(
                partial(run, qnode),
                partial(run, _differentiable(qnode)),
                lambda tensors: compiled.run(*tensors),
                [
                    one.requires_grad_(is_one)
                    for one, is_one in zip(tensors, is_trained, strict=True)
                ],
            )
        except FixedBatch:
            return FixedRows() if axes != closed(given) else Stays("its sizes follow the data")
        except DataBranchError as error:
            return Stays(f"Python code in it needs a number of a tensor: {error.place}")
        except (CaptureError, LoweringError) as error:
            return Stays(str(error))
        except Exception as error:  # the user's loop goes on, whatever the trace meets
            return Stays(f"it cannot be compiled: {type(error).__name__}: {first_line(error)}")
        return compiled if differs is None else Stays(differs)


class _Holder(nn.Module):
    """A QNode as a part of a module, whose state can be put back."""

    def __init__(self, qnode: Any) -> None:
        super().__init__()
        self.qnode = qnode


def _form(given: Arguments, reading: Reading) -> Hashable:
    """Return all of a call that a compiled one depends on but the shapes of its arguments."""
    return reading.key, tuple(
        (tensor.dim(), tensor.dtype, tensor.device) for tensor in given.tensors
    )


def _shapes(given: Arguments, axes: Axes) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the arguments, with -1 for an open axis."""
    return tuple(
        tuple(-1 if place == axis else length for place, length in enumerate(tensor.shape))
        for tensor, axis in zip(given.tensors, axes, strict=True)
    )


def _is_live(tensor: Tensor) -> bool:
    """Return whether a tensor that is no argument is likely to change, or too large to compare."""
    if tensor.requires_grad or untransformed(tensor) is not tensor:
        return True
    return tensor.numel() * tensor.element_size() > _MOST_BYTES


def _differentiable(qnode: Any) -> Any:
    """Return a QNode with the same results whose gradients torch computes, where that can be."""
    is_exact = qnode.diff_method in ("backprop", "best") and qnode.device.name == "default.qubit"
    if is_exact or not isinstance(qnode.diff_method, str | None):
        return qnode  # a gradient transform of the user's own is compared as it is
    if qnode.device.name in ("default.qubit", "default.mixed"):
        return qnode.update(diff_method="backprop")
    if qnode.device.name.startswith("lightning."):
        is_wide = len(qnode.device.wires or ()) > _MOST_WIRES_OF_BACKPROP
        if is_wide and qnode.diff_method in ("adjoint", "best"):
            return qnode
        device = qml.device("default.qubit", wires=qnode.device.wires)
        return qnode.update(device=device, diff_method="backprop")
    return qnode
