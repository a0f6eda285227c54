"""Run a model file on a data file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from hybridx.api.options import BATCH_SIZE
from hybridx.errors import OptionError, OptionNeedsError
from hybridx.runtime import Execution, check_execution
from hybridx.storage import check_readable, check_writable

if TYPE_CHECKING:
    from hybridx.api.work.predicting import Prediction
    from hybridx.runtime import Options


def predict(
    path: str | Path,
    data: str | Path,
    output: str | Path | None = None,
    *,
    columns: Sequence[str] = (),
    batch_size: int = BATCH_SIZE,
    repeats: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    **execution: Unpack[Options],
) -> Prediction:
    """Run a model file on the rows of a data file.

    Args:
        path: of the model.
        data: `.npy`, `.npz` (arrays named as the inputs) or `.csv`.
        output: where to write the outputs: `.npy`, `.npz`, `.csv` or `.json`.
        columns: the columns of a CSV file in order; by default those that the model names.
        batch_size: rows at a time, if the model takes any number.
        repeats: number of runs on a device that samples; the outputs are then means, and arrays
            `<output>_standard_error` are added.
        resume: use the results that an interrupted earlier run of the same command stored.
        overwrite: replace an existing output.
        **execution: on what the model runs; see `hybridx.load`.

    Raises:
        InputError: the data do not fit the model.
        ArtifactError: a file cannot be read or written.
        DeviceError: the device is unknown, it failed, or the run would exceed a limit.
        UsageError: the options cannot be combined.
    """
    chosen = Execution(**execution)
    target = None if output is None else Path(output)
    for name, value in (("batch-size", batch_size), ("repeats", repeats)):
        if value < 1:
            raise OptionError(f"--{name}", str(value), "a whole number from 1")
    _check(target, chosen, repeats=repeats, resume=resume, overwrite=overwrite)
    check_execution(chosen)
    check_readable(Path(path))
    check_readable(Path(data))
    from hybridx.api.work.predicting import predict_rows

    return predict_rows(
        path,
        Path(data),
        target,
        columns=columns,
        batch_size=batch_size,
        repeats=repeats,
        resume=resume,
        overwrite=overwrite,
        **execution,
    )


def _check(
    target: Path | None, chosen: Execution, *, repeats: int, resume: bool, overwrite: bool
) -> None:
    if resume and target is None:
        raise OptionNeedsError("--resume", "--output")
    if repeats > 1 and chosen.shots is None:
        raise OptionNeedsError("--repeats", "--shots")
    if target is not None:
        check_writable(target, overwrite=overwrite)
