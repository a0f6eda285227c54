"""Operators of ONNX that move data: shapes, slices, indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridx.rebuild.arithmetic import Operator
from hybridx.rebuild.known import axes_of, shape, size, slices
from hybridx.rebuild.values import (
    DTYPES,
    Node,
    Unrestorable,
    integer,
    integers,
    is_known,
    tensor,
    tensors,
)

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
_PADDINGS = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _reshape(node: Node, values: Sequence[Any]) -> Tensor:
    x, lengths = tensor(values[0]), integers(values[1])
    if not node.attribute("allowzero", 0):
        lengths = [
            x.shape[axis] if isinstance(length, int) and length == 0 else length
            for axis, length in enumerate(lengths)
        ]
    return torch.reshape(x, lengths)


def _flatten(node: Node, values: Sequence[Any]) -> Tensor:
    x, axis = tensor(values[0]), node.attribute("axis", 1)
    return torch.flatten(x, axis) if axis == 1 else x.reshape(x.shape[:axis].numel(), -1)


def _expand(node: Node, values: Sequence[Any]) -> Tensor:
    x, lengths = tensor(values[0]), integers(values[1])
    # Either side may have the 1 that is stretched.
    for back in range(1, min(x.ndim, len(lengths)) + 1):
        if isinstance(lengths[-back], int) and lengths[-back] == 1:
            lengths[-back] = x.shape[-back]
    return x.expand([*x.shape[: max(0, x.ndim - len(lengths))], *lengths])


def _squeeze(node: Node, values: Sequence[Any]) -> Tensor:
    x, axes = tensor(values[0]), axes_of(node, values)
    return torch.squeeze(x) if axes is None else torch.squeeze(x, tuple(axes))


def _unsqueeze(node: Node, values: Sequence[Any]) -> Tensor:
    x, axes = tensor(values[0]), axes_of(node, values) or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = torch.unsqueeze(x, axis)
    return x


def _transpose(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    return x.permute(node.attribute("perm") or [*range(x.ndim)][::-1])


def _concat(node: Node, values: Sequence[Any]) -> Tensor:
    return torch.cat(tensors(*values), node.attribute("axis"))


def _split(node: Node, values: Sequence[Any]) -> tuple[Tensor, ...]:
    x, axis = tensor(values[0]), node.attribute("axis", 0)
    if len(values) > 1 and values[1] is not None:
        return torch.split(x, integers(values[1]), axis)
    return torch.split(x, -(-x.shape[axis] // node.outputs), axis)


def _slice(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    for axis, part in enumerate(slices(values, x.ndim)):
        if part == slice(None):
            continue
        if isinstance(part.step, int) and part.step < 0:
            places = range(*part.indices(x.shape[axis]))
            x = torch.index_select(x, axis, torch.tensor([*places], device=x.device))
        else:
            x = x[(slice(None),) * axis + (part,)]
    return x


def _gather(node: Node, values: Sequence[Any]) -> Tensor:
    x, index = tensor(values[0]), values[1]
    axis = node.attribute("axis", 0) % x.ndim
    if is_known(index) and index.ndim == 0:
        return torch.select(x, axis, integer(index))
    return x[(slice(None),) * axis + (tensor(index, x).long(),)]


def _counted(index: Tensor, length: Any) -> Tensor:
    """Return indices of which none counts from the end."""
    return torch.where(index < 0, index + length, index)


def _gather_elements(node: Node, values: Sequence[Any]) -> Tensor:
    x, index = tensors(*values)
    axis = node.attribute("axis", 0)
    return torch.gather(x, axis, _counted(index.long(), x.shape[axis]))


def _places(index: Tensor, batch: int) -> tuple[Tensor, ...]:
    """Return the index of each axis, of which the first ones are those of the batch."""
    found = []
    for axis in range(batch):
        lengths = [1] * (index.ndim - 1)
        lengths[axis] = index.shape[axis]
        found.append(torch.arange(index.shape[axis], device=index.device).reshape(lengths))
    return (*found, *index.long().unbind(-1))


def _gather_nd(node: Node, values: Sequence[Any]) -> Tensor:
    x, index = tensors(*values)
    return x[_places(index, node.attribute("batch_dims", 0))]


def _scatter_nd(node: Node, values: Sequence[Any]) -> Tensor:
    x, index, updates = tensors(*values)
    reduction = node.attribute("reduction", "none")
    if reduction not in ("none", "add"):
        raise Unrestorable(f"the reduction {reduction}")
    return torch.index_put(x, _places(index, 0), updates, accumulate=reduction == "add")


def _scatter_elements(node: Node, values: Sequence[Any]) -> Tensor:
    x, index, updates = tensors(*values)
    axis, reduction = node.attribute("axis", 0), node.attribute("reduction", "none")
    places = _counted(index.long(), x.shape[axis])
    if reduction == "none":
        return torch.scatter(x, axis, places, updates)
    return torch.scatter_reduce(x, axis, places, updates, _REDUCTIONS[reduction])


def _pad(node: Node, values: Sequence[Any]) -> Tensor:
    x, widths = tensor(values[0]), integers(values[1])
    axes = integers(values[3]) if len(values) > 3 and values[3] is not None else range(x.ndim)
    both: list[Any] = [0] * (2 * x.ndim)
    for place, axis in enumerate(axes):
        back = 2 * (x.ndim - 1 - axis % x.ndim)
        both[back], both[back + 1] = widths[place], widths[len(widths) // 2 + place]
    mode = node.attribute("mode", "constant")
    if mode != "constant":
        # torch pads the last axes only, and wants no zeros for the others.
        while both[-2:] == [0, 0]:
            both = both[:-2]
        return nn.functional.pad(x, both, _PADDINGS[mode]) if both else x
    fill = values[2] if len(values) > 2 else None
    if fill is None or is_known(fill):
        return nn.functional.pad(x, both, value=0 if fill is None else integer(fill))
    if x.dtype == torch.bool:
        return nn.functional.pad(x.to(torch.uint8), both, value=int(fill)).to(torch.bool)
    # The filling may be a tensor with a gradient: it is put where a mask says so.
    mask = nn.functional.pad(torch.ones_like(x, dtype=torch.uint8), both)
    return torch.where(mask.to(torch.bool), nn.functional.pad(x, both), tensor(fill, x))


def _constant_of_shape(node: Node, values: Sequence[Any]) -> Tensor:
    value = node.attribute("value", np.zeros(1, np.float32)).reshape(-1)
    dtype = torch.from_numpy(np.zeros(1, value.dtype)).dtype
    return torch.full(integers(values[0]), value[0].item(), dtype=dtype, device=_device(values))


def _device(values: Sequence[Any]) -> torch.device | None:
    return next((value.device for value in values if isinstance(value, Tensor)), None)


def _range(node: Node, values: Sequence[Any]) -> Tensor:
    if all(is_known(value) for value in values):
        start, limit, delta = map(integer, values)
        return torch.arange(start, limit, delta, dtype=torch.int64)
    start, limit, delta = (integer(value) if is_known(value) else value.item() for value in values)
    given = next(value for value in values if isinstance(value, Tensor))
    return torch.arange(start, limit, delta, dtype=given.dtype, device=given.device)


def _eye_like(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    dtype = DTYPES[node.attribute("dtype")] if node.attribute("dtype") else x.dtype
    rows = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    columns = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
    return torch.eq(columns - rows, node.attribute("k", 0)).to(dtype)


def _triangle(node: Node, values: Sequence[Any]) -> Tensor:
    k = integer(values[1]) if len(values) > 1 and values[1] is not None else 0
    x = tensor(values[0])
    return torch.triu(x, k) if node.attribute("upper", 1) else torch.tril(x, k)


def _one_hot(node: Node, values: Sequence[Any]) -> Tensor:
    index, depth = tensor(values[0]).long(), integer(values[1])
    off, on = tensor(values[2]).unbind()
    axis = node.attribute("axis", -1)
    classes = torch.arange(depth, device=index.device)
    hot = _counted(index, depth).unsqueeze(-1) == classes
    return torch.where(hot.movedim(-1, axis), on, off)


def _depth_to_space(node: Node, values: Sequence[Any]) -> Tensor:
    x, block = tensor(values[0]), node.attribute("blocksize")
    if node.attribute("mode", "DCR") == "CRD":
        return nn.functional.pixel_shuffle(x, block)
    batch, channels, height, width = x.shape
    parts = x.reshape(batch, block, block, channels // block**2, height, width)
    moved = parts.permute(0, 3, 4, 1, 5, 2)
    return moved.reshape(batch, channels // block**2, height * block, width * block)


OPERATORS: Mapping[str, Operator] = {
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "EyeLike": _eye_like,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": lambda node, values: torch.nonzero(tensor(values[0])).permute(1, 0),
    "OneHot": _one_hot,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Shape": shape,
    "Size": size,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": lambda node, values: torch.tile(tensor(values[0]), integers(values[1])),
    "Transpose": _transpose,
    "Trilu": _triangle,
    "Unsqueeze": _unsqueeze,
}
"""The torch operator of each operator of ONNX that moves data."""
