"""Standard streams: which can be written to, whatever their encoding, and stdout for results."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import TextIOWrapper, UnsupportedOperation
from typing import TextIO

from hybridx.errors import NotWritableError

_PLAIN: Mapping[str, str] = {
    "─": "-", "│": "|", "┼": "+", "┤": "|", "├": "|", "└": "`", "●": "@", "○": "o", "⊕": "(+)",
    "×": "x", "⟨": "<", "⟩": ">", "…": "...", "±": "+-", "·": ".", "†": "^", "θ": "theta",
    "φ": "phi", "π": "pi", "→": "->", "≤": "<=", "≥": ">=", "µ": "u",
}  # fmt: skip


def _as_plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return plain characters for those that an encoding does not have."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    plain = "".join(
        _PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in text
    )
    return plain, error.end


codecs.register_error("hybridx.plain", _as_plain)


def make_writable() -> None:
    """Let stdout and stderr take every text: what their encoding lacks is written plainly."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="hybridx.plain")


@contextmanager
def results_apart() -> Iterator[TextIO | None]:
    """Yield stdout for the results of a command; all else that is written there goes to stderr.

    That holds for Python's `print` in code of the user and in plug-ins of devices, and for what
    writes to the stream of the process, such as C++ and other programs that are started.
    """
    out, err = sys.stdout, sys.stderr
    if out is None:
        yield None
        return
    with redirect_stdout(err):
        try:
            number, other = out.fileno(), err.fileno()
        except (AttributeError, OSError, UnsupportedOperation):
            # Somebody, such as a notebook, has replaced a stream, or stderr is closed.
            yield out
            return
        out.flush()
        kept = os.dup(number)
        os.dup2(other, number)
        results = open(kept, "w", encoding=out.encoding, errors=out.errors)  # noqa: SIM115, PTH123
        try:
            yield results
        finally:
            os.dup2(kept, number)
            with writing_results():
                results.close()


@contextmanager
def writing_results() -> Iterator[None]:
    """Meanwhile results are written to stdout.

    Raises:
        NotWritableError: it takes no more, for instance because a disk is full.
        BrokenPipeError: nobody reads them.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NotWritableError("stdout", error.strerror or str(error)) from error


def drop_stdout() -> None:
    """Write nothing more to stdout, as nobody reads it, such as `head` that has ended."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
