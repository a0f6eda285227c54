"""Errors and defects, said to people on stderr or to programs as one JSON object on stdout."""

from __future__ import annotations

import re
import sys
import traceback

import msgspec

from hybridx.cli.as_json import encode
from hybridx.cli.printer import Printer, dim, red
from hybridx.cli.streams import drop_stdout
from hybridx.errors import HybridxError, printable

DEFECT = "defect"
INTERRUPTED = "interrupted"

_LINE = re.compile(r"\S.*:\d+(?=,|;|$)")


class Failure(msgspec.Struct, frozen=True):
    """What `error` holds on stdout, with --json.

    Attributes:
        code: of the error, such as HX301; or `defect`, or `interrupted`.
        message: what happened.
        help: what to do; may be empty.
        place: the file and the line of the user's code, `model.py:12`; null if it is not there.
    """

    code: str
    message: str
    help: str
    place: str | None = None


def failure_of(error: HybridxError) -> Failure:
    """Return a known error for programs."""
    found = _LINE.match(str(error.facts().get("place", "")))
    return Failure(
        error.code,
        error.message,
        error.help,
        found[0] if found else None,
    )


def fail(error: HybridxError, printer: Printer, *, is_traced: bool) -> None:
    """Print a known error: what happened, and what to do.

    Args:
        error: the error.
        printer: of the command.
        is_traced: print the traceback on stderr as well.
    """
    if is_traced:
        _print_traceback(error)
    told = failure_of(error)
    if printer.as_json and _print_object(told):
        return
    printer.say(red("error "), f"{told.code} {told.message}")
    if told.help:
        printer.say(dim(f"  help: {told.help}"))


def defect(error: Exception, printer: Printer) -> None:
    """Print a defect of hybridx with its traceback."""
    _print_traceback(error)
    help = "This is a defect of hybridx: report it with the lines above."
    if printer.as_json:
        lines = traceback.extract_tb(error.__traceback__)
        place = f"{lines[-1].filename}:{lines[-1].lineno}" if lines else None
        if _print_object(Failure(DEFECT, f"{type(error).__name__}: {error}", help, place)):
            return
    printer.say(red(help))


def interrupted(printer: Printer) -> None:
    """Say that the user stopped the command, to programs; people know it."""
    if printer.as_json:
        _print_object(Failure(INTERRUPTED, "the command was interrupted", ""))


def _print_object(failure: Failure) -> bool:
    """Print an error for programs, and return whether stdout took it."""
    if sys.stdout is None:
        return False
    try:
        sys.stdout.write(encode({"error": failure}, sys.stdout.encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:
        drop_stdout()
        return False
    return True


def _print_traceback(error: BaseException) -> None:
    from hybridx.runtime import scrub

    if sys.stderr is not None:
        told = scrub("".join(traceback.format_exception(error)))
        sys.stderr.write(printable(told, keeps="\n"))
