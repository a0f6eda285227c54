"""Environments as users make them: pip installs only hybridx and one extra."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installed import Installed

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FOLDER = ROOT / ".plugins"
EXTRAS = {"base": "", "braket": "[braket]", "qiskit": "[qiskit]"}
# These come with an environment, or are under test.
OURS = {"hybridx", "pip", "setuptools"}


@dataclass(frozen=True)
class Environment(Installed):
    """A virtual environment with hybridx in it.

    Attributes:
        home: its folder.
        name: of its pins, `tests/plugins/<name>.txt`.
    """

    name: str

    @property
    def pins(self) -> Path:
        return HERE / f"{self.name}.txt"

    def installed(self) -> dict[str, str]:
        """Return the version of each package in it, by its name as pip compares names."""
        listed = subprocess.run(
            [str(self.python), "-m", "pip", "list", "--format", "json"],
            check=True,
            capture_output=True,
            text=True,
        )
        found = {_plain(one["name"]): one["version"] for one in json.loads(listed.stdout)}
        return {name: version for name, version in found.items() if name not in OURS}

    def pinned(self) -> dict[str, str]:
        """Return the version of each package in the pins, by its name as pip compares names."""
        pairs = (line.split("==") for line in self.pins.read_text().split())
        return {_plain(name): version for name, version in pairs}


def make(name: str, folder: Path = FOLDER, variables: Mapping[str, str] | None = None):
    """Return an environment, made if its pins are new, with the hybridx of this folder in it.

    Args:
        name: a key of `EXTRAS`.
        folder: where environments are kept.
        variables: instead of this process's own; pip takes its configuration from them.
    """
    found = Environment(folder / name, name)
    # Several processes may run tests, and only one of them must make the environment.
    with _alone(folder / f"{name}.lock"):
        wanted = _stamp(found.pins, ROOT / "pyproject.toml", also=sys.version)
        if _read(found.home / "made.txt") != wanted:
            venv.create(found.home, with_pip=True, clear=True)
            _install(found, EXTRAS[name], "--constraint", str(found.pins), variables=variables)
            (found.home / "made.txt").write_text(wanted)
        elif _read(found.home / "source.txt") != _source():
            _install(found, "", "--no-deps", "--force-reinstall", variables=variables)
        (found.home / "source.txt").write_text(_source())
    return found


def _install(found: Environment, extra: str, *options: str, variables) -> None:
    with tempfile.TemporaryDirectory() as copy:
        # A build leaves files beside the source, and packs the files of earlier builds.
        for part in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / part, copy)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "hybridx", Path(copy, "hybridx"), ignore=ignored)
        pip = [str(found.python), "-m", "pip", "install", "--quiet", *options, f"{copy}{extra}"]
        done = subprocess.run(pip, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if line.startswith("ERROR"))
        pytest.fail(
            f"pip cannot install hybridx{extra} with tests/plugins/{found.name}.txt. These tests "
            f"need a package index, and pip's own configuration says which.\n{said or done.stderr}",
            pytrace=False,
        )


@contextmanager
def _alone(path: Path):
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _source() -> str:
    return _stamp(*sorted((ROOT / "hybridx").rglob("*.py")))


def _stamp(*paths: Path, also: str = "") -> str:
    digest = hashlib.sha256(also.encode())
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
