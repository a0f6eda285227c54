"""Run a model on the rows of an open data file, and write the outputs as they come."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from hybridx.api.options import BATCH_SIZE
from hybridx.api.progress import Stages
from hybridx.api.work.named_inputs import Inputs, join, name_inputs
from hybridx.api.work.running import cut_slices, is_rowwise, run_in_batches, share_of_rows
from hybridx.errors import InputError, OptionError, OptionNeedsError
from hybridx.report import Shown
from hybridx.runtime import (
    Journal,
    Options,
    Pool,
    Price,
    Ran,
    Runner,
    Session,
    Tally,
    Team,
    Usage,
    check_no_partial,
    devices_apart,
    digest,
    execution_of,
    is_dry,
    is_several,
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

DEVICE_ROWS = "device"
"""The name of an output that says which device ran each row; with `_` if the model has it."""


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
        devices: what each of several devices did; empty if there was one.
        row_devices: which of them ran which rows, in order.
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
    devices: tuple[DeviceShare, ...] = ()
    row_devices: tuple[Ran, ...] = ()


@dataclass(frozen=True)
class DeviceShare:
    """What one of several devices did in a run.

    Attributes:
        label: what the run calls it.
        device: its name.
        rows: how many rows have results of it.
        submissions: calls of it.
        circuits: circuits that were sent to it.
        total_shots: samples that were asked of it.
    """

    label: str
    device: str
    rows: int
    submissions: int
    circuits: int
    total_shots: int


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
    batch_size: int | None,
    repeats: int,
    resume: bool,
    resend: bool,
    overwrite: bool,
    workers: int | None,
    prices: Mapping[str, float | str],
    tell_devices: bool,
    stages: Stages,
    **execution: Unpack[Options],
) -> Prediction:
    """Run a model file on rows; arguments and errors as `predict`."""
    target = _Target(output, output_format, resume=resume, resend=resend, overwrite=overwrite)
    if target.file is not None and not (resume or overwrite or execution.get("dry_run")):
        check_no_partial(target.file)
    several = devices_apart(execution, prices) if is_several(execution.get("device")) else ()
    sessions = {one.label: load(path, **one.execution) for one in several}
    session = next(iter(sessions.values()), None) or load(path, **execution)
    crew = _Crew(session, workers, sessions, {one.label: one.price for one in several})
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
                run = _on_device(
                    crew, inputs, target, batch_size, repeats, stages, tell_devices=tell_devices
                )
            else:
                run = _here(crew, inputs, target, batch_size, stages)
            tell(f"{run.rows:,} rows")
    return Prediction(
        path=str(path),
        device=", ".join(sessions) or session.device,
        rows=run.rows,
        outputs=run.outputs,
        written=None if output is None or is_dry(session) else str(output),
        seconds=time.perf_counter() - started,
        usage=crew.usage,
        is_dry=is_dry(session),
        notes=(*inputs.notes, *run.notes),
        devices=crew.shares,
        row_devices=crew.ran if sessions else (),
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
    crew: _Crew,
    inputs: Inputs,
    target: _Target,
    batch_size: int | None,
    stages: Stages,
) -> _Run:
    """Run a model whose circuits are compiled, slice by slice."""
    session = crew.session
    slices, batch_size = _divided(crew, inputs, batch_size)
    first = next(slices)
    second = next(slices, None)
    found = NotFinite()
    if second is None:
        run = _in_one_piece(session, first, target, found)
        return _Run(run.rows, run.outputs, (*crew.idle(run.rows), *run.notes))
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
    with crew.at_work() as runner:
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


def _divided(
    crew: _Crew, inputs: Inputs, batch_size: int | None
) -> tuple[Iterator[Mapping[str, Array]], int]:
    """Return the rows in slices, and how many rows a slice has."""
    blocks = inputs.slices(batch_size or BATCH_SIZE)
    if batch_size or not (crew.shares_rows and inputs.sliced):
        return blocks, batch_size or BATCH_SIZE
    first = next(blocks)
    size = crew.batch_size(_row_count(first))
    return cut_slices(chain([first], blocks), size, inputs.sliced), size


def _in_one_piece(
    session: Session, whole: Mapping[str, Array], target: _Target, found: NotFinite
) -> _Run:
    outputs = session.run(whole)
    rows = _row_count(whole)
    found.count(outputs, rows)
    target.check(outputs)
    target.write(InMemory(outputs), {})
    return _Run(rows, outputs, found.notes)


class _Crew:
    """Who runs the slices of a run: this process, workers, or those of several devices.

    Attributes:
        session: of the model, on the first device.
        shares_rows: whether rows are divided so that several processes have some.
        ran: which of several devices ran which rows.
        notes: what the user should know of them.
    """

    def __init__(
        self,
        session: Session,
        workers: int | None,
        sessions: Mapping[str, Session],
        prices: Mapping[str, Price],
    ) -> None:
        self.session = session
        self.ran: tuple[Ran, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.shares_rows = workers is not None or bool(sessions)
        self._workers = workers or 1
        self._sessions, self._prices = sessions, prices
        self._sent: Mapping[str, Tally] = {}
        self._teams = [
            Team(one, self._workers, label) for label, one in (sessions or {"": session}).items()
        ]

    @property
    def is_alone(self) -> bool:
        """Whether this process runs everything."""
        return self._workers == 1 and not self._sessions

    @property
    def may_cost(self) -> bool:
        """Whether a device may cost money."""
        return any(team.may_cost for team in self._teams)

    @property
    def others(self) -> Sequence[Session]:
        """Sessions on further devices."""
        return [team.session for team in self._teams[1:]]

    @property
    def usage(self) -> Usage:
        """Where the run went, on all devices."""
        usage = self.session.usage
        return replace(usage, device=", ".join(self._sessions)) if self._sessions else usage

    @property
    def shares(self) -> tuple[DeviceShare, ...]:
        """What each of several devices did."""
        return tuple(self._share(label) for label in self._sessions)

    def _share(self, label: str) -> DeviceShare:
        sent = self._sent.get(label, Tally())
        rows = sum(one.rows for one in self.ran if label in one.devices)
        device = self._sessions[label].device
        return DeviceShare(label, device, rows, sent.submissions, sent.circuits, sent.shots)

    def batch_size(self, rows: int) -> int:
        """Return how many rows at a time are run where nobody says it."""
        # Of a long file not all rows are known, so a slice is a part of what is read at once.
        return share_of_rows(min(rows, BATCH_SIZE)) if self.shares_rows else BATCH_SIZE

    def keep(self, target: _Target, data: str, batch_size: int) -> Journal | None:
        """Keep what devices give in a file from now on; None if the run has none."""
        if target.file is None:
            return None
        return keep_results(
            self.session,
            partial_path(target.file),
            data=data,
            resume=target.resume,
            resend=target.resend,
            batch_size=batch_size,
            others=self._sessions,
        )

    def count(self, session: Session, tally: Tally) -> None:
        """Note what all rows would send to a device, for its price."""
        for team in self._teams:
            if team.session is session and self._sessions:
                price = self._prices[team.label]
                team.price = tally.circuits * price.circuit + tally.shots * price.shot

    def idle(self, rows: int) -> tuple[str, ...]:
        """Return what the user should know of workers that had nothing to share."""
        if self.is_alone or rows < 2:
            return ()
        told = "so one process ran them; --batch-size makes more"
        return (f"the {rows:,} rows are one slice, {told}",)

    def device_of_rows(self, rows: int) -> Array:
        """Return for each row which device gave its last results, counted from 0."""
        found = np.zeros(rows, np.int64)
        labels = list(self._sessions)
        for one in self.ran:
            known = [labels.index(label) for label in one.devices if label in labels]
            found[one.row : one.row + one.rows] = known[-1] if known else -1
        return found

    @contextmanager
    def at_work(self, journal: Journal | None = None) -> Iterator[Runner]:
        """Give what runs slices while the block lasts."""
        if self.is_alone or is_dry(self.session):
            yield running_here(self.session)
            return
        if journal is not None:
            for team in self._teams:
                team.share = _share_of(journal, team.label)
        threads = execution_of(self.session).threads
        count = sum(team.workers for team in self._teams)
        before = (lambda: None) if journal is None else journal.create
        pool = Pool(self._teams, threads or share_of_cores(count), before)
        try:
            with pool:
                yield pool.run
        finally:
            self.ran, self.notes = tuple(pool.ran), tuple(pool.notes)
            executor = sending_executor(self.session)
            if executor is not None and journal is not None:
                journal.catch_up()  # also with what workers sent that were ended
                executor.sent, self._sent = journal.sent, journal.sent_to
            elif executor is not None:
                executor.sent, self._sent = pool.sent, pool.sent_to


def _share_of(journal: Journal, label: str) -> dict[str, Any]:
    """Return how workers join a journal."""
    return {
        "path": journal.path.absolute(),
        "data": journal.run.data,
        "run": journal.run,
        "counted_from": journal.length,
        "resend_below": journal.length if journal.resends else 0,
        "label": label,
    }


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
    crew: _Crew,
    inputs: Inputs,
    target: _Target,
    batch_size: int | None,
    repeats: int,
    stages: Stages,
    *,
    tell_devices: bool,
) -> _Run:
    """Run a model whose circuits go to a device, which keeps what was paid for."""
    session = crew.session
    whole = inputs.whole()
    rows = _row_count(whole)
    if not crew.is_alone and crew.may_cost and target.file is None:
        raise OptionNeedsError("a device that may cost, in workers", "--output with a file")
    batch_size = batch_size or crew.batch_size(rows)
    journal = crew.keep(target, _hash(whole), batch_size)
    found = NotFinite()

    def check(outputs: Mapping[str, Array]) -> None:
        target.check(_with_devices(outputs, crew, rows) if tell_devices else outputs)

    try:
        with crew.at_work(journal) as runner:
            outputs = run_in_batches(
                session,
                whole,
                batch_size,
                repeats=repeats,
                # Find a wrong form before the run costs anything.
                check=check,
                told=stages.rows,
                runner=runner,
                others=crew.others,
                counted=crew.count,
            )
        if tell_devices:
            outputs = _with_devices(outputs, crew, rows)
        if not is_dry(session):
            about: dict[str, object] = {"execution": crew.usage}
            if crew.shares:
                about |= {"devices": crew.shares, "row_devices": crew.ran}
            target.write(InMemory(outputs), about)
    except BaseException:
        # Also after Ctrl-C, tell the user that the results so far are stored.
        if journal is not None and session.usage.submissions:
            log.warning("%s", kept_so_far(journal))
        if journal is not None:
            journal.close()
        raise
    if journal is not None:
        journal.remove()
    if is_dry(session):
        return _Run(rows, {}, ())
    found.count(outputs, rows)
    notes = (*crew.idle(rows), *crew.notes) if rows <= batch_size else crew.notes
    return _Run(rows, outputs, (*notes, *found.notes))


def _with_devices(outputs: Mapping[str, Array], crew: _Crew, rows: int) -> dict[str, Array]:
    """Return outputs, and which of several devices each row ran on."""
    name = DEVICE_ROWS
    while name in outputs:
        name += "_"
    return {**outputs, name: crew.device_of_rows(rows)}


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
