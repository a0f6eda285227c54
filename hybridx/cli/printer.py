"""Where a command prints: results to stdout; notes, progress and errors to stderr.

Text that comes from the user or from a file, such as a name, is never read as markup, and no
character of it reaches a terminal that does more than to be seen.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeAlias, TypeVar

from hybridx.api import Stages
from hybridx.cli.as_json import encode
from hybridx.cli.streams import results_apart, writing_results
from hybridx.errors import printable
from hybridx.storage import piping_to

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


class Styled(NamedTuple):
    """A text with a style of rich, which shows on a terminal only."""

    text: str
    style: str = ""
    keeps: str = ""
    """Of the characters that are not seen, those that are printed as they are."""


Span: TypeAlias = str | Styled


def lines_of(text: str, style: str = "") -> Styled:
    """Return a text of several lines that hybridx itself has laid out."""
    return Styled(text, style, keeps="\n")


def bold(text: object) -> Styled:
    """Return a text that stands out."""
    return Styled(str(text), "bold")


def dim(text: object) -> Styled:
    """Return a text that stands back."""
    return Styled(str(text), "dim")


def green(text: object) -> Styled:
    """Return a text that says that all is well."""
    return Styled(str(text), "green")


def yellow(text: object) -> Styled:
    """Return a text that asks for attention."""
    return Styled(str(text), "yellow")


def red(text: object) -> Styled:
    """Return a text that says what went wrong."""
    return Styled(str(text), "bold red")


@dataclass(frozen=True)
class Line:
    """A line of output.

    Attributes:
        spans: its text, in pieces.
        is_remark: it is about the result, and goes to stderr.
    """

    spans: tuple[Span, ...]
    is_remark: bool = False


def line(*spans: Span) -> Line:
    """Return a line of a result."""
    return Line(spans)


def remark(*spans: Span) -> Line:
    """Return a line about a result, such as how long it took."""
    return Line(spans, is_remark=True)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[Line]:
    """Yield the lines of a table: the first column to the left, all others to the right."""
    body = [tuple(map(printable, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*body, strict=True)]
    for row in body:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        yield line("  ", "  ".join(cells).rstrip())


class Printer:
    """Prints what a command gives, in the way that its options ask for.

    Attributes:
        as_json: print the report as one JSON object.
        is_quiet: print results and errors only.
        is_verbose: print what was chosen and why, too.
    """

    def __init__(
        self, *, as_json: bool = False, is_quiet: bool = False, is_verbose: bool = False
    ) -> None:
        self.as_json = as_json
        self.is_quiet = is_quiet
        self.is_verbose = is_verbose
        self._results: TextIO | None = None

    @property
    def _out(self) -> TextIO | None:
        """Where results go; None if stdout is closed."""
        return sys.stdout if self._results is None else self._results

    def show(self, report: T, lines: Callable[[T], Iterable[Line]]) -> None:
        """Print a report: as one JSON object, or its notes and its lines.

        Args:
            report: of a function of `api`.
            lines: says it for people.
        """
        if self.as_json:
            if self._out is not None:
                with writing_results():
                    self._out.write(encode(report, self._out.encoding))
            return
        for text in getattr(report, "notes", ()):
            self.note(text)
        for one in lines(report):
            if not one.is_remark:
                with writing_results():
                    self._print(self._out, *one.spans)
            elif not self.is_quiet:
                # Where both streams are one file, lines stand in the order in which they are said.
                with writing_results():
                    if self._out is not None:
                        self._out.flush()
                self.say(*one.spans)

    def note(self, text: str) -> None:
        """Print a note on stderr, unless notes are not wanted."""
        if not self.is_quiet:
            self.say(yellow("note "), text)

    def say(self, *spans: Span) -> None:
        """Print a line on stderr."""
        self._print(sys.stderr, *spans)

    @cached_property
    def stages(self) -> Stages:
        """What a function of `api` tells its progress: drawn on a terminal, else logged."""
        is_seen = sys.stderr is not None and sys.stderr.isatty()
        if self.is_quiet or self.as_json or not is_seen:
            return Stages()
        from hybridx.cli.drawn_stages import DrawnStages

        return DrawnStages(self.console)

    @cached_property
    def console(self) -> Console:
        """The terminal behind stderr."""
        return _console(sys.stderr)

    def _print(self, stream: TextIO | None, *spans: Span) -> None:
        if stream is None:
            return
        styled = [Styled(one) if isinstance(one, str) else one for one in spans]
        shown = [(printable(one.text, keeps=one.keeps), one.style) for one in styled]
        if not stream.isatty():
            stream.write("".join(text for text, _ in shown) + "\n")
            return
        from rich.text import Text

        console = self.console if stream is sys.stderr else _console(stream)
        console.print(Text.assemble(*shown))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Print what the packages of hybridx log meanwhile."""
        logger, handler = logging.getLogger("hybridx"), _Notes(self)
        level, propagates = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if self.is_verbose else logging.INFO)
        logger.propagate = False
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagates

    @contextmanager
    def results_apart(self) -> Iterator[None]:
        """Keep stdout for results meanwhile; what other code prints there goes to stderr."""
        with results_apart() as results, piping_to(results):
            self._results = results
            try:
                yield
            finally:
                self._results = None


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=True)


class _Notes(logging.Handler):
    """Prints what hybridx logs: as notes for people, or as details that were asked for."""

    def __init__(self, printer: Printer) -> None:
        super().__init__()
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        text = record.getMessage()
        if record.levelno >= logging.INFO:
            self._printer.note(text)
        else:
            self._printer.say(dim(text))
