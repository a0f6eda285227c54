"""Whole files as arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hybridx.storage.forms.choice import open_data
from hybridx.storage.forms.form import Array, Kind, TableData

_ROWS_AT_A_TIME = 65536


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
        MissingExtraError: a package is missing.
    """
    with open_data(path) as data:
        if isinstance(data, TableData):
            wanted = [(name, float) for name in columns or data.columns]
            return {"": np.stack(read_whole_columns(data, wanted), axis=-1)}
        (arrays,) = data.slices(1, whole=data.arrays.keys())
        return arrays


def read_whole_columns(data: TableData, wanted: Sequence[tuple[str, Kind]]) -> list[Array]:
    """Read all rows of columns of an open table.

    Args:
        data: the table.
        wanted: names of columns, and how their cells are read.

    Raises:
        TableError: a column is unknown, or a cell cannot be read so.
    """
    data.check_columns([name for name, _ in wanted])
    blocks = list(data.slices(wanted, _ROWS_AT_A_TIME))
    return [np.concatenate([block[index] for block in blocks]) for index in range(len(wanted))]
