"""A model file run on a data file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from hybridx.artifact import BATCH
from hybridx.errors import InputNamesError
from hybridx.runtime import Array, Options, Session, load
from hybridx.storage import check_writable, read_arrays, write_arrays

BATCH_SIZE = 4096
"""Rows that are run at a time, so that a long file does not need memory for all of it."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The outputs of a model for the rows of a file.

    Attributes:
        path: of the model.
        device: that ran the circuits.
        rows: how many.
        outputs: arrays by name.
        written: the file they were written to, if one was asked for.
        seconds: the run took, loading left out.
    """

    path: str
    device: str
    rows: int
    outputs: Mapping[str, Array]
    written: str | None
    seconds: float


def predict(
    path: str | Path,
    data: str | Path,
    output: str | Path | None = None,
    *,
    columns: Sequence[str] = (),
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    **execution: Unpack[Options],
) -> Prediction:
    """Run a model file on the rows of a data file.

    Args:
        path: of the model.
        data: `.npy`, `.npz` (arrays named as the inputs) or `.csv`.
        output: where to write the outputs: `.npy`, `.npz`, `.csv` or `.json`.
        columns: the columns of a CSV file in order; by default those that the model names.
        batch_size: rows at a time, where the model takes any number.
        overwrite: replace an existing output.
        **execution: on what the model runs; see `hybridx.load`.

    Raises:
        InputError: the data do not fit the model.
        ArtifactError: a file cannot be read or written.
        DeviceError: there is no such device, or it failed.
    """
    if output is not None:
        check_writable(Path(output), overwrite=overwrite)
    session = load(path, **execution)
    inputs = read_inputs(session, Path(data), columns)
    started = time.perf_counter()
    outputs = run_in_batches(session, inputs, batch_size)
    seconds = time.perf_counter() - started
    if output is not None:
        write_arrays(Path(output), outputs, overwrite=overwrite)
    rows = max((len(array) for array in inputs.values() if array.ndim), default=1)
    written = None if output is None else str(output)
    return Prediction(str(path), session.device, rows, outputs, written, seconds)


def read_inputs(session: Session, data: Path, columns: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of a data file under the names of the model's inputs.

    Raises:
        InputNamesError: the file has one array without a name, the model several inputs.
    """
    arrays = read_arrays(data, columns=columns or session.statement.columns)
    if set(arrays) != {""} and len(arrays) + len(session.input_names) > 2:
        return arrays
    if len(session.input_names) != 1:
        raise InputNamesError("one array without a name", ", ".join(session.input_names))
    return {session.input_names[0]: next(iter(arrays.values()))}


def run_in_batches(
    session: Session, inputs: Mapping[str, Array], batch_size: int
) -> dict[str, Array]:
    """Run a session slice by slice and return the outputs of all rows.

    A model with a fixed batch, or with outputs that are not one row for each row of input, is run
    in one piece.
    """
    sliced = {s.name for s in session.inputs if s.shape[:1] == (BATCH,)}
    rows = {len(inputs[name]) for name in sliced & inputs.keys()}
    if len(rows) != 1 or max(rows) <= batch_size:
        return session.run(inputs)
    (total,) = rows
    parts = [
        session.run(
            {
                name: array[start : start + batch_size] if name in sliced else array
                for name, array in inputs.items()
            }
        )
        for start in range(0, total, batch_size)
    ]
    sizes = [min(batch_size, total - start) for start in range(0, total, batch_size)]
    for name in session.output_names:
        if [part[name].shape[:1] for part in parts] != [(size,) for size in sizes]:
            return session.run(inputs)
    return {name: np.concatenate([part[name] for part in parts]) for name in session.output_names}
