"""A model with two quantum layers, one of them called twice."""

from __future__ import annotations

import torch
from torch import nn

from tests import sample_models


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(5, 3)
        self.left = sample_models.strongly_entangling(3)
        self.right = sample_models.own_rotations()

    def forward(self, x):
        features = self.left(torch.tanh(self.inner(x)))
        return self.left(features), self.right(features)


def make():
    """Return the seeded model and an example input."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Twice().eval(), torch.randn(3, 5)
