"""Score a model file on a table with a target column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx.api.work.running import run_in_batches
from hybridx.errors import InputNamesError, TableError
from hybridx.runtime import Options, Usage, load
from hybridx.storage import Table, read_bytes, read_table


@dataclass(frozen=True)
class Evaluation:
    """The score of a model on a table with a target column.

    Attributes:
        path: of the model.
        device: the device that ran the circuits.
        rows: number of rows that were scored.
        metrics: `accuracy` for classes; `mean_squared_error` and `mean_absolute_error` for numbers.
        confusion: for classes, rows by true class and columns by predicted class.
        classes: their names, in order.
        usage: the devices and providers of the run, and what was sent.
    """

    path: str
    device: str
    rows: int
    metrics: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...] = ()
    classes: tuple[str, ...] = ()
    usage: Usage | None = None


def score(
    path: str | Path,
    data: Path,
    target: str,
    *,
    columns: Sequence[str],
    classes: Sequence[str],
    rows: str | Path | None,
    batch_size: int,
    **execution: Unpack[Options],
) -> Evaluation:
    """Score a model file on a CSV table; arguments and errors as `evaluate`."""
    session = load(path, **execution)
    if len(session.input_names) != 1:
        raise InputNamesError("one table", ", ".join(session.input_names))
    table = _chosen_rows(read_table(data), rows)
    features = columns or session.metadata.columns or [c for c in table.columns if c != target]
    inputs = {session.input_names[0]: table.numbers(features)}
    output = run_in_batches(session, inputs, batch_size)[session.output_names[0]]
    scores = output.reshape(len(output), -1).astype(np.float64)
    if scores.shape[1] == 1:
        metrics = _number_metrics(scores[:, 0], table, target)
        return Evaluation(str(path), session.device, len(scores), metrics, usage=session.usage)
    names = tuple(classes or session.metadata.classes or map(str, range(scores.shape[1])))
    truth = _class_indices(table, target, names, scores.shape[1])
    accuracy, confusion = _class_metrics(scores, truth)
    return Evaluation(
        str(path),
        session.device,
        len(scores),
        {"accuracy": accuracy},
        confusion,
        names,
        session.usage,
    )


def _chosen_rows(table: Table, rows: str | Path | None) -> Table:
    if rows is None:
        return table
    try:
        chosen = msgspec.json.decode(read_bytes(Path(rows)), type=_Rows).held_out_rows
    except msgspec.MsgspecError as error:
        raise TableError(
            str(rows), f"it does not list rows: {error}", 'write {"held_out_rows": [0, 1]}'
        ) from error
    if not chosen or not all(0 <= row < len(table.rows) for row in chosen):
        raise TableError(
            str(rows),
            f"its rows do not all lie in a table of {len(table.rows)} rows",
            "give the rows that belong to this table, counted from 0",
        )
    return Table(table.path, table.columns, tuple(table.rows[row] for row in chosen))


class _Rows(msgspec.Struct, frozen=True):
    held_out_rows: tuple[int, ...]


def _class_indices(
    table: Table, target: str, classes: Sequence[str], width: int
) -> NDArray[np.int64]:
    known = {name: index for index, name in enumerate(classes)}
    found = table.text(target)
    strange = sorted(set(found) - known.keys())
    if strange or len(known) != width:
        raise TableError(
            table.path,
            f"column {target!r} holds {', '.join(sorted(set(found))[:5])}; "
            f"the model has {width} outputs named {', '.join(classes)}",
            "name the classes in the order of the outputs with --classes",
        )
    return np.array([known[name] for name in found], dtype=np.int64)


def _class_metrics(
    scores: NDArray[np.float64], truth: NDArray[np.int64]
) -> tuple[float, tuple[tuple[int, ...], ...]]:
    predicted = scores.argmax(axis=1)
    confusion = np.zeros((scores.shape[1],) * 2, dtype=np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    return float((predicted == truth).mean()), tuple(tuple(row) for row in confusion.tolist())


def _number_metrics(predicted: NDArray[np.float64], table: Table, target: str) -> dict[str, float]:
    error = predicted - table.numbers([target])[:, 0]
    return {
        "mean_squared_error": float((error**2).mean()),
        "mean_absolute_error": float(np.abs(error).mean()),
    }
