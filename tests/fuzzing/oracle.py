"""What may become of an input: a right answer or a typed error, in bounded time and memory."""

from __future__ import annotations

import re
import resource
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import FrameType

from hybridx.cli.failures import fail
from hybridx.cli.printer import Printer
from hybridx.errors import HybridxError
from tests.fuzzing.target import Target

CPU_SECONDS = 10
MEMORY = 2**30  # beyond what the process had before

_HOUSE = Path(__file__).parents[2]


class TooSlowError(BaseException):
    """An input has taken its time; a reader cannot catch it by mistake."""


@dataclass(frozen=True)
class Finding:
    """What should not have become of an input.

    Attributes:
        kind: the class of the exception, or `memory`.
        place: the innermost line of this repository.
        text: the traceback, or how much memory was used.
    """

    kind: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.place}"


def tried(target: Target, data: bytes) -> Finding | None:
    """Give an input to a target, and return what is wrong with that, if anything is."""
    before = _peak()
    try:
        with _limited():
            target.read(data)
    except HybridxError as error:
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", said := _printed(error)):
            return Finding("control characters on the terminal", type(error).__name__, repr(said))
    except (SystemExit, KeyboardInterrupt, TooSlowError, Exception) as error:
        return _finding(error)
    if (used := _peak() - before) > MEMORY:
        return Finding("memory", target.name, f"{used / 2**20:.0f} MiB")
    return None


@contextmanager
def _limited() -> Iterator[None]:
    """Raise an exception in code that takes too much time of the processor."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _finding(error: BaseException) -> Finding:
    lines = [
        f"{Path(one.filename).relative_to(_HOUSE)}:{one.lineno}"
        for one in traceback.extract_tb(error.__traceback__)
        if Path(one.filename).is_relative_to(_HOUSE)
    ]
    text = "".join(traceback.format_exception(error))
    return Finding(type(error).__name__, lines[-1] if lines else "nowhere", text)


def _printed(error: HybridxError) -> str:
    """Return what the command line says of an error."""
    with redirect_stderr(StringIO()) as stream:
        fail(error, Printer(), is_traced=False)
    return stream.getvalue()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
