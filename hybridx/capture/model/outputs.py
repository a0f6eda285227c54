"""Flatten what a model returns, and name the outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor


def named_tensors(
    returned: Any, taken: Collection[str] = ()
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the tensors that a model returned, by name, and sentences on all other values.

    A name is the keys and fields that lead to the tensor, joined by `_`. Items of lists and tuples
    are numbered if there are several. A single tensor is `output`.

    Args:
        returned: tensors in dicts, named tuples, dataclasses, lists and tuples.
        taken: names that belong to inputs.

    Example:
        >>> import torch
        >>> one = torch.zeros(1)
        >>> list(named_tensors({"logits": one, "parts": [one, (one, None)]})[0])
        ['logits', 'parts_0', 'parts_1']
        >>> list(named_tensors((one, {"hidden": one}))[0])
        ['output_0', 'output_1_hidden']
    """
    found: list[tuple[str, Tensor]] = []
    left_out: list[str] = []
    _collect(returned, "", found, left_out)
    named: dict[str, Tensor] = {}
    for name, tensor in found:
        named[free_name(name, {*taken, *named})] = tensor
    return named, tuple(dict.fromkeys(left_out))


def free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number appended if it is taken."""
    number, free = 1, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _collect(value: Any, name: str, found: list[tuple[str, Tensor]], left_out: list[str]) -> None:
    fields = _fields(value)
    if isinstance(value, Tensor):
        found.append((name or "output", value))
    elif fields is not None:
        for key, item in fields.items():
            _collect(item, f"{name}_{key}" if name else str(key), found, left_out)
    elif isinstance(value, list | tuple):
        items = _unnested(value)
        several = sum(map(_holds_tensor, items)) > 1
        count = 0
        for item in items:
            is_counted = several and _holds_tensor(item)
            _collect(item, f"{name or 'output'}_{count}" if is_counted else name, found, left_out)
            count += is_counted
    else:
        kind = "None" if value is None else f"a value of type {type(value).__name__}"
        left_out.append(f"output {name or 'output'!r} is left out: it is {kind}, no tensor")


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """Return the named parts of a dict, named tuple or dataclass."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _unnested(value: Any) -> list[Any]:
    """Return the items of nested lists and tuples, in order."""
    if isinstance(value, list | tuple) and _fields(value) is None:
        return [leaf for item in value for leaf in _unnested(item)]
    return [value]


def _holds_tensor(value: Any) -> bool:
    fields = _fields(value)
    if fields is not None:
        return any(map(_holds_tensor, fields.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_tensor, value))
    return isinstance(value, Tensor)
