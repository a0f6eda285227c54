"""`.parquet`: tables in columns, with the package pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import IO, Any

import numpy as np

from hybridx.bounds import DATA_ROWS, HELD_BYTES, TABLE_COLUMNS, refuse_above
from hybridx.errors import MissingExtraError, TableError
from hybridx.storage.forms.form import (
    Array,
    Form,
    Kind,
    Outputs,
    Spec,
    TableData,
    column_names,
    refuse_repeated,
)

_NUMBER = 8  # bytes
_WORDS = {float: "numbers", int: "whole numbers of 64 bits", bool: "true and false", str: "text"}


def _need_pyarrow(purpose: str) -> None:
    if find_spec("pyarrow") is None:
        raise MissingExtraError(f"{purpose} a Parquet file", "pyarrow", "parquet")


class _ParquetTable(TableData):
    has_header = True
    rows: int

    def __init__(self, file: IO[bytes], path: str) -> None:
        import pyarrow
        from pyarrow import parquet

        self.path = path
        self._broken = (pyarrow.ArrowException, OSError)
        try:
            self._file = parquet.ParquetFile(file)
        except self._broken as error:
            raise self._refusal(error) from error
        self._schema = self._file.schema_arrow
        self.columns = tuple(self._schema.names)
        self.rows = self._file.metadata.num_rows
        self._first = 0
        refuse_above(DATA_ROWS, self.rows, f"the number of rows of {path}")
        refuse_above(TABLE_COLUMNS, len(self.columns), f"the number of columns of {path}")
        refuse_repeated(self.columns, "columns", "column", path)

    def slices(self, wanted: Sequence[tuple[str, Kind]], size: int) -> Iterator[list[Array]]:
        """Yield `size` rows of the wanted columns at a time."""
        names = list(dict.fromkeys(name for name, _ in wanted))
        for name, kind in wanted:
            self._check_type(name, kind)
        at_once = min(size, self.rows) * len(wanted) * _NUMBER
        refuse_above(HELD_BYTES, at_once, f"what is read at once of {self.path}")
        if not self.rows:
            raise TableError(self.path, "it has no rows", "write one row for each sample")
        start = self._first
        try:
            for batch in self._batches(names, size):
                yield [self._column(batch.column(name), name, kind, start) for name, kind in wanted]
                start += len(batch)
        except self._broken as error:
            raise self._refusal(error) from error

    def only(self, start: int, stop: int) -> None:
        """Let `slices` yield these rows alone, without reading the groups of other rows."""
        self._first, self.rows = start, stop - start

    def _batches(self, names: list[str], size: int) -> Iterator[Any]:
        """Yield the columns of `size` rows at a time, counted from the first row that is wanted."""
        import pyarrow

        groups, before = self._groups()
        skip, left = self._first - before, self.rows
        held: list[Any] = []
        for found in self._file.iter_batches(size, row_groups=groups, columns=names):
            batch = found.slice(skip, left)
            skip = max(0, skip - len(found))
            left -= len(batch)
            held.append(batch)
            if sum(map(len, held)) >= size or not left:
                table = pyarrow.Table.from_batches(held).combine_chunks()
                whole = len(table) if not left else len(table) // size * size
                for start in range(0, whole, size):
                    yield table.slice(start, min(size, whole - start))
                held = table.slice(whole).to_batches()
            if not left:
                return

    def _groups(self) -> tuple[list[int], int]:
        """Return the groups with rows that are wanted, and the number of rows before them."""
        about = self._file.metadata
        wanted, before, end = [], 0, 0
        for index in range(about.num_row_groups):
            start, end = end, end + about.row_group(index).num_rows
            if end <= self._first:
                before = end
            elif start < self._first + self.rows:
                wanted.append(index)
        return wanted, before

    def _check_type(self, name: str, kind: Kind) -> None:
        from pyarrow import types

        found = self._schema.field(name).type
        is_number = types.is_integer(found) or types.is_floating(found) or types.is_decimal(found)
        fits = {
            float: is_number,
            int: is_number,
            bool: types.is_boolean(found),
            str: is_number
            or types.is_boolean(found)
            or types.is_string(found)
            or types.is_large_string(found)
            or types.is_dictionary(found),
        }
        if not fits[kind]:
            raise TableError(
                self.path,
                f"column {name!r} holds {found}, not {_WORDS[kind]}",
                "choose the columns that hold numbers with --columns",
            )

    def _column(self, chunks: Any, name: str, kind: Kind, start: int) -> Array:
        import pyarrow

        column = chunks.combine_chunks()
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise TableError(
                self.path,
                f"row {start + row + 1}, column {name!r}: the cell is empty",
                "write nan where a number is not known, or leave out the row",
            )
        if kind is str:
            return np.array([str(value) for value in column.to_pylist()], dtype=object)
        target = {float: pyarrow.float64(), int: pyarrow.int64(), bool: pyarrow.bool_()}[kind]
        try:
            # Whole numbers above 2**53 are rounded as elsewhere; fractions do not become whole.
            cast = column.cast(target, safe=kind is int)
        except pyarrow.ArrowInvalid as error:
            raise TableError(
                self.path,
                f"column {name!r} holds {column.type}, not {_WORDS[kind]} ({error})",
                "choose the columns that hold numbers with --columns",
            ) from error
        values: Array = np.asarray(cast.to_numpy(zero_copy_only=False))
        return values

    def _refusal(self, error: Exception) -> TableError:
        return TableError(
            self.path, f"it is not a Parquet file ({error})", "write it with pyarrow or pandas"
        )


class Parquet(Form):
    """A table in columns."""

    name = "parquet"
    seeks = True
    passes = True
    skips = True

    def open(
        self, file: IO[bytes], path: str, *, header: bool = True, chosen: Sequence[str] = ()
    ) -> TableData:
        """Return the table."""
        _need_pyarrow("reading")
        return _ParquetTable(file, path)

    def check(self, specs: Mapping[str, Spec]) -> None:
        """Refuse arrays that cannot stand side by side."""
        _need_pyarrow("writing")
        column_names(specs, f".{self.name}")

    def write(self, file: IO[bytes], outputs: Outputs, about: Mapping[str, object]) -> None:
        """Write the rows, in groups as they come."""
        import pyarrow
        from pyarrow import parquet

        names = column_names(outputs.specs, f".{self.name}")
        schema = pyarrow.schema([
            (column, pyarrow.from_numpy_dtype(outputs.specs[name].dtype))
            for name, columns in names.items()
            for column in columns
        ])  # fmt: skip
        with parquet.ParquetWriter(file, schema) as writer:
            for rows in outputs.rows():
                flat = [
                    pyarrow.array(np.ascontiguousarray(column))
                    for name, columns in names.items()
                    for column in rows[name].reshape(-1, len(columns)).T
                ]
                writer.write_table(pyarrow.table(flat, schema=schema))
