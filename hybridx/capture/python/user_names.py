"""Replace names in the user's own modules while their model is traced.

They are replaced as well in modules of other libraries whose functions read numbers of tensors. In
those modules `np`, `math`, `torch`, `pennylane.numpy` and their functions are replaced by ours,
which take tracers; `float` returns tracers unchanged, `int` and `len` return symbols. All other
modules of libraries stay as they are, and in a thread that traces nothing our functions return what
the originals return.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import nn

from hybridx.capture.python.conditional_gates import conditional
from hybridx.capture.python.numpy_functions import of_math, of_numpy, of_pennylane
from hybridx.capture.python.patches import ABSENT, current, intercepting
from hybridx.capture.python.source_location import is_users
from hybridx.capture.python.torch_mode import constructor
from hybridx.capture.python.tracers import ArrayTracer, NumberTracer, is_traced, tnp
from hybridx.capture.torch_internals import checks, depends_on_data, is_fake, modules_of

# --- Modules as the user's code sees them --------------------------------------------------------


class _Seen(ModuleType):
    """A module with some names replaced by ours; all others are read from the original module."""

    def __init__(self, module: ModuleType, names: Mapping[str, Any]) -> None:
        super().__init__(module.__name__, module.__doc__)
        vars(self).update({"__spec__": module.__spec__, "__wrapped__": module, **names})

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["__wrapped__"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["__wrapped__"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(vars(self)["__wrapped__"], name)


@functools.cache
def _seen() -> dict[int, tuple[Any, Any]]:
    """Return pairs of a module or function and its replacement, by the `id` of the former."""
    numpys, pennylanes, randoms = np, qml.numpy, np.random
    modules = {
        numpys.linalg: dict(of_numpy(numpys.linalg, tnp.linalg)),
        randoms: {"default_rng": _default_rng(randoms.default_rng)},
        pennylanes.linalg: dict(of_pennylane(numpys.linalg, pennylanes.linalg, tnp.linalg)),
        math: dict(of_math()),
        torch: {
            "from_numpy": constructor_where_followed(torch.from_numpy),
            "FloatTensor": constructor_where_followed(torch.FloatTensor, torch.float32),
            "DoubleTensor": constructor_where_followed(torch.DoubleTensor, torch.float64),
            **{check.__name__: _noted(check) for check in checks()},
        },
    }
    inner = {module: _Seen(module, names) for module, names in modules.items()}
    numpy_names = dict(of_numpy(numpys, tnp))
    modules[numpys] = numpy_names
    inner[numpys] = _Seen(
        numpys, {**numpy_names, "linalg": inner[numpys.linalg], "random": inner[randoms]}
    )
    pennylane_names = dict(of_pennylane(numpys, pennylanes, tnp))
    modules[pennylanes] = pennylane_names
    inner[pennylanes] = _Seen(pennylanes, {**pennylane_names, "linalg": inner[pennylanes.linalg]})
    modules[qml] = {"cond": conditional(qml.cond)}
    inner[qml] = _Seen(qml, {**modules[qml], "numpy": inner[pennylanes]})
    found: dict[int, tuple[Any, Any]] = {
        id(module): (module, ours) for module, ours in inner.items()
    }
    for module, names in modules.items():
        for name, ours in names.items():
            original = vars(module)[name]
            found[id(original)] = original, ours
    return found


def _seen_for(value: Any) -> Any:
    """Return the replacement of a module or a function, or itself if there is none."""
    return _seen().get(id(value), (value, value))[1]


def constructor_where_followed(
    original: Callable[..., Any], fixed: torch.dtype | None = None
) -> Callable[..., Any]:
    """Return a constructor of tensors that also takes tracers in the thread that traces."""
    ours = constructor(original, fixed)

    @functools.wraps(original)
    def make(*args: Any, **kwargs: Any) -> Any:
        chosen = original if current().values is None else ours
        return chosen(*args, **kwargs)

    return make


def _noted(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a check of torch's that is assumed to pass where the data decide it."""

    @functools.wraps(original)
    def check(condition: Any, *args: Any, **kwargs: Any) -> Any:
        branches = current().branches
        if branches is None or not (is_traced(condition) or depends_on_data(condition)):
            return original(condition, *args, **kwargs)
        branches.check()
        # torch narrows the range of an integer that the data give.
        return None if is_traced(condition) else original(condition, *args, **kwargs)

    return check


def _default_rng(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def default_rng(seed: Any = None) -> Any:
        note = current().note_unseeded
        caller = sys._getframe(1)
        if note is not None and seed is None and is_users(caller.f_code.co_filename):
            note(caller)
        return original(seed)

    return default_rng


# --- The names `float`, `int`, `len` and `print` -------------------------------------------------


class _FloatType(type):
    """Lets the class below be `float` for `isinstance` and `==`."""

    _original: type = builtins.float
    _also: tuple[type, ...] = ()

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, (cls._original, *cls._also))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls._original)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls._original

    def __hash__(cls) -> int:
        return hash(cls._original)


class _IntType(_FloatType):
    """Lets the class below be `int`; a number of the data or of an open axis is one too."""

    _original = builtins.int
    _also = (torch.SymInt,)


class _Float(builtins.float, metaclass=_FloatType):
    """`float`, but it returns traced values unchanged; Python's own must return a real float."""

    dtype = np.dtype("float64")  # without it NumPy would choose dtype object

    def __new__(cls, value: Any = 0.0) -> Any:
        if is_fake(value):
            return value.item()
        if isinstance(value, ArrayTracer) and value.tensor is not None:
            return value.tensor.item()
        if isinstance(value, torch.SymInt | torch.SymFloat):
            return torch.sym_float(value)
        return value if isinstance(value, NumberTracer) else builtins.float(value)


class _Int(builtins.int, metaclass=_IntType):
    """`int`, but a number of the data becomes a symbol: it may be the length of a tensor."""

    dtype = np.dtype("int64")

    def __new__(cls, value: Any = 0, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, torch.SymInt):
            return value
        if isinstance(value, torch.SymFloat):
            return torch.sym_int(value)  # such as int(0.5 * len(x))
        if isinstance(value, ArrayTracer | NumberTracer):
            value = value.plain
        if is_fake(value) and not args and not kwargs:
            return value.to(torch.int64).item()
        return builtins.int(value, *args, **kwargs)


def _len(value: Any) -> Any:
    """Return what `len` returns, or the symbol of a length that is open or depends on the data."""
    return value.shape[0] if is_fake(value) and value.dim() else builtins.len(value)


def _print(*args: Any, **kwargs: Any) -> None:
    """Print, unless this thread traces: a trace also follows the ways that the data do not take."""
    if current().values is None:
        builtins.print(*args, **kwargs)


_TYPES: Mapping[str, Any] = {"float": _Float, "int": _Int}
_FUNCTIONS: Mapping[str, Any] = {"len": _len, "print": _print}


@functools.cache
def _is_dtype(room: ModuleType, called: str) -> bool:
    """Return whether a function passes `float` on, as in `dtype=float`: torch takes no subclass.

    What stands outside functions, such as aliases of types, ran when the module was imported.

    Args:
        room: a module of the user's or of a library.
        called: `float` or `int`.
    """
    try:
        tree = ast.parse(inspect.getsource(room))
    except (OSError, TypeError, SyntaxError):
        return False
    harmless: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name() as name) if name.id == called:
                harmless.add(name)
            case ast.Call(func=ast.Name("map" | "isinstance"), args=args):
                harmless.update(part for arg in args for part in ast.walk(arg))
            case ast.Compare() if not _asks_for_a_type(node):
                harmless.update(ast.walk(node))
            case ast.arg(annotation=hint) | ast.AnnAssign(annotation=hint) if hint is not None:
                harmless.update(ast.walk(hint))
            case ast.FunctionDef(returns=hint) if hint is not None:
                harmless.update(ast.walk(hint))
    functions = (node for node in ast.walk(tree) if isinstance(node, _FUNCTION))
    return any(
        isinstance(node, ast.Name) and node.id == called and node not in harmless
        for function in functions
        for node in ast.walk(function)
    )


_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def _asks_for_a_type(node: ast.Compare) -> bool:
    """Return whether a comparison is like `type(x) is float`, which is true for `float` only."""
    sides = (node.left, *node.comparators)
    is_type = any(isinstance(s, ast.Call) and ast.unparse(s.func) == "type" for s in sides)
    return is_type and any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)


# --- Where the names stand -----------------------------------------------------------------------


@contextmanager
def names_replaced(model: nn.Module, readers: Iterable[dict[str, Any]] = ()) -> Iterator[None]:
    """While active, names in the user's own modules and functions refer to our replacements.

    Args:
        model: its classes decide in which modules `float` and other built-ins are replaced.
        readers: the globals of other functions that read numbers of tensors.
    """
    names = _Names()
    try:
        forwards = list(_forwards(model))
        rooms = dict(_users_modules())
        for room in rooms.values():
            names.replace_in(vars(room))
        called = (
            value
            for _, module in modules_of(model)
            for value in vars(module).values()
            if isinstance(value, FunctionType)
        )
        # What torch.fx writes stands in no module.
        homes = (function.__module__ for function in (*forwards, *called))
        names_of_rooms = set(filter(None, homes))
        for name in _reached(names_of_rooms, rooms):
            names.replace_builtins(rooms[name])
        for scope in readers:
            names.replace_in(scope)
            home = sys.modules.get(scope["__name__"])
            if home is not None and vars(home) is scope:
                names.replace_builtins(home)
        for forward in forwards:
            names.replace_for(forward)
        with intercepting(module_for=_seen_for, function_called=names.replace_for):
            yield
    finally:
        names.put_back()


def _forwards(model: nn.Module) -> Iterator[FunctionType]:
    """Yield the `forward` functions of a model's modules that are the user's own."""
    modules = [module for _, module in modules_of(model)]
    classes = dict.fromkeys(cls for module in modules for cls in type(module).__mro__)
    for owner in (*classes, *modules):
        forward = vars(owner).get("forward")
        if isinstance(forward, FunctionType) and is_users(forward.__code__.co_filename):
            yield forward


def _reached(names: Collection[str], rooms: Mapping[str, ModuleType]) -> set[str]:
    """Return which modules of the user's hold code that a model may call.

    Args:
        names: of the modules that its forwards stand in.
        rooms: all modules of the user's, by name.
    """
    roots = {name.split(".")[0] for name in names}
    pending = [name for name in rooms if name.split(".")[0] in roots]
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in rooms or name in found:
            continue
        found.add(name)
        for value in list(vars(rooms[name]).values()):
            if isinstance(value, ModuleType):
                pending.append(value.__name__)
            elif isinstance(value, FunctionType | type):
                pending.append(str(value.__module__))
    return found


def _users_modules() -> Iterator[tuple[str, ModuleType]]:
    for name, room in list(sys.modules.items()):
        if isinstance(room, ModuleType):
            filename = vars(room).get("__file__")
            if is_users(filename) if isinstance(filename, str) else name == "__main__":
                yield name, room


class _Names:
    """Names that were replaced, and their original values."""

    def __init__(self) -> None:
        self._kept: list[tuple[dict[str, Any] | CellType, str, Any]] = []
        self._done: set[int] = set()

    def put(self, scope: dict[str, Any], name: str, value: Any) -> None:
        """Set a name in a dictionary of globals to another value."""
        self._kept.append((scope, name, scope.get(name, ABSENT)))
        scope[name] = value

    def replace_builtins(self, room: ModuleType) -> None:
        """Replace the built-in names of one module, unless it defines them."""
        types = {name: ours for name, ours in _TYPES.items() if not _is_dtype(room, name)}
        for name, ours in {**types, **_FUNCTIONS}.items():
            self.put(vars(room), name, vars(room).get(name, ours))

    def replace_in(self, scope: dict[str, Any]) -> None:
        """Replace the names of one module."""
        if id(scope) in self._done:
            return
        self._done.add(id(scope))
        for name, value in list(scope.items()):
            ours = _seen_for(value)
            if ours is not value:
                self.put(scope, name, ours)

    def replace_for(self, function: Any) -> None:
        """Replace the names that a function of the user's reads: its globals and its closure."""
        function = inspect.unwrap(getattr(function, "func", function))
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType) or id(function) in self._done:
            return
        if not is_users(function.__code__.co_filename):
            return
        self._done.add(id(function))
        self.replace_in(function.__globals__)
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # the name has no value yet
                continue
            ours = _seen_for(content)
            if ours is not content:
                self._kept.append((cell, "", content))
                cell.cell_contents = ours
            self.replace_for(content)

    def put_back(self) -> None:
        """Restore the original value of every name."""
        while self._kept:
            scope, name, value = self._kept[-1]
            if isinstance(scope, CellType):
                scope.cell_contents = value
            elif value is ABSENT:
                scope.pop(name, None)
            else:
                scope[name] = value
            self._kept.pop()
