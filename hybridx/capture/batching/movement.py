"""Rules of operations that move elements and do not compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hybridx.capture.batching.batched import NoRowRule, Rows, in_dtype, pad_rank
from hybridx.capture.batching.rule import OperatorCall, axis_at, table

_aten = torch.ops.aten


def _same(call: OperatorCall) -> Any:
    """The rule of operations on the first argument alone that do not depend on axes."""
    return call.target(call.args[0].value, *call.args[1:], **call.kwargs)


def _reshape(call: OperatorCall) -> Rows:
    """The rule of operations that keep the order of the elements."""
    stored, shape = call.args[0].stored, call.shape
    is_batch = shape[:1] == (1,)
    kept = shape[1:] if is_batch else shape
    # If the shape does not change, insert no node.
    same = tuple(stored.shape[1:]) == kept
    return Rows(stored if same else stored.reshape(call.rows, *kept), is_batch)


def _select(call: OperatorCall) -> Any:
    source, axis = call.args[:2]
    if isinstance(source, Rows) and source.is_batch and axis % source.rank == 0:
        return Rows(source.stored)
    return axis_at(1)(call)


def _slice(call: OperatorCall) -> Any:
    source, axis = call.args[0], call.arg(1, 0)
    if source.is_batch and axis % source.rank == 0 and call.shape[0] == 1:
        return source
    return axis_at(1)(call)


def _unbind(call: OperatorCall) -> Any:
    source, axis = call.args[0], call.arg(1, 0)
    if source.is_batch and axis % source.rank == 0:
        return [Rows(source.stored)]
    return axis_at(1)(call)


def _expand(call: OperatorCall) -> Tensor:
    shape = call.shape
    return pad_rank(call.args[0], len(shape)).expand(call.rows, *shape)


def _copy(call: OperatorCall) -> Tensor:
    """The second argument in the shape and dtype of the first."""
    source, shape = call.args[1], call.shape
    if not isinstance(source, Rows):
        source = Rows(call.spread(source))
    wide = pad_rank(source, len(shape)).expand(call.rows, *shape)
    return in_dtype(wide, call.node.meta["val"].dtype)


def _repeat(call: OperatorCall) -> Tensor:
    repeats = call.args[1]
    return pad_rank(call.args[0], len(repeats)).repeat(1, *repeats)


def _permute(call: OperatorCall) -> Tensor:
    rank = call.rank(0)
    value: Tensor = call.args[0].value
    return value.permute(0, *(d % rank + 1 for d in call.args[1]))


def _transpose(call: OperatorCall) -> Tensor:
    rank = call.rank(0)
    first, second = call.args[1:] if len(call.args) == 3 else (0, 1)
    if rank < 2:
        return call.args[0].value  # type: ignore[no-any-return]
    return call.args[0].value.transpose(first % rank + 1, second % rank + 1)  # type: ignore[no-any-return]


def _cat(call: OperatorCall) -> Any:
    tensors = [t for t in call.args[0] if isinstance(t, Rows) or t.shape != (0,)]
    if len(tensors) == 1:
        return tensors[0]
    rank = len(call.shape)
    dim = call.kwargs.get("dim", call.arg(1, 0)) % rank + 1
    dtype = call.node.meta["val"].dtype
    return torch.cat([in_dtype(call.spread(t), dtype) for t in tensors], dim)


def _stack(call: OperatorCall) -> Any:
    dim = call.kwargs.get("dim", call.arg(1, 0)) % len(call.shape) + 1
    if dim == 1 and len(call.args[0]) == 1:
        return Rows(call.spread(call.args[0][0]), is_batch=True)
    return torch.stack([call.spread(t) for t in call.args[0]], dim)


def _row_numbers(call: OperatorCall, rank: int) -> Tensor:
    """Return the number of each row with `rank` further axes of length 1."""
    device = call.node.meta["val"].device
    return torch.arange(0, call.rows, device=device).reshape(-1, *[1] * rank)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _IndexedAxes:
    """The axes of a tensor that are indexed by tensors, seen from one row.

    Attributes:
        indices: one for each axis in `axes`.
        axes: in order.
        others: the other axes.
        rank: the number of axes that the indices have together.
        first: where these axes stand in the result.
    """

    indices: list[Rows | Tensor]
    axes: list[int]
    others: list[int]
    rank: int
    first: int

    @property
    def order(self) -> list[int]:
        """The axes with those that are indexed in front, which is how each rule computes."""
        return self.axes + self.others

    def aligned(self) -> list[Tensor]:
        """Return the indices, all with the row axis in front or none."""
        return [pad_rank(i, self.rank) if isinstance(i, Rows) else i for i in self.indices]


def _indexed_axes(call: OperatorCall) -> _IndexedAxes:
    indices = call.args[1]
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    chosen = [indices[axis] for axis in axes]
    if any(isinstance(index, Rows) and index.value.dtype is torch.bool for index in chosen):
        raise NoRowRule(f"{call.target} with a mask from the data")
    is_together = axes == list(range(axes[0], axes[-1] + 1))
    return _IndexedAxes(
        indices=chosen,
        axes=axes,
        others=[axis for axis in range(call.rank(0)) if axis not in axes],
        rank=max(i.rank if isinstance(i, Rows) else i.dim() for i in chosen),
        first=axes[0] if is_together else 0,
    )


def _permuted(tensor: Tensor, order: Sequence[int]) -> Tensor:
    """Return a tensor with its axes in an order, without a node if that is their order."""
    return tensor if list(order) == sorted(order) else tensor.permute(*order)


def _index(call: OperatorCall) -> Tensor:
    source, indices = call.args[:2]
    if not any(isinstance(index, Rows) for index in indices):
        return _aten.index.Tensor(source.value, [None, *indices])  # type: ignore[no-any-return]
    at = _indexed_axes(call)
    if isinstance(source, Rows):
        value = _permuted(source.value, [0, *(axis + 1 for axis in at.order)])
        found = _aten.index.Tensor(value, [_row_numbers(call, at.rank), *at.aligned()])
    else:
        found = _aten.index.Tensor(_permuted(source, at.order), at.aligned())
    behind = range(at.rank + 1, found.dim())
    ahead = behind[: at.first]
    order = [0, *ahead, *range(1, at.rank + 1), *behind[at.first :]]
    return _permuted(found, order)


def _index_put(call: OperatorCall) -> Tensor:
    target, _, values = call.args[:3]
    accumulate = call.arg(3, False)
    at = _indexed_axes(call)
    rank = at.rank + len(at.others)
    put = values if isinstance(values, Rows) else Rows(call.spread(values))
    wide = pad_rank(put, rank)
    chosen = range(at.first + 1, at.first + at.rank + 1)
    wide = _permuted(wide, [0, *chosen, *(a for a in range(1, rank + 1) if a not in chosen)])
    order = [0, *(axis + 1 for axis in at.order)]
    whole = _permuted(call.spread(target), order)
    places = [_row_numbers(call, at.rank), *at.aligned()]
    done = _aten.index_put.default(whole, places, wide, accumulate)
    return _permuted(done, [order.index(axis) for axis in range(len(order))])


def _index_select(call: OperatorCall) -> Tensor:
    source, dim, index = call.args[:3]
    if isinstance(index, Rows):
        axis = dim % call.rank(0)
        vector = index if index.rank else Rows(index.value.unsqueeze(1))
        gather = (source, [*[None] * axis, vector])
        return _index(replace(call, target=_aten.index.Tensor, args=gather))
    return _aten.index_select.default(source.value, dim % source.rank + 1, index)  # type: ignore[no-any-return]


def _embedding(call: OperatorCall) -> Tensor:
    call.alone(0)
    return call.target(call.args[0], call.args[1].value, *call.args[2:])  # type: ignore[no-any-return]


def _spread_all(call: OperatorCall) -> Any:
    """The rule of operations on several tensors along one axis, the second argument."""
    rank = max(call.rank(0), 1)
    args = [call.spread(a) if isinstance(a, Tensor | Rows) else a for a in call.args]
    args[1] = args[1] % rank + 1
    return call.target(*args, **call.kwargs)


def _scatter_slice(call: OperatorCall) -> Tensor:
    target, source = call.spread(call.args[0]), call.spread(call.args[1])
    dim = call.arg(2, 0) % call.rank(0) + 1
    return call.target(target, source, dim, *call.args[3:], **call.kwargs)  # type: ignore[no-any-return]


MOVEMENT = table(
    (_reshape, "view reshape _unsafe_view squeeze unsqueeze flatten unflatten"),
    (
        _same,
        "clone alias detach _to_copy contiguous lift_fresh_copy constant_pad_nd zeros_like "
        "ones_like full_like empty_like view_as_real view_as_complex real imag tril triu",
    ),
    (_select, "select"),
    (_slice, "slice"),
    (_unbind, "unbind"),
    (_expand, "expand"),
    (_repeat, "repeat"),
    (_copy, "copy"),
    (_permute, "permute"),
    (_transpose, "transpose t"),
    (axis_at(1), "flip"),
    (axis_at(2), "split split_with_sizes chunk roll"),
    (_cat, "cat"),
    (_stack, "stack"),
    (_index, "index"),
    (_index_put, "index_put"),
    (_index_select, "index_select"),
    (_embedding, "embedding"),
    (_spread_all, "gather scatter scatter_add"),
    (_scatter_slice, "select_scatter slice_scatter"),
)
