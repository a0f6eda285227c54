"""Whole files as arrays in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hybridx.bounds import EXAMPLE_BYTES, HELD_BYTES, Bound, refuse_above, refuse_more
from hybridx.storage.forms.choice import open_data
from hybridx.storage.forms.form import Array, Kind, TableData

_ROWS_AT_A_TIME = 65536
_TEXT_BYTES = 50  # of a text of Python, beside its letters


def read_arrays(path: Path, columns: Sequence[str] = ()) -> dict[str, Array]:
    """Read the named arrays of a data file; an array without a name is called "".

    The columns of a table are one array without a name: float64, shape `(rows, columns)`.

    Args:
        path: of the file.
        columns: those of a table to read, in order; by default all.

    Raises:
        FileMissingError: the file cannot be read.
        OptionError: the ending is none that is known.
        TableError: the content is not what the ending says, or is not numbers.
        TooLargeError: it is more than an example needs.
        MissingExtraError: a package is missing.
    """
    with open_data(path) as data:
        if isinstance(data, TableData):
            wanted = [(name, float) for name in columns or data.columns]
            return {"": np.stack(read_whole_columns(data, wanted, EXAMPLE_BYTES), axis=-1)}
        size = sum(math.prod(one.shape) * one.dtype.itemsize for one in data.arrays.values())
        refuse_above(EXAMPLE_BYTES, size, f"the size of the arrays of {path}")
        (arrays,) = data.slices(1, whole=data.arrays.keys())
        return arrays


def read_whole_columns(
    data: TableData, wanted: Sequence[tuple[str, Kind]], bound: Bound = HELD_BYTES
) -> list[Array]:
    """Read all rows of columns of an open table.

    Args:
        data: the table.
        wanted: names of columns, and how their cells are read.
        bound: on the bytes that they take in memory.

    Raises:
        TableError: a column is unknown, or a cell cannot be read so.
        TooLargeError: they are over the bound.
    """
    data.check_columns([name for name, _ in wanted])
    blocks: list[list[Array]] = []
    size = 0
    for block in data.slices(wanted, _ROWS_AT_A_TIME):
        size += sum(map(_held, block))
        if size > bound.limit:
            refuse_more(bound, f"the size in memory of the rows of {data.path}")
        blocks.append(block)
    return [np.concatenate([block[index] for block in blocks]) for index in range(len(wanted))]


def _held(column: Array) -> int:
    """Return the bytes that a column takes in memory."""
    if column.dtype.kind != "O":
        return column.nbytes
    return column.nbytes + sum(map(len, column)) + _TEXT_BYTES * len(column)
