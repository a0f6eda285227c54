"""Models on other devices: an export computes on the CPU, with copies of the weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from hybridx.capture.model.kept_state import data_replaced
from hybridx.capture.torch_internals import (
    buffers_of,
    is_fake,
    map_leaves,
    parameters_of,
    untraced,
)
from hybridx.errors import NoNumbersError

_CPU = torch.device("cpu")
_ELSEWHERE = re.compile(r"(cuda|mps|xpu|hip)(:\d+)?")


def check_numbers(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights and inputs that have a shape and no numbers.

    Raises:
        NoNumbersError: the first of them is named.
    """
    for name, tensor in _weights(model):
        if is_lazy(tensor):
            raise NoNumbersError(
                f"weight {name!r}",
                "its module is lazy and was not called yet",
                "call the model once on the example before the export",
            )
        if tensor.is_meta:
            raise NoNumbersError(
                f"weight {name!r}",
                "it is on the meta device",
                "call model.to_empty(device='cpu') and load a checkpoint into the model",
            )
    for name, tensor in tensors.items():
        if tensor.is_meta:
            raise NoNumbersError(
                f"example input {name!r}", "it is on the meta device", "give it on the CPU"
            )


@contextmanager
def on_cpu(model: nn.Module) -> Iterator[None]:
    """While active, the weights and buffers of a model are copies on the CPU.

    They are the same tensor objects with other data; afterwards data and gradients are as before.
    """
    away = [one for _, one in _weights(model) if _is_elsewhere(one) and not one.is_meta]
    with data_replaced({one: one.data.cpu() for one in away}):
        yield


def is_elsewhere(model: nn.Module) -> bool:
    """Return whether a weight or a buffer of a model is on another device than the CPU."""
    return any(_is_elsewhere(tensor) for _, tensor in _weights(model))


def placed(is_away: bool) -> AbstractContextManager[Any]:
    """While active, what the code of a model puts on another device goes to the CPU.

    Args:
        is_away: the model itself is on another device, so its code may name that device.
    """
    return _OnCpu() if is_away else nullcontext()


class _OnCpu(TorchFunctionMode):
    """Lets functions of torch see the CPU where another device is named, in this thread."""

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch with arguments on the CPU."""
        if func in _MOVES:
            return args[0]
        args, kwargs = map_leaves(_on_cpu, (args, kwargs or {}))
        return func(*args, **kwargs)


_MOVES = (Tensor.cuda, Tensor.xpu)


def _on_cpu(leaf: Any) -> Any:
    if isinstance(leaf, torch.device) or (isinstance(leaf, str) and _ELSEWHERE.fullmatch(leaf)):
        return _CPU
    if isinstance(leaf, Tensor) and not is_fake(leaf) and _is_elsewhere(leaf):
        with untraced():
            return leaf.detach().cpu()
    return leaf


def _is_elsewhere(tensor: Tensor) -> bool:
    return tensor.device.type != "cpu"


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(parameters_of(model), buffers_of(model))
