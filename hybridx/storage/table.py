"""CSV tables: a header line, then one row per sample."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridx.errors import TableError
from hybridx.storage.files import read_bytes


@dataclass(frozen=True, slots=True)
class Table:
    """The text of a CSV file, column by column.

    Attributes:
        path: of the file, for messages.
        columns: name of each column, in the order of the file.
        rows: one tuple of cells per sample.
    """

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self, column: str) -> tuple[str, ...]:
        """Return the cells of one column as strings."""
        position = self._position(column)
        return tuple(row[position] for row in self.rows)

    def numbers(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """Return columns as numbers: float64, shape `(rows, len(columns))`.

        Raises:
            TableError: a column is unknown or a cell is not a finite number.
        """
        positions = [self._position(column) for column in columns]
        values = np.empty((len(self.rows), len(positions)), dtype=np.float64)
        for index, row in enumerate(self.rows):
            for target, position in enumerate(positions):
                try:
                    values[index, target] = float(row[position])
                except ValueError:
                    raise TableError(
                        self.path,
                        f"row {index + 1}, column {self.columns[position]!r}: "
                        f"{row[position]!r} is not a number",
                        "choose the columns that hold numbers with --columns",
                    ) from None
        if not np.isfinite(values).all():
            raise TableError(self.path, "it holds NaN or infinite numbers", "remove those rows")
        return values

    def _position(self, column: str) -> int:
        try:
            return self.columns.index(column)
        except ValueError:
            raise TableError(
                self.path,
                f"there is no column {column!r}",
                f"its columns are: {', '.join(self.columns)}",
            ) from None


def read_table(path: Path) -> Table:
    """Read a CSV file with a header line.

    Raises:
        FileMissingError: the file cannot be read.
        TableError: it has no header, no rows, or rows of unequal length.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(str(path), "it is not UTF-8 text", "save it as a CSV file") from error
    lines = [tuple(cell.strip() for cell in row) for row in csv.reader(text.splitlines()) if row]
    if len(lines) < 2:
        raise TableError(
            str(path),
            "it has no rows below a header",
            "write the column names in the first line and one sample in each further line",
        )
    header, *rows = lines
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise TableError(
                str(path),
                f"row {number} has {len(row)} cells, the header has {len(header)}",
                "make every row as long as the header",
            )
    return Table(str(path), header, tuple(rows))
