"""Progress on a terminal: the stages of an export with their times, and the rows of a run."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hybridx.api import Stages
from hybridx.errors import printable

_NAME_WIDTH = 10


class DrawnStages(Stages):
    """Draws what is being done, and leaves a line for each stage of what takes a while."""

    def __init__(self, console: Console, patience: float = 1.0) -> None:
        """Draw nothing yet.

        Args:
            console: the terminal.
            patience: seconds from the first stage on, before which no line is left.
        """
        self._console = console
        self._patience = patience
        self._began: float | None = None
        self._waiting: list[str] = []
        self._shown: Progress | None = None
        self._has_bar = False

    def begin(self, name: str) -> None:
        """Draw the name of a stage and the time since it began."""
        self.stop()
        if self._began is None:
            self._began = time.perf_counter()
        self._shown = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._shown.add_task(printable(name).ljust(_NAME_WIDTH), total=None)
        self._shown.start()

    def end(self, name: str, seconds: float, found: str) -> None:
        """Leave a line with what a stage took and what it found."""
        self.stop()
        text = printable(f"  {name.ljust(_NAME_WIDTH)}{seconds:6.1f} s  {found}".rstrip())
        self._waiting.append(text)
        if self._began is None or time.perf_counter() - self._began < self._patience:
            return
        for one in self._waiting:
            self._console.print(Text(one, style="dim"))
        self._waiting.clear()

    def rows(self, done: int, total: int | None) -> None:
        """Draw how many rows are done, how many a second, and the time left."""
        of = "" if total is None else f" of {total:,}"
        self._draw_bar(done, total, f"{done:,}{of} rows", _Speed())

    def steps(self, done: int, total: int, text: str) -> None:
        """Draw how many steps are done, and what the last one gave."""
        self._draw_bar(done, total, text)

    def _draw_bar(self, done: int, total: int | None, text: str, *columns: ProgressColumn) -> None:
        if not self._has_bar:
            self.stop()
            self._shown = Progress(
                BarColumn(),
                TextColumn("{task.description}", markup=False),
                *columns,
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._shown.add_task("", total=total)
            self._shown.start()
            self._has_bar = True
        assert self._shown is not None
        task = self._shown.tasks[0]
        self._shown.update(task.id, completed=done, total=total, description=printable(text))
        if done == total:
            self.stop()

    def stop(self) -> None:
        """Take away what is drawn."""
        if self._shown is not None:
            self._shown.stop()
            self._shown = None
            self._has_bar = False


class _Speed(ProgressColumn):
    """Rows per second."""

    def render(self, task: Task) -> Text:
        """Return the speed of a task."""
        return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s")
