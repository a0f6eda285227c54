"""`.csv` and `.tsv`: tables as text with a header line, also compressed by gzip."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import IO, ClassVar, cast

import numpy as np

from hybridx.bounds import (
    DATA_ROWS,
    HELD_BYTES,
    ROW_CHARACTERS,
    TABLE_BYTES,
    TABLE_COLUMNS,
    Bound,
    refuse_above,
    refuse_more,
)
from hybridx.errors import TableError, TooLargeError
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

_DELIMITERS = (",", ";", "\t")
_QUOTED = re.compile('"[^"]*"')
_GZIP = b"\x1f\x8b"
_BOOLS = {"True": True, "true": True, "TRUE": True, "1": True} | {
    "False": False,
    "false": False,
    "FALSE": False,
    "0": False,
}
_CELLS_AT_ONCE = 2**18
_NUMBERS = {float: "a number", int: "a whole number of 64 bits", bool: "True or False"}


class TextTable(TableData):
    """The text of a table, read line by line."""

    rows = None

    def __init__(
        self, file: IO[bytes], path: str, delimiter: str, *, header: bool, chosen: Sequence[str]
    ) -> None:
        self.path, self.has_header = path, header
        self._is_packed = cast("io.BufferedReader", file).peek(2)[:2] == _GZIP
        if self._is_packed:
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            self._read_header(delimiter, chosen)
        except (TableError, TooLargeError):
            self.detach()
            raise

    def detach(self) -> None:
        """Let go of the file, which whoever opened it closes."""
        self._text.detach()

    def _read_header(self, delimiter: str, chosen: Sequence[str]) -> None:
        self._width = 0
        self._lines: Iterator[list[str]] = self._cells(self._bounded(), delimiter)
        first = next(self._lines, None)
        if first is None:
            raise self._empty()
        self._width = len(first)
        refuse_above(TABLE_COLUMNS, self._width, f"the number of columns of {self.path}")
        if not self.has_header:
            self._lines = chain([first], self._lines)
            self.columns = tuple(map(str, range(len(first))))
            return
        self.columns = tuple(cell.strip() for cell in first)
        refuse_repeated([name for name in self.columns if name], "columns", "column", self.path)
        # Whoever names these columns knows that they are a header.
        if all(map(is_number, self.columns)) and not (chosen and {*chosen} <= {*self.columns}):
            raise no_header(self.path)

    def slices(self, wanted: Sequence[tuple[str, Kind]], size: int) -> Iterator[list[Array]]:
        """Yield `size` rows of the wanted columns at a time."""
        places = {name: position for position, name in enumerate(self.columns)}
        positions = [places[name] for name, _ in wanted]
        kinds = [kind for _, kind in wanted]
        # Cells as text take ten times the memory of numbers.
        at_once = max(1, _CELLS_AT_ONCE // self._width)
        start, parts, held, size_held = 0, list[list[Array]](), 0, 0
        while block := list(islice(self._lines, min(size - held, at_once))):
            if start + len(block) > DATA_ROWS.limit:
                refuse_more(DATA_ROWS, f"the number of rows of {self.path}")
            if set(map(len, block)) != {self._width}:
                row = next(i for i, cells in enumerate(block) if len(cells) != self._width)
                raise TableError(
                    self.path,
                    f"row {start + row + 1} has {len(block[row])} cells, the "
                    f"{'header' if self.has_header else 'first row'} has {self._width}",
                    "make every row as long as the header",
                )
            parts.append(self._columns(block, start, kinds, positions))
            start, held = start + len(block), held + len(block)
            size_held += sum(column.nbytes for column in parts[-1])
            if size_held > HELD_BYTES.limit:
                refuse_more(HELD_BYTES, f"what is read at once of {self.path}")
            if held == size:
                yield _joined(parts)
                parts, held, size_held = [], 0, 0
        if held:
            yield _joined(parts)
        if not start:
            raise self._empty()

    def _bounded(self) -> Iterator[str]:
        """Yield the lines, none of them longer than a row may be."""
        most = ROW_CHARACTERS.limit
        self._of_row = total = 0  # characters
        for line in iter(partial(self._text.readline, most + 1), ""):
            self._of_row += len(line)
            total += len(line)
            if self._of_row > most:
                refuse_more(ROW_CHARACTERS, f"the number of characters of a row of {self.path}")
            if self._is_packed and total > TABLE_BYTES.limit:
                refuse_more(TABLE_BYTES, f"the size of {self.path}, unpacked,")
            yield line

    def _cells(self, lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
        """Yield the cells of each line that is not empty."""
        try:
            first = next((line for line in lines if line.strip()), "")
            bare = _QUOTED.sub("", first)
            if delimiter not in bare:
                delimiter = next((one for one in _DELIMITERS if one in bare), delimiter)
            gap = 0
            # strict: a quote that is not closed would swallow the rest of the file.
            reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
            for number, cells in enumerate(reader):
                self._of_row = 0
                if not cells:
                    gap = gap or number
                    continue
                # In a table of one column an empty line is an empty cell, except at the end.
                if gap and self._width == 1:
                    row = gap if self.has_header else gap + 1
                    raise self._refusal(row, self.columns[0], "", float)
                yield cells
        except UnicodeDecodeError as error:
            raise TableError(self.path, "it is not UTF-8 text", "save it as UTF-8") from error
        except (csv.Error, EOFError, OSError, zlib.error) as error:
            raise TableError(
                self.path,
                f"it is not a table as text ({error})",
                "write one row in each line, and close every quote",
            ) from error

    def _columns(
        self, block: list[list[str]], start: int, kinds: list[Kind], positions: list[int]
    ) -> list[Array]:
        if kinds and {*kinds} == {float}:
            in_order = positions == list(range(self._width))
            values = self._parsed(
                list(chain.from_iterable(block))
                if in_order
                else [row[position] for row in block for position in positions],
                float,
            )
            if values is not None:
                return list(values.reshape(len(block), -1).T)
        columns = []
        for position, kind in zip(positions, kinds, strict=True):
            cells = [row[position] for row in block]
            column = self._parsed(cells, kind)
            if column is None:
                row = next(i for i, cell in enumerate(cells) if self._parsed([cell], kind) is None)
                name = self.columns[position]
                raise self._refusal(start + row + 1, name, cells[row], kind)
            columns.append(column)
        return columns

    def _parsed(self, cells: list[str], kind: Kind) -> Array | None:
        """Return cells as an array, or None if one of them is not of the kind."""
        try:
            if kind is str:
                return np.array([cell.strip() for cell in cells], dtype=object)
            if kind is bool:
                return np.array([_BOOLS[cell.strip()] for cell in cells], dtype=np.bool_)
            if "_" in "".join(cells):  # Python takes 1_000 for a number
                return None
            if kind is int:
                return np.array(list(map(_whole, cells)), dtype=np.int64)
            return np.array(list(map(float, cells)), dtype=np.float64)
        except (ValueError, KeyError, OverflowError):
            return None

    def _refusal(self, row: int, column: str, cell: str, kind: Kind) -> TableError:
        where = f"row {row}, column {column!r}"
        if not cell.strip():
            return TableError(
                self.path,
                f"{where}: the cell is empty",
                "write nan where a number is not known, or leave out the row",
            )
        shown = cell if len(cell) <= 40 else f"{cell[:40]}…"
        problem = f"{where}: {shown!r} is not {_NUMBERS.get(kind, 'text')}"
        if is_number(cell.replace(",", "").replace("_", "")):
            advice = "write a decimal point, and nothing between thousands: 1234.5"
            return TableError(self.path, problem, advice)
        return TableError(
            self.path,
            problem,
            "choose the columns that hold numbers with --columns, and write nan where a number is "
            "not known",
        )

    def _empty(self) -> TableError:
        below = " below a header" if self.has_header else ""
        return TableError(
            self.path,
            f"it has no rows{below}",
            "write the column names in the first line and one sample in each further line",
        )


def _joined(parts: Sequence[list[Array]]) -> list[Array]:
    """Return columns that were read in pieces."""
    if len(parts) == 1:
        return parts[0]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _whole(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        value = float(cell)
        if not value.is_integer():
            raise
        return int(value)


def no_header(path: str) -> TableError:
    """Return the refusal of a table that begins with a row instead of a header."""
    return TableError(
        path,
        "its first line holds numbers, where the names of the columns are expected",
        "give --no-header if that is the first row, or write the names above it",
    )


def is_number(cell: str) -> bool:
    """Return whether a cell can be read as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


class Csv(Form):
    """A table whose cells are separated by commas."""

    name = "csv"
    is_text_table = True
    passes = True
    bound: ClassVar[Bound | None] = TABLE_BYTES
    delimiter: ClassVar[str] = ","

    def open(
        self, file: IO[bytes], path: str, *, header: bool = True, chosen: Sequence[str] = ()
    ) -> TableData:
        """Return the table. Another delimiter is found in the first line."""
        return TextTable(file, path, self.delimiter, header=header, chosen=chosen)

    def check(self, specs: Mapping[str, Spec]) -> None:
        """Refuse arrays that cannot stand side by side."""
        column_names(specs, f".{self.name}")

    def write(self, file: IO[bytes], outputs: Outputs, about: Mapping[str, object]) -> None:
        """Write a header and the rows."""
        names = column_names(outputs.specs, f".{self.name}")
        columns = list(chain.from_iterable(names.values()))
        # Without quotes, a delimiter of another kind of table would be taken for this table's.
        is_plain = not {*_DELIMITERS} & {*"".join(columns)}
        header = io.StringIO()
        csv.writer(
            header,
            delimiter=self.delimiter,
            lineterminator="\n",
            quoting=csv.QUOTE_MINIMAL if is_plain else csv.QUOTE_ALL,
        ).writerow(columns)
        file.write(header.getvalue().encode("utf-8", "surrogatepass"))
        for rows in outputs.rows():
            blocks = [_cells(array) for array in rows.values()]
            lines = (
                self.delimiter.join(chain.from_iterable(row)) for row in zip(*blocks, strict=True)
            )
            text = "".join(f"{line}\n" for line in lines)
            file.write(text.encode())
            file.flush()


def _cells(array: Array) -> Iterable[list[str]]:
    """Return the shortest texts that read back to the same numbers, row by row."""
    flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
    if array.dtype == np.float64:
        return ([repr(value) for value in row] for row in flat.tolist())
    return flat.astype(np.str_).tolist()


class Tsv(Csv):
    """A table whose cells are separated by tabs."""

    name = "tsv"
    delimiter = "\t"
