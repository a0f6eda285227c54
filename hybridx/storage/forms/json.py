"""`.json`: arrays as nested lists, by name or alone, or a table as a list of objects.

JSON has no NaN and no infinity. They are written as the strings "NaN", "Infinity" and "-Infinity",
as protocol buffers write them; the bare words that Python's json module writes are read as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import IO, Any, ClassVar

import msgspec
import numpy as np

from hybridx.bounds import JSON_BYTES, JSON_VALUES, MEMBERS, Bound, refuse_above, refuse_more
from hybridx.errors import TableError
from hybridx.storage.forms.form import (
    Array,
    ArrayData,
    Form,
    GivenArrays,
    Kind,
    Outputs,
    Spec,
    TableData,
    listed,
)

_NOT_FINITE = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
_FORMS = (
    'write {"input name": [[1, 2], [3, 4]]}, or for one input [[1, 2], [3, 4]] or '
    '[{"column": 1}, {"column": 2}]'
)


def as_lists(array: Array) -> Any:
    """Return an array as nested lists, with strings for the numbers that JSON does not have."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    objects = array.astype(object)
    objects[np.isnan(array)] = "NaN"
    objects[np.isposinf(array)] = "Infinity"
    objects[np.isneginf(array)] = "-Infinity"
    return objects.tolist()


class _Objects(TableData):
    has_header = True

    def __init__(self, path: str, objects: Sequence[dict[str, Any]]) -> None:
        self.path, self._objects = path, objects
        self.columns = tuple(objects[0])
        self.rows = len(objects)
        if not self.columns:
            raise TableError(path, "its objects are empty", _FORMS)
        for row, one in enumerate(objects, 1):
            if one.keys() != objects[0].keys():
                name = sorted(one.keys() ^ objects[0].keys())[0]
                holder = "row 1" if name in one else f"row {row}"
                raise TableError(
                    path, f"{holder} has no {name!r}", "give every object the same names"
                )

    def slices(self, wanted: Sequence[tuple[str, Kind]], size: int) -> Iterator[list[Array]]:
        """Yield `size` rows of the wanted columns at a time."""
        rest = iter(self._objects)
        start = 0
        while block := list(islice(rest, size)):
            yield [self._column(block, name, kind, start) for name, kind in wanted]
            start += len(block)

    def _column(self, block: Sequence[dict[str, Any]], name: str, kind: Kind, start: int) -> Array:
        cells = [one[name] for one in block]
        for row, cell in enumerate(cells, start + 1):
            if not _is_of(cell, kind):
                where = f"row {row}, column {name!r}"
                raise TableError(
                    self.path,
                    f"{where}: {json.dumps(cell)[:40]} is not {_WORDS[kind]}",
                    'write "NaN" where a number is not known, or choose other columns with '
                    "--columns",
                )
        if kind is str:
            return np.array([str(cell) for cell in cells], dtype=object)
        if kind is float:
            return np.array([_NOT_FINITE.get(cell, cell) for cell in cells], dtype=np.float64)
        return np.array(cells, dtype=np.int64 if kind is int else np.bool_)


_WORDS = {float: "a number", int: "a whole number of 64 bits", bool: "true or false", str: "text"}


def _is_of(cell: Any, kind: Kind) -> bool:
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    match kind:
        case _ if kind is float:
            return is_number or (isinstance(cell, str) and cell in _NOT_FINITE)
        case _ if kind is int:
            whole = is_number and (isinstance(cell, int) or cell.is_integer())
            return whole and -(2**63) <= cell < 2**63
        case _ if kind is bool:
            return isinstance(cell, bool)
        case _:
            return isinstance(cell, str | int | float)


class Json(Form):
    """Nested lists, by name or alone, or a list of objects."""

    name = "json"
    bound: ClassVar[Bound | None] = JSON_BYTES

    def open(
        self, file: IO[bytes], path: str, *, header: bool = True, chosen: Sequence[str] = ()
    ) -> ArrayData | TableData:
        """Read the whole file, and return its arrays or its table."""
        try:
            content = file.read(JSON_BYTES.limit + 1)
            if len(content) > JSON_BYTES.limit:
                refuse_more(JSON_BYTES, f"the size of {path}")
            # Each value but the first of a list stands behind a comma.
            most = sum(map(content.count, (b",", b"[", b"{")))
            refuse_above(JSON_VALUES, most, f"the number of values of {path}")
            value = json.loads(content, object_pairs_hook=_unique)
        except _RepeatedError as error:
            raise TableError(
                path, f"{listed(error.args)!r} is there twice", "give every name once"
            ) from error
        except (ValueError, RecursionError) as error:
            raise TableError(path, f"it is not JSON ({error})", _FORMS) from error
        match value:
            case dict():
                refuse_above(MEMBERS, len(value), f"the number of arrays of {path}")
                # A file that `run` wrote on a device also says how it was run.
                arrays = {
                    name: _array(path, name, inside)
                    for name, inside in value.items()
                    if not (name == "execution" and isinstance(inside, dict))
                }
                return GivenArrays(arrays, path)
            case [dict(), *rest] if all(isinstance(one, dict) for one in rest):
                return _Objects(path, value)
            case list():
                return GivenArrays({"": _array(path, "", value)}, path)
            case _:
                raise TableError(path, "it holds no lists of numbers", _FORMS)

    def check(self, specs: Mapping[str, Spec]) -> None:
        """Take any arrays."""

    def write(self, file: IO[bytes], outputs: Outputs, about: Mapping[str, object]) -> None:
        """Write an object of nested lists by name."""
        entries = [
            _entry(name) + msgspec.json.encode(value)
            for name, value in about.items()
            if name not in outputs.specs
        ]
        file.write(b"{" + b",".join(entries))
        is_first = not entries
        for name, spec in outputs.specs.items():
            file.write((b"" if is_first else b",") + _entry(name))
            is_first = False
            if not spec.shape:
                (number,) = outputs.parts(name)
                file.write(msgspec.json.encode(as_lists(number)))
                continue
            separator = b"["
            for part in outputs.parts(name):
                if len(part):
                    file.write(separator + msgspec.json.encode(as_lists(part))[1:-1])
                    separator = b","
            file.write(b"[]" if separator == b"[" else b"]")
        file.write(b"}\n")


def _entry(name: str) -> bytes:
    return json.dumps(name).encode() + b":"


class _RepeatedError(Exception):
    """A name is given twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _RepeatedError(next(name for name, count in counts.items() if count > 1))
    return found


def _array(path: str, name: str, value: Any) -> Array:
    where = f"{listed([name])!r}: " if name else ""
    ragged = TableError(path, f"{where}its lists are not of one length", _FORMS)
    inside, axes = [value], 0
    while inside and {*map(type, inside)} == {list}:
        inside, axes = [*chain.from_iterable(inside)], axes + 1
        if axes > _MOST_AXES:
            raise TableError(path, f"{where}its lists are too deep", _FORMS)
    if any(isinstance(one, list) for one in inside):
        raise ragged
    try:
        # NumPy would make texts of all numbers beside a text.
        has_numbers = {*map(type, inside)} <= {int, float, bool}
        array = np.array(value) if has_numbers else np.array(spelled_numbers(value))
        if array.dtype.kind == "O":
            array = np.array(spelled_numbers(value))
    except NoNumberError as error:
        shown = json.dumps(error.args[0])[:40]
        raise TableError(
            path,
            f"{where}{shown} is not a number",
            'write "NaN" where a number is not known, and numbers without quotes',
        ) from error
    except ValueError as error:
        raise ragged from error
    return array


_MOST_AXES = 32  # that every version of NumPy has


class NoNumberError(ValueError):
    """A value in a list is no number."""


def spelled_numbers(value: Any) -> Any:
    """Return nested lists in which the strings of numbers that JSON does not have are numbers.

    Raises:
        NoNumberError: a value is another string, or no number; its argument is that value.
    """
    match value:
        case list():
            return [spelled_numbers(one) for one in value]
        case bool() | float():
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case str() if value in _NOT_FINITE:
            return _NOT_FINITE[value]
        case _:
            raise NoNumberError(value)
