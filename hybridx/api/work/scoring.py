"""Score a model file on a table with a target column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx.api.progress import Stages
from hybridx.api.work.named_inputs import join_columns, name_inputs
from hybridx.api.work.running import run_in_batches
from hybridx.bounds import JSON_BYTES, JSON_VALUES, refuse_above
from hybridx.circuit import BATCH
from hybridx.errors import InputNamesError, OutputRowsError, TableError, UnequalAxesError
from hybridx.report import Shown, counted
from hybridx.runtime import Options, Session, Usage, as_array, load, named_arrays
from hybridx.storage import (
    Array,
    Kind,
    TableData,
    listed,
    open_data,
    read_bytes,
    read_whole_columns,
    recover,
)


@dataclass(frozen=True)
class Evaluation(Shown):
    """The score of a model on a table with a target column.

    Attributes:
        path: of the model.
        device: the device that ran the circuits.
        rows: number of rows that were scored.
        metrics: `accuracy` for classes; `mean_squared_error` and `mean_absolute_error` for numbers.
        confusion: for classes, rows by true class and columns by predicted class.
        classes: their names, in order.
        usage: the devices and providers of the run, and what was sent.
        notes: what the user should know of the result.
    """

    path: str
    device: str
    rows: int
    metrics: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...] = ()
    classes: tuple[str, ...] = ()
    usage: Usage | None = None
    notes: tuple[str, ...] = ()


def score(
    path: str | Path,
    data: str | Path | Any,
    target: str | Any,
    *,
    columns: Sequence[str],
    header: bool,
    data_format: str | None,
    classes: Sequence[str],
    rows: str | Path | None,
    batch_size: int,
    stages: Stages,
    **execution: Unpack[Options],
) -> Evaluation:
    """Score a model file; arguments and errors as `evaluate`."""
    with stages("load"):
        session = load(path, **execution)
    if len(session.input_names) != 1:
        raise InputNamesError("one table", listed(session.input_names))
    with stages("read") as tell:
        if isinstance(data, str | Path):
            with open_data(
                data, format=data_format, header=header, columns=(*columns, target), what="data"
            ) as table:
                if not isinstance(table, TableData):
                    raise TableError(
                        table.path,
                        "it is not a table, and the true answers are one of its columns",
                        "give a .csv, .tsv or .parquet file, or .json with a list of objects",
                    )
                table.check_columns([target])
                scored = _read(session, table, target, columns)
        else:
            scored = _given(session, data, target, tuple(classes or session.metadata.classes))
            target = "target"
        tell(counted(len(scored.truth), "row"))
    chosen = _chosen_rows(rows, len(scored.truth))
    if chosen is not None:
        inputs = {name: array[chosen] for name, array in scored.inputs.items()}
        scored = replace(scored, inputs=inputs, truth=scored.truth[chosen])
    with stages("run"):
        outputs = run_in_batches(session, scored.inputs, batch_size, told=stages.rows)
    output = outputs[session.output_names[0]]
    if output.shape[:1] != (len(scored.truth),):
        raise OutputRowsError(session.output_names[0], str(output.shape), len(scored.truth))
    scores = output.reshape(len(output), -1).astype(np.float64)
    is_known: NDArray[np.bool_] = np.asarray(np.isfinite(scores).all(axis=1))
    notes = scored.notes if is_known.all() else (*scored.notes, _note(is_known))
    done = Evaluation(str(path), session.device, len(scores), {}, usage=session.usage, notes=notes)
    if scores.shape[1] == 1:
        return replace(done, metrics=_number_metrics(scores[:, 0], scored, target))
    names = tuple(classes or session.metadata.classes or map(str, range(scores.shape[1])))
    truth = _class_indices(scored, target, names, scores.shape[1])
    accuracy, confusion = _class_metrics(scores, truth, is_known)
    return replace(done, metrics={"accuracy": accuracy}, confusion=confusion, classes=names)


@dataclass(frozen=True, eq=False)
class _Scored:
    """The rows that are scored: inputs by name, and the cells of the target as strings."""

    path: str
    inputs: Mapping[str, Array]
    truth: NDArray[np.object_]
    notes: tuple[str, ...]


def _read(session: Session, table: TableData, target: str, columns: Sequence[str]) -> _Scored:
    named = name_inputs(session, table, columns, besides=[target])
    ((name, own),) = named.layout.items()
    wanted: list[tuple[str, Kind]] = [(target, str), *((column, float) for column in own)]
    truth, *features = read_whole_columns(table, wanted)
    inputs = {name: join_columns(features, session.inputs[0])}
    return _Scored(table.path, inputs, truth, named.notes)


def _given(session: Session, data: Any, target: Any, classes: Sequence[str]) -> _Scored:
    """Return arrays with the true answers beside them; whole numbers count the classes from 0."""
    inputs = named_arrays(session, data)
    answers = as_array(target, "target").reshape(-1)
    (rows,) = [len(array) if array.ndim else 1 for array in inputs.values()]
    if len(answers) != rows:
        told = f"{session.input_names[0]} has {rows}, target has {len(answers)}"
        raise UnequalAxesError(BATCH, told)
    is_index = answers.dtype.kind in "iub" and all(0 <= one < len(classes) for one in answers)
    truth = [classes[int(one)] if is_index else str(one) for one in answers.tolist()]
    return _Scored("the arrays", inputs, np.array(truth, dtype=object), ())


def _note(is_known: NDArray[np.bool_]) -> str:
    unknown = np.flatnonzero(~is_known)
    return (
        f"the outputs hold NaN or infinity in {len(unknown):,} of {len(is_known):,} rows, which "
        f"count as wrong; the first is row {unknown[0] + 1:,} of those scored"
    )


def _chosen_rows(rows: str | Path | None, count: int) -> NDArray[np.int64] | None:
    if rows is None:
        return None
    recover(Path(rows))
    content = read_bytes(Path(rows), JSON_BYTES)
    refuse_above(JSON_VALUES, content.count(b","), f"the number of rows of {rows}")
    try:
        chosen = msgspec.json.decode(content, type=_Rows).held_out_rows
    except (msgspec.MsgspecError, RecursionError) as error:
        raise TableError(
            str(rows), f"it does not list rows: {error}", 'write {"held_out_rows": [0, 1]}'
        ) from error
    if not chosen or not all(0 <= row < count for row in chosen):
        raise TableError(
            str(rows),
            f"its rows do not all lie in a table of {count} rows",
            "give the rows that belong to this table, counted from 0",
        )
    return np.array(chosen, dtype=np.int64)


class _Rows(msgspec.Struct, frozen=True):
    held_out_rows: tuple[int, ...]


def _class_indices(
    scored: _Scored, target: str, classes: Sequence[str], width: int
) -> NDArray[np.int64]:
    known = {name: index for index, name in enumerate(classes)}
    found = scored.truth.tolist()
    strange = sorted(set(found) - known.keys())
    if strange or len(known) != width:
        raise TableError(
            scored.path,
            f"column {target!r} holds {listed(sorted(set(found))[:5])}; "
            f"the model has {width} outputs named {', '.join(classes)}",
            "name the classes in the order of the outputs with --classes",
        )
    return np.array([known[name] for name in found], dtype=np.int64)


def _class_metrics(
    scores: NDArray[np.float64], truth: NDArray[np.int64], is_known: NDArray[np.bool_]
) -> tuple[float, tuple[tuple[int, ...], ...]]:
    """Return the accuracy and the confusion; a row with NaN or infinity has no predicted class."""
    predicted = np.where(is_known, np.nan_to_num(scores).argmax(axis=1), -1)
    confusion = np.zeros((scores.shape[1],) * 2, dtype=np.int64)
    np.add.at(confusion, (truth[is_known], predicted[is_known]), 1)
    return float((predicted == truth).mean()), tuple(tuple(row) for row in confusion.tolist())


def _number_metrics(
    predicted: NDArray[np.float64], scored: _Scored, target: str
) -> dict[str, float]:
    truth = np.empty(len(predicted))
    for row, cell in enumerate(scored.truth.tolist()):
        try:
            truth[row] = float(cell)
        except ValueError:
            raise TableError(
                scored.path,
                f"row {row + 1} of those scored, column {target!r}: {cell!r} is not a number",
                "name the column with the true number with --target",
            ) from None
    error = predicted - truth
    return {
        "mean_squared_error": float((error**2).mean()),
        "mean_absolute_error": float(np.abs(error).mean()),
    }
