"""Example inputs from `--shape` or `--example`, as arguments of forward."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hybridx.bounds import EXAMPLE_BYTES, refuse_above
from hybridx.capture import EXAMPLE_ROWS, describe_call
from hybridx.circuit import BATCH
from hybridx.errors import ShapeError, ShapeSyntaxError, TableError
from hybridx.storage import Array, read_arrays

_AXIS = r"[A-Z](?:=\d{1,18})?|\d{1,18}"
_SHAPE = re.compile(rf"(?:([^\W\d]\w*)=)?((?:{_AXIS})(?:,(?:{_AXIS}))*)(?::([\w.]+))?")
_OTHER_LENGTH = 5  # for the first letter other than N; each further letter is longer
_MOST_AXES = 32  # that NumPy and torch have
_DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)


_FROM_ONE = "give lengths from 1"


@dataclass(frozen=True)
class Shaped:
    """An example input made for a shape.

    Attributes:
        name: of the argument, or "".
        tensor: the input; integers and booleans are zeros, for `drawn.draw` to fill in.
        axes: the names of its open axes.
    """

    name: str
    tensor: Tensor
    axes: dict[int, str]


@dataclass(frozen=True)
class Shapes:
    """The example inputs of some `--shape`.

    Attributes:
        inputs: in order.
        invented: names of the axes whose length nobody gave.
    """

    inputs: tuple[Shaped, ...]
    invented: frozenset[str]


def example_from_shapes(
    shapes: Sequence[str], dtype: str = "float32", names: Sequence[str] | None = None
) -> Shapes:
    """Return drawn inputs for shapes such as `N,4`, `x=N,3,28,28`, `N,T=12,4` or `ids=N,9:int64`.

    N is the batch, other capitals are further axes of any length, in the example as long as is
    written behind `=`.

    Args:
        shapes: one for each input.
        dtype: of the inputs that name none.
        names: of the arguments of `forward`; None if it takes any.

    Raises:
        ShapeSyntaxError: a shape cannot be read.
        ShapeError: it cannot be used.
        TooLargeError: it has more numbers than an example needs.
    """
    read = [_read(text, dtype, names or ()) for text in shapes]
    seen: set[str] = set()
    for text, (name, _, _) in zip(shapes, read, strict=True):
        if name in seen:
            raise ShapeError("--shape", text, f"{name!r} has a shape already", "give it one shape")
        seen.update([name] if name else [])
        if name and names is not None and name not in names:
            nearest = difflib.get_close_matches(name, names, n=3, cutoff=0) or names[:3]
            reason = f"forward has no argument {name!r}"
            advice = f"name one of its arguments: {', '.join(nearest) or 'it has none'}"
            raise ShapeError("--shape", text, reason, advice)
    lengths = _lengths(shapes, [axes for _, axes, _ in read])
    given = {axis[0] for _, axes, _ in read for axis in axes if "=" in axis}
    invented = frozenset(letter for letter in lengths if letter not in given)
    generator = torch.Generator().manual_seed(0)
    inputs = []
    for text, (name, axes, kind) in zip(shapes, read, strict=True):
        shape = [lengths[axis[0]] if axis[0].isalpha() else int(axis) for axis in axes]
        if 0 in shape:
            raise ShapeError("--shape", text, "an axis of length 0 has no numbers", _FROM_ONE)
        if len(shape) > _MOST_AXES:
            reason = f"it has {len(shape)} axes"
            raise ShapeError("--shape", text, reason, f"give one of up to {_MOST_AXES}")
        refuse_above(
            EXAMPLE_BYTES, math.prod(shape) * kind.itemsize, f"the example of the shape {text}"
        )
        called = {
            index: BATCH if axis[0] == "N" else axis[0]
            for index, axis in enumerate(axes)
            if axis[0].isalpha()
        }
        inputs.append(Shaped(name, _floats(shape, kind, generator), called))
    return Shapes(tuple(inputs), invented)


def _read(text: str, dtype: str, names: Collection[str]) -> tuple[str, list[str], torch.dtype]:
    """Return the name, the axes and the dtype of a shape."""
    plain = text.replace(" ", "")
    matched = _SHAPE.fullmatch(plain)
    if matched is None:
        raise ShapeSyntaxError(text)
    name, axes, kind = matched[1] or "", matched[2].split(","), matched[3] or dtype
    if len(name) == 1 and name.isupper() and axes[0].isdigit() and name not in names:
        axes[0], name = f"{name}={axes[0]}", ""  # T=12,5: the length of an axis
    kind = kind.removeprefix("torch.")
    if kind not in _DTYPES:
        reason = f"{kind!r} is no dtype of an input"
        raise ShapeError("--shape", text, reason, f"choose one of {', '.join(_DTYPES)}")
    return name, axes, getattr(torch, kind)


def _lengths(shapes: Sequence[str], read: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the length of each letter in the example.

    Raises:
        ShapeError: a letter has two lengths.
    """
    lengths: dict[str, int] = {}
    for text, axes in zip(shapes, read, strict=True):
        for axis in axes:
            letter, equals, length = axis.partition("=")
            if equals and lengths.setdefault(letter, int(length)) != int(length):
                reason = f"{letter} has the lengths {lengths[letter]} and {length}"
                advice = "give one length to it, and another letter to the other axis"
                raise ShapeError("--shape", text, reason, advice)
    fixed = {int(axis) for axes in read for axis in axes if axis.isdigit()}
    free = (length for length in count(_OTHER_LENGTH) if length not in fixed)
    for axes in read:
        for axis in axes:
            if axis.isalpha() and axis not in lengths:
                lengths[axis] = EXAMPLE_ROWS if axis == "N" else next(free)
    return lengths


def _floats(shape: Sequence[int], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Return drawn numbers; integers and booleans are zeros."""
    if dtype.is_floating_point or dtype.is_complex:
        parts = [*shape, 2] if dtype.is_complex else [*shape]
        drawn = torch.randn(parts, generator=generator)
        return (torch.view_as_complex(drawn) if dtype.is_complex else drawn).to(dtype)
    return torch.zeros([*shape], dtype=dtype)


def example_from_file(
    path: Path, dtype: str = "float32", columns: Sequence[str] = ()
) -> list[tuple[str, Tensor]]:
    """Return the arrays of a `.npy`, `.npz` or `.csv` file by name, in one precision.

    Args:
        path: of the file.
        dtype: of floating-point numbers; complex ones get the same precision.
        columns: those of a table to take, in order; by default all.

    Raises:
        FileMissingError: the file cannot be read.
        TableError: it does not hold arrays.
    """
    return [
        (name, _in_precision(_tensor(array, name, path), getattr(torch, dtype)))
        for name, array in read_arrays(path, columns).items()
    ]


def _tensor(array: Array, name: str, path: Path) -> Tensor:
    """Return an array as a tensor; torch has neither another byte order nor longer numbers."""
    native = array.dtype.newbyteorder("=")
    if native.kind not in "biufc":
        where = f"the array {name!r}" if name else "its array"
        problem = f"{where} holds {array.dtype}, not numbers"
        raise TableError(str(path), problem, "convert it to numbers before it is saved")
    longest = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}.get(native.kind, native)
    dtype = min(native, longest, key=lambda one: one.itemsize)
    return torch.from_numpy(np.ascontiguousarray(array, dtype))


def _in_precision(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return real and complex numbers in the precision of a dtype, and others as they are."""
    if tensor.is_complex():
        return tensor.to(dtype.to_complex())
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


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


def argument_names(model: nn.Module) -> list[str] | None:
    """Return the names of the arguments of forward; None if it takes any name."""
    parameters = inspect.signature(model.forward).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]


def inputs_by_name(
    model: nn.Module, args: Sequence[Tensor], kwargs: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return arguments by the names that they have as inputs of a file."""
    call, _ = describe_call(model, args, kwargs)
    return dict(zip(call.names, (*args, *(kwargs[name] for name in call.kwargs)), strict=True))


def axes_by_input(
    model: nn.Module,
    args: Sequence[Tensor],
    kwargs: dict[str, Tensor],
    shaped: Sequence[Shaped],
) -> dict[str, dict[int, str]]:
    """Return the open axes of the shapes, by the name of the input."""
    tensors = inputs_by_name(model, args, kwargs)
    axes = {id(one.tensor): one.axes for one in shaped}
    return {name: axes[id(tensor)] for name, tensor in tensors.items()}
