"""Flatten what a model returns, and name the outputs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import Tensor
from torch.distributions import Distribution

from hybridx.capture.model.structures import as_tensor, holds_tensor, is_single, named_parts
from hybridx.errors import UnorderedOutputError


def named_tensors(
    returned: Any, taken: Collection[str] = ()
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the tensors that a model returned, by name, and sentences on all other values.

    A name is the keys and fields that lead to the tensor, joined by `_`. Items of lists and tuples
    are numbered if there are several. A single tensor is `output`.

    Args:
        returned: tensors in lists, tuples and what `named_parts` takes apart.
        taken: names that belong to inputs.

    Raises:
        UnorderedOutputError: tensors are in a set.

    Example:
        >>> import torch
        >>> one = torch.zeros(1)
        >>> list(named_tensors({"logits": one, "parts": [one, (one, None)]})[0])
        ['logits', 'parts_0', 'parts_1']
        >>> list(named_tensors((one, {"hidden": one}))[0])
        ['output_0', 'output_1_hidden']
    """
    found: list[tuple[str, Tensor]] = []
    remarks: list[str] = []
    _collect(returned, "", found, remarks)
    named: dict[str, Tensor] = {}
    for name, tensor in found:
        named[free_name(name, {*taken, *named})] = tensor
    return named, tuple(dict.fromkeys(remarks))


def free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number appended if it is taken."""
    number, free = 1, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _collect(value: Any, name: str, found: list[tuple[str, Tensor]], remarks: list[str]) -> None:
    if is_single(value):
        found.append((name or "output", as_tensor(value)))
        return
    if isinstance(value, set | frozenset) and holds_tensor(value):
        raise UnorderedOutputError(name or "output")
    parts = named_parts(value)
    if parts is not None:
        inside = [(_joined(name, key), item) for key, item in parts.items.items()]
    elif isinstance(value, list | tuple):
        inside = _numbered(value, name)
    else:
        kind = "None" if value is None else f"a value of type {type(value).__name__}"
        remarks.append(f"output {name or 'output'!r} is left out: it is {kind}, no tensor")
        return
    before = len(found)
    for key, item in inside:
        _collect(item, key, found, remarks)
    if isinstance(value, Distribution):
        names = ", ".join(repr(key) for key, _ in found[before:]) or "nothing"
        kind = type(value).__name__
        remarks.append(
            f"output {name or 'output'!r} is a {kind} distribution: it leaves as {names}"
        )


def _joined(name: str, key: Any) -> str:
    return f"{name}_{key}" if name and key != "" else name or str(key)


def _numbered(value: Any, name: str) -> list[tuple[str, Any]]:
    """Return the items of nested lists and tuples with their names, in order."""
    items = _unnested(value)
    several = sum(map(holds_tensor, items)) > 1
    inside = []
    count = 0
    for item in items:
        is_counted = several and holds_tensor(item)
        inside.append((f"{name or 'output'}_{count}" if is_counted else name, item))
        count += is_counted
    return inside


def _unnested(value: Any) -> list[Any]:
    """Return the items of nested lists and tuples, in order."""
    if isinstance(value, list | tuple) and named_parts(value) is None:
        return [leaf for item in value for leaf in _unnested(item)]
    return [value]
