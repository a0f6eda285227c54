"""What people hand over as the model: wrappers come off, functions become modules."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pennylane as qml
from torch import Tensor, nn

from hybridx.capture.python.source_location import is_users
from hybridx.capture.torch_internals import compiled_from, is_scripted, modules_of
from hybridx.errors import NotAModelError

_SHELLS = {
    ("torch", "DataParallel"): ("module", "a DataParallel"),
    ("torch", "DistributedDataParallel"): ("module", "a DistributedDataParallel"),
    ("torch", "AveragedModel"): ("module", "an AveragedModel"),
    ("torch", "OptimizedModule"): ("_orig_mod", "a module of torch.compile"),
    ("lightning", "_FabricModule"): ("module", "a module of Lightning Fabric"),
    ("lightning_fabric", "_FabricModule"): ("module", "a module of Lightning Fabric"),
}
"""By package and class of a module that wraps another and computes the same: the attribute that
holds the other, and its name for the user."""


def read_model(model: Any) -> tuple[nn.Module, tuple[str, ...]]:
    """Return what is to be exported as a module, and sentences on what was done to it.

    Raises:
        NotAModelError: it is neither a module nor a function of tensors.
    """
    notes: list[str] = []
    while True:
        inside, what = _unwrapped(model)
        if inside is model:
            break
        model = inside
        notes.append(f"{what} is exported as the model inside it")
    if is_scripted(model):
        raise NotAModelError("TorchScript, whose Python is gone", _UNSCRIPTED)
    if isinstance(model, nn.Module):
        for name, module in modules_of(model):
            if is_scripted(module):
                found = f"a Module with TorchScript, whose Python is gone, as its part {name!r}"
                raise NotAModelError(found, _UNSCRIPTED)
        if isinstance(model, FunctionModule):
            notes.append(model.note)
        return model, tuple(notes)
    if isinstance(model, type) or not callable(model):
        raise NotAModelError(_described(model), _advice(model))
    if _takes_nothing(model):
        raise NotAModelError("a function without arguments", _CALL_IT)
    wrapped = FunctionModule(model)
    return wrapped, (*notes, wrapped.note)


def _takes_nothing(function: Any) -> bool:
    """Return whether a function makes a model, rather than being one."""
    made = function.func if isinstance(function, functools.partial) else function
    if isinstance(made, type):
        return issubclass(made, nn.Module)
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function written in C
        return False


_CALL_IT = "call it, and give the Module that it returns"


def is_function_of_tensors(found: Any) -> bool:
    """Return whether something is a QNode or another function that needs arguments."""
    if isinstance(found, type | nn.Module) or not callable(found):
        return False
    return any(
        parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in inspect.signature(found).parameters.values()
    )


def _unwrapped(model: Any) -> tuple[Any, str]:
    """Return what a shell holds, and the shell's name; the model itself if it is none."""
    if isinstance(model, nn.Module):
        for cls in type(model).__mro__:
            shell = _SHELLS.get((cls.__module__.split(".")[0], cls.__name__))
            if shell is not None:
                return getattr(model, shell[0]), shell[1]
        return model, ""
    original = compiled_from(model)
    return (model, "") if original is None else (original, "a function of torch.compile")


def _described(model: Any) -> str:
    """Return what was given instead of a model, in the user's words."""
    match model:
        case type():
            return f"the class {model.__name__}"
        case Mapping() if any(isinstance(value, Tensor) for value in model.values()):
            return "a state_dict"
        case str() | Path():
            return f"the path {str(model)!r}"
    return f"a {type(model).__name__}"


def _advice(model: Any) -> str:
    match model:
        case type():
            return f"give an instance of it, such as {model.__name__}(…)"
        case Mapping():
            return (
                "make the Module that the weights belong to, call its load_state_dict with them, "
                "and give the Module"
            )
        case str() | Path():
            return (
                "give a Module in Python; `hybridx export file.py:model --checkpoint PATH` makes "
                "one and loads the weights"
            )
        case list() | tuple():
            return "give one Module, for example torch.nn.Sequential(…) of the parts"
    return "give a Module, a QNode or a function of tensors"


_UNSCRIPTED = "give the Module that was scripted or traced, not what came of it"


class FunctionModule(nn.Module):
    """A function, a QNode or another callable object as a module.

    Modules that the function uses by their names are its submodules, so that they are put into
    eval mode and keep their weights.

    Attributes:
        note: a sentence for the user.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.note = f"the function {_name(function)!r} is exported as the forward of a module"
        for name, module in _modules(function):
            if name not in self._modules and not hasattr(self, name):
                self.add_module(name, module)
        self.forward = function


def owner_of(model: nn.Module) -> Any:
    """Return what the user holds of a model: the function of a `FunctionModule`, or the model.

    Of a bound method, that is the object, as the method itself is made anew at each access.
    """
    if not isinstance(model, FunctionModule):
        return model
    return getattr(model.forward, "__self__", model.forward)


def _name(function: Any) -> str:
    function = function.func if isinstance(function, functools.partial | qml.QNode) else function
    return str(getattr(function, "__name__", type(function).__name__))


def _modules(function: Any) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that a function uses, with their names, also through other functions."""
    pending, seen = [function], set[int]()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for name, value in _names(current):
            if isinstance(value, nn.Module):
                yield name, value
            elif isinstance(value, functools.partial | qml.QNode) or inspect.isroutine(value):
                pending.append(value)


def _names(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a callable object refers to, by name."""
    if isinstance(function, functools.partial):
        yield "func", function.func
        yield from ((f"arg_{place}", value) for place, value in enumerate(function.args))
        yield from function.keywords.items()
        return
    if isinstance(function, qml.QNode):
        yield "func", function.func
        return
    owner = getattr(function, "__self__", None)
    if owner is not None:
        yield type(owner).__name__.lower(), owner
    plain = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(plain, "__code__", None)
    if code is None:
        yield from getattr(function, "__dict__", {}).items()
    elif is_users(code.co_filename):
        used = inspect.getclosurevars(plain)
        yield from used.nonlocals.items()
        yield from used.globals.items()
