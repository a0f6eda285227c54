"""The structure around the tensors that a model returns, as a program of torch can have it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, TypeAlias

from torch import fx

from hybridx.capture import is_single, named_parts

Structure: TypeAlias = "int | tuple[Structure, ...] | list[Structure] | dict[str, Structure]"
"""Containers with the index of an output in the place of each tensor."""


def structure_of(returned: Any) -> Structure:
    """Return the structure of what a model returned.

    Dataclasses, distributions and other values with named parts become dicts, named tuples become
    tuples. What is not a tensor is left out.
    """
    found = _structure(returned, count())
    return () if found is None else found


def _structure(value: Any, numbers: Iterator[int]) -> Structure | None:
    if is_single(value):
        return next(numbers)
    parts = named_parts(value)
    if parts is not None and not isinstance(value, tuple):
        items = {str(name): _structure(item, numbers) for name, item in parts.items.items()}
        return {name: item for name, item in items.items() if item is not None}
    if isinstance(value, list | tuple):
        found = [one for item in value if (one := _structure(item, numbers)) is not None]
        return found if isinstance(value, list) else tuple(found)
    return None


def return_in(structure: Structure, module: fx.GraphModule) -> None:
    """Let a module of `splice` return its outputs in a structure."""
    output = module.graph.output_node()
    (flat,) = output.args
    output.args = (_filled(structure, flat),)
    module.recompile()


def _filled(structure: Structure, values: Any) -> Any:
    match structure:
        case int():
            return values[structure]
        case dict():
            return {name: _filled(one, values) for name, one in structure.items()}
        case _:
            return type(structure)(_filled(one, values) for one in structure)
