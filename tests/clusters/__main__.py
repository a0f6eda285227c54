"""`python -m tests.clusters`: the tests with Ray in an environment of their own, `.ray`.

With `--made` the environment is made, and no test is run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fresh_machine import ROOT, made

HERE = Path(__file__).parent
FOLDER = ROOT / ".ray"


def main() -> int:
    """Return the exit code of the tests, or 2 if the environment cannot be made."""
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    python = made(FOLDER, sys.executable, lines)
    if python is None:
        print("the environment cannot be made")
        return 2
    if sys.argv[1:] == ["--made"]:
        return 0
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "--durations", "10"]
    return subprocess.run(
        [*command, str(HERE / "on_ray.py"), *sys.argv[1:]], cwd=ROOT, env=variables, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
