"""A stand-in for the classical half: nothing to train, nothing random, fast in tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hybridx.models.classical_model import ClassicalModelConfig


class StubFeatureExtractor(nn.Module):
    """Features tanh(x M) with M[i, j] = cos(i + 2 j), in place of a `ClassicalFeatureExtractor`.

    Args:
        config: only `input_dim` and `output_dim` matter.
    """

    mixing: Tensor

    def __init__(self, config: ClassicalModelConfig) -> None:
        super().__init__()
        self.config = config
        rows, columns = torch.arange(config.input_dim), torch.arange(config.output_dim)
        mixing = torch.cos(rows[:, None] + 2.0 * columns)
        self.register_buffer("mixing", mixing, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of shape `(..., output_dim)` for `x` of shape `(..., input_dim)`."""
        return torch.tanh(x @ self.mixing)  # (..., output_dim)
