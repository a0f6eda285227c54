"""A model put into the state that is exported, and put back exactly as it was."""

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
    """The model in eval mode while active; afterwards it and the random generators are as before.

    Put back are the flag of each submodule, which objects its parameters and buffers are, their
    `requires_grad`, the numbers in its buffers, which a forward may write, and the states of the
    generators of torch, NumPy and Python, from which it may draw.
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
    """Return a module's own parameters and buffers by name, also one that it has twice."""
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
    """The model with the numbers of `model.double()` for float64, in the same tensors.

    float32 means the model as it is: nobody's float64 parts are narrowed by an export. Gradients
    are set aside and come back as they were; `model.double()` would leave them in float64, and
    other buffers.
    """
    if dtype == "float32":
        yield
        return
    tensors = chain(model.parameters(), model.buffers())
    kept = [(one, one.data, one.grad) for one in tensors if one.is_floating_point()]
    try:
        for tensor, data, _ in kept:
            tensor.grad = None  # of another dtype than the data torch refuses it
            tensor.data = data.double()
        yield
    finally:
        for tensor, data, grad in kept:
            tensor.grad = None
            tensor.data = data
            tensor.grad = grad


def choose_dtype(model: nn.Module, tensors: Iterable[Tensor]) -> str:
    """Return float64 if every floating-point input and parameter is that, else float32."""
    dtypes = {
        tensor.dtype for tensor in chain(model.parameters(), tensors) if tensor.is_floating_point()
    }
    return "float64" if dtypes == {torch.float64} else "float32"
