"""Fuzz with atheris, in an environment that pip makes in `.fuzzing` on top of this one.

`python -m tests.fuzzing [--seconds 60] [--folder .fuzzing/run] [TARGET …]` ends with 1 if there are
findings. There are wheels of atheris for Linux on x86-64 and Python 3.11 to 3.13; elsewhere it says
so and ends with 0. The inputs to begin with run in the tests, everywhere.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.fresh_machine import ROOT

FOLDER = ROOT / ".fuzzing"
REQUIREMENTS = Path(__file__).parent / "atheris.txt"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path, default=FOLDER / "run")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    options = parser.parse_args()
    if not _has_wheels():
        print(
            f"Nothing is fuzzed: there is no atheris for Python {platform.python_version()} "
            f"on {platform.system()} {platform.machine()}."
        )
        return 0
    python = _environment()
    words = [str(options.seconds), str(options.folder), *options.targets]
    return subprocess.run(
        [str(python), "-m", "tests.fuzzing.rotation", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode


def _has_wheels() -> bool:
    return (
        (platform.system(), platform.machine()) == ("Linux", "x86_64")
        and platform.libc_ver()[0] == "glibc"
        and (3, 11) <= sys.version_info < (3, 14)
    )


def _environment() -> Path:
    """Return the Python of an environment that has atheris and all that this one has."""
    home, wanted = FOLDER / "environment", f"{sys.version}\n{REQUIREMENTS.read_text()}"
    python, made = home / "bin" / "python", home / "made.txt"
    if made.exists() and made.read_text() == wanted:
        return python
    venv.create(home, with_pip=True, clear=True)
    paths = [path for path in sys.path if path.endswith("site-packages")]
    inside = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    (inside / "below.pth").write_text("".join(f"{path}\n" for path in paths))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(REQUIREMENTS)]
    subprocess.run(pip, check=True)
    made.write_text(wanted)
    return python


if __name__ == "__main__":
    sys.exit(main())
