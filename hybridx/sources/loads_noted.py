"""Notice whether a class or a factory loads or trains the weights of the model that it makes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_LOADERS = frozenset(
    loader.__code__
    for loader in (nn.Module.load_state_dict, torch.load, safetensors.torch.load_file)
)


class LoadsNoted(TorchFunctionMode):
    """While active, notes in this thread whether weights are loaded or trained.

    Attributes:
        has_loaded: a function that loads weights was called, or a gradient was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.has_loaded = False

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch; all that load weights call some."""
        if not self.has_loaded:
            self.has_loaded = func is Tensor.backward or _is_below_a_loader()
        return func(*args, **(kwargs or {}))


def _is_below_a_loader() -> bool:
    frame = sys._getframe(2)
    while frame is not None and frame.f_back is not None:
        if frame.f_code in _LOADERS:
            return True
        frame = frame.f_back
    return False
