"""The arrays and columns of a data file, given to the inputs of a model by name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from hybridx.artifact import Signature
from hybridx.bounds import DATA_ROWS, refuse_above
from hybridx.circuit import BATCH
from hybridx.errors import InputNamesError, OptionNeedsError, TableError, UnequalAxesError
from hybridx.runtime import Session, check_spec, sliced_inputs
from hybridx.storage import (
    Array,
    ArrayData,
    Data,
    GivenArrays,
    Kind,
    TableData,
    is_number,
    listed,
    no_header,
)

_KINDS: Mapping[str, Kind] = {"f": float, "i": int, "u": int, "b": bool}
_ALL_ROWS = 2**31


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of a model from an open data file.

    Attributes:
        data: the file.
        signatures: of the model's inputs.
        sliced: names of the inputs that have one row for each row of the file; all others are given
            in full with every slice. Empty if the model takes the file in one piece.
        layout: of a table, the columns of each input; of arrays, the name of its array.
        rows: how many there are, or None if only reading tells.
        notes: what the user should know of the choice of columns.
    """

    data: Data
    signatures: tuple[Signature, ...]
    sliced: frozenset[str]
    layout: Mapping[str, tuple[str, ...]]
    rows: int | None
    notes: tuple[str, ...] = ()

    def slices(self, size: int) -> Iterator[dict[str, Array]]:
        """Yield the inputs of `size` rows at a time, or all at once if nothing is sliced.

        Raises:
            TableError: the content of the file is broken.
        """
        size = min(size, _ALL_ROWS)
        match self.data:
            case ArrayData():
                own = {name: array for name, (array,) in self.layout.items()}
                whole = {own[one.name] for one in self.signatures if one.name not in self.sliced}
                for arrays in self.data.slices(size, whole):
                    yield {name: arrays[array] for name, array in own.items()}
            case TableData():
                kinds = {one.name: _KINDS.get(one.dtype.kind, float) for one in self.signatures}
                wanted = [(c, kinds[name]) for name, own in self.layout.items() for c in own]
                for block in self.data.slices(wanted, size if self.sliced else _ALL_ROWS):
                    rest = iter(block)
                    yield {
                        one.name: join_columns([next(rest) for _ in self.layout[one.name]], one)
                        for one in self.signatures
                    }
            case _:
                assert_never(self.data)

    def whole(self) -> dict[str, Array]:
        """Return the inputs of all rows."""
        parts = list(self.slices(self.rows or _ALL_ROWS))
        return join(parts, self.sliced)


def join(parts: Sequence[Mapping[str, Array]], sliced: frozenset[str]) -> dict[str, Array]:
    """Return one slice that holds the rows of all given ones."""
    first, *rest = parts
    if not rest:
        return dict(first)
    return {
        name: np.concatenate([part[name] for part in parts]) if name in sliced else array
        for name, array in first.items()
    }


def name_inputs(
    session: Session, data: Data, columns: Sequence[str] = (), *, besides: Sequence[str] = ()
) -> Inputs:
    """Give the arrays or columns of an open file to the inputs of a model.

    An array without a name is taken by a model with one input. Everything else goes by name: the
    names of arrays are the model's. Columns are those that the user names, or `x`, `x_0`, `x_1` for
    an input `x`, or those that the model names. Only a model that names none, with one input, takes
    as many columns as it needs in their order, and this is noted; so does any model if the table
    has no header.

    Args:
        session: the model.
        data: the file.
        columns: the columns that the user has named, in the order of the inputs.
        besides: columns that hold something else, and are no inputs unless they are named.

    Raises:
        InputNamesError: the names are not the model's.
        OptionNeedsError: columns are named, and the file is no table.
        UnequalAxesError: the arrays differ in their number of rows.
        TableError: there is no such column, or the inputs cannot come from a table.
    """
    match data:
        case ArrayData():
            if columns:
                raise OptionNeedsError("--columns", "a table: CSV, TSV, Parquet or JSON objects")
            return _from_arrays(session, data)
        case TableData():
            return _from_table(session, data, columns, besides)
        case _:
            assert_never(data)


def _from_arrays(session: Session, data: ArrayData) -> Inputs:
    is_nameless = data.arrays.keys() == {""}
    if is_nameless and len(session.input_names) == 1:
        layout = {session.input_names[0]: ("",)}
    elif data.arrays.keys() == set(session.input_names):
        layout = {name: (name,) for name in session.input_names}
    else:
        given = "one array without a name" if is_nameless else listed(sorted(data.arrays))
        raise InputNamesError(given, listed(sorted(session.input_names)))
    for one in session.inputs:
        check_spec(data.arrays[layout[one.name][0]], one)
    shapes = {name: data.arrays[array].shape for name, (array,) in layout.items()}
    sliced = sliced_inputs(session)
    lengths = {name: shapes[name][0] for name in session.input_names if name in sliced}
    if len({*lengths.values()}) > 1:
        raise UnequalAxesError(BATCH, ", ".join(f"{n} has {k}" for n, k in lengths.items()))
    rows = next(iter(lengths.values()), None)
    if rows is not None and not isinstance(data, GivenArrays):
        refuse_above(DATA_ROWS, rows, f"the number of rows of {data.path}")
    return Inputs(data, session.inputs, sliced, layout, rows)


def _from_table(
    session: Session, data: TableData, columns: Sequence[str], besides: Sequence[str]
) -> Inputs:
    shared = [one.name for one in session.inputs if one.shape[:1] != (BATCH,)]
    if shared and len(session.inputs) > 1:
        raise TableError(
            data.path,
            f"a table has a value of {shared[0]!r} in every row, and the model takes one for all",
            "give a .npz or .json file",
        )
    data.check_columns(columns)
    others = [name for name in data.columns if name not in besides]
    layout, notes = _layout(session, data, columns, others)
    sliced = frozenset() if shared else frozenset(session.input_names)
    return Inputs(data, session.inputs, sliced, layout, data.rows, notes)


def _layout(
    session: Session, data: TableData, columns: Sequence[str], others: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the columns of each input, and what the user should know of that choice."""
    signatures = session.inputs
    if columns:
        return _in_order(session, columns), ()
    if not data.has_header:
        return _in_order(session, others), ()
    known = frozenset(data.columns)
    own = {one.name: _own_columns(one, known) for one in signatures}
    if all(own.values()):
        return own, ()
    if session.metadata.columns:
        missing = [name for name in session.metadata.columns if name not in known]
        if missing:
            if any(map(is_number, others)):
                raise no_header(data.path)
            given = f"{listed(data.columns)} (without {listed(missing)})"
            raise InputNamesError(given, listed(session.metadata.columns))
        return _in_order(session, session.metadata.columns), ()
    if any(map(is_number, others)):
        raise no_header(data.path)
    if len(signatures) > 1 or "" in others:
        raise InputNamesError(listed(data.columns), _expected(session))
    layout, names = _in_order(session, others), listed(others)
    note = f"the model does not name its columns: those of {data.path} are taken as {names}"
    return layout, (note,)


def _own_columns(signature: Signature, columns: Collection[str]) -> tuple[str, ...]:
    """Return the columns that are called as the input is, or nothing if one is missing."""
    name, width = signature.name, _width(signature)
    if len(signature.shape) <= 1:
        return (name,) if name in columns else ()
    found: list[str] = []
    while f"{name}_{len(found)}" in columns and len(found) != width:
        found.append(f"{name}_{len(found)}")
    return tuple(found) if width in (None, len(found)) else ()


def _in_order(session: Session, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Divide columns among the inputs in their order, as many as each of them takes."""
    widths = [_width(one) for one in session.inputs]
    if len(widths) == 1 and widths[0] in (None, len(columns)):
        return {session.input_names[0]: tuple(columns)}
    if None in widths or sum(filter(None, widths)) != len(columns):
        raise InputNamesError(listed(columns), _expected(session))
    rest = iter(columns)
    return {
        one.name: tuple(next(rest) for _ in range(width or 0))
        for one, width in zip(session.inputs, widths, strict=True)
    }


def _width(signature: Signature) -> int | None:
    """Return in how many columns a row of an input lies; None if it may be any number."""
    if any(isinstance(length, str) for length in signature.shape[1:]):
        return None
    return int(np.prod([int(length) for length in signature.shape[1:]]))


def join_columns(columns: Sequence[Array], signature: Signature) -> Array:
    """Return the columns of one input as an array of its shape, or flat if that does not fit."""
    if len(signature.shape) == 1:
        return columns[0]
    flat = np.stack(columns, axis=-1)
    known = int(np.prod([n for n in signature.shape[1:] if not isinstance(n, str)]))
    is_open = [isinstance(length, str) for length in signature.shape[1:]]
    if sum(is_open) > 1 or (known and flat.shape[1] % known):
        return flat
    lengths = [-1 if isinstance(n, str) else int(n) for n in signature.shape[1:]]
    return flat.reshape(len(flat), *lengths)


def _expected(session: Session) -> str:
    """Return the columns that a model takes, as far as they have names."""
    if session.metadata.columns:
        return listed(session.metadata.columns)

    def described(signature: Signature) -> str:
        width = _width(signature)
        if len(signature.shape) <= 1:
            return signature.name
        if width is None:
            return f"{signature.name}_0, …"
        if width <= 4:
            return ", ".join(f"{signature.name}_{i}" for i in range(width))
        return f"{signature.name}_0, …, {signature.name}_{width - 1}"

    return ", ".join(map(described, session.inputs))
