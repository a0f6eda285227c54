"""What a model keeps between calls: a snapshot of it, what has changed since, and its restoration.

Kept is what its modules hold: attributes, buffers, lists, dicts, arrays, generators, and objects of
the user's own classes in them. Also kept is what the user's functions reach outside of the modules:
the variables that they enclose, and the globals that they name.
"""

from __future__ import annotations

import functools
import random
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.capture.model.holders import (
    FIXED,
    VALUES,
    Attributes,
    Cell,
    Copies,
    Elements,
    Generator,
    Holder,
    Items,
    Members,
    Names,
    Numbers,
    content_of,
)
from hybridx.capture.python.patches import ABSENT
from hybridx.capture.python.source_location import is_users
from hybridx.capture.torch_internals import dotted, has_numbers, registered_in

_LONG = 10_000
"""Of containers longer than this, the items themselves are not looked into."""


class Snapshot:
    """What a model keeps at the moment when the snapshot is taken.

    Paths are dotted, as the user writes them after `model.`; those of variables are their names.

    Args:
        model: any module.
        copies: of the numbers in tensors and arrays; None to leave numbers alone.
        beyond: look outside of the modules too.
    """

    def __init__(self, model: nn.Module, copies: Copies | None, *, beyond: bool = True) -> None:
        self._copies = copies
        self._beyond = beyond
        self._holders: list[Holder] = []
        self._caches: list[tuple[Any, int]] = []
        self._seen: dict[int, Any] = {}  # with the objects, so that no `id` is used again
        self._visit(model, "")

    def changed(self) -> tuple[str, ...]:
        """Return the paths of what has changed since."""
        paths = tuple(dict.fromkeys(path for one in self._holders for path in one.changed()))
        if self._copies is not None:
            self._copies.settle()
        return paths

    def put_back(self, keep: Collection[str] = ()) -> None:
        """Restore everything, except what has one of these paths."""
        for holder in self._holders:
            holder.put_back(keep)

    def forget_calls(self) -> None:
        """Empty each `functools.lru_cache` that has new entries."""
        for function, misses in self._caches:
            if function.cache_info().misses != misses:
                function.cache_clear()

    def stand_in(self, copied: Callable[[Any], Any]) -> None:
        """Put what a function returns in place of each value that is kept; `put_back` undoes it."""
        for holder in self._holders:
            if isinstance(holder, Names | Items):
                holder.replace(copied)

    def advance(self, calls: int) -> bool:
        """Change numbers that have changed as if there had been so many calls; tell if any has."""
        numbers = [one for one in self._holders if isinstance(one, Names | Numbers)]
        return any([holder.advance(calls) for holder in numbers])  # noqa: C419 - all of them

    # --- The walk over what is kept ---------------------------------------------------------------

    def _visit(self, value: Any, path: str) -> None:
        """Make holders for whatever can change in a value."""
        if isinstance(value, _UNCHANGING) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        match value:
            case nn.Module():
                self._visit_module(value, path)
            case Tensor():
                self._visit_tensor(value, path)
            case np.ndarray():
                self._visit_array(value, path)
            case list() | deque():
                self._holders.append(Items(value, path))
                self._visit_items(value, path)
            case dict():
                self._holders.append(Names(value, path, is_own=False))
                self._visit_items(value.values(), path)
            case set():
                self._holders.append(Members(value, path))
                self._visit_items(value, path)
            case tuple() | frozenset():
                self._visit_items(value, path)
            case torch.Generator() | np.random.Generator() | np.random.RandomState():
                self._holders.append(_generator(value, path))
            case random.Random():
                self._holders.append(_generator(value, path))
            case FunctionType():
                self._visit_function(value)
            case type():
                self._visit_class(value)
            case _ if parts := _callable_parts(value):
                if isinstance(value, _CACHED):
                    self._caches.append((value, value.cache_info().misses))
                for part in parts:
                    self._visit(part, path)
            case _ if isinstance(value, SimpleNamespace) or _is_users_class(type(value)):
                self._visit_object(value, path)

    def _visit_items(self, items: Collection[Any], path: str) -> None:
        if len(items) <= _LONG:
            for item in list(items):
                self._visit(item, path)

    def _visit_module(self, module: nn.Module, path: str) -> None:
        own = vars(module)
        groups = registered_in(module)
        self._holders += [Names(names, path) for names in (own, *groups)]
        for group in groups:
            for name, value in list(group.items()):
                if isinstance(value, Tensor) and self._copies is not None and has_numbers(value):
                    self._copies.add(value, is_weight=True)
                self._visit(value, dotted(path, name))
        for name, value in list(own.items()):
            if not any(value is group for group in groups):
                self._visit(value, dotted(path, name))
        self._visit(type(module), path)

    def _visit_tensor(self, tensor: Tensor, path: str) -> None:
        if has_numbers(tensor):
            if self._copies is not None:
                self._copies.add(tensor)
            self._holders.append(Numbers(tensor, path, self._copies))

    def _visit_array(self, array: Any, path: str) -> None:
        if self._copies is not None and array.flags.writeable:
            self._copies.add(array)
            copy = self._copies.of(array)
            if copy is not None:
                self._holders.append(Elements(array, path, copy))

    def _visit_object(self, value: Any, path: str) -> None:
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            self._holders.append(Names(own, path))
            for name, item in list(own.items()):
                self._visit(item, dotted(path, name))
            self._visit(type(value), path)

    def _visit_class(self, cls: type) -> None:
        """Visit what the user's classes among a class and its bases hold themselves."""
        for each in cls.__mro__ if self._beyond else ():
            if not _is_users_class(each):
                continue
            self._seen[id(each)] = each
            self._holders.append(_class_attributes(each))
            for name, value in list(vars(each).items()):
                if not name.startswith("__") or name == "__call__":
                    self._visit(value, f"{each.__name__}.{name}")

    def _visit_function(self, function: FunctionType) -> None:
        """Visit what a function of the user's encloses, and the globals that it names."""
        code = function.__code__
        if not self._beyond or not is_users(code.co_filename):
            return
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if id(cell) not in self._seen:
                self._seen[id(cell)] = cell
                self._holders.append(Cell(cell, name))
                self._visit(content_of(cell), name)
        names = [
            name
            for name in dict.fromkeys(_names_in(code))
            if not isinstance(function.__globals__.get(name), FIXED)
        ]
        self._holders.append(_globals(function.__globals__, names))
        for name in _names_in(code):
            self._visit(function.__globals__.get(name), name)


_CACHED = type(functools.cache(len))
_UNCHANGING = (*VALUES, ModuleType)


def _callable_parts(value: Any) -> tuple[Any, ...]:
    """Return the functions that something callable consists of, and what they are given."""
    match value:
        case functools.partial():
            return (value.func, value.args, value.keywords)
        case MethodType():
            return (value.__func__, value.__self__)
        case staticmethod() | classmethod():
            return (value.__func__,)
        case property():
            return (value.fget, value.fset)
        case qml.QNode():
            return (value.func,)
        case _CACHED():
            return (value.__wrapped__,)
    return ()


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the names of globals that a function and the functions in it may read."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _is_users_class(cls: type) -> bool:
    if cls.__module__ == "__main__":
        return True
    filename = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return isinstance(filename, str) and is_users(filename)


def _generator(generator: Any, path: str) -> Generator:
    if isinstance(generator, np.random.Generator):
        bits = generator.bit_generator
        return Generator(lambda: bits.state, lambda state: setattr(bits, "state", state), path)
    if isinstance(generator, random.Random):
        return Generator(generator.getstate, generator.setstate, path)
    return Generator(generator.get_state, generator.set_state, path)


def _class_attributes(cls: type) -> Attributes:
    def read() -> dict[str, Any]:
        return {name: value for name, value in vars(cls).items() if not name.startswith("__")}

    def write(name: str, value: Any) -> None:
        if value is ABSENT:
            delattr(cls, name)
        else:
            setattr(cls, name, value)

    return Attributes(read, write, cls.__name__)


def _globals(scope: dict[str, Any], names: list[str]) -> Attributes:
    def read() -> dict[str, Any]:
        return {name: scope[name] for name in names if name in scope}

    def write(name: str, value: Any) -> None:
        if value is ABSENT:
            del scope[name]
        else:
            scope[name] = value

    return Attributes(read, write, "")


@contextmanager
def data_replaced(replaced: Mapping[Tensor, Tensor]) -> Iterator[None]:
    """While active, tensors hold other data; afterwards data and gradients are as before.

    Args:
        replaced: the data to hold, of any dtype and device, by the tensor object that is kept.
    """
    kept = [(tensor, tensor.data, tensor.grad) for tensor in replaced]
    try:
        for tensor, data in replaced.items():
            # torch refuses a gradient whose dtype or device is not that of the data
            tensor.grad = None
            tensor.data = data
        yield
    finally:
        for tensor, data, grad in kept:
            tensor.grad = None
            tensor.data = data
            tensor.grad = grad
