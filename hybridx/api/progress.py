"""What a long task is doing, told to whoever asked for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Stages:
    """Is told what a function of `api` is doing. This one writes it to the log of `hybridx`.

    A function that takes more than a second takes an object of this class. The command line gives
    one that draws. A subclass overrides `begin`, `end` and `rows`, which do nothing that can fail.

    Example:
        >>> stages = Stages()
        >>> with stages("trace") as found:
        ...     found("2 circuits")
    """

    @contextmanager
    def __call__(self, name: str) -> Iterator[Found]:
        """Enter a stage, and yield the function that says what was found in it.

        Args:
            name: a verb, such as `trace`; how long it took is told behind the last stage of a name.
        """
        started = time.perf_counter()
        found = Found()
        self.begin(name)
        yield found
        self.end(name, time.perf_counter() - started, "; ".join(found.texts))

    def begin(self, name: str) -> None:
        """Hear that a stage begins."""
        log.debug("%s", name)

    def end(self, name: str, seconds: float, found: str) -> None:
        """Hear that a stage is done, how long it took and what was found, which may be empty."""
        log.debug("%s: %.1f s%s", name, seconds, f", {found}" if found else "")

    def rows(self, done: int, total: int | None) -> None:
        """Hear how many rows of data are done, of how many if that is known."""


class Found:
    """Is told what a stage has found.

    Attributes:
        texts: what it was told, in order.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> None:
        """Note what was found, in a few words."""
        self.texts.append(text)
