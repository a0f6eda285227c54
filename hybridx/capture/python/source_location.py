"""Whose code a line is: the user's own, as messages name it, or a library's."""

from __future__ import annotations

import dis
import linecache
import re
import sysconfig
import traceback
from functools import cache
from pathlib import Path
from types import FrameType

import torch
from torch import fx, nn

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


@cache
def is_of_models(filename: str) -> bool:
    """Return whether a file is code that models consist of: the user's, or of a library of models.

    torch, PennyLane and what they compute with are no such libraries: how they branch and convert
    numbers is known, and what they cannot follow has a rule of its own.
    """
    parts = Path(filename).parts
    if "site-packages" not in parts:
        return is_users(filename)
    package = parts[len(parts) - parts[::-1].index("site-packages")]
    return package.removesuffix(".py") not in _NOT_OF_MODELS


_NOT_OF_MODELS = frozenset(
    {
        "autograd", "autoray", "functorch", "hybridx", "malt", "networkx", "numpy", "pennylane",
        "pennylane_lightning", "rustworkx", "scipy", "sympy", "torch",
    }
)  # fmt: skip


def is_ours(filename: str) -> bool:
    """Return whether a file is a part of hybridx, other than its reference models."""
    return _HYBRIDX in Path(filename).parents and not is_users(filename)


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


def text_of_line(error: BaseException) -> str:
    """Return the source of the innermost line of the user's code in a traceback, or nothing."""
    for frame, number in _users_lines(error)[-1:]:
        return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
    return ""


def indexes_at_line(error: BaseException) -> bool:
    """Return whether an error came up where the user's code takes an element, as `values[n]`."""
    found = False
    line = error.__traceback__
    while line is not None:
        code = line.tb_frame.f_code
        if is_users(code.co_filename):
            found = _takes_element(code.co_code, line.tb_lasti)
        line = line.tb_next
    return found


def _takes_element(code: bytes, offset: int) -> bool:
    """Return whether the instruction at an offset of compiled code reads or writes `values[n]`."""
    while offset and code[offset] == dis.opmap["CACHE"]:
        offset -= 2  # during the call of a `__getitem__` the frame is behind the instruction
    name = dis.opname[code[offset]]
    # From Python 3.14 on, reading is one of the operations on two values.
    return name in ("BINARY_SUBSCR", "STORE_SUBSCR") or (
        name == "BINARY_OP" and code[offset + 1] == _SUBSCRIPT
    )


_SUBSCRIPT = 26
"""The number of `[]` among the operations of `BINARY_OP`."""


def _users_lines(error: BaseException) -> list[tuple[FrameType, int]]:
    """Return the lines of the user's code in the traceback of an error, the innermost last."""
    return [
        line
        for line in traceback.walk_tb(error.__traceback__)
        if is_users(line[0].f_code.co_filename)
    ]


def line_of_user(error: BaseException) -> str:
    """Return the file and line of the user's code at which an error was raised, or nothing."""
    for frame, number in _users_lines(error)[-1:]:
        return f"{frame.f_code.co_filename}:{number}"
    return ""


def place_of(model: nn.Module, error: BaseException) -> str:
    """Return the innermost line of the user's code in the traceback of an error."""
    lines = _users_lines(error)
    return place(model, lines[-1]) if lines else _UNKNOWN


_UNKNOWN = "a place torch does not name"


def place_of_node(node: fx.Node) -> str:
    """Return the innermost line of the user's code that a node of a traced graph comes from."""
    lines = re.findall(r'File "(.+)", line (\d+)', node.meta.get("stack_trace") or "")
    users = [f"{filename}:{line}" for filename, line in lines if is_users(filename)]
    return users[-1] if users else _UNKNOWN


def name_of_node(node: fx.Node) -> str:
    """Return the operator that a node of a traced graph comes from, as a user calls it."""
    kind, _, called = node.meta.get("torch_fn", ("", ""))[1].partition(".")
    if kind not in ("OpOverload", "builtin_function_or_method") and hasattr(torch.Tensor, called):
        return f"Tensor.{called}"
    if kind == "OpOverload" or not called:  # a call of torch's own, `OpOverload.name.overload`
        called = str(node.target).removeprefix("aten.").partition(".")[0]
    room, _, rest = called.partition("_")
    if room in ("linalg", "fft", "special") and hasattr(getattr(torch, room), rest):
        return f"torch.{room}.{rest}"
    for owner, name in ((torch, "torch"), (nn.functional, "torch.nn.functional")):
        if called and hasattr(owner, called):
            return f"{name}.{called}"
    return str(node.target)
