"""The calls of one QNode: each structure is traced, compared and kept, or stays eager."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from threading import RLock
from typing import Any, Final

import torch
from torch import Tensor, fx

from hybridx.acceleration.circuit import LiveCircuit
from hybridx.capture import Arguments, flatten, structure_key, tape_batch, trace_call, unflatten
from hybridx.errors import CaptureError, LoweringError

MOST_STRUCTURES: Final = 32
"""Circuits of one QNode that are compiled; a call with a further one stays eager."""

# Of the largest number: some roundings of the dtype for each of a thousand gates. A wrong rule is
# off by far more.
_TOLERANCE: Final = {torch.float32: 1e-4, torch.float64: 1e-9}
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


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
        self._known: dict[Hashable, Compiled | Stays] = {}
        self._batched: dict[tuple[int, ...], tuple[bool, ...] | None] = {}
        self._lock = RLock()

    def __deepcopy__(self, memo: Any) -> Calls:
        return self  # of a copy of the QNode the same is known

    def __reduce__(self) -> Any:
        return Calls, (self._eager, str(self.layer))  # what is loaded compiles its first calls

    def call(self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of the QNode."""
        given = Arguments(args, kwargs)
        batched = self._batched.get(_axes(given))
        known = None
        if batched is not None:
            known = self._known.get(structure_key(qnode, given, batched))
        if known is None:
            known = self._learn(qnode, given)
        if isinstance(known, Stays):
            return self._eager(qnode, *args, **kwargs)
        return unflatten(list(known.run(*given.tensors)), known.structure)

    def learn(self, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Compiled | Stays:
        """Compile a call, unless it is known, and compare it with PennyLane."""
        return self._learn(qnode, Arguments(args, kwargs))

    def _learn(self, qnode: Any, given: Arguments) -> Compiled | Stays:
        axes = _axes(given)
        with self._lock:
            if self._batched.get(axes) is None:
                self._batched[axes] = _batched(qnode, given)
            batched = self._batched[axes]
            if batched is None:
                return Stays("which arguments have a batch cannot be told")
            key = structure_key(qnode, given, batched)
            if key is None:
                return Stays("it reads what cannot be compared between calls")
            if key not in self._known:
                if len(self._known) >= MOST_STRUCTURES:
                    return Stays(f"it has more than {MOST_STRUCTURES} circuits")
                self._known[key] = self._compiled(qnode, given, batched)
            return self._known[key]

    def _compiled(self, qnode: Any, given: Arguments, batched: Sequence[bool]) -> Compiled | Stays:
        if qnode.shots.total_shots:
            return Stays("it samples shots")

        def eager(tensors: Sequence[Tensor]) -> list[Tensor]:
            return flatten(given.given_to(partial(self._eager, qnode), tensors))[0]

        tensors = [tensor.detach() for tensor in given.tensors]
        with torch.no_grad():
            results = eager(tensors)
        if not all(isinstance(result, Tensor) for result in results):
            return Stays("it returns what is no tensor")
        is_wide = any(tensor.dtype == torch.float64 for tensor in tensors)
        dtype = torch.float64 if is_wide else torch.float32
        try:
            traced = trace_call(qnode, given, batched, dtype, results[0].dtype)
            circuits = tuple(LiveCircuit(circuit, data) for circuit, data in traced.circuits)
        except (CaptureError, LoweringError) as error:
            return Stays(str(error))
        compiled = Compiled(traced.with_circuits(circuits), traced.structure, circuits)
        difference = _difference(eager, compiled.run, tensors, _TOLERANCE[dtype])
        return compiled if difference is None else Stays(difference)


def _axes(given: Arguments) -> tuple[int, ...]:
    return tuple(tensor.dim() for tensor in given.tensors)


def _batched(qnode: Any, given: Arguments) -> tuple[bool, ...] | None:
    """Return for each tensor among the arguments whether its first axis is the batch."""
    tensors = given.tensors

    def batch_with(longer: Sequence[int]) -> int | None:
        tried = [
            torch.cat([one, one[-1:]]).detach() if place in longer else one
            for place, one in enumerate(tensors)
        ]
        try:
            return tape_batch(qnode, given, tried)
        except Exception:  # the user's own function and PennyLane's templates may raise anything
            return None

    batch = tape_batch(qnode, given, tensors)
    if batch is None:
        return (False,) * len(tensors)
    candidates = [place for place, one in enumerate(tensors) if one.dim() and len(one) == batch]
    for some in _subsets(candidates):
        if batch_with(some) == batch + 1:
            return tuple(place in some for place in range(len(tensors)))
    return None


def _subsets(places: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for count in range(1, len(places) + 1):
        yield from combinations(places, count)


def _difference(
    eager: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    compiled: Callable[..., Sequence[Tensor]],
    tensors: Sequence[Tensor],
    tolerance: float,
) -> str | None:
    """Return in words how values or gradients differ from PennyLane's in float64, or None.

    Args:
        eager: runs PennyLane.
        compiled: what is to take its place.
        tensors: the arguments of both.
        tolerance: as a part of the largest number that is compared.
    """
    doubles = [tensor.double() if tensor.dtype in _FLOATS else tensor for tensor in tensors]
    with torch.enable_grad():
        if any(result.requires_grad for result in eager(doubles)):
            return "a weight reaches it otherwise than as an argument"
        values, slopes = _values_and_slopes(eager, doubles)
        found, others = _values_and_slopes(lambda given: compiled(*given), tensors)
    for name, left, right in (("values", values, found), ("gradients", slopes, others)):
        for one, two in zip(left, right, strict=True):
            scale = max(1.0, float(one.detach().abs().max())) if one.numel() else 1.0
            wide = two.to(one.dtype)
            if one.shape != two.shape or not torch.allclose(
                wide, one, rtol=0, atol=tolerance * scale
            ):
                return f"its {name} differ from PennyLane's"
    return None


def _values_and_slopes(
    function: Callable[[Sequence[Tensor]], Sequence[Tensor]], tensors: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the results, and the gradients of a sum of all of them with different weights."""
    given = [tensor.clone().requires_grad_(tensor.is_floating_point()) for tensor in tensors]
    results = list(function(given))
    total = torch.zeros((), dtype=torch.float64)
    for place, result in enumerate(results):
        real = torch.view_as_real(result) if result.is_complex() else result
        weights = torch.cos(torch.arange(real.numel(), dtype=torch.float64) + place)
        total = total + (real.reshape(-1).double() * weights).sum()
    floats = [one for one in given if one.requires_grad]
    if not floats or not total.requires_grad:
        return results, [torch.zeros_like(one) for one in floats]
    slopes = torch.autograd.grad(total, floats, allow_unused=True)
    return results, [
        torch.zeros_like(one) if slope is None else slope
        for one, slope in zip(floats, slopes, strict=True)
    ]
