"""Put a model into the mode and dtype of the export, and afterwards restore it exactly."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """While active, the model is in eval mode; afterwards it and the generators are as before.

    Restored are: the training flag of each submodule; the parameter and buffer objects and the
    parameters' `requires_grad`; the numbers in the buffers, which a forward may overwrite; and the
    states of the random generators of torch, NumPy and Python, from which a forward may draw.
    """
    flags = [(module, module.training) for module in model.modules()]
    owned = [(module, *_tensors(module)) for module in model.modules()]
    wanted = [(one, one.requires_grad) for one in model.parameters()]
    numbers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    of_torch, of_python = torch.get_rng_state(), random.getstate()
    of_numpy = np.random.get_state()  # noqa: NPY002 - the state that user code shares
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
        for module, parameters, buffers in owned:
            _put_back(module, parameters, buffers)
        for parameter, needs in wanted:
            parameter.requires_grad_(needs)
        for buffer, before in numbers:
            if not torch.equal(buffer, before):
                buffer.data.copy_(before)
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)


def _tensors(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a module's own parameters and buffers by name; a tensor with two names is in twice."""
    parameters = module.named_parameters(recurse=False, remove_duplicate=False)
    return dict(parameters), dict(module.named_buffers(recurse=False, remove_duplicate=False))


def _put_back(module: nn.Module, parameters: dict[str, Any], buffers: dict[str, Any]) -> None:
    for before, now in zip((parameters, buffers), _tensors(module), strict=True):
        for name in now.keys() - before.keys():
            delattr(module, name)
        for name, tensor in before.items():
            if now.get(name) is not tensor:
                setattr(module, name, tensor)


@contextmanager
def as_dtype(model: nn.Module, dtype: str) -> Iterator[None]:
    """While active, the model's floating-point tensors hold float64 numbers if `dtype` is float64.

    With float32 the model stays as it is: float64 parameters are not converted to float32. With
    float64 the numbers are those of `model.double()`, in the same tensor objects, and complex
    numbers are complex128. Afterwards data and gradients are restored. `model.double()` itself
    would leave the gradients in float64 and replace the buffers by other objects.
    """
    if dtype == "float32":
        yield
        return
    tensors = chain(model.parameters(), model.buffers())
    kept = [(one, one.data, one.grad) for one in tensors if _has_precision(one)]
    try:
        for tensor, data, _ in kept:
            tensor.grad = None  # torch refuses a gradient whose dtype is not that of the data
            tensor.data = data.to(torch.complex128 if data.is_complex() else torch.float64)
        yield
    finally:
        for tensor, data, grad in kept:
            tensor.grad = None
            tensor.data = data
            tensor.grad = grad


def choose_dtype(model: nn.Module, tensors: Iterable[Tensor]) -> str:
    """Return float64 if every floating-point input and parameter is float64, else float32."""
    dtypes = {
        tensor.dtype.to_real() if tensor.is_complex() else tensor.dtype
        for tensor in chain(model.parameters(), tensors)
        if _has_precision(tensor)
    }
    return "float64" if dtypes == {torch.float64} else "float32"


def _has_precision(tensor: Tensor) -> bool:
    """Return whether a tensor holds real or complex numbers of some precision."""
    return tensor.is_floating_point() or tensor.is_complex()
