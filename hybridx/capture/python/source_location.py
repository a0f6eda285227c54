"""Lines of the user's own code, as messages name them."""

from __future__ import annotations

import sysconfig
import traceback
from functools import cache
from pathlib import Path
from types import FrameType

from torch import nn

from hybridx.capture.torch_internals import modules_of

_HYBRIDX = Path(__file__).parents[2]
_LIBRARIES = tuple(
    Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@cache
def is_users(filename: str) -> bool:
    """Return whether a file is the user's code, not that of a library or of hybridx."""
    if filename.startswith(("<frozen", "<string>", "<__array_function__")):
        return False  # the last two mark code that libraries generate
    path = Path(filename)
    if _HYBRIDX in path.parents:
        return _HYBRIDX / "models" in path.parents
    return "site-packages" not in path.parts and not any(l in path.parents for l in _LIBRARIES)


def place(model: nn.Module, line: tuple[FrameType, int]) -> str:
    """Return the file and the line, and the submodule of the model that contains it."""
    names = {id(module): name for name, module in modules_of(model)}
    frame, number = line
    where = f"{frame.f_code.co_filename}:{number}"
    for caller, _ in traceback.walk_stack(frame):
        name = names.get(id(caller.f_locals.get("self")))
        if name is not None:
            return f"{where}, in {name or 'the model itself'!r}"
    return where


def place_of(model: nn.Module, error: BaseException) -> str:
    """Return the innermost line of the user's code in the traceback of an error."""
    lines = [
        line
        for line in traceback.walk_tb(error.__traceback__)
        if is_users(line[0].f_code.co_filename)
    ]
    return place(model, lines[-1]) if lines else "a place torch does not name"
