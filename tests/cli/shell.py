"""Two ways to give a command, and what to look at afterwards."""

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


def cold(*arguments, folder):
    """Run `python -m hybridx` as a user does."""
    finished = subprocess.run(
        [sys.executable, "-m", "hybridx", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


class Warm:
    """Runs `python -m hybridx` in forks of one process that has torch in it; see `warm.py`."""

    def __init__(self, folder):
        self._streams = {"stdout": folder / "stdout", "stderr": folder / "stderr"}
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, HERE / "warm.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __call__(self, *arguments, folder):
        request = {"arguments": [str(a) for a in arguments], "folder": str(folder)}
        request |= {name: str(path) for name, path in self._streams.items()}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return Finished(code, *(path.read_text() for path in self._streams.values()))

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._log.close()


DATA = np.random.default_rng(4).standard_normal((7, 4)).astype(np.float32)


def listing(folder):
    """Every file below a folder with its content, but for caches of bytecode."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }
