"""A process that is killed before a line of its code, or in which one call to the system fails."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from pathlib import Path

from hybridx.errors import HybridxError
from hybridx.storage import renames

STORAGE = tuple(
    f"hybridx/storage/{name}.py" for name in ("files", "kept_rows", "renames", "temporaries")
)
KILLED = 0
_EVENTS = {
    *("open", "os.link", "os.mkdir", "os.rename"),
    *("os.chmod", "os.chown", "os.remove", "os.rmdir", "os.truncate"),
}


def in_child(action, before):
    """Run an action in a forked process.

    Args:
        action: the function that runs there.
        before: is called there with a function that counts a step and returns its number.

    Returns:
        The exit status, and how many steps there were. 3 is an error of hybridx, 9 any other.
    """
    reading, writing = os.pipe()
    steps = 0

    def step():
        nonlocal steps
        steps += 1
        return steps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of threads
        child = os.fork()
    if child == 0:
        code = 0
        try:
            before(step)
            action()
        except HybridxError:
            code = 3
        except BaseException:
            code = 9
        finally:
            sys.settrace(None)
            os.write(writing, str(steps).encode())
            os._exit(code)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return os.waitstatus_to_exitcode(status), int(pipe.read() or 0)


def killed(action, kill_at, files=STORAGE):
    """Kill an action before its line `kill_at` in these files; return how many lines it ran."""

    def before(step):
        os.fsync = lambda opened: None  # a kill does not care, and it takes long

        def trace(frame, event, argument):
            if not frame.f_code.co_filename.replace(os.sep, "/").endswith(files):
                return None
            if event == "line" and step() == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)

    return in_child(action, before)[1]


def failing(action, folder, fail_at, number=errno.ENOSPC):
    """Let the call number `fail_at` that changes something in `folder` fail.

    Args:
        action: the function that makes the calls.
        folder: an absolute path.
        fail_at: from 1.
        number: of the error, or KILLED: the process is killed before the call.

    Returns:
        The exit status, and how many such calls there were.
    """

    def before(step):
        def call():
            if step() != fail_at:
                return
            if number == KILLED:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(number, os.strerror(number))

        def hook(event, arguments):
            # For `open` the mode and flags; a file that is only read is no change.
            changes = event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if event in _EVENTS and changes and any(map(is_there, arguments[:2])):
                call()

        rename = renames._rename

        def renamed(*arguments):
            call()
            return rename(*arguments)

        os.fsync = lambda opened: call()
        renames._rename = renamed
        sys.addaudithook(hook)

    inside = str(folder)

    def is_there(argument):
        return isinstance(argument, str | bytes | Path) and os.fsdecode(argument).startswith(inside)

    return in_child(action, before)
