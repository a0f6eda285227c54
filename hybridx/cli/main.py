"""The entry point, and the one boundary where errors become exit codes.

0 done    1 the answer is no    2 usage    3 a known error    70 a defect of hybridx
"""

from __future__ import annotations

import sys

from hybridx.cli import output
from hybridx.cli.commands import app
from hybridx.errors import HybridxError, ParityError


def main() -> None:
    """Run the command line and exit with its code."""
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
        # The reader of our output went away, as `head` does; nothing is left to say.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        # Outside the tree is a defect: the traceback is what a report needs.
        output.defect(error)
        sys.exit(70)
