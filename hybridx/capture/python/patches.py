"""While a model is traced, its way through Python numbers and NumPy arrays is followed.

`.item()`, `.numpy()`, `float()`, `np.array` and their like cannot have a value for what depends on
the model's inputs. They give stand-ins instead, and `torch.tensor` and its like take these. Inside
a quantum function they give tensors, which is what PennyLane takes.

What depends on weights and constants alone has a value, and gets it.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from hybridx.capture.python.concrete_values import Known
from hybridx.capture.python.source_location import is_users
from hybridx.capture.python.tracers import (
    Array,
    Number,
    array_of,
    as_tensors,
    call,
    holds_traced,
    is_traced,
    joined,
    tnp,
)


@contextmanager
def followed(model: nn.Module, known: Known) -> Iterator[None]:
    """While active, values of the trace pass through Python and NumPy as stand-ins."""
    importlib.import_module("torch._dynamo")  # tables of torch's own methods are made on import
    patches = [*_methods(known), *_constructors(), *_functions(), *_names(model)]
    kept = [(room, name, vars(room).get(name, _ABSENT)) for room, name, _ in patches]
    for room, name, value in patches:
        setattr(room, name, value)
    try:
        yield
    finally:
        for room, name, value in reversed(kept):
            if value is _ABSENT:
                delattr(room, name)
            else:
                setattr(room, name, value)


_ABSENT = object()

_Patch = tuple[Any, str, Any]


def _as_seen(stand_in: Number | Array) -> Any:
    """Return a stand-in, but its tensor inside a quantum function."""
    return stand_in.plain if qml.QueuingManager.recording() else stand_in


# --- Tensors become numbers and arrays ---------------------------------------------------------


def _methods(known: Known) -> Iterator[_Patch]:
    """The methods of a tensor that ask for its values."""

    def numpy(tensor: Tensor, **_: Any) -> Any:
        return _as_seen(array_of(tensor))

    def tolist(tensor: Tensor) -> Any:
        if tensor.dim() == 0:
            return tensor.item()
        return [part.tolist() for part in tensor]

    def item(tensor: Tensor) -> Any:
        if tensor.is_floating_point() or tensor.is_complex():
            return _as_seen(Number(tensor.reshape(())))
        return original_item(tensor)  # a symbol, of which torch knows what it may do

    original_item = Tensor.item
    for name, method in (("numpy", numpy), ("tolist", tolist), ("item", item)):
        yield Tensor, name, _unless_known(getattr(Tensor, name), known, method)
    for name in ("__bool__", "__int__", "__float__", "__index__"):
        original = getattr(Tensor, name)
        yield Tensor, name, _unless_known(original, known, original)
    yield Tensor, "__array_ufunc__", _ufunc_of_tensor
    yield Tensor, "data", property(_data, _DATA.__set__)


def _data(tensor: Tensor) -> Any:
    # Torch's own is a tensor that is no part of the trace.
    return tensor.detach() if isinstance(tensor, FakeTensor) else _DATA.__get__(tensor)


_DATA: Any = torch._C.TensorBase.data


def _unless_known(
    original: Callable[..., Any], known: Known, otherwise: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a method that asks the value where it is known and goes on otherwise."""

    @functools.wraps(original)
    def method(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(tensor, FakeTensor):
            return original(tensor, *args, **kwargs)
        value = known.value(tensor)
        if value is None:
            return otherwise(tensor, *args, **kwargs)
        with _disable_current_modes():
            return original(value.detach().clone(), *args, **kwargs)

    return method


_REFLECTED = {
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
    np.divide: "__rtruediv__",
    np.power: "__rpow__",
}


def _ufunc_of_tensor(tensor: Tensor, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """`np.sin(tensor)` is a tensor, as without tracing."""
    if method != "__call__":
        return NotImplemented
    if ufunc in _REFLECTED and isinstance(args[0], np.generic):
        return getattr(tensor, _REFLECTED[ufunc])(args[0])
    if holds_traced(args):
        return as_tensors(call(ufunc, args, kwargs))
    plain = (np.asarray(arg) if isinstance(arg, Tensor) else arg for arg in args)
    return torch.as_tensor(ufunc(*plain, **kwargs))


# --- Numbers and arrays become tensors ---------------------------------------------------------


def _constructors() -> Iterator[_Patch]:
    """What makes tensors of numbers and arrays."""
    for name in ("tensor", "as_tensor", "from_numpy"):
        yield torch, name, _constructor(getattr(torch, name))
    for name, dtype in (("FloatTensor", torch.float32), ("DoubleTensor", torch.float64)):
        yield torch, name, _constructor(getattr(torch, name), dtype)
    make = _constructor(torch._C.TensorBase.__new__)

    def new(cls: type, *args: Any, **kwargs: Any) -> Any:
        if args and _is_for_us(args[0]):
            return make(args[0], dtype=torch.get_default_dtype())
        return torch._C.TensorBase.__new__(cls, *as_tensors(args), **kwargs)

    yield Tensor, "__new__", staticmethod(new)


def _constructor(original: Callable[..., Any], fixed: torch.dtype | None = None) -> Any:
    @functools.wraps(original)
    def make(data: Any = (), *args: Any, **kwargs: Any) -> Any:
        if not _is_for_us(data):
            return original(as_tensors(data), *args, **kwargs)
        dtype = fixed or kwargs.get("dtype")
        if isinstance(dtype, type):
            dtype = getattr(torch, np.dtype(dtype).name)
        tensor = joined(data, torch.get_default_dtype(), unwraps=True)
        return tensor.to(dtype or tensor.dtype).detach().clone()

    return make


def _is_for_us(data: Any) -> bool:
    """Return whether torch itself cannot make a tensor of that."""
    return not isinstance(data, Tensor) and holds_traced(data)


# --- Functions ---------------------------------------------------------------------------------

_CREATORS = ("zeros", "empty", "ones", "full", "zeros_like", "ones_like", "empty_like", "full_like")

_MATH = (
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "exp"),
    *("expm1", "hypot", "log", "log10", "log1p", "log2", "pow", "sin", "sinh", "sqrt", "tan"),
    "tanh",
)


def _functions() -> Iterator[_Patch]:
    """The functions of NumPy, PennyLane's NumPy and `math` that a model may call on stand-ins."""
    rooms = (np, qml.numpy, tnp), (np.linalg, qml.numpy.linalg, tnp.linalg)
    for room, pennylanes, ours in rooms:
        for name in dir(ours):
            original = vars(room).get(name)
            if not callable(original) or isinstance(original, type):
                continue
            if not isinstance(original, np.ufunc):
                yield room, name, _function(original, name, original)
            if name in vars(pennylanes):
                yield pennylanes, name, _function(vars(pennylanes)[name], name, original)
    for name in _MATH:
        yield math, name, _of_number(getattr(math, name), getattr(torch, name))


def _function(
    original: Callable[..., Any], name: str, of_numpy: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function for which stand-ins are arrays, in the user's own code.

    Args:
        original: of NumPy, or PennyLane's version of it.
        name: of both.
        of_numpy: NumPy's own.
    """
    is_creator = name in _CREATORS

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        code = sys._getframe(1).f_code
        # A compiled library that calls it has no frame of its own.
        if not is_users(code.co_filename) or name not in code.co_names:
            return original(*args, **kwargs)
        has_symbol = any(isinstance(a, torch.SymInt) for a in pytree.tree_leaves((args, kwargs)))
        if holds_traced((args, kwargs)) or (is_creator and has_symbol):
            kwargs.pop("requires_grad", None)  # PennyLane's own argument
            if isinstance(of_numpy, np.ufunc):
                return of_numpy(*args, **kwargs)  # of a tensor it is a tensor
            result = call(of_numpy, args, kwargs, is_traced=True)
            return as_tensors(result) if qml.QueuingManager.recording() else result
        result = original(*as_tensors(args), **as_tensors(kwargs))
        # A buffer may be filled with values of the trace later.
        is_buffer = is_creator and not qml.QueuingManager.recording()
        return Array(result) if is_buffer else result

    return function


def _of_number(original: Callable[..., Any], by_torch: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `math` that takes stand-ins as well."""

    @functools.wraps(original)
    def function(*args: Any) -> Any:
        if not any(map(is_traced, args)):
            return original(*args)
        parts = [joined(arg, torch.float64).to(torch.float64) for arg in args]
        return _as_seen(Number(by_torch(*parts)))

    return function


# --- The name `float` --------------------------------------------------------------------------


class _FloatType(type):
    """Lets the class below be `float` for `isinstance`."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, builtins.float)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, builtins.float)


class _Float(builtins.float, metaclass=_FloatType):
    """`float`, which leaves values of the trace as they are: Python demands real floats of it."""

    dtype = np.dtype("float64")  # NumPy would take a class it does not know for objects

    def __new__(cls, value: Any = 0.0) -> Any:
        if isinstance(value, FakeTensor):
            return value.item()
        if isinstance(value, Array) and value.tensor is not None:
            return value.tensor.item()
        return value if isinstance(value, Number) else builtins.float(value)


def _names(model: nn.Module) -> Iterator[_Patch]:
    """`float`, in the modules of the user's code that the model is made of."""
    roots = {
        cls.__module__.split(".")[0]
        for module in model.modules()
        for cls in type(module).__mro__
        if isinstance(vars(cls).get("forward"), type(_names))
        and is_users(vars(cls)["forward"].__code__.co_filename)
    }
    for name, room in list(sys.modules.items()):
        if name.split(".")[0] in roots and isinstance(room, ModuleType):
            filename = getattr(room, "__file__", None)
            if (filename is None or is_users(filename)) and not _is_dtype(room):
                yield room, "float", vars(room).get("float", _Float)


@functools.cache
def _is_dtype(room: ModuleType) -> bool:
    """True if a module hands `float` on, as in `dtype=float`: torch takes no other class for it."""
    try:
        tree = ast.parse(inspect.getsource(room))
    except (OSError, TypeError, SyntaxError):
        return False
    harmless: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("float") as name):
                harmless.add(name)
            case ast.Call(func=ast.Name("map" | "isinstance"), args=args):
                harmless.update(part for arg in args for part in ast.walk(arg))
            case ast.Compare():
                harmless.update(ast.walk(node))
            case ast.arg(annotation=hint) | ast.AnnAssign(annotation=hint) if hint is not None:
                harmless.update(ast.walk(hint))
            case ast.FunctionDef(returns=hint) if hint is not None:
                harmless.update(ast.walk(hint))
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "float"]
    return any(name not in harmless for name in names)
