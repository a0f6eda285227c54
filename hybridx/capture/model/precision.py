"""Put a model into the mode and dtype of the export, and afterwards restore it exactly."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hybridx.capture.model.devices import on_cpu
from hybridx.capture.model.holders import Copies
from hybridx.capture.model.kept_state import Snapshot, data_replaced
from hybridx.capture.torch_internals import (
    buffers_of,
    leaves_of,
    map_leaves,
    modules_of,
    parameters_of,
)


@contextmanager
def as_exported(model: nn.Module, dtype: str) -> Iterator[None]:
    """While active, a model is as an export takes it: on the CPU, in eval mode, of a dtype."""
    with on_cpu(model), in_eval_mode(model), as_dtype(model, dtype):
        yield


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """While active, the model is in eval mode; afterwards it and the generators are as before.

    Restored are what the modules hold, the mode of each among it, and the states of the random
    generators of torch, NumPy and Python, from which a forward may draw.
    """
    is_plain = not any(map(_changes_mode, (module for _, module in modules_of(model))))
    # A model's own `eval()` may write into parameters, as adapters do.
    before = Snapshot(model, Copies(with_parameters=not is_plain), beyond=False)
    of_torch, of_python = torch.get_rng_state(), random.getstate()
    of_numpy = np.random.get_state()  # noqa: NPY002 - the state that user code shares
    try:
        _evaluate(model, before)
        yield
    finally:
        before.put_back()
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)


def _changes_mode(module: nn.Module) -> bool:
    """Return whether a module has a `train` or an `eval` of its own."""
    own = type(module)
    return own.train is not nn.Module.train or own.eval is not nn.Module.eval


def _evaluate(model: nn.Module, before: Snapshot) -> None:
    """Put a model into eval mode; its own `eval` may be something else, such as an evaluation."""
    modules = [module for _, module in modules_of(model)]
    if all(_takes(module.train, 1) and _takes(module.eval, 0) for module in modules):
        try:
            model.eval()
            return
        except Exception:
            before.put_back()  # the user's own code may raise anything
    for module in modules:
        module.training = False


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Return whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[False] * count)
    except TypeError:
        return False
    return True


@contextmanager
def as_dtype(model: nn.Module, dtype: str) -> Iterator[None]:
    """While active, the model's floating-point tensors hold numbers of at least a dtype.

    With float32 only bfloat16 and half precision are converted, and float64 stays as it is. With
    float64 the numbers are those of `model.double()`, in the same tensor objects, and complex
    numbers are complex128. Afterwards data and gradients are restored. `model.double()` itself
    would leave the gradients in float64 and replace the buffers by other objects.
    """
    wanted: torch.dtype = getattr(torch, dtype)
    tensors = [tensor for _, tensor in (*parameters_of(model), *buffers_of(model))]
    is_raised = is_low if dtype == "float32" else _has_precision
    with data_replaced(
        {
            one: one.data.to(torch.complex128 if one.is_complex() else wanted)
            for one in tensors
            if is_raised(one)
        }
    ):
        yield


def choose_dtype(model: nn.Module, tensors: Iterable[Tensor]) -> str:
    """Return float64 if every floating-point input and parameter is float64, else float32."""
    weights = (parameter for _, parameter in parameters_of(model))
    dtypes = {
        tensor.dtype.to_real() if tensor.is_complex() else tensor.dtype
        for tensor in chain(weights, tensors)
        if _has_precision(tensor)
    }
    return "float64" if dtypes == {torch.float64} else "float32"


def narrowed(model: nn.Module, value: Any, dtype: str | None) -> Any:
    """Return arguments with the float64 arrays of NumPy, its default, in the model's float32.

    Args:
        model: if it has float64 weights, or no weights, the arrays stay as they are.
        value: arguments, in lists, tuples and dicts.
        dtype: that the user chose for the export, if any.
    """
    weights = {one.dtype for _, one in parameters_of(model) if _has_precision(one)}
    if dtype == "float64" or torch.float64 in weights or not weights:
        return value
    return _narrowed(value)


def _narrowed(value: Any) -> Any:
    match value:
        case np.ndarray() if value.dtype == np.float64:
            return value.astype(np.float32)
        case list() | tuple() if type(value) in (list, tuple):
            return type(value)(map(_narrowed, value))
        case dict() if type(value) is dict:
            return {key: _narrowed(item) for key, item in value.items()}
    return value


def _has_precision(tensor: Tensor) -> bool:
    """Return whether a tensor holds real or complex numbers of some precision."""
    return tensor.is_floating_point() or tensor.is_complex()


def is_whole(tensor: Tensor) -> bool:
    """Return whether a tensor holds integers."""
    return not (_has_precision(tensor) or tensor.dtype is torch.bool)


# --- bfloat16, half precision and autocast are computed in a higher precision: decision 0017 -----

_LOW = (torch.bfloat16, torch.float16)


def is_low(value: Any) -> bool:
    """Return whether a value is a tensor in bfloat16 or half precision."""
    return isinstance(value, Tensor) and value.dtype in _LOW


def has_low(model: nn.Module) -> bool:
    """Return whether a weight or a buffer of a model is in bfloat16 or half precision."""
    return any(is_low(tensor) for _, tensor in (*parameters_of(model), *buffers_of(model)))


class Noticing(TorchFunctionMode):
    """Notices, in this thread, results in bfloat16 or half precision.

    Attributes:
        has_low: True if there was one.
    """

    has_low = False

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, and look at what it returns."""
        result = func(*args, **(kwargs or {}))
        if not self.has_low and isinstance(result, Tensor | tuple | list):
            self.has_low = any(map(is_low, leaves_of(result)))
        return result


class Raised(TorchFunctionMode):
    """Lets functions of torch compute in a dtype where the model asks for a lower one.

    Args:
        dtype: float32 or float64.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype
        cast: Any = Tensor.double if dtype == torch.float64 else Tensor.float
        self._casts: Mapping[Any, Any] = {Tensor.half: cast, Tensor.bfloat16: cast}

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch without autocast, with its arguments raised."""
        args, kwargs = map_leaves(self._raised, (args, kwargs or {}))
        func = self._casts.get(func, func)
        if not torch.is_autocast_enabled("cpu"):
            return func(*args, **kwargs)
        torch.set_autocast_enabled("cpu", False)
        try:
            return func(*args, **kwargs)
        finally:
            torch.set_autocast_enabled("cpu", True)

    def _raised(self, leaf: Any) -> Any:
        if is_low(leaf):
            return leaf.to(self._dtype)
        return self._dtype if isinstance(leaf, torch.dtype) and leaf in _LOW else leaf
