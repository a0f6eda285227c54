"""When two QNode calls are alike: then the inside of the second need not be traced."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hybridx.capture.torch_internals import flatten, leaves_of

_PLAIN = (
    bool, int, float, complex, str, bytes, type(None), CodeType, torch.dtype, torch.device
)  # fmt: skip


class _Same:
    """A thing that is like itself only; held, so that no other takes its place in memory."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._thing is other._thing

    def __hash__(self) -> int:
        return id(self._thing)


def tensors_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """Return the tensors among the arguments of a call, in a fixed order."""
    return [leaf for leaf in leaves_of((args, kwargs)) if isinstance(leaf, Tensor)]


def likeness(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> Hashable:
    """Return a key that is equal for calls whose circuits differ in the tensors' numbers only.

    Python values that the quantum function sees are part of it: arguments, what it captures, and
    plain attributes of the objects it captures.
    """
    leaves, structure = flatten((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    # A tensor given twice is one node of the graph; a call with two is another case.
    repeats = tuple(next(i for i, t in enumerate(tensors) if t is tensor) for tensor in tensors)
    return (
        layer,
        _function(qnode.func),
        tuple(transform.tape_transform for transform in qnode.compile_pipeline),
        qnode.shots.total_shots,
        str(qnode.device.wires),
        str(structure),
        tuple(_value(leaf, depth=2) for leaf in leaves if not isinstance(leaf, Tensor)),
        tuple((tuple(map(str, t.shape)), t.dtype) for t in tensors),
        repeats,
    )


def _function(function: Any) -> Hashable:
    if isinstance(function, partial):
        given = (function.args, tuple(sorted(function.keywords.items())))
        return _function(function.func), _value(given, depth=2)
    if isinstance(function, MethodType):
        return _function(function.__func__), _value(function.__self__, depth=2)
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return _Same(function)
    used = [
        function.__globals__[n] for n in function.__code__.co_names if n in function.__globals__
    ]
    return (
        function.__code__,
        tuple(_value(value, depth=2) for value in _captured(function)),
        tuple(_value(value, depth=1) for value in used),
        _value(function.__defaults__ or (), depth=2),
    )


def _captured(function: FunctionType) -> Iterator[Any]:
    """Yield what a function captures; a name that has no value yet is left out."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):
            yield cell.cell_contents


def _value(value: Any, depth: int) -> Hashable:
    """Return a key for a Python value; of an object, which one it is and its plain attributes."""
    if isinstance(value, _PLAIN):
        return type(value).__name__, value
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, list | tuple) and depth:
        return type(value).__name__, tuple(_value(item, depth - 1) for item in value)
    if isinstance(value, dict) and depth:
        items = [(str(name), _value(item, depth - 1)) for name, item in value.items()]
        return "dict", tuple(sorted(items, key=lambda item: item[0]))
    if isinstance(value, FunctionType) and depth:
        return value.__code__, tuple(_value(item, depth - 1) for item in _captured(value))
    attributes = getattr(value, "__dict__", {}) if depth else {}
    plain = [(name, item) for name, item in attributes.items() if isinstance(item, _PLAIN)]
    return _Same(value), tuple(plain)
