"""Weights that no file can hold are refused before anything is run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import hybridx
from hybridx import capture
from hybridx.errors import WeightsTooLargeError


class Large(nn.Module):
    """1.6 GB of weights that take no memory: one number, repeated."""

    def __init__(self):
        super().__init__()
        weight = torch.zeros(1).expand(20_000, 20_000)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.tied = self.weight

    def forward(self, x):
        raise AssertionError("the model is run")


def test_an_export_refuses_it_by_name(tmp_path):
    with pytest.raises(WeightsTooLargeError, match=r"1\.6 GB in float32.*at most 1\.5 GB"):
        hybridx.export(Large(), (torch.zeros(2, 3),), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 6 * 4 + 5 * 8), ("float64", 6 * 8 + 5 * 8)]
)
def test_each_weight_counts_once_in_the_dtype_of_the_file(dtype, size):
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(2, 3))
    model.tied = model.weight
    model.register_buffer("numbers", torch.arange(5))
    capture.check_weight_size(model, dtype=dtype, limit=size)
    with pytest.raises(WeightsTooLargeError):
        capture.check_weight_size(model, dtype=dtype, limit=size - 1)
