"""Environments in which pip has installed the wheel, as a user's pip would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tests.cli.shell import Finished, new_command
from tests.fresh_machine import fresh

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".package"
CONSTRAINTS = ROOT / "constraints.txt"


@dataclass(frozen=True)
class Environment:
    """A virtual environment that knows nothing of this folder."""

    home: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def hybridx(self, *arguments: object, folder: Path) -> Finished:
        """Run `python -m hybridx` in it, in a folder that is also the user's home."""
        variables = fresh(os.environ, folder)
        variables.pop("PYTHONPATH", None)  # else it would run the hybridx of this folder
        return new_command(*arguments, folder=folder, python=self.python, variables=variables)


def make(name: str, requirements: Sequence[str]) -> Environment:
    """Return a new environment with these requirements, in the versions that were tested."""
    found = Environment(FOLDER / name)
    shutil.rmtree(found.home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", found.home], check=True)
    pip = [found.python, "-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS]
    subprocess.run([*pip, *requirements], check=True)
    return found


@cache
def with_extra(wheel: Path, extra: str) -> Environment:
    """Return an environment with the wheel and one extra, or none if `extra` is empty."""
    # The build of torch is the reader's choice; here it is the one that runs these tests.
    torch = [f"torch=={version('torch').partition('+')[0]}"] if extra == "export" else []
    return make(extra or "base", [*torch, f"{wheel}[{extra}]" if extra else str(wheel)])
