"""The entry point, where errors become exit codes.

0 done  1 a comparison failed  2 wrong usage  3 a known error  70 a defect  130 interrupted
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import takewhile

import typer

from hybridx.cli import failures
from hybridx.cli.app import app
from hybridx.cli.printer import Printer
from hybridx.cli.streams import drop_stdout, make_writable
from hybridx.errors import (
    CommandLineError,
    HybridxError,
    OutOfMemoryError,
    ParityError,
    first_line,
    for_command_line,
)

# typer's error of a wrong call, which has no public name in all of its versions.
_WRONG_CALL = next(one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException")


def main() -> None:
    """Run the command line and exit with its code."""
    make_writable()
    code = run(sys.argv[1:])
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
        code = 0
    sys.exit(code)


@for_command_line()
def run(arguments: Sequence[str]) -> int:
    """Run one command, print what it gives, and return its exit code.

    Args:
        arguments: behind the name of the program.
    """
    options = [*takewhile(lambda one: one != "--", arguments)]
    # A wrong call is told before its options are read.
    printer, is_traced = Printer(as_json="--json" in options), "--debug" in options
    try:
        command = typer.main.get_command(app)
        code = command.main(list(arguments) or ["--help"], "hybridx", standalone_mode=False)
    except ParityError as error:
        failures.fail(error, printer, is_traced=is_traced)
        return 1
    except HybridxError as error:
        failures.fail(error, printer, is_traced=is_traced)
        return 3
    except MemoryError as error:
        too_large = OutOfMemoryError(first_line(error))
        failures.fail(too_large.with_traceback(error.__traceback__), printer, is_traced=is_traced)
        return 3
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except SystemExit as stop:
        # typer leaves so when the reader of the output is gone.
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        drop_stdout()
        return 0
    except Exception as error:
        if isinstance(error, _WRONG_CALL):
            failures.fail(_wrong_call(error), printer, is_traced=False)
            return 2
        # An error outside the tree is a defect; its report needs the traceback.
        failures.defect(error, printer)
        return 70
    if code == 130:
        failures.interrupted(printer)
    return code or 0


def _wrong_call(error: Exception) -> CommandLineError:
    """Return what typer says of a wrong call as an error of ours."""
    context = getattr(error, "ctx", None)
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    text = " ".join(text.split()).rstrip(".")
    command = context.command_path if context is not None else "hybridx"
    return CommandLineError(text[:1].lower() + text[1:], command)
