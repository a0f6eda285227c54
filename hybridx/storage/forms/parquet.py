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
        refuse_above(DATA_ROWS, self.rows, f"the number of rows of {path}")
        refuse_above(TABLE_COLUMNS, len(self.columns), f"the number of columns of {path}")
        refuse_repeated(self.columns, "columns", "column", path)

    def slices(self, wanted: Sequence[tuple[str, Kind]], size: int) -> Iterator[list[Array]]:
        """Yield `size` rows of the wanted columns at a time."""
        names = list(dict.fromkeys(name for name, _ in wanted))
        for name, kind in wanted:
            self._check_type(name, kind)
        at_once = min(size, self._file.metadata.num_rows) * len(wanted) * _NUMBER
        refuse_above(HELD_BYTES, at_once, f"what is read at once of {self.path}")
        start = 0
        try:
            for batch in self._file.iter_batches(size, columns=names):
                yield [self._column(batch.column(name), name, kind, start) for name, kind in wanted]
                start += len(batch)
        except self._broken as error:
            raise self._refusal(error) from error
        if not self.rows:
            raise TableError(self.path, "it has no rows", "write one row for each sample")

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

    def _column(self, column: Any, name: str, kind: Kind, start: int) -> Array:
        import pyarrow

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
