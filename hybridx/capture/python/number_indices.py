"""Index a tensor by numbers that are tensors without axes, such as an argmax or a token.

torch reads such a number to select by it, and a traced one has no value. Here it goes into the
graph as the index of a gather, which a batch follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hybridx.capture.torch_internals import is_fake

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8)
_aten = torch.ops.aten


def holds_number(key: Any) -> bool:
    """Return whether a key of `tensor[key]` has a traced number in it."""
    return any(map(_is_number, key if isinstance(key, tuple) else (key,)))


def get_item(tensor: Tensor, key: Any, value_of: Callable[[Tensor], Any]) -> Tensor:
    """Return `tensor[key]`.

    Args:
        tensor: any tensor.
        key: what Python passes, with a traced number in it.
        value_of: returns the value of a traced tensor, or None if it depends on the inputs.
    """
    parts = _parts(tensor, key, value_of)
    indices: list[Tensor | None] = []
    for part in parts:
        indices += [part] if _is_number(part) else [None] * _axes_of(part)
    rest = tuple(part for part in parts if not _is_number(part))
    if any(index is not None for index in indices):
        while indices[-1] is None:
            indices.pop()
        # torch 2.13 does not find the strides where an index has no axes (sizes 3 and 4, axis 0).
        vectors = [None if index is None else index.reshape(1) for index in indices]
        first = next(n for n, index in enumerate(indices) if index is not None)
        is_together = None not in indices[first:]
        tensor = _aten.index.Tensor(tensor, vectors).squeeze(first if is_together else 0)
    is_whole = all(isinstance(part, slice) and part == slice(None) for part in rest)
    return tensor if is_whole else tensor[rest]


def set_item(tensor: Tensor, key: Any, value: Any, value_of: Callable[[Tensor], Any]) -> None:
    """Do `tensor[key] = value`, with a traced number in the key."""
    parts = _parts(tensor, key, value_of)
    if any(isinstance(part, Tensor | list | bool) and not _is_number(part) for part in parts):
        tensor[tuple(parts)] = value  # torch itself cannot mix these with traced numbers either
        return
    view = tensor[tuple(slice(None) if _is_number(part) else part for part in parts)]
    left = [part for part in parts if not isinstance(part, int)]
    indices = [part if _is_number(part) else None for part in left]
    while indices and indices[-1] is None:
        indices.pop()
    if not isinstance(value, Tensor):
        value = torch.full((), value, dtype=tensor.dtype)
    if indices:
        _aten.index_put_.default(view, indices, value.to(tensor.dtype))
    else:
        view.copy_(value)


def _is_number(part: Any) -> bool:
    return is_fake(part) and part.dim() == 0 and part.dtype in _INTEGERS


def _parts(tensor: Tensor, key: Any, value_of: Callable[[Tensor], Any]) -> list[Any]:
    """Return the parts of a key without an ellipsis, and known numbers as integers."""
    parts = []
    for part in key if isinstance(key, tuple) else (key,):
        value = value_of(part) if _is_number(part) else None
        parts.append(part if value is None else int(value))
    place = next((n for n, part in enumerate(parts) if part is Ellipsis), None)
    if place is not None:
        missing = tensor.dim() - sum(map(_axes_of, parts))
        parts[place : place + 1] = [slice(None)] * missing
    return parts


def _axes_of(part: Any) -> int:
    """Return how many axes of the tensor a part of a key stands for."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    is_mask = isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8)
    return part.dim() if is_mask else 1
