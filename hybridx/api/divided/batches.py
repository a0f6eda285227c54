"""A batch of columns, as a data library hands it to a model and wants it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridx.api.work.named_inputs import join, name_inputs
from hybridx.errors import OptionError, OptionNeedsError, TableError
from hybridx.runtime import Session, execution_of, rows_from, run_slice, uses_device
from hybridx.storage import Array, GivenTable, column_names, spec_of


def run_batch(
    session: Session,
    batch: Mapping[str, Any],
    *,
    columns: Sequence[str] = (),
    keep: Sequence[str] = (),
    numbers: str | None = None,
) -> dict[str, Array]:
    """Run a model on a batch of columns, and return its outputs as columns.

    Args:
        session: the model.
        batch: arrays of one length, which may be read-only: one for each input by its name, or one
            for each column of a table, as a data file has them.
        columns: the columns in the order of the inputs; by default as for a data file.
        keep: columns that are returned as they came, before the outputs.
        numbers: the column with the number of each row, by which a device with a seed samples.

    Returns:
        An output of one axis under its name, any other one as columns `name_0`, `name_1`, …, as a
        table of `hybridx run` has them.

    Raises:
        InputNamesError: the columns are not the model's.
        InputError: a row does not fit the model; the error counts rows from the batch's first.
        TableError: a column that is to be kept is not there.
        OptionNeedsError: the device has a seed, and nothing numbers the rows.
        OptionError: an output has the name of a column that is kept, or not one row for each.
    """
    table = GivenTable({name: np.asarray(column) for name, column in batch.items()})
    table.check_columns(keep)
    if not columns and batch.keys() >= set(session.input_names):
        given = {name: np.asarray(batch[name]) for name in session.input_names}
    else:
        inputs = name_inputs(session, table, columns)
        if not inputs.sliced:
            raise TableError(
                table.path,
                "the model takes other than one value of every input for each row",
                "give each input under its name, as an array of its own",
            )
        (given,) = inputs.slices(max(table.rows or 0, 1))
    if uses_device(session) and execution_of(session).seed is not None:
        outputs = _row_by_row(session, given, table, batch, numbers)
    else:
        outputs = session.run(given)
    flat = _columns(outputs)
    for name, column in flat.items():
        if name in keep:
            raise OptionError("a column to keep", name, "columns that no output is called as")
        if len(column) != table.rows:
            found = f"{name} has {len(column):,} rows"
            raise OptionError(f"a batch of {table.rows:,} rows", found, "models with one for each")
    return {**{name: np.asarray(batch[name]) for name in keep}, **flat}


def _row_by_row(
    session: Session,
    given: Mapping[str, Array],
    table: GivenTable,
    batch: Mapping[str, Any],
    numbers: str | None,
) -> dict[str, Array]:
    """Run each row with the seed of its number: its samples then depend on no other row."""
    if numbers is None:
        raise OptionNeedsError("--seed", "numbers, the column with the number of each row")
    table.check_columns([numbers])
    parts = []
    for row, number in enumerate(map(int, batch[numbers])):
        one = {name: array[row : row + 1] for name, array in given.items()}
        with rows_from(row - number):
            parts.append(run_slice(session, one, number))
    return join(parts, frozenset(session.output_names)) if parts else session.run(given)


def _columns(outputs: Mapping[str, Array]) -> dict[str, Array]:
    names = column_names({name: spec_of(array) for name, array in outputs.items()}, "table")
    return {
        column: array
        for name, columns in names.items()
        for column, array in zip(
            columns, outputs[name].reshape(len(outputs[name]), -1).T, strict=True
        )
    }
