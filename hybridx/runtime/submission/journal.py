"""What a device was sent and what it returned, in a file until the output of the run is written.

The first line of the file is JSON that identifies the run. Before a submission is sent to a device
that may cost money, a line says so; another holds its results, or says that it failed. Lines are
only appended, and each is forced to the disk, so that paid results survive a crash, and a
submission that was lost in one is not sent again unasked; a last line that a crash cut short is
dropped. Results are found by a hash of everything that they depend on, so a resumed run starts at
the beginning and finds them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Annotated, Any, TypeAlias, assert_never

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx.artifact import hash_of
from hybridx.bounds import JOURNAL_BYTES
from hybridx.errors import (
    BrokenResultsError,
    ForeignResultsError,
    NotWritableError,
    PartialResultsError,
    UnansweredError,
)
from hybridx.runtime.submission.tally import Tally
from hybridx.storage import open_alone, read_bytes, remove_alone, sync_folder

SUFFIX = ".partial"
FORMAT = 2


class RunIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What identifies a run; a hash where the value is long or private.

    Attributes:
        model: hash of the model file.
        device: the device that was used.
        shots: samples of each circuit.
        seed: of the device.
        options: hash of the device's options.
        data: hash of the inputs.
    """

    model: str
    device: str
    shots: int | None
    seed: int | None
    options: str
    data: str


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hybridx_results: int
    run: RunIdentity


_Length: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class _Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sent"):
    key: str
    circuits: _Count
    shots: _Count


class _Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    key: str


class _Results(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="results"):
    key: str
    rows: _Length
    columns: _Length
    values: bytes  # float64, little-endian; base64 in JSON


_Line: TypeAlias = _Sent | _Failed | _Results


class Journal:
    """The submissions of a run so far, and their results.

    One run at a time has the file. Whatever is written is on the disk when a method returns.

    Attributes:
        path: of the file, which is created with the first line.
        run: the run that the results belong to.
        unanswered: what was sent last under a key, and whose results are not known.
    """

    def __init__(
        self, path: Path, run: RunIdentity, *, resume: bool = False, resend: bool = False
    ) -> None:
        """Begin a journal, or continue an existing one.

        Args:
            path: of the file.
            run: the run that the results belong to.
            resume: read the results of an earlier run; otherwise an existing file is replaced.
            resend: send again what an earlier run had sent when it stopped.

        Raises:
            ForeignResultsError: the file belongs to another run.
            BrokenResultsError: the file cannot be read.
            UnansweredError: a submission of the earlier run may have been paid for.
            ResultsInUseError: another run has the file.
        """
        self.path = path
        self.run = run
        self.unanswered: dict[str, Tally] = {}
        self._kept: dict[str, NDArray[np.float64]] = {}
        self._file: IO[bytes] | None = None
        self._length = 0
        if resume and path.exists():
            try:
                self._open("r+b")
            except OSError as error:
                raise BrokenResultsError(str(path), error.strerror or str(error)) from error
            try:
                self._read(resend=resend)
            except BaseException:
                self.close()
                raise

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def sent_unanswered(self) -> Tally:
        """All that was sent and whose results are not known."""
        return sum(self.unanswered.values(), Tally())

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

    def begin(self, key: str, tally: Tally) -> None:
        """Note that a submission is about to be sent.

        Raises:
            NotWritableError: the file system refuses.
            ResultsInUseError: another run has the file.
        """
        self._append(_Sent(key, tally.circuits, tally.shots))
        self.unanswered[key] = tally

    def fail(self, key: str) -> None:
        """Note that a submission that was sent has no results, and that the user knows it.

        Raises:
            NotWritableError: the file system refuses.
        """
        if self.unanswered.pop(key, None) is not None:
            self._append(_Failed(key))

    def keep(self, key: str, results: NDArray[np.float64]) -> None:
        """Keep the results of one submission.

        Raises:
            NotWritableError: the file system refuses.
            ResultsInUseError: another run has the file.
        """
        self._kept[key] = results
        self.unanswered.pop(key, None)
        rows, columns = results.shape
        values = np.ascontiguousarray(results, dtype="<f8").tobytes()
        self._append(_Results(key, rows, columns, values))

    def close(self) -> None:
        """Close the file and keep it."""
        if self._file is not None:
            with suppress(OSError):  # what could not be written cannot be written now
                self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file, once the output that holds its results is written."""
        if self._file is not None:
            remove_alone(self._file, self.path)
            self._file = None

    def _append(self, line: _Line) -> None:
        content = msgspec.json.encode(line) + b"\n"
        if not self._length:
            content = self._head() + content
        try:
            if self._file is None:
                self._open("a+b")
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

    def _read(self, *, resend: bool) -> None:
        content = read_bytes(self.path, JOURNAL_BYTES)
        whole, end, _ = content.rpartition(b"\n")
        if not end and self._head().startswith(content):
            return  # a crash cut the first line short, before anything was sent
        head, *lines = whole.split(b"\n")
        try:
            if b"hybridx_rows" in head[:20]:
                raise ForeignResultsError(str(self.path), "device", "onnx", self.run.device)
            found = msgspec.json.decode(head, type=_Head)
            if found.hybridx_results != FORMAT:
                self._refuse(f"its format is {found.hybridx_results}, not {FORMAT}")
            self._check(found.run)
            for text in lines:
                self._take(msgspec.json.decode(text, type=_Line))
        except (msgspec.MsgspecError, ValueError) as error:
            raise BrokenResultsError(str(self.path), str(error)) from error
        if self.unanswered and not resend:
            raise UnansweredError(str(self.path), self.run.device, str(self.sent_unanswered))
        self._length = len(whole) + 1

    def _take(self, line: _Line) -> None:
        match line:
            case _Sent(key, circuits, shots):
                self.unanswered[key] = Tally(1, circuits, shots)
            case _Failed(key):
                self.unanswered.pop(key, None)
            case _Results(key, rows, columns, content):
                values = np.frombuffer(content, dtype="<f8").reshape(rows, columns)
                self._kept[key] = values.astype(np.float64)
                self.unanswered.pop(key, None)
            case _:
                assert_never(line)

    def _head(self) -> bytes:
        return msgspec.json.encode(_Head(FORMAT, self.run)) + b"\n"

    def _refuse(self, problem: str) -> None:
        raise BrokenResultsError(str(self.path), problem)

    def _check(self, found: RunIdentity) -> None:
        for what in RunIdentity.__struct_fields__:
            theirs: Any = getattr(found, what)
            ours: Any = getattr(self.run, what)
            if theirs != ours:
                raise ForeignResultsError(str(self.path), what, _short(theirs), _short(ours))


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
