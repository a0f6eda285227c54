"""A command given as a user gives it, and what to look at afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.cli.warm import warm

HERE = Path(__file__).parent
USER_MODEL = HERE / "user_model.py"
START = "import runpy\nrunpy.run_module('hybridx', run_name='__main__', alter_sys=True)"


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code, its stdout and its stderr."""

    code: int
    out: str
    talk: str

    def json(self):
        """The one JSON object on stdout."""
        assert self.code == 0, self.talk
        return json.loads(self.out)

    def error(self, code):
        """What the one JSON object on stdout says of an error of `code`."""
        assert self.code == 3, self.out
        told = json.loads(self.out)["error"]
        assert told["code"] == code
        return f"{told['message']} {told['help']}"


def command(*arguments, folder, patch=""):
    """Run `python -m hybridx` as a user does, in a copy of a process that has imported torch.

    Args:
        *arguments: of the command.
        folder: its working directory.
        patch: Python to run first.
    """
    code = f"{patch}\n{START}"
    return Finished(*warm().run(code, list(map(str, arguments)), folder, os.environ))


def new_command(*arguments, folder, python=sys.executable, variables=None, patch=""):
    """Run `python -m hybridx` in a new process, of another environment if one is named.

    Args:
        *arguments: of the command.
        folder: its working directory.
        python: the interpreter.
        variables: its environment; by default that of this process.
        patch: Python to run first.
    """
    code = f"{patch}\n{START}"
    start = ["-c", code] if patch else ["-m", "hybridx"]
    finished = subprocess.run(
        [str(python), *start, *map(str, arguments)],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


DATA = np.random.default_rng(4).standard_normal((7, 4)).astype(np.float32)


def listing(folder):
    """Every file below a folder with its content, but for caches of bytecode."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def assert_refused(arguments, folder, code, facts):
    """Run a command that is refused with an error of `code`, and see that it leaves no trace."""
    before = listing(folder)
    finished = command(*arguments, folder=folder)
    assert finished.code == 3, finished.talk
    assert "Traceback" not in finished.talk
    if "--json" in arguments:
        told = json.loads(finished.out)["error"]
        assert told["code"] == code
        said = f"{told['message']} {told['help']}"
    else:
        assert finished.out == ""
        assert f"error {code} " in finished.talk
        assert "help: " in finished.talk
        said = finished.talk
    assert [fact for fact in facts if fact not in said] == [], said
    assert listing(folder) == before
