"""Run a model on the rows of an open data file, and write the outputs as they come."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from hybridx.api.progress import Stages
from hybridx.api.work.named_inputs import Inputs, join, name_inputs
from hybridx.api.work.running import is_rowwise, run_in_batches
from hybridx.errors import InputError, OptionError, OptionNeedsError
from hybridx.report import Shown
from hybridx.runtime import (
    Journal,
    Options,
    Pool,
    Runner,
    Session,
    Team,
    Usage,
    check_no_partial,
    digest,
    execution_of,
    is_dry,
    keep_results,
    load,
    model_digest,
    named_arrays,
    partial_path,
    running_here,
    sending_executor,
    share_of_cores,
    uses_device,
)
from hybridx.storage import (
    PIPE,
    Array,
    Data,
    GivenArrays,
    InMemory,
    KeptRows,
    Outputs,
    Passing,
    form_of,
    open_data,
    spec_of,
    write_data,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prediction(Shown):
    """The outputs of a model for the rows of a file.

    Attributes:
        path: of the model.
        device: the device that ran the circuits.
        rows: number of rows.
        outputs: arrays by name; empty if more than one slice went into a file, which holds them.
        written: the file to which they were written, or None.
        seconds: time of the run, without loading the file.
        usage: the devices and providers of the run, and what was sent.
        is_dry: nothing was sent; there are no outputs, and `usage` is what would be sent.
        notes: what the user should know of the run.
    """

    path: str
    device: str
    rows: int
    outputs: Mapping[str, Array]
    written: str | None
    seconds: float
    usage: Usage
    is_dry: bool = False
    notes: tuple[str, ...] = ()


class NotFinite:
    """Counts the rows of outputs that hold NaN or infinity.

    Attributes:
        rows: how many were looked at.
        found: for each output that has them, in how many rows, and the first of these.
    """

    def __init__(self, start: int = 0) -> None:
        """Begin to count.

        Args:
            start: the number of the first row.
        """
        self.rows = 0
        self.found: dict[str, tuple[int, int]] = {}
        self._start = start

    def count(self, outputs: Mapping[str, Array], rows: int) -> None:
        """Count the outputs of the next rows."""
        for name, array in outputs.items():
            if array.dtype.kind != "f" or np.isfinite(array).all():
                continue
            flat = np.isfinite(array).reshape(len(array) if array.ndim else 1, -1).all(axis=1)
            bad = np.flatnonzero(~flat)
            count, first = self.found.get(name, (0, self._start + self.rows + int(bad[0])))
            self.found[name] = count + len(bad), first
        self.rows += rows

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each output that has them."""
        return tuple(
            f"output {name!r} holds NaN or infinity in {count:,} of {self.rows:,} rows; the first "
            f"is row {first + 1:,}"
            for name, (count, first) in self.found.items()
        )


def predict_rows(
    path: str | Path,
    data: str | Path | Any,
    output: str | Path | None,
    *,
    columns: Sequence[str],
    header: bool,
    input_format: str | None,
    output_format: str | None,
    batch_size: int,
    repeats: int,
    resume: bool,
    resend: bool,
    overwrite: bool,
    workers: int,
    stages: Stages,
    **execution: Unpack[Options],
) -> Prediction:
    """Run a model file on rows; arguments and errors as `predict`."""
    target = _Target(output, output_format, resume=resume, resend=resend, overwrite=overwrite)
    if target.file is not None and not (resume or overwrite or execution.get("dry_run")):
        check_no_partial(target.file)
    session = load(path, **execution)
    source: AbstractContextManager[Data]
    if isinstance(data, str | Path):
        source = open_data(data, format=input_format, header=header, columns=columns)
    else:
        source = nullcontext(GivenArrays(named_arrays(session, data)))
    with source as opened:
        inputs = name_inputs(session, opened, columns)
        started = time.perf_counter()
        with stages("run") as tell:
            if uses_device(session):
                run = _on_device(session, inputs, target, batch_size, repeats, workers, stages)
            else:
                run = _here(session, inputs, target, batch_size, workers, stages)
            tell(f"{run.rows:,} rows")
    return Prediction(
        path=str(path),
        device=session.device,
        rows=run.rows,
        outputs=run.outputs,
        written=None if output is None or is_dry(session) else str(output),
        seconds=time.perf_counter() - started,
        usage=session.usage,
        is_dry=is_dry(session),
        notes=(*inputs.notes, *run.notes),
    )


@dataclass(frozen=True, eq=False)
class _Run:
    rows: int
    outputs: Mapping[str, Array]
    notes: tuple[str, ...]


class _Target:
    """Where the outputs of a run go: a file, stdout, or only into its report."""

    def __init__(
        self,
        place: str | Path | None,
        format: str | None,
        *,
        resume: bool,
        resend: bool,
        overwrite: bool,
    ) -> None:
        self.file = None if place is None or str(place) == PIPE else Path(place)
        self.resume, self.resend, self.overwrite = resume, resend, overwrite
        self._place, self._format = place, format
        self._form = None if place is None else form_of(place, format, "output")

    @property
    def passes(self) -> bool:
        """Whether the rows can be written to stdout while they are computed."""
        return self.file is None and self._form is not None and self._form.passes

    def check(self, outputs: Mapping[str, Array]) -> None:
        """Refuse outputs that the form cannot hold."""
        if self._form is not None:
            self._form.check({name: spec_of(array) for name, array in outputs.items()})

    def write(self, outputs: Outputs, about: Mapping[str, object]) -> None:
        """Write all outputs, if there is a place for them."""
        if self._place is None:
            return
        write_data(
            self._place,
            outputs,
            format=self._format,
            overwrite=self.overwrite,
            about=about,
        )


def _here(
    session: Session,
    inputs: Inputs,
    target: _Target,
    batch_size: int,
    workers: int,
    stages: Stages,
) -> _Run:
    """Run a model whose circuits are compiled, slice by slice."""
    slices = inputs.slices(batch_size)
    first = next(slices)
    second = next(slices, None)
    found = NotFinite()
    if second is None:
        run = _in_one_piece(session, first, target, found)
        return _Run(run.rows, run.outputs, (*_idle(workers, run.rows), *run.notes))
    if not is_rowwise(session, first, second):
        whole = join([first, second, *slices], inputs.sliced)
        run = _in_one_piece(session, whole, target, found)
        note = (
            "rows depend on each other, or an output has not one row for each of them: all "
            f"{run.rows:,} rows ran at once"
        )
        return _Run(run.rows, run.outputs, (note, *run.notes))
    every = chain([first, second], slices)
    told = partial(stages.rows, total=inputs.rows)
    with _workers(session, workers) as pool:
        runner = running_here(session) if pool is None else pool.run
        if target.file is not None:
            return _kept(session, runner, every, inputs, target, found, batch_size, told)
        passing = (outputs for _, outputs in _results(runner, every, inputs, found, told, None))
        if target.passes:
            target.write(Passing(passing), {})
            return _Run(found.rows, {}, found.notes)
        parts = list(passing)
    joined = join(parts, frozenset(parts[0]))
    target.check(joined)
    target.write(InMemory(joined), {})
    return _Run(found.rows, joined, found.notes)


def _in_one_piece(
    session: Session, whole: Mapping[str, Array], target: _Target, found: NotFinite
) -> _Run:
    outputs = session.run(whole)
    rows = _row_count(whole)
    found.count(outputs, rows)
    target.check(outputs)
    target.write(InMemory(outputs), {})
    return _Run(rows, outputs, found.notes)


@contextmanager
def _workers(session: Session, count: int, journal: Journal | None = None) -> Iterator[Pool | None]:
    """Give the workers of a run while the block lasts; None if this process runs it."""
    if count == 1:
        yield None
        return
    share: dict[str, Any] | None = None
    if journal is not None:
        journal.create()
        share = {
            "path": journal.path.absolute(),
            "data": journal.run.data,
            "run": journal.run,
            "counted_from": journal.length,
            "resend_below": journal.length if journal.resends else 0,
        }
    threads = execution_of(session).threads or share_of_cores(count)
    pool = Pool([Team(session, count, share=share)], threads)
    try:
        with pool:
            yield pool
    finally:
        executor = sending_executor(session)
        if executor is not None and journal is not None:
            journal.catch_up()
            executor.sent = journal.sent  # also of workers that were ended
        elif executor is not None:
            executor.sent += pool.sent


def _idle(workers: int, rows: int) -> tuple[str, ...]:
    """Return what the user should know of workers that have nothing to share."""
    if workers == 1 or rows < 2:
        return ()
    return (f"the {rows:,} rows are one slice, so one process ran them; --batch-size makes more",)


def _kept(
    session: Session,
    runner: Runner,
    slices: Iterator[Mapping[str, Array]],
    inputs: Inputs,
    target: _Target,
    found: NotFinite,
    batch_size: int,
    told: Callable[[int], None],
) -> _Run:
    """Run slices whose outputs are kept in a partial file, until all of them are written."""
    assert target.file is not None
    identity = {"model": model_digest(session), "batch size": str(batch_size)}
    kept = KeptRows(partial_path(target.file), identity, resume=target.resume)
    try:
        for data, outputs in _results(runner, slices, inputs, found, told, kept):
            if not len(kept):
                target.check(outputs)
            kept.keep(outputs, data)
        target.write(kept, {})
    except BaseException as error:
        # What is refused leaves no file behind. Anything else may be tried again: Ctrl-C, a full
        # disk, a device that fails.
        if isinstance(error, InputError | OptionError) and not kept.was_there:
            kept.remove()
            raise
        kept.close()
        if len(kept):
            log.warning(
                "the results of %s rows are kept in %s; --resume goes on from there",
                f"{kept.count:,}",
                kept.path,
            )
        raise
    kept.remove()
    return _Run(found.rows, {}, found.notes)


def _results(
    runner: Runner,
    slices: Iterator[Mapping[str, Array]],
    inputs: Inputs,
    found: NotFinite,
    told: Callable[[int], None],
    kept: KeptRows | None,
) -> Iterator[tuple[str, Mapping[str, Array]]]:
    """Yield the hash of all inputs so far, and the outputs of each slice that is not kept yet."""
    data = hashlib.sha256()
    hashes: deque[str] = deque()
    there = 0 if kept is None else len(kept)
    for outputs in [] if kept is None else kept.rows():
        found.count(outputs, len(next(iter(outputs.values()))))

    def missing() -> Iterator[Mapping[str, Array]]:
        for index, one in enumerate(slices):
            if kept is not None:
                for name, array in sorted(one.items()):
                    if index == 0 or name in inputs.sliced:
                        data.update(f"{name} {array.dtype} {array.shape[1:]} ".encode())
                        content = np.ascontiguousarray(array)
                        data.update(content.data.cast("B") if array.size else b"")
            if index < there:
                assert kept is not None
                kept.check(index, data.hexdigest())
                continue
            hashes.append(data.hexdigest())
            yield one

    for outputs in runner(missing(), found.rows):
        found.count(outputs, len(next(iter(outputs.values()))))
        told(found.rows)
        yield hashes.popleft(), outputs


def _on_device(
    session: Session,
    inputs: Inputs,
    target: _Target,
    batch_size: int,
    repeats: int,
    workers: int,
    stages: Stages,
) -> _Run:
    """Run a model whose circuits go to a device, which keeps what was paid for."""
    whole = inputs.whole()
    executor = sending_executor(session)
    if executor is None:
        workers = 1  # nothing is sent
    elif executor.may_cost and workers > 1 and target.file is None:
        raise OptionNeedsError("--workers on a device that may cost", "--output with a file")
    journal = None
    if target.file is not None:
        kept_in = partial_path(target.file)
        journal = keep_results(
            session, kept_in, data=_hash(whole), resume=target.resume, resend=target.resend
        )
    found = NotFinite()
    try:
        with _workers(session, workers, journal) as pool:
            outputs = run_in_batches(
                session,
                whole,
                batch_size,
                repeats=repeats,
                # Find a wrong form before the run costs anything.
                check=target.check,
                told=stages.rows,
                runner=None if pool is None else pool.run,
            )
        if not is_dry(session):
            target.write(InMemory(outputs), {"execution": session.usage})
    except BaseException:
        # Also after Ctrl-C, tell the user that the results so far are stored.
        if journal is not None and session.usage.submissions:
            log.warning("%s", kept_so_far(journal))
        if journal is not None:
            journal.close()
        raise
    if journal is not None:
        journal.remove()
    rows = _row_count(whole)
    if is_dry(session):
        return _Run(rows, {}, ())
    found.count(outputs, rows)
    notes = _idle(workers, rows) if pool is not None and not pool.ran else ()
    return _Run(rows, outputs, (*notes, *found.notes))


def _row_count(inputs: Mapping[str, Array]) -> int:
    return max((len(array) for array in inputs.values() if array.ndim), default=1)


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


def kept_so_far(journal: Journal) -> str:
    """Return what the user should know of a run on a device that did not end."""
    count = len(journal)
    kept = "1 submission is" if count == 1 else f"{count:,} submissions are"
    lost = journal.sent_unanswered
    if lost.submissions:
        told = f"{journal.run.device} had {lost} and may have run them"
        also = f"; the results of {kept} kept in {journal.path}" if count else ""
        return f"{told}{also}; --resume --resend sends them again and goes on from there"
    if not count:
        return "no submission had come back, so nothing is kept"
    return f"the results of {kept} kept in {journal.path}; --resume goes on from there"
