"""The entry point, where errors become exit codes.

0 done  1 a comparison failed  2 wrong usage  3 a known error  70 a defect  130 interrupted
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

from hybridx.cli import output
from hybridx.cli.commands import app
from hybridx.errors import HybridxError, ParityError


def main() -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A locale without the characters of a picture shows question marks.
            stream.reconfigure(errors="replace")
    try:
        with output.notes_from_log():
            app()
    except ParityError as error:
        output.fail(error)
        sys.exit(1)
    except HybridxError as error:
        output.fail(error)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of the output, such as `head`, has closed it.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        # An error outside the tree is a defect; its report needs the traceback.
        output.defect(error)
        sys.exit(70)
