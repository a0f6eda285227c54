"""Whose names are replaced while a model is traced."""

from __future__ import annotations

import torch
from torch import fx, nn

from hybridx.capture.python.user_names import names_replaced


def test_code_that_torch_fx_wrote_stands_in_no_module():
    written = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.Tanh()))
    assert type(written).forward.__module__ is None
    with names_replaced(written):
        assert written(torch.zeros(1, 2)).shape == (1, 3)
