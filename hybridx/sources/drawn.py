"""Numbers for the example inputs of `--shape`: which an integer input may have, and the draw.

An integer input often chooses rows of a table, and the table's length bounds it. To find such
bounds, the eager model is run with zeros and then with ones, and the indices that its operators get
are compared: they follow the input as `offset + step * number`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor, nn

from hybridx.capture import (
    Flat,
    as_exported,
    describe_call,
    eagerly,
    is_whole,
    one_thread,
    operators_noted,
    read_model,
)
from hybridx.errors import ShapeError

_RANGE = re.compile(r"(?:(\w+)=)?(-?\d{1,20}):(-?\d{1,20})")


@dataclass(frozen=True)
class Range:
    """The whole numbers that an input may have.

    Attributes:
        low: the smallest.
        high: the largest.
        why: a phrase on how this is known.
    """

    low: int
    high: int
    why: str


def read_ranges(texts: Sequence[str], inputs: Mapping[str, Tensor]) -> dict[str, Range]:
    """Return the ranges that are given for inputs, each as `NAME=LOW:HIGH` without HIGH.

    Raises:
        ShapeError: a text cannot be read, or is of no integer input.
    """
    ranges: dict[str, Range] = {}
    for text in texts:
        matched = _RANGE.fullmatch(text.replace(" ", ""))
        if matched is None:
            raise ShapeError("--range", text, "it cannot be read", _SYNTAX)
        whole = [name for name, tensor in inputs.items() if is_whole(tensor)]
        name = matched[1] or (whole[0] if len(whole) == 1 else "")
        if name not in whole:
            reason = f"{name or 'the input'} is not one of the integer inputs: "
            advice = "name one of these, or give its dtype with --shape, such as ids=N,12:int64"
            raise ShapeError("--range", text, reason + (", ".join(whole) or "none"), advice)
        low, high = int(matched[2]), int(matched[3]) - 1
        limits = torch.iinfo(inputs[name].dtype)
        if not limits.min <= low <= high <= limits.max:
            reason = f"{low} to {high} are no numbers of {name}"
            raise ShapeError("--range", text, reason, _SYNTAX)
        ranges[name] = Range(low, high, "as --range says")
    return ranges


_SYNTAX = "write NAME=LOW:HIGH, such as ids=0:100 for the numbers from 0 to 99"


def find_ranges(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], dtype: str
) -> dict[str, Range]:
    """Return, by input, the numbers that the eager model takes; unknown ones are left out.

    Args:
        model: any model.
        args: example arguments.
        kwargs: example arguments by keyword.
        dtype: of the export.
    """
    model, _ = read_model(model)
    call, tensors = describe_call(model, args, kwargs)
    flat = Flat(model, call, dtype)
    whole = [name for name, tensor in tensors.items() if is_whole(tensor)]
    if not whole:
        return {}
    zeros = {
        name: torch.zeros_like(tensor) if name in whole else tensor
        for name, tensor in tensors.items()
    }
    ranges: dict[str, Range] = {}
    with one_thread(), as_exported(model, dtype), eagerly():
        at_zero = _indices(flat, zeros)
        for name in whole:
            at_one = _indices(flat, zeros | {name: torch.ones_like(zeros[name])})
            found = _bounds(at_zero, at_one)
            if found is not None:
                ranges[name] = found
    return ranges


@dataclass(frozen=True)
class _Index:
    """Indices that an operator gets.

    Attributes:
        numbers: the indices.
        length: of the axis that they choose from.
        of: what has that axis.
    """

    numbers: Tensor
    length: int
    of: str


def _taken(func: Any, args: Sequence[Any]) -> Iterator[_Index]:
    name = func.overloadpacket.__name__.removesuffix("_")
    match name:
        case "embedding" | "_embedding_bag" | "embedding_bag" | "_embedding_bag_forward_only":
            yield _index(args[1], len(args[0]), "an embedding")
        case "index" | "index_put" | "_index_put_impl":
            for axis, one in enumerate(args[1]):
                if one is not None and one.dtype is not torch.bool:
                    yield _index(one, args[0].shape[axis], "a table")
        case "index_select" | "gather" | "scatter" | "scatter_add":
            if args[0].dim():
                yield _index(args[2], args[0].shape[args[1]], "a table")
        case "take":
            yield _index(args[1], args[0].numel(), "a table")


def _index(numbers: Tensor, length: int, of: str) -> _Index:
    return _Index(numbers.detach().clone(), length, of)


def chooses_by_floats(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], dtype: str
) -> bool:
    """Return whether the model uses numbers as indices that are no integers; see `find_ranges`."""
    model, _ = read_model(model)
    call, tensors = describe_call(model, args, kwargs)
    with one_thread(), as_exported(model, dtype), eagerly():
        found = _indices(Flat(model, call, dtype), tensors)
    return any(one.numbers.is_floating_point() for one in found)


def _indices(flat: Flat, tensors: Mapping[str, Tensor]) -> list[_Index]:
    """Return the indices of a run, up to where it fails: the numbers may be out of bounds."""
    found: list[_Index] = []
    with operators_noted(lambda func, args: found.extend(_taken(func, args))):
        try:
            flat(*tensors.values())
        except Exception:
            # The model is the user's own code and may raise anything.
            return found
    return found


def _bounds(at_zero: Sequence[_Index], at_one: Sequence[_Index]) -> Range | None:
    """Return which numbers keep all indices within their axes, or None if none of them moves."""
    low, high, of = 0, None, ""
    for before, after in zip(at_zero, at_one, strict=False):
        if before.numbers.shape != after.numbers.shape:
            continue
        steps = (after.numbers - before.numbers).flatten().tolist()
        for offset, step in zip(before.numbers.flatten().tolist(), steps, strict=True):
            if not step:
                continue
            ends = sorted((-offset / step, (before.length - 1 - offset) / step))
            low = max(low, ceil(ends[0]))
            if high is None or floor(ends[1]) < high:
                high, of = floor(ends[1]), f"{before.of} of {before.length} rows"
    if high is None or high < low:
        return None
    return Range(low, high, f"it chooses from {of}")


def draw(tensor: Tensor, found: Range | None, generator: torch.Generator) -> None:
    """Fill an integer or boolean tensor with drawn numbers, in place.

    Without a range they are 0 and 1, with 1 at the start of the last axis: a mask of a sequence is
    not empty then.
    """
    low, high = (0, 1) if found is None else (found.low, found.high)
    tensor.copy_(torch.randint(low, high + 1, tensor.shape, generator=generator))
    if found is None and tensor.dim() and tensor.shape[-1]:
        tensor[..., 0] = 1
