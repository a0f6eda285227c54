"""A worker: it loads a model once, and answers slices of rows with their outputs.

Its standard input and output are pipes to the process that started it. When the input ends, that
process has ended or wants no more, and the worker stops whatever it does: a device that may cost
money is interrupted, so that its jobs are cancelled, and everything else is left at once.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO, Final

from hybridx.bounds import limits
from hybridx.errors import HybridxError, OutOfMemoryError, first_line
from hybridx.runtime.executor import DeviceExecutor
from hybridx.runtime.isolated.messages import OutOfTurnError, receive, send
from hybridx.runtime.secrets import scrub
from hybridx.runtime.session import Session, restart, sending_executor, share_results
from hybridx.runtime.slices import run_slice
from hybridx.runtime.submission.tally import Tally
from hybridx.storage import Array

GRACE_SECONDS: Final = 20.0
"""How long a worker may take to cancel the jobs of a device."""

_UNBOUNDED: Final = 2**62
_Question = tuple[str, dict[str, Any], dict[str, Array]]


def main() -> None:
    """Answer until there are no more questions."""
    # Libraries print to the standard output; answers have a pipe of their own.
    answers = _Answers(os.fdopen(os.dup(1), "wb"))
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    questions: SimpleQueue[_Question | None] = SimpleQueue()
    listener = _Listener(questions)
    try:
        listener.start()
        _answer(questions, answers, listener)
    except KeyboardInterrupt:
        os._exit(130)
    # Threads of a plug-in's client would keep the process.
    os._exit(0)


class _Listener(threading.Thread):
    """Reads questions, and stops this process when there are no more."""

    def __init__(self, questions: SimpleQueue[_Question | None]) -> None:
        super().__init__(daemon=True)
        self._questions = questions
        self.executor: DeviceExecutor | None = None

    def run(self) -> None:
        try:
            while True:
                question = receive(sys.stdin.buffer, _UNBOUNDED)
                if question[0] == "end" and self.executor is not None:
                    self.executor.is_ending = True
                self._questions.put(None if question[0] == "end" else question)
        except (OutOfTurnError, OSError):
            if self.executor is None or not self.executor.may_cost:
                os._exit(0)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(GRACE_SECONDS)
        os._exit(1)


class _Answers(logging.Handler):
    """Sends answers, and what is logged meanwhile."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(logging.INFO)
        self._stream = stream
        self._alone = threading.Lock()

    def send(self, kind: str, values: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        with self._alone:
            send(self._stream, kind, values, arrays)

    def emit(self, record: logging.LogRecord) -> None:
        self.send("log", {"level": record.levelno, "text": scrub(record.getMessage())}, {})


def _answer(
    questions: SimpleQueue[_Question | None], answers: _Answers, listener: _Listener
) -> None:
    session: Session | None = None
    executor: DeviceExecutor | None = None
    while (question := questions.get()) is not None:
        _, values, arrays = question
        before = _counts(executor)
        try:
            if session is None:
                with limits(**values["limits"]):
                    session = _loaded(arrays["session"].tobytes())
                listener.executor = executor = sending_executor(session)
                logger = logging.getLogger("hybridx")
                logger.addHandler(answers)
                logger.propagate = False
                if logger.level == logging.NOTSET:
                    logger.setLevel(values["level"])
                answers.send("loaded", {}, {})
                continue
            with limits(**values["limits"]):
                outputs = run_slice(session, arrays, values["row"], values["repeat"])
            answers.send("outputs", _about(executor, before), outputs)
        except HybridxError as error:
            answers.send("error", _told(error) | _about(executor, before), {})
        except MemoryError as error:
            told = _told(OutOfMemoryError(first_line(error)))
            answers.send("error", told | _about(executor, before), {})
        except Exception as error:
            text = scrub("".join(traceback.format_exception(error)))
            answers.send("defect", {"text": text}, {})


def _loaded(content: bytes) -> Session:
    """Return a session of what the process that started this one has pickled."""
    parts, shared = pickle.loads(content)
    session = restart(*parts)
    if shared is not None:
        share_results(session, **shared)
    return session


def _told(error: HybridxError) -> dict[str, Any]:
    return {"name": type(error).__name__, "facts": error.facts()}


def _counts(executor: DeviceExecutor | None) -> tuple[Tally, int]:
    return (Tally(), 0) if executor is None else (executor.sent, executor.kept)


def _about(executor: DeviceExecutor | None, before: tuple[Tally, int]) -> dict[str, Any]:
    """Return what a slice has sent, and to which devices, for the one who asked."""
    sent, kept = _counts(executor)
    return {
        "submissions": sent.submissions - before[0].submissions,
        "circuits": sent.circuits - before[0].circuits,
        "shots": sent.shots - before[0].shots,
        "kept": kept - before[1],
        "may_have_run": executor is not None and executor.may_cost and executor.has_sent,
        "devices": [] if executor is None else sorted(executor.devices),
    }
