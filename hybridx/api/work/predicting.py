"""Run a loaded model on the rows of a data file, and write what it gives."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from hybridx.api.work.running import run_in_batches
from hybridx.errors import InputNamesError
from hybridx.runtime import (
    Journal,
    Options,
    Session,
    Usage,
    check_no_partial,
    digest,
    is_dry,
    keep_results,
    load,
    partial_path,
    uses_device,
)
from hybridx.storage import Array, encode_arrays, read_arrays, write_arrays

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prediction:
    """The outputs of a model for the rows of a file.

    Attributes:
        path: of the model.
        device: the device that ran the circuits.
        rows: number of rows.
        outputs: arrays by name.
        written: the file to which they were written, or None.
        seconds: time of the run, without loading the file.
        usage: the devices and providers of the run, and what was sent.
        is_dry: nothing was sent; there are no outputs, and `usage` is what would be sent.
    """

    path: str
    device: str
    rows: int
    outputs: Mapping[str, Array]
    written: str | None
    seconds: float
    usage: Usage
    is_dry: bool = False


def predict_rows(
    path: str | Path,
    data: Path,
    target: Path | None,
    *,
    columns: Sequence[str],
    batch_size: int,
    repeats: int,
    resume: bool,
    overwrite: bool,
    **execution: Unpack[Options],
) -> Prediction:
    """Run a model file on the rows of a data file; arguments and errors as `predict`."""
    if target is not None and not (resume or overwrite or execution.get("dry_run")):
        check_no_partial(target)
    session = load(path, **execution)
    inputs = read_inputs(session, data, columns)
    journal = None
    if target is not None:
        kept_in = partial_path(target)
        journal = keep_results(session, kept_in, data=_hash(inputs), resume=resume)
    started = time.perf_counter()
    try:
        outputs = run_in_batches(
            session,
            inputs,
            batch_size,
            repeats=repeats,
            # Find a wrong ending before the run costs anything.
            check=lambda expected: None if target is None else encode_arrays(target, expected),
        )
        seconds = time.perf_counter() - started
        usage = session.usage
        if target is not None and not is_dry(session):
            about = {} if not uses_device(session) else {"execution": usage}
            write_arrays(target, outputs, overwrite=overwrite, about=about)
    except BaseException:
        # Also after Ctrl-C, tell the user that the results so far are stored.
        if journal is not None and session.usage.submissions:
            log.warning("%s", _kept(journal))
        raise
    if journal is not None:
        journal.remove()
    rows = max((len(array) for array in inputs.values() if array.ndim), default=1)
    return Prediction(
        path=str(path),
        device=session.device,
        rows=rows,
        outputs={} if is_dry(session) else outputs,
        written=None if target is None or is_dry(session) else str(target),
        seconds=seconds,
        usage=usage,
        is_dry=is_dry(session),
    )


def _hash(inputs: Mapping[str, Array]) -> str:
    parts = [
        part
        for name, array in sorted(inputs.items())
        for part in (
            name,
            str(array.dtype),
            str(array.shape),
            np.ascontiguousarray(array).tobytes(),
        )
    ]
    return digest(*parts)


def _kept(journal: Journal) -> str:
    count = len(journal)
    if not count:
        return "no submission had come back, so nothing is kept"
    kept = "1 submission is" if count == 1 else f"{count:,} submissions are"
    return f"the results of {kept} kept in {journal.path}; --resume goes on from there"


def read_inputs(session: Session, data: Path, columns: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of a data file under the names of the model's inputs.

    Raises:
        InputNamesError: the file has one array without a name, but the model has several inputs.
    """
    arrays = read_arrays(data, columns=columns or session.metadata.columns)
    if set(arrays) != {""} and len(arrays) + len(session.input_names) > 2:
        return arrays
    if len(session.input_names) != 1:
        raise InputNamesError("one array without a name", ", ".join(session.input_names))
    return {session.input_names[0]: next(iter(arrays.values()))}
