"""How much of a file the weights of a model take, known before any work is done."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from hybridx.capture.torch_internals import buffers_of, parameters_of
from hybridx.errors import WeightsTooLargeError


def check_weight_size(model: nn.Module, *, dtype: str, limit: int) -> None:
    """Refuse a model whose weights do not fit into a file.

    Args:
        model: any module; a tensor that it holds under several names counts once.
        dtype: float64 widens its floating-point weights.
        limit: of the file, in bytes.

    Raises:
        WeightsTooLargeError: the weights are larger.
    """
    weights = {id(one): one for _, one in (*parameters_of(model), *buffers_of(model))}
    widest: int = getattr(torch, dtype).itemsize
    size: int = sum(
        one.numel() * (widest if one.is_floating_point() else one.element_size())
        for one in weights.values()
        if not is_lazy(one)
    )
    if size > limit:
        raise WeightsTooLargeError(f"{size / 1e9:.1f} GB", dtype, f"{limit / 1e9:.1f} GB")
