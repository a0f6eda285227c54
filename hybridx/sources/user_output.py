"""What the user's code prints goes to stderr: stdout belongs to the result of the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import UnsupportedOperation


@contextmanager
def printing_to_stderr() -> Iterator[None]:
    """While active, what is written to stdout goes to stderr.

    That holds for Python's `print`, and for what writes to the stream of the process, such as C++
    and other programs that are started.
    """
    try:
        out, err = sys.stdout.fileno(), sys.stderr.fileno()
    except (AttributeError, OSError, UnsupportedOperation):
        # Somebody, such as a notebook, has replaced the streams.
        with redirect_stdout(sys.stderr):
            yield
        return
    sys.stdout.flush()
    kept = os.dup(out)
    os.dup2(err, out)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, out)
        os.close(kept)
