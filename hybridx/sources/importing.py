"""Import the user's own modules, whatever their names, and restore the process afterwards."""

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

    The folder does not hide modules that the standard library, torch, PennyLane or hybridx may
    import later: a `queue.py` in the folder is not found under that name. Afterwards modules from
    the folder are removed from `sys.modules`, so another folder may use the same names.
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
    """Finds the top-level modules of a folder; packages find their own submodules.

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
        # A module that is also found elsewhere may belong to a library. A folder without Python
        # files never takes precedence over it.
        is_elsewhere = PathFinder.find_spec(name) is not None
        if is_elsewhere and (found.loader is None or name in needed_names()):
            return None
        self.found.add(name)
        return found


@cache
def needed_names() -> frozenset[str]:
    """Return the top-level names that hybridx and its dependencies may import at any time."""
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
        except PackageNotFoundError:  # it belongs to an extra that is not installed
            continue
        waiting += [re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in wanted]
    return frozenset(
        {*sys.stdlib_module_names, *packages}
        | {top for top, names in distributions.items() if known & set(map(_plain, names))}
    )


def _plain(name: str) -> str:
    """Return the normalised name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def import_file(path: Path) -> ModuleType:
    """Import a Python file under its own name, or a similar free one; see `importing_from`.

    The module is put into `sys.modules`, where dataclasses and pickle look it up.

    Raises:
        OSError: the file cannot be read.
        Exception: any error that the file raises.
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
    """Return a name under which no other module is or may be imported."""
    while name in sys.modules or _is_taken(name):
        name += "_"
    return name


def _is_taken(name: str) -> bool:
    if name in sys.stdlib_module_names:
        return True
    return PathFinder.find_spec(name) is not None and name in needed_names()
