"""Rules of operations that move elements and do not compute."""

from __future__ import annotations

from collections.abc import Sequence
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


def _row_indices(call: OperatorCall, indices: Sequence[Any]) -> list[Any]:
    """Return indices into `(rows, …)` for indices into one row."""
    if not any(isinstance(index, Rows) for index in indices):
        return [None, *indices]
    if any(index is None for index in indices):
        raise NoRowRule(f"{call.target} with indices from the data on some axes only")
    rank = max(i.rank if isinstance(i, Rows) else i.dim() for i in indices)
    numbers = _row_numbers(call, rank)
    return [numbers, *(pad_rank(i, rank) if isinstance(i, Rows) else i for i in indices)]


def _index(call: OperatorCall) -> Tensor:
    source, indices = call.args[:2]
    if not isinstance(source, Rows):
        # Only the indices differ: the result has their axes first.
        if indices[0] is None or any(index is None for index in indices[1:]):
            raise NoRowRule(f"{call.target} with indices from the data on some axes only")
        rank = max(i.rank if isinstance(i, Rows) else i.dim() for i in indices)
        plain = [pad_rank(i, rank) if isinstance(i, Rows) else i for i in indices]
        return _aten.index.Tensor(source, plain)  # type: ignore[no-any-return]
    return _aten.index.Tensor(source.value, _row_indices(call, indices))  # type: ignore[no-any-return]


def _index_put(call: OperatorCall) -> Tensor:
    target, indices, values = call.args[:3]
    accumulate = call.arg(3, False)
    at = _row_indices(call, indices)
    put = call.spread(values)
    rank = max(i.rank if isinstance(i, Rows) else i.dim() for i in indices if i is not None)
    rank += call.rank(0) - len(indices)
    if values.rank if isinstance(values, Rows) else values.dim():
        put = pad_rank(Rows(put), rank)
    else:
        put = put.reshape(-1, *[1] * rank)
    return torch.ops.aten.index_put.default(call.spread(target), at, put, accumulate)  # type: ignore[no-any-return]


def _index_select(call: OperatorCall) -> Tensor:
    source, dim, index = call.args[:3]
    if isinstance(index, Rows):
        if isinstance(source, Rows) or dim % source.dim():
            raise NoRowRule(f"{call.target} with an index from the data")
        return source[index.value]  # type: ignore[no-any-return]
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
