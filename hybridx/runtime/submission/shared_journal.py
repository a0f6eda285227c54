"""A journal that several processes write, of one machine or of several with a common disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hybridx.runtime.submission.journal import Journal, Line, RunIdentity, locks_of
from hybridx.runtime.submission.tally import Tally
from hybridx.storage import check_readable, held

_ALL: Final = "all"
_KEY_LETTERS: Final = 32


class SharedJournal(Journal):
    """The submissions of all processes that run slices of the same rows, and their results.

    Each process has a `SharedJournal` of its own on one path. Submissions have keys that depend on
    the rows (`run_slice`), not on who runs them or how often. While a process sends one it holds
    its key by a lock of the system, which is gone when the process is, however it ends. So of two
    processes with the same slice the second one waits, and then finds the results of the first. If
    the first one was killed in between, the second one finds that it had sent something; it asks
    the device for the jobs, where it can, or raises `UnansweredError`. Nothing is sent twice
    unasked.

    The file has the form of a `Journal`, which can go on with it when the processes have ended, and
    the other way round. Beside it is a folder with the ending `.locks`. Locks need a file system
    that has them (`flock`), on all machines that share the path.
    """

    def __init__(
        self, path: Path, run: RunIdentity, *, resend_below: int = 0, counted_from: int = 0
    ) -> None:
        """Join those who share a journal; the file is created with the first line.

        Args:
            path: of the file.
            run: the run that the results belong to.
            resend_below: what is unanswered and stands in front of this byte of the file may be
                sent again.
            counted_from: what stands in front of this byte is not counted as sent.

        Raises:
            ForeignResultsError: the file belongs to another run.
            BrokenResultsError: the file cannot be read.
            NotLockedError: the file system has no locks.
            NotWritableError: it refuses.
        """
        super().__init__(path, run)
        self._notes_all = True
        self._locks = locks_of(path)
        self._resend_below, self._counted_from = resend_below, counted_from
        self._is_alone = False
        self.catch_up()

    def catch_up(self) -> None:
        """Read what the others have written since."""
        with self._alone():
            pass

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        """While active, nobody else sends what has this key; wait until that is so."""
        with held(self._locks / key[:_KEY_LETTERS]):
            self.catch_up()
            yield

    def _append(self, line: Line) -> None:
        with self._alone():
            super()._append(line)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While active, nobody else writes, and all that they have written is known."""
        with self._lock:
            if self._is_alone:
                yield
                return
            with held(self._locks / _ALL, keep=True):
                self._is_alone = True
                try:
                    if self._file is None and self.path.exists():
                        self._open("r+b")
                    super().catch_up()
                    yield
                finally:
                    # Open for a moment only: so a network file system shows the others all of it.
                    self.close()
                    self._is_alone = False

    def _open(self, mode: str) -> None:
        if self.path.exists():
            check_readable(self.path)
        self._file = self.path.open(mode)

    def _refuse_others(self) -> None:
        """Others are welcome."""

    def _take(self, line: Line, at: int) -> None:
        super()._take(line, at)
        if at < self._counted_from:
            self.sent, self.sent_to = Tally(), {}

    def _may_resend(self, key: str) -> bool:
        return self._places[key] < self._resend_below
