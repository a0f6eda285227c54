"""A process that runs slices, from the side of the one that started it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final, TypeAlias

import numpy as np

import hybridx
from hybridx.bounds import changed_limits
from hybridx.errors import WorkerNotStartedError
from hybridx.runtime.isolated.messages import OutOfTurnError, ended_by, receive, send
from hybridx.storage import Array

_ENTRY: Final = (
    "import sys; sys.path[:0] = sys.argv[1:]; "
    "from hybridx.runtime.workers.child import main; main()"
)
_UNBOUNDED: Final = 2**62
# Libraries that compute with threads of their own count them by these.
_THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

_Question: TypeAlias = tuple[str, Mapping[str, Any], Mapping[str, Array]]

ENDED: Final = "ended"
"""The kind of what is heard of a process that has ended."""


@dataclass(eq=False)
class Slice:
    """A slice of rows on its way.

    Attributes:
        index: its place among all slices.
        inputs: by name.
        row: how many rows stand in front of it.
        rows: how many it has.
        repeat: how many runs of all rows there were before.
        ended: how many workers it has ended.
    """

    index: int
    inputs: Mapping[str, Array]
    row: int
    rows: int
    repeat: int
    ended: int = 0

    def __str__(self) -> str:
        last = self.row + self.rows
        return f"row {last:,}" if self.rows == 1 else f"rows {self.row + 1:,} to {last:,}"


@dataclass(frozen=True, eq=False)
class Answer:
    """What is heard of a worker: `loaded`, `outputs`, `error`, `defect` or `ended`.

    Attributes:
        worker: of which it is.
        kind: of the answer.
        values: what is told.
        arrays: the outputs.
    """

    worker: Worker
    kind: str
    values: Mapping[str, Any]
    arrays: Mapping[str, Array]


class Worker:
    """A process with a session of its own, and a thread that speaks with it.

    Attributes:
        at_work: the slice that it has.
        is_loaded: whether it has said that its session is there.
    """

    def __init__(self, path: str, start: bytes, threads: int, heard: SimpleQueue[Answer]) -> None:
        """Start a process and let it load a session.

        Args:
            path: of the model, for messages.
            start: what `child.py` makes a session of.
            threads: that libraries may use there, unless the environment says it.
            heard: gets its answers.

        Raises:
            WorkerNotStartedError: the system starts no process.
        """
        self.at_work: Slice | None = None
        self.is_loaded = False
        self._heard = heard
        self._alone = threading.Lock()
        self._to_send: SimpleQueue[_Question | None] = SimpleQueue()
        root = str(Path(hybridx.__file__).parents[1])
        environment = {name: str(threads) for name in _THREAD_VARIABLES} | dict(os.environ)
        try:
            # -P: a file in the folder of the user is not taken for a module. Behind it comes what
            # this process can import, for devices from modules of the user.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _ENTRY, root, *filter(None, sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise WorkerNotStartedError(path, str(error)) from error
        self._to_send.put(("load", {}, {"session": np.frombuffer(start, np.uint8)}))
        self._speaker = threading.Thread(target=self._speak, name="hybridx-worker", daemon=True)
        self._speaker.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def run(self, one: Slice) -> None:
        """Ask for the outputs of a slice."""
        self.at_work = one
        self._to_send.put(("run", {"row": one.row, "repeat": one.repeat}, one.inputs))

    def end(self) -> None:
        """Ask the process to end behind what it sends to a device now, and to send no more."""
        with self._alone:
            self._try_to_send("end", {}, {})

    def interrupt(self) -> None:
        """Ask the process to cancel what a device has, and to end."""
        with self._alone, suppress(OSError):  # it may have ended
            self._input.close()

    def wait(self, seconds: float | None) -> bool:
        """Return whether the process ends within a time; None waits as long as it takes."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the process, and free what it was spoken to with."""
        self._process.kill()
        self._process.wait()
        self._to_send.put(None)
        self._speaker.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):  # what was not sent yet is of no use any more
                stream.close()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _try_to_send(
        self, kind: str, values: Mapping[str, Any], arrays: Mapping[str, Array]
    ) -> None:
        try:
            send(self._input, kind, values, arrays)
        except (OSError, ValueError):
            return  # it has ended, or is to end; whoever reads finds that

    def _speak(self) -> None:
        assert self._process.stdout is not None
        logger = logging.getLogger("hybridx")
        while (question := self._to_send.get()) is not None:
            kind, values, arrays = question
            also = {"limits": changed_limits(), "level": logger.getEffectiveLevel()}
            with self._alone:
                self._try_to_send(kind, {**values, **also}, arrays)
            answer = "log"
            while answer == "log":
                try:
                    answer, told, results = receive(self._process.stdout, _UNBOUNDED)
                except (OutOfTurnError, OSError):
                    self._process.wait()
                    reason = ended_by(self._process.returncode)
                    self._heard.put(Answer(self, ENDED, {"reason": reason}, {}))
                    return
                if answer == "log":
                    logger.log(told["level"], "%s", told["text"])
            self._heard.put(Answer(self, answer, told, results))
