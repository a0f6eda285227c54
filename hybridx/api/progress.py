"""What a long task is doing, told to whoever asked for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Stages:
    """Is told what a function of `api` is doing. This one writes it to the log of `hybridx`.

    A function that takes more than a second takes an object of this class. The command line gives
    one that draws. A subclass overrides the methods below.

    Example:
        >>> stages = Stages()
        >>> with stages("trace") as found:
        ...     found("2 circuits")
    """

    @contextmanager
    def __call__(self, name: str) -> Iterator[Callable[[str], None]]:
        """Enter a stage, and yield the function that says what was found in it.

        Args:
            name: a verb, such as `trace`.
        """
        started, found = time.perf_counter(), list[str]()
        self.begin(name)
        try:
            yield found.append
        except BaseException:
            self.stop()
            raise
        self.end(name, time.perf_counter() - started, "; ".join(found))

    def begin(self, name: str) -> None:
        """Hear that a stage begins."""

    def end(self, name: str, seconds: float, found: str) -> None:
        """Hear that a stage is done, how long it took and what was found, which may be empty."""
        log.debug("%s: %.1f s%s", name, seconds, f", {found}" if found else "")

    def stop(self) -> None:
        """Hear that the stage ends with an error."""

    def rows(self, done: int, total: int | None) -> None:
        """Hear how many rows of data are done, of how many if that is known."""

    def steps(self, done: int, total: int, text: str) -> None:
        """Hear how many steps of another kind are done, and how they went, in a few words."""
