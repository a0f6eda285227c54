"""Names of a package that are imported when they are first used.

Importing onnx, ONNX Runtime and NumPy takes most of the time of a short command. A package whose
names are loaded on first use costs nothing until one of them is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_first_use(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a package.

    The package also imports the names under `if TYPE_CHECKING:`, for type checkers and editors.
    No name may be that of a file in the package, because importing the file would set it.

    Args:
        package: its name, `__name__`.
        homes: the names that each module gives, with spaces between, by the name of the module.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
        # Python looks here before it calls `load`.
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return load, listed
