"""What a device was sent and what it returned, in a file until the output of the run is written.

The first line of the file is JSON that identifies the run. Before a submission is sent to a device
that may cost money, a line says so; another names its jobs as soon as the device tells them, and
another holds its results, or says that it failed. Lines are only appended, and each is forced to
the disk, so that paid results survive a crash, and a submission that was lost in one is not sent
again unasked; a last line that a crash cut short is dropped. Results are found by a hash of
everything that they depend on, so a resumed run starts at the beginning and finds them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any, TypeAlias, assert_never

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx.artifact import hash_of
from hybridx.bounds import JOURNAL_BYTES, refuse_above
from hybridx.errors import (
    BrokenResultsError,
    ForeignResultsError,
    NotWritableError,
    PartialResultsError,
    ResultsInUseError,
    UnansweredError,
)
from hybridx.runtime.submission.tally import Tally
from hybridx.storage import (
    is_held,
    open_alone,
    read_bytes,
    remove_alone,
    remove_held,
    sync_folder,
)

SUFFIX = ".partial"
LOCKS = ".locks"
FORMAT = 3


class RunIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What identifies a run; a hash where the value is long or private.

    Attributes:
        model: hash of the model file.
        device: the device that was used.
        shots: samples of each circuit.
        seed: of the device.
        options: hash of the device's options.
        data: hash of the inputs.
        batch_size: rows of a slice; None if what is sent does not depend on it, or nobody says it.
    """

    model: str
    device: str
    shots: int | None
    seed: int | None
    options: str
    data: str
    batch_size: int | None = None


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hybridx_results: int
    run: RunIdentity


_JOBS_SHOWN = 3

_Length: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class _Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sent"):
    key: str
    circuits: _Count
    shots: _Count
    paid: bool = True  # or the device is on this machine, and may be given it again unasked
    device: str = ""  # of several


class _Jobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="jobs"):
    key: str
    ids: tuple[str, ...]


class _Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    key: str


class _Results(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="results"):
    key: str
    rows: _Length
    columns: _Length
    values: bytes  # float64, little-endian; base64 in JSON
    device: str = ""  # of several


Line: TypeAlias = _Sent | _Jobs | _Failed | _Results


class Journal:
    """The submissions of a run so far, and their results.

    One run at a time has the file. Whatever is written is on the disk when a method returns.

    Attributes:
        path: of the file, which is created with the first line.
        run: the run that the results belong to.
        unanswered: what was sent last under a key, and whose results are not known.
        sent: all that was sent since the run began.
        sent_to: what of it was sent to each of several devices, by its label.
    """

    def __init__(
        self,
        path: Path,
        run: RunIdentity,
        *,
        resume: bool = False,
        resend: bool = False,
        fetches: bool = False,
    ) -> None:
        """Begin a journal, or continue an existing one.

        Args:
            path: of the file.
            run: the run that the results belong to.
            resume: read the results of an earlier run; otherwise an existing file is replaced.
            resend: send again what an earlier run had sent when it stopped.
            fetches: whether the device gives the results of jobs whose names are known.

        Raises:
            ForeignResultsError: the file belongs to another run.
            BrokenResultsError: the file cannot be read.
            UnansweredError: a submission of the earlier run may have been paid for.
            ResultsInUseError: another run has the file.
        """
        self.path = path
        self.run = run
        self.unanswered: dict[str, Tally] = {}
        self.sent = Tally()
        self.sent_to: dict[str, Tally] = {}
        self._resend = resend
        self._notes_all = False  # or what may cost money only
        # A second thread may name jobs while the first one waits for them.
        self._lock = threading.RLock()
        self._places: dict[str, int] = {}  # where in the file a submission begins
        self._jobs: dict[str, tuple[str, ...]] = {}
        self._kept: dict[str, NDArray[np.float64]] = {}
        self._devices: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        self._length = 0
        if resume and path.exists():
            try:
                self._open("r+b")
            except OSError as error:
                raise BrokenResultsError(str(path), error.strerror or str(error)) from error
            try:
                self._refuse_others()
                self._read(read_bytes(path, JOURNAL_BYTES))
                if not resend:
                    self._refuse_unanswered(fetches=fetches)
            except BaseException:
                self.close()
                raise
            self.sent, self.sent_to = Tally(), {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def resends(self) -> bool:
        """Whether what an earlier run had sent when it stopped is sent again."""
        return self._resend

    @property
    def length(self) -> int:
        """How many bytes of the file are known."""
        return self._length

    @property
    def sent_unanswered(self) -> Tally:
        """All that was sent and whose results are not known."""
        return sum(self.unanswered.values(), Tally())

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        """While active, nobody else sends what has this key."""
        yield

    def find(self, key: str, shape: tuple[int, int]) -> NDArray[np.float64] | None:
        """Return the results under a key, or None.

        Args:
            key: of a submission.
            shape: that its results have.

        Raises:
            BrokenResultsError: the results that are kept have another shape.
        """
        found = self._kept.get(key)
        if found is not None and found.shape != shape:
            self._refuse(f"it holds {found.shape} results of a submission that has {shape}")
        return found

    def device_of(self, key: str) -> str:
        """Return the name of the device whose results are kept under a key; "" if it has none."""
        return self._devices.get(key, "")

    def jobs_of(self, key: str) -> tuple[str, ...]:
        """Return the names of the jobs that were sent under a key, and whose results never came."""
        return self._jobs.get(key, ()) if key in self.unanswered else ()

    def check(self, key: str) -> None:
        """Refuse to send again what may have been paid for.

        Raises:
            UnansweredError: it was sent, and its results never came.
        """
        if key in self.unanswered and not self._may_resend(key):
            raise self._unanswered([key])

    def begin(
        self,
        key: str,
        tally: Tally,
        *,
        paid: bool = True,
        device: str = "",
        bound: Callable[[Tally], object] = lambda _: None,
    ) -> None:
        """Note that a submission is about to be sent.

        Args:
            key: of the submission.
            tally: how much it is.
            paid: whether it may cost money.
            device: which of several gets it.
            bound: may refuse all that was sent since the run began, with this.

        Raises:
            NotWritableError: the file system refuses.
            ResultsInUseError: another run has the file.
        """
        with self._alone():
            bound(self.sent + tally)
            self._places[key] = self._length
            self._jobs.pop(key, None)
            if paid or self._notes_all:
                self._append(_Sent(key, tally.circuits, tally.shots, paid, device))
            if paid:
                self.unanswered[key] = tally
            self._count(tally, device)

    def name_jobs(self, key: str, ids: tuple[str, ...]) -> None:
        """Note the names that a device has given to the jobs of a submission.

        Raises:
            NotWritableError: the file system refuses.
        """
        if self._jobs.get(key) != ids:
            self._jobs[key] = ids
            self._append(_Jobs(key, ids))

    def fail(self, key: str) -> None:
        """Note that a submission that was sent has no results, and that the user knows it.

        Raises:
            NotWritableError: the file system refuses.
        """
        if self.unanswered.pop(key, None) is not None:
            self._append(_Failed(key))

    def keep(self, key: str, results: NDArray[np.float64], device: str = "") -> None:
        """Keep the results of one submission.

        Args:
            key: of the submission.
            results: that came back.
            device: which of several it was.

        Raises:
            NotWritableError: the file system refuses.
            ResultsInUseError: another run has the file.
        """
        self._kept[key] = results
        self._devices[key] = device
        self.unanswered.pop(key, None)
        rows, columns = results.shape
        values = np.ascontiguousarray(results, dtype="<f8").tobytes()
        self._append(_Results(key, rows, columns, values, device))

    def create(self) -> None:
        """Create the file, if it is not there, so that others can join.

        Raises:
            NotWritableError: the file system refuses.
            ResultsInUseError: another run has the file.
        """
        if self._file is None:
            self._write(None)

    def catch_up(self) -> None:
        """Read what others have written since.

        Raises:
            BrokenResultsError: the file cannot be read.
        """
        with self._lock:
            if self._file is None:
                return
            size = os.fstat(self._file.fileno()).st_size
            if size > self._length:
                refuse_above(JOURNAL_BYTES, size, f"the size of {self.path}")
                self._file.seek(self._length)
                self._read(self._file.read())

    def close(self) -> None:
        """Close the file and keep it."""
        if self._file is not None:
            with suppress(OSError):  # what could not be written cannot be written now
                self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file, once the output that holds its results is written."""
        if self._file is not None:
            remove_held(locks_of(self.path))
            remove_alone(self._file, self.path)
            self._file = None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While active, nobody else writes."""
        with self._lock:
            yield

    def _append(self, line: Line) -> None:
        with self._lock:
            self._write(line)

    def _write(self, line: Line | None) -> None:
        content = b"" if line is None else msgspec.json.encode(line) + b"\n"
        if not self._length:
            content = self._head() + content
        try:
            if self._file is None:
                self._open("a+b")
                self._refuse_others()
            assert self._file is not None
            self._file.seek(self._length)
            self._file.truncate()
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
            if not self._length:
                sync_folder(self.path.parent)
        except OSError as error:
            raise NotWritableError(str(self.path), error.strerror or str(error)) from error
        self._length += len(content)

    def _open(self, mode: str) -> None:
        """Open the file for this run alone."""
        self._file = open_alone(self.path, mode)

    def _refuse_others(self) -> None:
        """Refuse a file that processes share, while one of them waits for a device."""
        folder = locks_of(self.path)
        if folder.is_dir() and any(map(is_held, folder.iterdir())):
            raise ResultsInUseError(str(self.path))

    def _may_resend(self, key: str) -> bool:
        return self._resend

    def _refuse_unanswered(self, *, fetches: bool) -> None:
        lost = [key for key in self.unanswered if not (fetches and self.jobs_of(key))]
        if lost:
            raise self._unanswered(lost)

    def _unanswered(self, keys: list[str]) -> UnansweredError:
        sent = str(sum((self.unanswered[key] for key in keys), Tally()))
        jobs = [name for key in keys for name in self.jobs_of(key)]
        if jobs:
            shown = ", ".join(jobs[:_JOBS_SHOWN])
            more = f" and {len(jobs) - _JOBS_SHOWN:,} more" if len(jobs) > _JOBS_SHOWN else ""
            sent = f"{sent} (job{'s' if len(jobs) > 1 else ''} {shown}{more})"
        return UnansweredError(str(self.path), self.run.device, sent)

    def _read(self, content: bytes) -> None:
        """Take the lines that are not known yet, without a last one that was cut short."""
        whole, end, _ = content.rpartition(b"\n")
        if not end and (self._length or self._head().startswith(content)):
            return  # a crash cut a line short, before anything was sent
        lines, at = whole.split(b"\n"), self._length
        try:
            if not at:
                head = lines.pop(0)
                self._check(head)
                at += len(head) + 1
            for text in lines:
                self._take(msgspec.json.decode(text, type=Line), at)
                at += len(text) + 1
        except (msgspec.MsgspecError, ValueError) as error:
            raise BrokenResultsError(str(self.path), str(error)) from error
        self._length += len(whole) + 1

    def _take(self, line: Line, at: int) -> None:
        """Take a line that stands at a byte of the file."""
        match line:
            case _Sent(key, circuits, shots, paid, device):
                self._count(Tally(1, circuits, shots), device)
                self._places[key] = at
                self._jobs.pop(key, None)
                if paid:
                    self.unanswered[key] = Tally(1, circuits, shots)
            case _Jobs(key, ids):
                self._jobs[key] = ids
            case _Failed(key):
                self.unanswered.pop(key, None)
            case _Results(key, rows, columns, content, device):
                values = np.frombuffer(content, dtype="<f8").reshape(rows, columns)
                self._kept[key] = values.astype(np.float64)
                self._devices[key] = device
                self.unanswered.pop(key, None)
            case _:
                assert_never(line)

    def _count(self, tally: Tally, device: str) -> None:
        self.sent += tally
        self.sent_to[device] = self.sent_to.get(device, Tally()) + tally

    def _head(self) -> bytes:
        return msgspec.json.encode(_Head(FORMAT, self.run)) + b"\n"

    def _refuse(self, problem: str) -> None:
        raise BrokenResultsError(str(self.path), problem)

    def _check(self, head: bytes) -> None:
        """Refuse the file of another run, by its first line."""
        if b"hybridx_rows" in head[:20]:
            raise ForeignResultsError(str(self.path), "device", "onnx", self.run.device)
        found = msgspec.json.decode(head, type=_Head)
        if found.hybridx_results != FORMAT:
            self._refuse(f"its format is {found.hybridx_results}, not {FORMAT}")
        for what in RunIdentity.__struct_fields__:
            theirs: Any = getattr(found.run, what)
            ours: Any = getattr(self.run, what)
            if what == "batch_size" and None in (theirs, ours):
                continue
            if theirs != ours:
                called = what.replace("_", " ")
                raise ForeignResultsError(str(self.path), called, _short(theirs), _short(ours))


def locks_of(path: Path) -> Path:
    """Return the folder of the locks by which processes share a journal."""
    return path.with_name(path.name + LOCKS)


def partial_path(output: Path) -> Path:
    """Return the path under which the results of a run are kept until its output is written."""
    return output.with_name(output.name + SUFFIX)


def check_no_partial(output: Path) -> None:
    """Refuse to run if an earlier run left results.

    Raises:
        PartialResultsError: there are results of an earlier run.
    """
    if partial_path(output).exists():
        raise PartialResultsError(str(partial_path(output)))


def _short(value: Any) -> str:
    # Twelve digits of a hash are enough to distinguish files.
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)


def digest(*parts: bytes | str | object) -> str:
    """Return one SHA-256, in hexadecimal, of bytes, texts and values that JSON can hold."""
    return hash_of(
        part if isinstance(part, bytes) else msgspec.json.encode(part, order="sorted")
        for part in parts
    )
