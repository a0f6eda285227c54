"""Example inputs from `--shape` or `--example`, as arguments of forward."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn

from hybridx.capture import EXAMPLE_ROWS, describe_call
from hybridx.errors import ShapeSyntaxError
from hybridx.program import BATCH
from hybridx.storage import read_arrays

_SHAPE = re.compile(r"(?:(\w+)=)?((?:[A-Z]|\d+)(?:,(?:[A-Z]|\d+))*)")
_OTHER_LENGTH = 5  # for the first letter other than N; each further letter is longer by 1


@dataclass(frozen=True)
class Shaped:
    """An example input made for a shape: its name or "", its tensor, the names of its open axes."""

    name: str
    tensor: Tensor
    axes: dict[int, str]


def example_from_shapes(shapes: Sequence[str], dtype: str = "float32") -> tuple[Shaped, ...]:
    """Return drawn inputs for shapes such as `N,4`, `x=N,3,28,28` or `N,T,4`, in order.

    N is the batch, other capitals are further axes of any length.

    Raises:
        ShapeSyntaxError: a shape cannot be read.
    """
    generator = torch.Generator().manual_seed(0)
    lengths, other = {"N": EXAMPLE_ROWS}, count(_OTHER_LENGTH)
    examples = []
    for text in shapes:
        matched = _SHAPE.fullmatch(text.replace(" ", ""))
        if matched is None:
            raise ShapeSyntaxError(text)
        name, axes = matched[1] or "", matched[2].split(",")
        for letter in axes:
            if letter.isalpha() and letter not in lengths:
                lengths[letter] = next(other)
        shape = [lengths[axis] if axis.isalpha() else int(axis) for axis in axes]
        called = {
            index: BATCH if axis == "N" else axis
            for index, axis in enumerate(axes)
            if axis.isalpha()
        }
        drawn = torch.randn(shape, generator=generator).to(getattr(torch, dtype))
        examples.append(Shaped(name, drawn, called))
    return tuple(examples)


def example_from_file(path: Path, dtype: str = "float32") -> list[tuple[str, Tensor]]:
    """Return the arrays of a `.npy`, `.npz` or `.csv` file by name, floats in one dtype.

    Raises:
        FileMissingError: the file cannot be read.
        TableError: it does not hold arrays.
    """
    return [
        (name, torch.from_numpy(array.astype(dtype) if array.dtype.kind == "f" else array))
        for name, array in read_arrays(path).items()
    ]


def as_arguments(
    model: nn.Module, examples: Sequence[tuple[str, Tensor]]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Return examples as arguments of forward: by name if it has that parameter, else in order."""
    parameters = inspect.signature(model.forward).parameters.values()
    by_name = {
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    named = {name: tensor for name, tensor in examples if name in by_name}
    args = [tensor for name, tensor in examples if name not in named]
    # Pass by position where possible: then the file need not store how the model was called.
    for parameter in [] if args else parameters:
        if parameter.kind is parameter.KEYWORD_ONLY or parameter.name not in named:
            break
        args.append(named.pop(parameter.name))
    return tuple(args), named


def axes_by_input(
    model: nn.Module,
    args: Sequence[Tensor],
    kwargs: dict[str, Tensor],
    shaped: Sequence[Shaped],
) -> dict[str, dict[int, str]]:
    """Return the open axes of the shapes, by the name of the input."""
    _, tensors = describe_call(model, args, kwargs)
    axes = {id(one.tensor): one.axes for one in shaped}
    return {name: axes[id(tensor)] for name, tensor in tensors.items()}
