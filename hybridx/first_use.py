"""Names of a package that are imported when they are first used.

Importing onnx, ONNX Runtime and NumPy takes most of the time of a short command. A package whose
names are loaded on first use costs nothing until one of them is used.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from importlib import import_module
from types import CodeType
from typing import Any


def on_first_use(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a package, which calls this.

    The package imports its names under `if TYPE_CHECKING:`, where type checkers and editors read
    them. These imports are not run; where each name comes from is read from the compiled code of
    the package, which is there also when its source is not. An import cannot rename, and no name
    may be that of a file in the package, because importing the file would set it.

    Args:
        package: its name, `__name__`.

    Example:
        >>> if TYPE_CHECKING:  # doctest: +SKIP
        ...     from hybridx.api.exporting import export
        ... else:
        ...     __getattr__, __dir__ = on_first_use(__name__)
    """
    code = sys._getframe(1).f_code
    homes: dict[str, str] = {}

    def load(name: str) -> Any:
        homes.update(homes or _imports(code))
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
        # Python looks here before it calls `load`.
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        homes.update(homes or _imports(code))
        return sorted({*vars(sys.modules[package]), *homes})

    return load, listed


def _imports(code: CodeType) -> dict[str, str]:
    """Return the names that a module imports from others, each with the other's name."""
    found: dict[str, str] = {}
    home = ""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            home = step.argval
        elif step.opname == "IMPORT_FROM":
            found[step.argval] = home
    return found
