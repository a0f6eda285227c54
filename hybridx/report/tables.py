"""Objects as tables of their attributes, for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, Final

from hybridx.report.page import Folded, Listing, Part, Table, write_piece
from hybridx.report.quantities import duration, rate, size

# How numbers are shown, by the names of their attributes.
_FORMS: Final[Mapping[str, Callable[[Any], str]]] = {
    "size": size,
    **dict.fromkeys(("seconds", "load", "p50", "p90", "p99"), duration),
    "rows_per_second": rate,
}
_MOST_LETTERS: Final = 120  # of a text that stands in a table
_MOST_ROWS: Final = 50
_MOST_LISTED: Final = 20  # values in a cell
_MOST_DETAILED: Final = 8  # records with what does not fit into their rows
_MOST_TEXT: Final = 10_000  # letters


def shown(name: str, attributes: Mapping[str, Any]) -> str:
    """Return the attributes of an object as HTML, under its name.

    Args:
        name: of its class.
        attributes: of any kind, by name.
    """
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
    return write_piece(title, [*_parts(attributes)])


def attributes_of(record: Any) -> dict[str, Any]:
    """Return the attributes of a dataclass or a struct of msgspec, by name."""
    names = getattr(record, "__struct_fields__", None)
    if names is None:
        names = [field.name for field in fields(record)]
    return {name: getattr(record, name) for name in names}


def _is_record(value: object) -> bool:
    return hasattr(value, "__struct_fields__") or (
        is_dataclass(value) and not isinstance(value, type)
    )


def _parts(attributes: Mapping[str, Any]) -> Iterator[Part]:
    """Yield a table of what fits into one, and then the rest, each under its name."""
    cells = {name: _cell(value, name) for name, value in attributes.items()}
    rows = [(_label(name), cell) for name, cell in cells.items() if cell is not None]
    if rows:
        yield Table(rows)
    for name, cell in cells.items():
        if cell is None:
            title, value = _label(name), attributes[name]
            if _is_array(value):
                title += f": {value.dtype} {tuple(value.shape)}"
            found = [*_long(value)]
            yield Folded(title, found, is_open=not isinstance(found[0], Listing))


def _long(value: Any) -> Iterator[Part]:
    """Yield what does not fit into a cell of a table."""
    match value:
        case Mapping():
            yield from _parts(value)
        case list() | tuple() if all(map(_is_record, value)):
            yield from _records([attributes_of(one) for one in value])
        case list() | tuple():
            rows = [one if isinstance(one, list | tuple) else [one] for one in value[:_MOST_ROWS]]
            yield Table([[_cell(cell) or str(cell) for cell in row] for row in rows])
            yield from _more(value)
        case _ if _is_record(value):
            yield from _parts(attributes_of(value))
        case _:
            text = str(value)
            yield Listing(text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} …")


def _records(records: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    """Yield records as the rows of a table, and behind it what does not fit into their cells."""
    used = [name for name in records[0] if any(one[name] is not None for one in records)]
    cells = [{name: _cell(one[name], name) for name in used} for one in records]
    plain = [name for name in used if all(row[name] is not None for row in cells)]
    rows = [[row[name] or "" for name in plain] for row in cells[:_MOST_ROWS]]
    yield Table(rows, [_label(name) for name in plain])
    yield from _more(cells)
    for record, row in zip(records[:_MOST_DETAILED], rows, strict=False):
        rest = {name: record[name] for name in used if name not in plain}
        inside = [part for value in rest.values() for part in _long(value)]
        if inside:
            title = f"{', '.join(map(_label, rest))} of {row[0] if row else 'one'}"
            yield Folded(title, inside, is_open=all(isinstance(part, Table) for part in inside))


def _more(values: Collection[object]) -> Iterator[Part]:
    if len(values) > _MOST_ROWS:
        yield f"and {len(values) - _MOST_ROWS:,} more"


def _label(name: object) -> str:
    return str(name).replace("_", " ") if str(name).isidentifier() else str(name)


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def _cell(value: Any, name: object = "") -> str | None:
    """Return a value as a short text, or None if it does not fit into a line.

    Args:
        value: any.
        name: of the attribute.
    """
    match value:
        case int() | float() if name in _FORMS:
            return _FORMS[str(name)](value)
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float():
            return f"{value:.4g}"
        case str() | PurePath():
            text = str(value)
        case list() | tuple():
            found = [_cell(one) for one in value[:_MOST_LISTED]]
            if any(map(_is_record, value)) or None in found:
                return None
            rest = f" … {len(value) - _MOST_LISTED:,} more" if len(value) > _MOST_LISTED else ""
            text = ", ".join(filter(None, found)) + rest if value else "none"
        case Mapping():
            named = {_label(key): _cell(one, key) for key, one in value.items()}
            if None in named.values():
                return None
            text = ", ".join(f"{key} {one}" for key, one in named.items()) or "none"
        case _ if _is_record(value):
            return _cell({key: one for key, one in attributes_of(value).items() if one is not None})
        case _ if _is_array(value):
            return None
        case _:
            text = str(value)
    return text if len(text) <= _MOST_LETTERS and len(text.splitlines()) <= 1 else None
