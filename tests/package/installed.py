"""Environments in which pip has installed the wheel, as a user's pip would."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tests.installed import Installed

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".package"
CONSTRAINTS = ROOT / "constraints.txt"


def make(name: str, requirements: Sequence[str]) -> Installed:
    """Return a new environment with these requirements, in the versions that were tested."""
    found = Installed(FOLDER / name)
    shutil.rmtree(found.home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", found.home], check=True)
    pip = [found.python, "-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS]
    subprocess.run([*pip, *requirements], check=True)
    return found


@cache
def with_extra(wheel: Path, extra: str) -> Installed:
    """Return an environment with the wheel and one extra, or none if `extra` is empty."""
    # The build of torch is the reader's choice; here it is the one that runs these tests.
    torch = [f"torch=={version('torch').partition('+')[0]}"] if extra == "export" else []
    return make(extra or "base", [*torch, f"{wheel}[{extra}]" if extra else str(wheel)])
