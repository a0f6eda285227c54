"""A model put into the state that is exported, and put back exactly as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Dropout off, batch norm frozen; every submodule's own flag comes back afterwards."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def as_dtype(model: nn.Module, dtype: str) -> Iterator[None]:
    """The model as `model.double()` for float64, in place: captured tensors keep their identity.

    float32 means the model as it is: nobody's float64 parts are narrowed by an export.
    """
    if dtype == "float32":
        yield
        return
    kept = [(tensor, tensor.data) for tensor in chain(model.parameters(), model.buffers())]
    model.double()
    try:
        yield
    finally:
        for tensor, data in kept:
            tensor.data = data


def choose_dtype(model: nn.Module, tensors: Iterable[Tensor]) -> str:
    """Return float64 if every floating-point input and parameter is that, else float32."""
    dtypes = {
        tensor.dtype for tensor in chain(model.parameters(), tensors) if tensor.is_floating_point()
    }
    return "float64" if dtypes == {torch.float64} else "float32"
