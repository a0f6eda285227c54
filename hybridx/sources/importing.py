"""The user's own modules imported, whatever their names, and the process put back afterwards."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from types import ModuleType


@contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """While active, modules in a folder can be imported as if it were first on `sys.path`.

    What the standard library, torch, PennyLane or hybridx itself may import later keeps its
    meaning: a `queue.py` in the folder is not found under that name. Afterwards modules that were
    found in the folder are forgotten, so that another folder may have others of the same names.
    """
    finder = _Folder(folder)
    before = dict(sys.modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in finder.found]:
            if name not in before:
                del sys.modules[name]
        for name, module in before.items():
            if name.partition(".")[0] in finder.found:
                sys.modules[name] = module


class _Folder:
    """Finds the top-level modules of a folder; packages find their own parts.

    Attributes:
        found: the names under which something in the folder was imported.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())
        self.found: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        found = PathFinder.find_spec(name, [self._folder])
        if found is None:
            return None
        # What also lies elsewhere may be a library's; a folder without Python in it always yields.
        is_elsewhere = PathFinder.find_spec(name) is not None
        if is_elsewhere and (found.loader is None or name in needed_names()):
            return None
        self.found.add(name)
        return found


@cache
def needed_names() -> frozenset[str]:
    """Return the top-level names that hybridx and what it stands on may import at any time."""
    packages = {"hybridx", "torch", "pennylane", "onnx", "onnxruntime", "onnxscript"}
    distributions = packages_distributions()
    waiting = [name for package in packages for name in distributions.get(package, ())]
    known: set[str] = set()
    while waiting:
        name = _plain(waiting.pop())
        if name in known:
            continue
        known.add(name)
        try:
            wanted = requires(name) or []
        except PackageNotFoundError:  # of an extra that is not installed
            continue
        waiting += [re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in wanted]
    return frozenset(
        {*sys.stdlib_module_names, *packages}
        | {top for top, names in distributions.items() if known & set(map(_plain, names))}
    )


def _plain(name: str) -> str:
    """Return the one spelling of the name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def import_file(path: Path) -> ModuleType:
    """Import a Python file under its own name, or a free one like it; see `importing_from`.

    The module stands in `sys.modules`, where dataclasses and pickles look for it.

    Raises:
        OSError: the file cannot be read.
        Exception: whatever the file raises.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "no such file")
    name, inside = path.stem, None
    if name == "__init__":
        name, inside = path.resolve().parent.name, [str(path.resolve().parent)]
    name = _free(re.sub(r"\W", "_", name))
    specification = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=inside
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    for finder in sys.meta_path:
        if isinstance(finder, _Folder):
            finder.found.add(name)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def _free(name: str) -> str:
    """Return a name that no other module has or may be imported by."""
    while name in sys.modules or _is_taken(name):
        name += "_"
    return name


def _is_taken(name: str) -> bool:
    if name in sys.stdlib_module_names:
        return True
    return PathFinder.find_spec(name) is not None and name in needed_names()
