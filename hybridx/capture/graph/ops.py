"""The opaque torch operators that stand for a circuit in a traced graph.

    hybridx::qnode(angles, leaves, index, width, dtype, lengths)   a call
    hybridx::again(leaves, batch, index, width, dtype)             another call of a circuit
    hybridx::circuit(parameters, index, width)                     `(batch, P)` to `(batch, width)`
    hybridx::live(data, shared, index, width)                      `(batch, P)`, `(W,)` likewise
    hybridx::select(condition, yes, no, index)                     the results of one of two ways
    hybridx::derivative(angles, cotangents, index, order, width, dtype, lengths)
                                                                   a derivative of a call

The first two, and the last, appear while tracing. The third replaces them in a model that becomes a
file, and the fourth the first in one that is trained, where the weights of a circuit stay apart
from its data. `hybridx::select` appears while tracing a branch on data, whose number is its
`index`, and `merge_paths.py` replaces it. `angles` are tensors of shape `(batch,)` or `()`, one for
each angle of a gate. A tensor whose entry of `lengths` is not zero has a last axis of that length,
for example for the amplitudes of a state. `leaves` are the tensors that the QNode was called with,
`index` counts the circuits of one capture, `width` is the number of results M. A derivative takes
cotangents as well, and gives columns; see `derivative_slots`. None has an implementation: a traced
graph is translated, never run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("hybridx", "DEF")
# torch computes an operation on constants while it traces; this tag says that it must not.
_UNFOLDED = (torch.Tag.nondeterministic_seeded,)
_LIBRARY.define(
    "qnode(Tensor[] angles, Tensor[] leaves, int index, int width, ScalarType dtype, int[] lengths)"
    " -> Tensor",
    tags=_UNFOLDED,
)
_LIBRARY.define(
    "again(Tensor[] leaves, SymInt[] batch, int index, int width, ScalarType dtype) -> Tensor",
    tags=_UNFOLDED,
)
_LIBRARY.define(
    "derivative(Tensor[] angles, Tensor[] cotangents, int index, int order, int width,"
    " ScalarType dtype, int[] lengths) -> Tensor",
    tags=_UNFOLDED,
)
_LIBRARY.define("circuit(Tensor parameters, int index, int width) -> Tensor")
_LIBRARY.define("live(Tensor data, Tensor shared, int index, int width) -> Tensor")
_LIBRARY.define("select(Tensor condition, Tensor yes, Tensor no, int index) -> Tensor")

QNODE_OP = torch.ops.hybridx.qnode.default
AGAIN_OP = torch.ops.hybridx.again.default
CIRCUIT_OP = torch.ops.hybridx.circuit.default
LIVE_OP = torch.ops.hybridx.live.default
SELECT_OP = torch.ops.hybridx.select.default
DERIVATIVE_OP = torch.ops.hybridx.derivative.default


def derivative_slots(
    lengths: Sequence[int], width: int, order: int
) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    """Return the tensors that a derivative of a call takes, and those that it gives, in order.

    Each is the index of an angle, or None where the tensor is like the results. The columns of
    `hybridx::derivative` are those of the tensors that are given, side by side.

    Args:
        lengths: of the angles.
        width: M.
        order: how often the call was differentiated.
    """
    taken: tuple[int | None, ...] = tuple(range(len(lengths)))
    given: tuple[int | None, ...] = (None,)
    for _ in range(order):
        taken, given = taken + given, taken
    return taken, given


def slot_width(lengths: Sequence[int], width: int, slot: int | None) -> int:
    """Return how many columns a tensor of `derivative_slots` has."""
    return width if slot is None else lengths[slot] or 1


def batch_of(angles: Sequence[Tensor], lengths: Sequence[int]) -> tuple[Any, ...]:
    """Return `(batch,)`, or `()` where no angle of a call has a batch."""
    shapes = map(_batch, angles, lengths)
    return next((shape for shape in shapes if shape), ())


def _batch(angle: Tensor, length: int) -> tuple[Any, ...]:
    return tuple(angle.shape[:-1] if length else angle.shape)


@torch.library.register_fake("hybridx::qnode", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _qnode_shape(
    angles: list[Tensor],
    leaves: list[Tensor],
    index: int,
    width: int,
    dtype: torch.dtype,
    lengths: list[int],
) -> Tensor:
    return torch.empty((*batch_of(angles, lengths), width), dtype=dtype, device=_device(angles))


@torch.library.register_fake("hybridx::again", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _again_shape(
    leaves: list[Tensor], batch: list[int], index: int, width: int, dtype: torch.dtype
) -> Tensor:
    return torch.empty((*batch, width), dtype=dtype, device=_device(leaves))


@torch.library.register_fake("hybridx::derivative", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _derivative_shape(
    angles: list[Tensor],
    cotangents: list[Tensor],
    index: int,
    order: int,
    width: int,
    dtype: torch.dtype,
    lengths: list[int],
) -> Tensor:
    _, given = derivative_slots(lengths, width, order)
    count = sum(slot_width(lengths, width, slot) for slot in given)
    return torch.empty((*batch_of(angles, lengths), count), dtype=dtype, device=_device(angles))


@torch.library.register_fake("hybridx::circuit", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _circuit_shape(parameters: Tensor, index: int, width: int) -> Tensor:
    return parameters.new_empty((parameters.shape[0], width))


@torch.library.register_fake("hybridx::live", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _live_shape(data: Tensor, shared: Tensor, index: int, width: int) -> Tensor:
    return data.new_empty((data.shape[0], width))


@torch.library.register_fake("hybridx::select", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _select_shape(condition: Tensor, yes: Tensor, no: Tensor, index: int) -> Tensor:
    return torch.empty_like(yes)


def _device(tensors: Sequence[Tensor]) -> torch.device:
    return tensors[0].device if tensors else torch.device("cpu")


def call_on_rows(
    angles: Sequence[Tensor],
    has_rows: Sequence[bool],
    index: int,
    width: int,
    dtype: torch.dtype,
    lengths: Sequence[int],
) -> Tensor:
    """Call `hybridx::qnode` once for many calls that differ only in their angles.

    Args:
        angles: as one call takes them; those of `has_rows` with a leading row axis.
        has_rows: whether an angle differs between the calls.
        index: of the circuit.
        width: M.
        dtype: of the results.
        lengths: of each angle, as one call takes it.

    Returns:
        shape `(rows, batch, width)`, or `(rows, width)` where one call has no batch.
    """
    rows = next(a.shape[0] for a, has in zip(angles, has_rows, strict=True) if has)
    inner = [_batch(a, n)[has:] for a, n, has in zip(angles, lengths, has_rows, strict=True)]
    batch = next((shape[0] for shape in inner if shape), None)
    results: Tensor
    if batch is None:
        results = QNODE_OP(list(angles), [], index, width, dtype, lengths)
        return results
    spread = []
    for angle, has, shape, length in zip(angles, has_rows, inner, lengths, strict=True):
        wide = angle
        if has or shape:
            last = (length,) if length else ()
            wide = angle if has else angle.unsqueeze(0)
            wide = wide if shape else wide.unsqueeze(1)
            wide = wide.expand(rows, batch, *last).reshape(-1, *last)
        spread.append(wide)
    results = QNODE_OP(spread, [], index, width, dtype, lengths)
    return results.reshape(rows, batch, width)


@torch.library.register_vmap("hybridx::qnode", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _qnode_under_vmap(
    info: Any,
    in_dims: Any,
    angles: list[Tensor],
    leaves: list[Tensor],
    index: int,
    width: int,
    dtype: torch.dtype,
    lengths: list[int],
) -> tuple[Tensor, int]:
    rows = [
        angle if axis is None else angle.movedim(axis, 0)
        for angle, axis in zip(angles, in_dims[0], strict=True)
    ]
    has_rows = [axis is not None for axis in in_dims[0]]
    return call_on_rows(rows, has_rows, index, width, dtype, lengths), 0
