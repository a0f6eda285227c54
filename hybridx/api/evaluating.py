"""Score a model file on a table with a target column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from hybridx.api.options import BATCH_SIZE, check_run
from hybridx.api.progress import Stages
from hybridx.errors import OptionNeedsError
from hybridx.runtime import Execution
from hybridx.storage import PIPE, check_readable, format_of

if TYPE_CHECKING:
    from hybridx.api.work.scoring import Evaluation
    from hybridx.runtime import Options


def evaluate(
    path: str | Path,
    data: str | Path | Any,
    target: str | Any,
    *,
    columns: Sequence[str] = (),
    header: bool = True,
    data_format: str | None = None,
    classes: Sequence[str] = (),
    rows: str | Path | None = None,
    batch_size: int = BATCH_SIZE,
    stages: Stages | None = None,
    **execution: Unpack[Options],
) -> Evaluation:
    """Score a model file on a table, or on arrays.

    A model whose output has several columns is a classifier, which predicts the class of the
    largest column. A model with a single column predicts a number.

    Args:
        path: of the model; it has one input `(batch, features)`.
        data: of the table: `.csv`, `.tsv`, also `.gz`, `.parquet`, or `.json` with objects; `-`
            is stdin. Or an array, a tensor or a DataFrame of inputs.
        target: the column with the true class or number; beside arrays, an array of them: names of
            classes, whole numbers that count the classes from 0, or numbers.
        columns: the input's columns in order; by default those that the file names, or else all
            but the target.
        header: the first line of a table of text has the names of its columns. Without it the
            columns are called 0, 1 and so on.
        data_format: csv, tsv, json or parquet; by default the ending decides.
        classes: names of the logits in order; by default those that the file names.
        rows: a JSON file whose `held_out_rows` lists the rows to score, counted from 0.
        batch_size: rows at a time.
        stages: is told what is being done; by default the log of `hybridx` is.
        **execution: on what the model runs; see `hybridx.load`.

    Raises:
        TableError: the table has no such column, or a cell of it fits no class.
        InputError: the columns do not fit the model.
    """
    check_run(Execution(**execution))
    is_file = isinstance(data, str | Path)
    if is_file:
        format_of(data, data_format, "data")
    elif columns or data_format is not None or not header:
        raise OptionNeedsError("--columns, --data-format and --no-header", "a data file")
    for given in (path, data if is_file else None, rows):
        if given is not None and str(given) != PIPE:
            check_readable(Path(given))
    from hybridx.api.work.scoring import score

    return score(
        path,
        data,
        target,
        columns=columns,
        header=header,
        data_format=data_format,
        classes=classes,
        rows=rows,
        batch_size=batch_size,
        stages=Stages() if stages is None else stages,
        **execution,
    )
