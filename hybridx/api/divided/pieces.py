"""Rows of one or many data files in pieces, each of which any process runs by itself."""

from __future__ import annotations

import glob
import logging
import math
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hybridx.api.options import BATCH_SIZE
from hybridx.api.work.named_inputs import Inputs, join, name_inputs
from hybridx.api.work.predicting import NotFinite, kept_so_far
from hybridx.api.work.running import is_rowwise, share_of_rows
from hybridx.bounds import DATA_FILES, limits, refuse_above
from hybridx.errors import (
    FileMissingError,
    NotDivisibleError,
    OptionNeedsError,
    OtherDataError,
    OtherModelError,
)
from hybridx.runtime import (
    Options,
    RunIdentity,
    Session,
    Tally,
    Usage,
    check_budget,
    check_no_partial,
    counting_session,
    digest,
    keep_results,
    load,
    model_digest,
    partial_path,
    rows_from,
    rows_of,
    run_slice,
    sending_executor,
    share_results,
    uses_device,
)
from hybridx.storage import (
    ENDINGS,
    Array,
    InMemory,
    Passing,
    TableData,
    form_of,
    open_data,
    spec_of,
    write_data,
)

log = logging.getLogger(__name__)

# Some pieces for each process even out their speeds, and a process that is lost costs one of them.
_PIECES_EACH = 8
_MOST_ROWS = 2**18  # of a piece, which is lost with its process
_MOST_PIECES = 1_000_000


@dataclass(frozen=True)
class Piece:
    """Some rows of one file.

    Attributes:
        index: its place among all pieces, which are in the order of rows.
        path: of the file.
        size: of the file, in bytes.
        before: how many rows the files before it have, as far as that is known.
        start: the first row.
        stop: the row behind the last one; None for all rows of a file that is read to the end.
    """

    index: int
    path: str
    size: int
    before: int
    start: int
    stop: int | None

    def __str__(self) -> str:
        if self.stop is None:
            return self.path
        return f"{self.path}, rows {self.start + 1:,} to {self.stop:,}"


@dataclass(frozen=True)
class Share:
    """A journal of what a device is sent, which all processes write.

    Attributes:
        path: of the file.
        run: what it calls the run.
        begins: where the lines of this run begin, in bytes.
        resend_below: what an earlier run had sent, in front of this byte, is sent again.
    """

    path: str
    run: RunIdentity
    begins: int
    resend_below: int


@dataclass(frozen=True)
class Work:
    """What is done with every piece, as data: a process that gets it opens its own session.

    Attributes:
        model: path of the model.
        digest: of the model's file.
        execution: how it runs.
        columns: the columns of a table in the order of the inputs, if they are said.
        header: the first line of a table of text has the names of its columns.
        input_format: of all files, or None where their endings decide.
        output_format: of the files that are written.
        batch_size: rows at a time.
        limits: bounds on what is read that differ from their defaults.
        share: where a device that may cost is written about; None for all else.
    """

    model: str
    digest: str
    execution: Options
    columns: tuple[str, ...] = ()
    header: bool = True
    input_format: str | None = None
    output_format: str = "parquet"
    batch_size: int = BATCH_SIZE
    limits: Mapping[str, int] | None = None
    share: Share | None = None

    def output(self, piece: Piece) -> str:
        """Return the name of the file with the outputs of a piece."""
        return f"part-{piece.index:06}{ENDINGS[self.output_format][0]}"

    def open(self) -> Session:
        """Load the model.

        Raises:
            OtherModelError: it is not the file that the work was planned with.
            HybridxError: as `load`.
        """
        with limits(**dict(self.limits or {})):
            session = load(self.model, **self.execution)
        if (found := model_digest(session)) != self.digest:
            session.close()
            raise OtherModelError(self.model, found[:12], self.digest[:12])
        if self.share is not None:
            share_results(
                session,
                Path(self.share.path),
                data=self.share.run.data,
                run=self.share.run,
                counted_from=self.share.begins,
                resend_below=self.share.resend_below,
            )
        return session


@dataclass(frozen=True)
class Done:
    """What became of a piece.

    Attributes:
        index: of the piece.
        rows: how many it has.
        not_finite: for each output with NaN or infinity, in how many rows, and the first of them.
        provider: what ran the classical parts.
        sent: to the device.
        machine: the name of the machine that ran it.
        begun: when, in seconds since 1970 by its clock.
        seconds: that it took to read, run and write it.
        cpu_seconds: likewise, of all cores together; fewer where others use the machine too.
    """

    index: int
    rows: int
    not_finite: Mapping[str, tuple[int, int]]
    provider: str
    sent: Tally
    machine: str
    begun: float
    seconds: float
    cpu_seconds: float


def input_files(data: str | Path, format: str | None) -> tuple[Path, ...]:
    """Return the data files that a path, a pattern or a folder names, sorted by name.

    Of a folder these are the files in it that have the ending of a data file, without those whose
    names begin with `.` or `_`.

    Args:
        data: `rows.parquet`, `data/*.parquet`, or `data`.
        format: of all files; by default their endings decide, and those of a folder are chosen.

    Raises:
        FileMissingError: it names no file.
        TooLargeError: it names more files than are read.
    """
    text, wanted = str(data), ENDINGS if format is None else [format]
    endings = tuple(ending for name in wanted for ending in ENDINGS[name])
    if Path(text).is_dir():
        found = [
            one
            for one in Path(text).iterdir()
            if one.name.lower().endswith(endings) and not one.name.startswith((".", "_"))
        ]
        problem = f"the folder has no file that ends in {', '.join(endings)}"
    elif Path(text).exists() or not glob.has_magic(text):
        return (Path(text),)
    else:
        found = [Path(name) for name in glob.iglob(text, recursive=True)]  # noqa: PTH207 - also from /
        problem = "no file has such a name"
    files = sorted(one for one in found if one.is_file())
    if not files:
        raise FileMissingError(text, problem)
    refuse_above(DATA_FILES, len(files), f"the number of files of {text}")
    return tuple(files)


@dataclass(frozen=True)
class Rows:
    """The rows of a file, before they are divided.

    Attributes:
        path: of the file.
        count: how many it has, if that is known.
        skips: whether some can be read without the others.
    """

    path: Path
    count: int | None
    skips: bool


def survey(
    session: Session, work: Work, files: Sequence[Path]
) -> tuple[list[Rows], tuple[str, ...]]:
    """Look at the rows of files, and refuse what no process could run.

    Args:
        session: the model.
        work: what is to be done.
        files: in the order of rows.

    Returns:
        The rows of each file, and notes for the user.

    Raises:
        NotDivisibleError: rows depend on each other, or an output has not one row for each.
        InputError: a file does not fit the model.
        OverBudgetError: the run would exceed a limit of the device.
    """
    found: list[Rows] = []
    notes: tuple[str, ...] = ()
    for path in files:
        form = form_of(path, work.input_format, "input")
        with open_data(
            path, format=work.input_format, header=work.header, columns=work.columns
        ) as opened:
            inputs = name_inputs(session, opened, work.columns)
            if not inputs.sliced:
                problem = "it takes a table in one piece, or a fixed number of rows"
                raise NotDivisibleError(work.model, problem)
            notes = notes or inputs.notes
            found.append(Rows(path, inputs.rows, form.skips and isinstance(opened, TableData)))
            if len(found) == 1:
                _check_rowwise(session, inputs, work)
    if uses_device(session):
        found = [_counted(session, work, one) for one in found]
        _check_budget(session, work, found)
    return found, notes


def batch_size_of(files: Sequence[Rows]) -> int:
    """Return how many rows at a time are run where nobody says it.

    Files that are read as a whole are pieces already, so their rows are not divided.
    """
    rows = sum(one.count or 0 for one in files if one.skips)
    return share_of_rows(rows) if rows else BATCH_SIZE


def cut(files: Sequence[Rows], processes: int, batch_size: int) -> list[Piece]:
    """Cut files into pieces, of which each process gets some.

    All cuts lie between slices of the file, as one process would run them. So the outputs do not
    depend on the number of processes, to the last bit, nor do samples of a seeded device.

    Args:
        files: in the order of rows.
        processes: how many there are.
        batch_size: rows of a slice.

    Example:
        >>> pieces = cut([Rows(Path("/dev/null"), 10, True)], processes=1, batch_size=4)
        >>> [(piece.start, piece.stop) for piece in pieces]
        [(0, 4), (4, 8), (8, 10)]
    """
    rows = sum(one.count or 0 for one in files if one.skips)
    wanted = min(math.ceil(rows / (_PIECES_EACH * processes)), _MOST_ROWS)
    least = math.ceil(rows / max(_MOST_PIECES - len(files), 1))
    size = max(math.ceil(max(wanted, least) / batch_size), 1) * batch_size
    pieces: list[Piece] = []
    before = 0
    for one in files:
        path, length, count = absolute(one.path), one.path.stat().st_size, one.count
        if not one.skips or not count:
            pieces.append(Piece(len(pieces), path, length, before, 0, count))
            before += count or 0
            continue
        for start in range(0, count, size):
            stop = min(start + size, count)
            pieces.append(Piece(len(pieces), path, length, before, start, stop))
        before += count
    return pieces


@contextmanager
def shared(
    session: Session,
    work: Work,
    files: Sequence[Path],
    output: Path,
    *,
    resume: bool,
    resend: bool,
) -> Iterator[Work]:
    """Yield the work as processes get it: on a device that may cost with a journal beside `output`.

    Whoever runs a piece, and how often, finds there what was sent for its rows, and what came back.
    What may have been sent is asked for by the name of its job, or is an error (HX318). The
    journal is removed at the end, unless something is raised.

    Args:
        session: the model.
        work: what is to be done.
        files: all of them.
        output: the folder that is written.
        resume: use what an earlier run has kept.
        resend: send again what an earlier run had sent, and whose results never came.

    Raises:
        OptionNeedsError: there is something to resume, and the device costs nothing.
        HybridxError: as `keep_results`.
    """
    executor = sending_executor(session)
    if executor is None or not executor.may_cost:
        if resume or resend:
            raise OptionNeedsError("--resume with --ray", "--device with one that may cost")
        # The bounds of all rows together were compared before.
        free: Options = {**work.execution, "max_circuits": None, "max_shots": None}
        yield replace(work, execution=free)
        return
    if not resume:
        check_no_partial(output)
    sizes = [one.stat().st_size for one in files]
    data = digest(*sizes, work.columns, work.header)
    journal = keep_results(
        session,
        partial_path(output),
        data=data,
        resume=resume,
        resend=resend,
        batch_size=work.batch_size,
    )
    assert journal is not None  # as the session sends something
    try:
        journal.create()
        begins = journal.length
        path = absolute(partial_path(output))
        yield replace(work, share=Share(path, journal.run, begins, begins if resend else 0))
    except BaseException:
        journal.catch_up()
        log.warning("%s", kept_so_far(journal))
        journal.close()
        raise
    journal.remove()


def run_piece(session: Session, work: Work, piece: Piece, folder: Path) -> Done:
    """Run the rows of a piece, and write their outputs to a file of a folder.

    Memory grows with `batch_size`, and with the piece only for forms that need all rows at once.
    The file is there as a whole or not at all. To run a piece again writes the same file again.

    Args:
        session: of `work.open()`.
        work: what is done.
        piece: which rows.
        folder: where the file is written.

    Raises:
        OtherDataError: the file is not the one that was divided.
        InputError: a row does not fit the model; the error counts rows from the file's first.
        NotWritableError: the file system refuses.
    """
    found, before = NotFinite(piece.start), session.usage
    begun, started, used = time.time(), time.perf_counter(), time.process_time()
    with (
        limits(**dict(work.limits or {})),
        open_data(
            piece.path, format=work.input_format, header=work.header, columns=work.columns
        ) as opened,
    ):
        size = Path(piece.path).stat().st_size
        if size != piece.size:
            raise OtherDataError(piece.path, size, piece.size)
        if piece.stop is not None and isinstance(opened, TableData) and opened.rows is not None:
            opened.only(piece.start, piece.stop)
        inputs = name_inputs(session, opened, work.columns)
        outputs = _outputs(session, inputs, work, piece, found)
        form = form_of(work.output(piece), work.output_format, "output")
        # The name of the file is the piece's own, so who writes it again replaces the same rows.
        write_data(
            folder / work.output(piece),
            Passing(outputs) if form.passes else InMemory(_joined(outputs)),
            format=work.output_format,
            overwrite=True,
        )
    return Done(
        piece.index,
        found.rows,
        found.found,
        session.usage.provider,
        _since(before, session.usage),
        platform.node(),
        begun,
        time.perf_counter() - started,
        time.process_time() - used,
    )


def _outputs(
    session: Session, inputs: Inputs, work: Work, piece: Piece, found: NotFinite
) -> Iterator[Mapping[str, Array]]:
    for one in inputs.slices(work.batch_size):
        # Samples depend on the place among all rows, and an error names the row of the file.
        with rows_from(-piece.before):
            outputs = run_slice(session, one, piece.before + piece.start + found.rows)
        found.count(outputs, len(next(iter(outputs.values()))))
        yield outputs


def _joined(outputs: Iterator[Mapping[str, Array]]) -> dict[str, Array]:
    parts = list(outputs)
    return join(parts, frozenset(parts[0]))


def _since(before: Usage, now: Usage) -> Tally:
    return Tally(
        now.submissions - before.submissions,
        now.circuits - before.circuits,
        now.total_shots - before.total_shots,
    )


def _check_rowwise(session: Session, inputs: Inputs, work: Work) -> None:
    """Refuse a model whose rows depend on each other, and outputs that the files cannot hold."""
    rows = work.batch_size if inputs.rows is None else min(work.batch_size, inputs.rows // 2)
    slices = inputs.slices(max(rows, 1))
    first, second = next(slices), next(slices, None)
    if second is not None and not is_rowwise(session, first, second):
        problem = "rows depend on each other, or an output has not one row for each of them"
        raise NotDivisibleError(work.model, problem)
    if second is not None and not uses_device(session):
        form = form_of("", work.output_format, "output")
        form.check({name: spec_of(array) for name, array in session.run(second).items()})


def _counted(session: Session, work: Work, file: Rows) -> Rows:
    """Return a file with the number of its rows, which may have to be read for it."""
    if file.count is not None:
        return file
    with _opened(session, work, file.path) as inputs:
        count = sum(rows_of(session, one) for one in inputs.slices(work.batch_size))
    return replace(file, count=count)


def _check_budget(session: Session, work: Work, files: Sequence[Rows]) -> None:
    """Refuse a run of all rows that would exceed a bound of the device; all rows are sent alike."""
    counting, rows = counting_session(session), sum(one.count or 0 for one in files)
    with _opened(session, work, files[0].path) as inputs:
        counting.run(next(inputs.slices(1)))
    once = counting.usage
    check_budget(session, Tally(once.submissions, once.circuits * rows, once.total_shots * rows))


@contextmanager
def _opened(session: Session, work: Work, path: Path) -> Iterator[Inputs]:
    with open_data(
        path, format=work.input_format, header=work.header, columns=work.columns
    ) as opened:
        yield name_inputs(session, opened, work.columns)


def absolute(path: str | Path) -> str:
    """Return a path that leads to the same place from another folder.

    Links stay in it: they may lead elsewhere on each machine.
    """
    return os.path.abspath(path)  # noqa: PTH100
