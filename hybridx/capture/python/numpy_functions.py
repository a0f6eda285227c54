"""The functions of NumPy, PennyLane's NumPy and `math` that a model may call on tracers.

Only the user's own modules get them (`user_names.py`); the libraries do not change.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pennylane as qml
import torch

from hybridx.capture.python.patches import is_followed
from hybridx.capture.python.source_location import is_of_models
from hybridx.capture.python.torch_mode import as_seen
from hybridx.capture.python.tracers import (
    ArrayTracer,
    NumberTracer,
    as_tensors,
    call,
    holds_traced,
    is_traced,
    joined,
)
from hybridx.capture.torch_internals import leaves_of

_CREATORS = ("zeros", "empty", "ones", "full", "zeros_like", "ones_like", "empty_like", "full_like")

_MATH = (
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "exp"),
    *("expm1", "hypot", "log", "log10", "log1p", "log2", "pow", "sin", "sinh", "sqrt", "tan"),
    "tanh",
)


def of_numpy(numpys: Any, ours: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the functions of a module of NumPy that torch's own version has too.

    Ufuncs are left out: NumPy calls the `__array_ufunc__` of their arguments.
    """
    for name in dir(ours):
        original = vars(numpys).get(name)
        if callable(original) and not isinstance(original, type | np.ufunc):
            yield name, _function(original, name, original)


def of_pennylane(numpys: Any, pennylanes: Any, ours: Any) -> Iterator[tuple[str, Any]]:
    """Yield the functions of a module of PennyLane's NumPy that torch's own version has too."""
    for name in dir(ours):
        original = vars(numpys).get(name)
        if callable(original) and not isinstance(original, type) and name in vars(pennylanes):
            yield name, _function(vars(pennylanes)[name], name, original)


def of_math() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the functions of `math` that torch has too."""
    for name in _MATH:
        yield name, _of_number(getattr(math, name), getattr(torch, name))


def _function(
    original: Callable[..., Any], name: str, of_numpy: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function for the user's code that takes tracers as arrays.

    Args:
        original: of NumPy, or PennyLane's version of it.
        name: of both.
        of_numpy: NumPy's own.
    """
    is_creator = name in _CREATORS

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not is_followed() or not is_of_models(sys._getframe(1).f_code.co_filename):
            return original(*args, **kwargs)
        has_symbol = any(isinstance(leaf, torch.SymInt) for leaf in leaves_of((args, kwargs)))
        if holds_traced((args, kwargs)) or (is_creator and has_symbol):
            kwargs.pop("requires_grad", None)  # PennyLane's own argument
            if isinstance(of_numpy, np.ufunc):
                return of_numpy(*args, **kwargs)  # for a tensor it returns a tensor
            result = call(of_numpy, args, kwargs, is_traced=True)
            return as_tensors(result) if qml.QueuingManager.recording() else result
        result = original(*as_tensors(args), **as_tensors(kwargs))
        # The user's code may write traced values into a new array later.
        is_buffer = is_creator and not qml.QueuingManager.recording()
        return ArrayTracer(result) if is_buffer else result

    return function


def _of_number(original: Callable[..., Any], by_torch: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `math` that takes tracers as well."""

    @functools.wraps(original)
    def function(*args: Any) -> Any:
        if not is_followed() or not any(map(is_traced, args)):
            return original(*args)
        parts = [joined(arg, torch.float64).to(torch.float64) for arg in args]
        return as_seen(NumberTracer(by_torch(*parts)))

    return function
