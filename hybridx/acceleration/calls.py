"""The calls of one QNode: each structure is traced, compared and kept, or stays eager."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any, Final

import pennylane as qml
import torch
from torch import Tensor, fx, nn

from hybridx.acceleration.batch import Axes, batch_axes, closed, open_axes, with_rows
from hybridx.acceleration.circuit import LiveCircuit
from hybridx.acceleration.comparison import difference
from hybridx.capture import (
    Arguments,
    FixedBatch,
    draws_noted,
    flatten,
    outside_transforms,
    structure_key,
    trace_call,
    unchanged,
    unflatten,
    untransformed,
    version_of,
)
from hybridx.errors import CaptureError, DataBranchError, LoweringError, first_line

MOST_STRUCTURES: Final = 32
"""Circuits of one QNode that are compiled; a call with a further one stays eager."""

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.complex64)


class FixedRows:
    """A call that is compiled for each batch size by itself."""


@dataclass(frozen=True)
class Stays:
    """Why calls stay eager."""

    reason: str


@dataclass(frozen=True)
class Compiled:
    """A traced call, with compiled circuits.

    Attributes:
        run: from the tensors among the arguments to those among the results.
        structure: how the results are nested.
        circuits: that it runs.
    """

    run: fx.GraphModule
    structure: Any
    circuits: tuple[LiveCircuit, ...]


class Calls:
    """What is known of a QNode's calls.

    Args:
        eager: `QNode.__call__`.
        layer: where the QNode stands, in the user's words.
    """

    def __init__(self, eager: Any, layer: str) -> None:
        self._eager = eager
        self.layer = layer
        self._known: dict[Hashable, Compiled | Stays | FixedRows] = {}
        self._axes: dict[tuple[int, ...], Axes] = {}
        self._lock = RLock()

    def __deepcopy__(self, memo: Any) -> Calls:
        return self  # of a copy of the QNode the same is known

    def __reduce__(self) -> Any:
        return Calls, (self._eager, str(self.layer))  # what is loaded compiles its first calls

    def call(self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of the QNode."""
        given = Arguments(args, kwargs)
        known = None
        axes = self._axes.get(_dims(given))
        if axes is not None:
            known = self._known.get(structure_key(qnode, given, open_axes(given, axes)))
            if isinstance(known, FixedRows):
                known = self._known.get(structure_key(qnode, given, closed(given)))
        if known is None:
            known = self._learn(qnode, given)
        if isinstance(known, Compiled):
            return unflatten(list(known.run(*given.tensors)), known.structure)
        return self._eager(qnode, *args, **kwargs)

    def learn(self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Compiled | Stays:
        """Compile a call, unless it is known, and compare it with PennyLane."""
        given = Arguments(args, kwargs)
        found = self._learn(qnode, given)
        axes = self._axes[_dims(given)]
        if isinstance(found, Compiled) and axes != open_axes(given, axes):
            self._learn(qnode, with_rows(given, axes, 2))  # the example has one row: more will come
        return found

    def _learn(self, qnode: Any, given: Arguments) -> Compiled | Stays:
        given = given.with_tensors(list(map(untransformed, given.tensors)))
        caught = warnings.catch_warnings()
        with self._lock, caught, outside_transforms(), unchanged(_Holder(qnode)):
            dims = _dims(given)
            if dims not in self._axes:
                self._axes[dims] = batch_axes(qnode, given)
            for axes in (open_axes(given, self._axes[dims]), closed(given)):
                key = structure_key(qnode, given, axes)
                if key is None:
                    return Stays("it reads what cannot be compared between calls")
                if key not in self._known:
                    if len(self._known) >= MOST_STRUCTURES:
                        return Stays(f"it has more than {MOST_STRUCTURES} circuits")
                    self._known[key] = self._compiled(qnode, given, axes)
                known = self._known[key]
                if not isinstance(known, FixedRows):
                    return known
        raise AssertionError(axes)  # one batch size alone can always be compiled, or stays eager

    def _compiled(self, qnode: Any, given: Arguments, axes: Axes) -> Compiled | Stays | FixedRows:
        if qnode.shots.total_shots:
            return Stays("it samples shots")
        given = with_rows(given, axes, 3)

        def run(qnode: Any, tensors: Sequence[Tensor]) -> list[Tensor]:
            return flatten(given.given_to(partial(self._eager, qnode), tensors))[0]

        tensors = [tensor.detach().clone() for tensor in given.tensors]
        versions = list(map(version_of, tensors))
        key = structure_key(qnode, given, axes)
        with torch.no_grad(), draws_noted() as draws:
            results = run(qnode, tensors)
        if draws:
            return Stays(f"it draws from {draws[0]}")
        if list(map(version_of, tensors)) != versions:
            return Stays("it writes into its arguments")
        if key != structure_key(qnode, given, axes):
            return Stays("it changes what it reads")
        if not all(isinstance(result, Tensor) for result in results):
            return Stays("it returns what is no tensor")
        with torch.enable_grad():
            if any(result.requires_grad for result in run(qnode, tensors)):
                return Stays("a weight reaches it otherwise than as an argument")
        dtypes = {tensor.dtype for tensor in tensors}
        is_narrow = not dtypes & {torch.float64, torch.complex128} and dtypes & {*_FLOATS}
        dtype = torch.float32 if is_narrow else torch.float64
        try:
            traced = trace_call(qnode, given, axes, dtype, results[0].dtype.to_real())
            circuits = tuple(LiveCircuit(circuit, data) for circuit, data in traced.circuits)
            compiled = Compiled(traced.with_circuits(circuits), traced.structure, circuits)
            differs = difference(
                partial(run, qnode),
                partial(run, _differentiable(qnode)),
                lambda tensors: compiled.run(*tensors),
                tensors,
            )
        except FixedBatch:
            return FixedRows() if axes != closed(given) else Stays("its sizes follow the data")
        except DataBranchError as error:
            return Stays(f"Python code in it needs a number of a tensor: {error.place}")
        except (CaptureError, LoweringError) as error:
            return Stays(str(error))
        except Exception as error:  # the user's loop goes on, whatever the trace meets
            return Stays(f"it cannot be traced: {type(error).__name__}: {first_line(error)}")
        return compiled if differs is None else Stays(differs)


class _Holder(nn.Module):
    """A QNode as a part of a module, whose state can be put back."""

    def __init__(self, qnode: Any) -> None:
        super().__init__()
        self.qnode = qnode


def _dims(given: Arguments) -> tuple[int, ...]:
    return tuple(tensor.dim() for tensor in given.tensors)


def _differentiable(qnode: Any) -> Any:
    """Return a QNode with the same results whose gradients torch computes, where that can be."""
    if qnode.diff_method in ("backprop", "best") and qnode.device.name == "default.qubit":
        return qnode
    if qnode.device.name in ("default.qubit", "default.mixed"):
        return qnode.update(diff_method="backprop")
    if qnode.device.name.startswith("lightning."):
        device = qml.device("default.qubit", wires=qnode.device.wires)
        return qnode.update(device=device, diff_method="backprop")
    return qnode
