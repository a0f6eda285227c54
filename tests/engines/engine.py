"""The engines of `engines.toml`, and how each is installed and started."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.fresh_machine import ROOT, made
from tests.reader.javascript import node
from tests.rows import read_rows

HERE = Path(__file__).parent
FOLDER = ROOT / ".engines"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
Attempt = Literal["open", "fixed", "opset 18", "web", "alone"]


class NotTriedError(Exception):
    """An engine cannot be had on this machine, and the message says why."""


@dataclass(frozen=True)
class Engine:
    """A row of `engines.toml`, which says what the fields are."""

    name: str
    title: str
    how: Literal["python", "node", "browser"]
    packages: tuple[str, ...]
    version: str
    attempts: tuple[Attempt, ...]
    must: Literal["all", "float32", ""] = ""
    remark: str = ""

    @property
    def pinned(self) -> str:
        """The version of its package."""
        wanted = f"{self.version}{'==' if self.how == 'python' else '@'}"
        (found,) = (one for one in self.packages if one.startswith(wanted))
        return found.removeprefix(wanted)

    def command(self) -> list[str]:
        """Return the command that answers requests, and install what it needs.

        Raises:
            NotTriedError: it cannot be had here.
        """
        if self.how == "python":
            python = made(FOLDER / self.name, sys.executable, self.packages, alone=True)
            if python is None:
                raise NotTriedError("pip cannot install it here")
            return [str(python), str(HERE / "alone" / "serve.py"), self.name]
        home = FOLDER / self.name
        if self.how == "node":
            _install(home, self.packages)
            return [node(), str(HERE / "alone" / "serve.mjs"), self.version, str(home)]
        browser = _browser()
        _install(home, self.packages)
        return [node(), str(HERE / "alone" / "browser.mjs"), browser, str(home)]

    def on(self) -> str:
        """Return what runs it, and its version: Python, Node.js or Chromium."""
        if self.how == "python":
            return f"Python {platform.python_version()}"
        name, command = ("Node.js", node()) if self.how == "node" else ("Chromium", _browser())
        said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
        (version,) = re.findall(r"\d+(?:\.\d+)+", said.stdout)[:1]
        return f"{name} {version}"


def engines() -> dict[str, Engine]:
    """Return the rows by their names."""
    return read_rows(HERE / "engines.toml", Engine)


def _browser() -> str:
    """Return the Chromium of this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise NotTriedError("there is no Chromium on the path")
    return found


def _install(home: Path, packages: tuple[str, ...]) -> None:
    """Install packages of npm into a folder, if they are not there."""
    installed = home / "installed.json"
    if installed.exists() and json.loads(installed.read_text()) == list(packages):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise NotTriedError("there is no npm on the path")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "package.json").write_text('{"private": true}')
    # Its install script asks a server for libraries of CUDA.
    variables = os.environ | {"ONNXRUNTIME_NODE_INSTALL_CUDA": "skip"}
    words = [npm, "install", "--no-audit", "--no-fund", "--save-exact", "--silent", *packages]
    if subprocess.run(words, cwd=home, env=variables, check=False).returncode:
        raise NotTriedError("npm cannot install it here")
    installed.write_text(json.dumps(packages))
