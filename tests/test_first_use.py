"""Importing hybridx costs nothing until a name of it is used."""

from __future__ import annotations

import ast
import py_compile
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import hybridx

PACKAGES = (
    "hybridx",
    "hybridx.api",
    "hybridx.artifact",
    "hybridx.circuit",
    "hybridx.parity",
    "hybridx.report",
    "hybridx.runtime",
    "hybridx.storage",
)
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


def lazy_names(module):
    """The names that a package imports for type checkers, and whether each is in `__all__`."""
    return {
        alias.name: alias.asname is None
        for block in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        for alias in node.names
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_lazy_name_is_public_and_loads_and_none_is_a_file(package):
    module = import_module(package)
    names = lazy_names(module)
    assert names
    assert {name for name, is_listed in names.items() if is_listed} <= set(module.__all__)
    assert names.keys() | set(module.__all__) <= set(dir(module))
    files = {path.stem for path in Path(module.__file__).parent.glob("*.py")}
    assert not names.keys() & files
    assert all(getattr(module, name) is not None for name in names)


def test_all_names_come_with_a_star():
    names: dict[str, object] = {}
    exec("from hybridx import *", names)
    assert names.keys() - {"__builtins__"} == set(hybridx.__all__)


LAZY = """
from typing import TYPE_CHECKING
from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from collections import Counter, deque

    from lazy_package.inner import Outer
else:
    __getattr__, __dir__ = on_first_use(__name__)
"""


@pytest.fixture(params=["source", "bytecode alone"])
def package(request, tmp_path, monkeypatch):
    """A package with names that are loaded on first use."""
    folder = tmp_path / "lazy_package"
    folder.mkdir()
    (folder / "inner.py").write_text("class Outer: pass")
    start = folder / "__init__.py"
    start.write_text(LAZY)
    if request.param == "bytecode alone":
        py_compile.compile(str(start), cfile=str(folder / "__init__.pyc"))
        start.unlink()
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("lazy_package")
    for name in ("lazy_package", "lazy_package.inner"):
        sys.modules.pop(name, None)


def test_a_name_is_loaded_once_and_then_stays(package):
    assert {"Counter", "deque", "Outer", "__name__"} <= set(dir(package))
    assert not vars(package).keys() & {"Counter", "deque", "Outer", "inner"}
    assert package.Counter is Counter
    assert vars(package)["Counter"] is Counter
    assert package.Outer.__module__ == "lazy_package.inner"
    assert "deque" not in vars(package)
    with pytest.raises(AttributeError, match=r"module 'lazy_package' has no attribute 'nothing'"):
        _ = package.nothing
