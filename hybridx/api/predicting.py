"""Run a model file on a data file."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from hybridx.api.options import check_run
from hybridx.api.progress import Stages
from hybridx.errors import (
    ConflictingOptionsError,
    OptionError,
    OptionNeedsError,
    OutputIsInputError,
    SeveralFilesError,
)
from hybridx.runtime import Execution, devices_apart, is_several
from hybridx.storage import PIPE, check_readable, check_writable, format_of, is_same_file

if TYPE_CHECKING:
    from hybridx.api.work.predicting import Prediction
    from hybridx.runtime import Options

_MOST_REPEATS = 10_000
_MOST_WORKERS = 256


def predict(
    path: str | Path,
    data: str | Path | Any,
    output: str | Path | None = None,
    *,
    columns: Sequence[str] = (),
    header: bool = True,
    input_format: str | None = None,
    output_format: str | None = None,
    batch_size: int | None = None,
    repeats: int = 1,
    resume: bool = False,
    resend: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    prices: Mapping[str, float | str] | None = None,
    tell_devices: bool = False,
    stages: Stages | None = None,
    **execution: Unpack[Options],
) -> Prediction:
    """Run a model file on the rows of a data file, or of arrays.

    The rows are read, computed and written slice by slice, so that memory does not grow with their
    number, unless a device runs the circuits. See docs/data.md for the forms of files.

    Args:
        path: of the model.
        data: `.npy`, `.npz`, `.csv`, `.tsv`, `.csv.gz`, `.tsv.gz`, `.json` or `.parquet`; `-` is
            stdin. Or what a session is called with: an array, a tensor, a table with named columns,
            or a mapping of the names of inputs to arrays.
        output: where to write the outputs, in the same forms; `-` is stdout.
        columns: the columns of a table in the order of the inputs; by default those that are called
            as the inputs, or those that the model names.
        header: the first line of a table of text has the names of its columns. Without it they are
            taken in their order, and `columns` counts them from 0.
        input_format: npy, npz, csv, tsv, json or parquet; by default the ending decides.
        output_format: likewise.
        batch_size: rows at a time, if the model takes any number; by default `BATCH_SIZE`, and with
            `workers` or several devices a 32nd of the rows, at most a 32nd of `BATCH_SIZE`.
        repeats: number of runs on a device that samples; the outputs are then means, and arrays
            `<output>_standard_error` are added.
        resume: use the results that an interrupted earlier run of the same command stored.
        resend: send again what a device had when that run was stopped, and may have run already.
        overwrite: replace an existing output.
        workers: processes that run slices of rows at the same time, each with a session of its own
            and `threads`, by default its share of the cores. The outputs are those of one process
            with the same `batch_size`, and do not depend on their number. With several devices, so
            many for each of them, by default one.
        prices: with several devices, by label: what a circuit costs there, or `0.001/shot`.
        tell_devices: with several devices: add an output `device` that says for each row which of
            them ran it, counted from 0 in their order.
        stages: is told how many rows are done; by default the log of `hybridx` is.
        **execution: on what the model runs; see `hybridx.load`. `device` may also be several: a
            sequence of names or device objects, or a mapping of labels to them. Then an option
            `label:name` belongs to one of them, and `label:shots` is its number of samples.

    Raises:
        InputError: the data do not fit the model.
        ArtifactError: a file cannot be read or written.
        DeviceError: the device is unknown, it failed, or the run would exceed a limit.
        UsageError: the options cannot be combined.
    """
    several = is_several(execution.get("device"))
    if (prices or tell_devices) and not several:
        raise OptionNeedsError("--price and --tell-devices", "more than one --device")
    all_chosen = (
        [Execution(**one.execution) for one in devices_apart(execution, prices or {})]
        if several
        else [Execution(**execution)]
    )
    chosen = all_chosen[0]
    if batch_size is not None and batch_size < 1:
        raise OptionError("--batch-size", str(batch_size), "a whole number from 1")
    if not 1 <= repeats <= _MOST_REPEATS:
        raise OptionError("--repeats", str(repeats), f"a whole number from 1 to {_MOST_REPEATS}")
    if workers is not None and not (isinstance(workers, int) and 1 <= workers <= _MOST_WORKERS):
        raise OptionError("--workers", str(workers), f"a whole number from 1 to {_MOST_WORKERS}")
    if (workers or 1) > 1 and chosen.isolated:
        raise ConflictingOptionsError("--workers", "--isolated")
    is_file = isinstance(data, str | Path)
    if is_file:
        _refuse_several(data)
        format_of(data, input_format, "input")
    elif columns or input_format is not None or not header:
        raise OptionNeedsError("--columns, --input-format and --no-header", "a data file")
    _check_output(
        path, data if is_file else PIPE, output, output_format, resume=resume, overwrite=overwrite
    )
    if resend and not resume:
        raise OptionNeedsError("--resend", "--resume")
    for one in all_chosen:
        if repeats > 1 and one.shots is None:
            raise OptionNeedsError("--repeats", "--shots")
        check_run(one)
    check_readable(Path(path))
    if is_file and str(data) != PIPE:
        check_readable(Path(data))
    from hybridx.api.work.predicting import predict_rows

    return predict_rows(
        path,
        data,
        output,
        columns=columns,
        header=header,
        input_format=input_format,
        output_format=output_format,
        batch_size=batch_size,
        repeats=repeats,
        resume=resume,
        resend=resend,
        overwrite=overwrite,
        workers=workers,
        prices=prices or {},
        tell_devices=tell_devices,
        stages=stages or Stages(),
        **execution,
    )


def _refuse_several(data: str | Path) -> None:
    """Refuse an input that is not one file.

    Raises:
        SeveralFilesError: it is a folder, or a pattern of names.
    """
    if Path(data).is_dir():
        raise SeveralFilesError(str(data), "a folder")
    if not Path(data).exists() and glob.has_magic(str(data)):
        raise SeveralFilesError(str(data), "a pattern of names")


def _check_output(
    path: str | Path,
    data: str | Path,
    output: str | Path | None,
    format: str | None,
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    is_file = output is not None and str(output) != PIPE
    if resume and not is_file:
        raise OptionNeedsError("--resume", "--output with the name of a file")
    if output is None:
        if format is not None:
            raise OptionNeedsError("--output-format", "--output")
        return
    format_of(output, format, "output")
    if not is_file:
        return
    target = Path(output)
    for place, what in ((data, "the input data"), (path, "the model")):
        if str(place) != PIPE and is_same_file(target, Path(place)):
            raise OutputIsInputError(str(target), what)
    check_writable(target, overwrite=overwrite)
    from hybridx.runtime import partial_path

    # The rows of a run are kept beside it, with --overwrite or --resume in a file that is there.
    check_writable(partial_path(target), overwrite=True)
