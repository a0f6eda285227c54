"""A command given as a user gives it, and what to look at afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
USER_MODEL = HERE / "user_model.py"


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


def command(*arguments, folder, python=sys.executable, variables=None):
    """Run `python -m hybridx` as a user does, of another environment if one is named."""
    finished = subprocess.run(
        [str(python), "-m", "hybridx", *map(str, arguments)],
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
