"""Importing hybridx costs nothing until a name of it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import hybridx
from hybridx.first_use import on_first_use

PACKAGES = ("hybridx", "hybridx.api", "hybridx.artifact", "hybridx.runtime", "hybridx.storage")
ROOT = Path(hybridx.__file__).parent
CHEAP = sorted(f"hybridx.api.{path.stem}" for path in (ROOT / "api").glob("[!_]*.py"))
HEAVY = ("numpy", "onnx", "onnxruntime", "torch")
LOADED = f"import sys; sys.exit(', '.join(sorted(sys.modules.keys() & set({HEAVY}))))"


def loaded_by(code):
    """The heavy packages that Python has loaded after it ran the code."""
    finished = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LOADED}"], capture_output=True, text=True, check=False
    )
    return finished.stderr.strip()


@pytest.mark.parametrize("code", ["import hybridx", f"import {', '.join(CHEAP)}"])
def test_nothing_heavy_is_imported(code):
    assert loaded_by(code) == ""


def test_what_is_heavy_is_seen():
    assert loaded_by("import hybridx; hybridx.Session") == "numpy, onnx, onnxruntime"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_none_is_a_file(package):
    module = import_module(package)
    assert set(module.__all__) <= set(dir(module))
    files = {path.stem for path in Path(module.__file__).parent.glob("*.py")}
    assert [name for name in module.__all__ if name in files] == []
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_all_names_come_with_a_star():
    names: dict[str, object] = {}
    exec("from hybridx import *", names)
    assert names.keys() - {"__builtins__"} == set(hybridx.__all__)


def test_a_name_is_loaded_once_and_then_stays(monkeypatch):
    load, listed = on_first_use(__name__, {"collections": "Counter deque"})
    module = sys.modules[__name__]
    assert {"Counter", "deque"} <= set(listed())
    assert load("Counter").__name__ == "Counter"
    assert vars(module)["Counter"] is load("Counter")
    monkeypatch.delattr(module, "Counter")
    with pytest.raises(AttributeError, match=r"module .* has no attribute 'nothing'"):
        load("nothing")
