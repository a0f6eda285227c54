"""Scanners of model files find nothing in ours, or what they find in every file of that format."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fresh_machine import fresh
from tests.signing.given import FILES, copied

HERE = Path(__file__).parent
HOME = HERE.parents[1] / ".scanners"
PINS = HERE / "scanners.txt"

# What modelaudit says of every file that torch.jit.save writes.
OF_TORCHSCRIPT = (
    "Suspicious patterns detected: ",
    "Found non-allowlisted import-only global reference: __torch__.",
    "Found source-backed allowlisted global without inert import initialization proof: torch.",
    "Python code file found in PyTorch model: ",
)
KNOWN = {"onnx": (), "bundle": (), "torchscript": OF_TORCHSCRIPT, "pt2": ()}


@pytest.fixture(scope="module")
def scanners():
    """The folder of the programs, in an environment that pip makes if its pins are new."""
    stamp = HOME / "made.txt"
    if not stamp.exists() or stamp.read_text() != PINS.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True)
        words = [HOME / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", PINS]
        subprocess.run(words, check=True)
        stamp.write_text(PINS.read_text())
    return HOME / "bin"


def scanned(program, *words, folder):
    """Run a scanner without a home, and without what it would tell its makers."""
    variables = fresh(os.environ, folder) | {
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }
    variables.pop("PYTHONPATH", None)
    return subprocess.run(
        [program, *words], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def by_modelscan(scanners, path, folder):
    """What modelscan found."""
    words = ("-p", path, "-r", "json", "-o", "scan.json")
    done = scanned(scanners / "modelscan", *words, folder=folder)
    report = json.loads((folder / "scan.json").read_text())
    assert not report["errors"], done.stdout
    return [one["description"] for one in report["issues"]]


def by_modelaudit(scanners, path, folder):
    """What modelaudit warns of; its `info` is about what it left out."""
    words = ("scan", path, "--strict", "--format", "json", "-o", "audit.json")
    done = scanned(scanners / "modelaudit", *words, folder=folder)
    assert (folder / "audit.json").exists(), done.stderr
    report = json.loads((folder / "audit.json").read_text())
    assert report["files_scanned"]
    return [one["message"] for one in report["issues"] if one["severity"] not in ("info", "debug")]


@pytest.mark.parametrize("name", FILES)
def test_modelscan_finds_nothing(name, scanners, tmp_path):
    assert by_modelscan(scanners, copied(name, tmp_path), tmp_path) == []


@pytest.mark.parametrize("name", FILES)
def test_modelaudit_finds_no_more_than_in_every_file_of_the_format(name, scanners, tmp_path):
    found = by_modelaudit(scanners, copied(name, tmp_path), tmp_path)
    assert [one for one in found if not one.startswith(KNOWN[name])] == []
    assert bool(found) == bool(KNOWN[name])


@pytest.mark.parametrize("find", [by_modelscan, by_modelaudit])
def test_the_scanners_see_what_is_hostile(find, scanners, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, ("true",)

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Hostile()))
    assert find(scanners, path, tmp_path)
