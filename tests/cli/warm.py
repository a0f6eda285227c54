"""A process that has imported everything and is copied for each command.

Importing torch and PennyLane takes three seconds, an export of a small model one. `python -m
tests.cli.warm` reads requests from stdin, a line of JSON each, and answers with the exit code of a
copy of itself that ran the command. It computes nothing itself: torch hangs in a copy of a process
that has used several threads.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What commands import, and what torch and its exporter import when they are first used.
MODULES = (
    "hybridx.api",
    "hybridx.capture",
    "hybridx.cli",
    "hybridx.models",
    "hybridx.parity.eager",
    "hybridx.runtime.pennylane",
    "hybridx.sources",
    "hybridx.targets",
    "networkx",
    "torch._dynamo",
    "torch.export",
    "torch.onnx",
)


class Warm:
    """The process, started when the first command is run."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.warm"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def run(
        self, code: str, arguments: list[str], folder: Path, variables: Mapping[str, str]
    ) -> tuple[int, str, str]:
        """Run Python in a copy; return its exit code, stdout and stderr.

        Args:
            code: run as the main module.
            arguments: its `sys.argv[1:]`.
            folder: its working directory, and where it looks for modules first.
            variables: its environment.
        """
        with tempfile.TemporaryDirectory() as kept:
            out, talk = Path(kept, "out"), Path(kept, "talk")
            request = {
                "code": code,
                "arguments": arguments,
                "folder": str(folder),
                "variables": dict(variables),
                "out": str(out),
                "talk": str(talk),
            }
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            return int(answer), out.read_text(), talk.read_text()

    def _end(self) -> None:
        self._process.stdin.close()
        self._process.wait()


@cache
def warm() -> Warm:
    """Return the process of this test session."""
    return Warm()


def _serve() -> None:
    for module in MODULES:
        import_module(module)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(
    code: str, arguments: list[str], folder: str, variables: dict[str, str], out: str, talk: str
) -> None:
    """Run the code in this process, and end it."""
    for descriptor, path in ((0, os.devnull), (1, out), (2, talk)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv = ["hybridx", *arguments]
    status = 0
    try:
        exec(compile(code, "<command>", "exec"), {"__name__": "__main__"})
    except SystemExit as stop:
        status = stop.code or 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # ONNX Runtime waits at its end for a thread that only the original process has.
    os._exit(status)


if __name__ == "__main__":
    _serve()
