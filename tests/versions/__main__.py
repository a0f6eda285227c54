"""Run the core of the tests in other environments, and print what each had and how it went.

`python -m tests.versions` takes the default rows of `environments.toml`, `python -m tests.versions
NAME …` the named ones. Environments are kept in `.versions` and made again when their requirements
change.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fresh_machine import fresh, made
from tests.versions.requirements import CORE, ROOT, Environment, environments

FOLDER = ROOT / ".versions"
SHOWN = ("numpy", "onnx", "onnxruntime", "onnxscript", "pennylane", "torch")


def main() -> int:
    """Return 1 if the tests fail in an environment or one cannot be made, else 0."""
    known = environments()
    names = sys.argv[1:] or [name for name, one in known.items() if one.default]
    if unknown := [name for name in names if name not in known]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    rows = []
    for name in names:
        started = time.perf_counter()
        result = _run(known[name])
        minutes = (time.perf_counter() - started) / 60
        rows.append((name, result, f"{minutes:.1f} min", _versions(known[name])))
    for row in rows:
        print("  ".join(row))
    return any(result != "passed" for _, result, _, _ in rows)


def _run(environment: Environment) -> str:
    """Return how the tests went."""
    interpreter = shutil.which(f"python{environment.python}")
    if interpreter is None:
        return f"no python{environment.python} here"
    python = made(_home(environment), interpreter, environment.requirements())
    if python is None:
        return "not installed"
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [str(python), *_words(environment)],
            cwd=ROOT,
            env=fresh(os.environ, Path(home)),
            check=False,
        )
    return "failed" if done.returncode else "passed"


def _words(environment: Environment) -> list[str]:
    """Return what Python is called with: the core of the tests, or golden files by themselves."""
    if environment.versions == "alone":
        words = ["tests/versions/files_alone.py", "exported/golden", str(environment.opset)]
        return [*words, *environment.without]
    # A later release may warn of more; that is no failure of what it computes.
    words = ["-m", "pytest", "-q", "-m", "not slow", "-o", "filterwarnings=default"]
    return [*words, "-p", "no:cacheprovider", "--disable-warnings", *CORE]


def _home(environment: Environment) -> Path:
    return FOLDER / environment.name


def _versions(environment: Environment) -> str:
    """Return what is installed of the libraries that hybridx stands on."""
    python = _home(environment) / "bin" / "python"
    if not python.exists():
        return ""
    words = ["-m", "pip", "list", "--format", "json"]
    listed = subprocess.run([str(python), *words], capture_output=True, text=True, check=False)
    versions = {one["name"].lower(): one["version"] for one in json.loads(listed.stdout or "[]")}
    return ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions)


if __name__ == "__main__":
    sys.exit(main())
