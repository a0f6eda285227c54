"""Where in the user's own code something happens, in the words of a message."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from torch import nn

_HYBRIDX = Path(__file__).parents[1]
_LIBRARIES = tuple(
    Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@cache
def is_users(filename: str) -> bool:
    """Return whether code of that file is the user's: no library's, and not hybridx's own."""
    if filename.startswith(("<frozen", "<__array_function__")):
        return False
    path = Path(filename)
    if _HYBRIDX in path.parents:
        return _HYBRIDX / "models" in path.parents
    return "site-packages" not in path.parts and not any(l in path.parents for l in _LIBRARIES)


def place(model: nn.Module, frames: Iterable[FrameType]) -> str:
    """Return file and line of the innermost frame of the user, and the submodule it is in.

    Args:
        model: whose submodules are named.
        frames: innermost first.
    """
    names = {id(module): name for name, module in model.named_modules()}
    line = ""
    for frame in frames:
        if not line and is_users(frame.f_code.co_filename):
            line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        name = names.get(id(frame.f_locals.get("self")))
        if line and name is not None:
            return f"{line} (in {name or 'the model itself'!r})"
    return line or "a place torch does not name"


def frames_above(frame: FrameType | None) -> Iterable[FrameType]:
    """Return a frame and its callers."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def frames_of(error: BaseException) -> list[Any]:
    """Return the frames of a traceback, innermost first."""
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
