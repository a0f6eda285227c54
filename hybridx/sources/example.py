"""Example inputs from `--shape` or `--example`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hybridx.capture import EXAMPLE_ROWS
from hybridx.errors import ShapeSyntaxError
from hybridx.storage import read_arrays

_SHAPE = re.compile(r"(?:\w+=)?(N|\d+)((?:,\d+)*)")


def example_from_shapes(shapes: Sequence[str]) -> tuple[Tensor, ...]:
    """Return drawn float32 inputs for shapes such as `N,4` or `x=N,3,28,28`, in order.

    Raises:
        ShapeSyntaxError: a shape cannot be read.
    """
    generator = torch.Generator().manual_seed(0)
    examples = []
    for text in shapes:
        matched = _SHAPE.fullmatch(text.replace(" ", ""))
        if matched is None:
            raise ShapeSyntaxError(text)
        first, rest = matched.groups()
        rows = EXAMPLE_ROWS if first == "N" else int(first)
        lengths = [int(length) for length in rest.split(",")[1:]]
        examples.append(torch.randn((rows, *lengths), generator=generator))
    return tuple(examples)


def example_from_file(path: Path) -> tuple[Tensor, ...]:
    """Return the arrays of a `.npy`, `.npz` or `.csv` file; float64 becomes float32.

    Raises:
        FileMissingError: the file cannot be read.
        TableError: it does not hold arrays.
    """
    return tuple(
        torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)
        for array in read_arrays(path).values()
    )
