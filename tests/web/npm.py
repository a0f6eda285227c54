"""npm in the workspace `web/`, with the Node.js that the second reader runs on."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.fresh_machine import ROOT
from tests.reader.javascript import node

WEB = ROOT / "web"
_STAMP = WEB / "node_modules" / ".of_lock_file"


def npm(*words: str, folder: Path = WEB) -> str:
    """Run npm in a folder and return what it prints."""
    made = subprocess.run(
        [*_npm(), *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, f"npm {' '.join(words)}\n{made.stdout}\n{made.stderr}"
    return made.stdout


def install() -> None:
    """Install what the lock file of the workspace names, if it is not there."""
    digest = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if not _STAMP.is_file() or _STAMP.read_text(encoding="utf-8") != digest:
        npm("ci", "--no-audit", "--no-fund", "--ignore-scripts")
        _STAMP.write_text(digest, encoding="utf-8")


def _npm() -> list[str]:
    own = Path(node())
    packed = own.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if packed.is_file():
        return [str(own), str(packed)]
    found = shutil.which("npm")
    assert found is not None, "there is no npm beside Node.js or on the path"
    return [found]
