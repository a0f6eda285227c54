"""float64 stays float64 on its way through ONNX, also where ONNX Runtime has no kernel for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as tf
from torch import nn

import hybridx
from hybridx.capture.graph import float64

# A few roundings of numbers below ten.
EXACT = 1e-14

POINTS = torch.cat([
    torch.linspace(-9, 9, 3001, dtype=torch.float64),
    torch.tensor([0.0, -0.0, 1e-12, -1e-12, 1.0, -1.0, 50.0, -50.0, 1e9], dtype=torch.float64),
])  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (float64.erfc, torch.erfc),
        (float64.atan, torch.atan),
        (float64.gelu, tf.gelu),
        (lambda x: float64.gelu(x, "tanh"), lambda x: tf.gelu(x, approximate="tanh")),
        (float64.softplus, tf.softplus),
        (float64.elu, tf.elu),
        (lambda x: float64.layer_norm(x, [x.shape[-1]]), lambda x: tf.layer_norm(x, x.shape)),
    ],
)
def test_formulas_agree_with_torch(formula, expected):
    actual, target = formula(POINTS), expected(POINTS)
    scale = target.abs().clamp(min=1)
    assert ((actual - target).abs() / scale).max() < EXACT


def test_arc_sine_agrees_up_to_its_ends():
    points = torch.linspace(-1, 1, 1001, dtype=torch.float64)
    # Near the ends the slope is infinite: a rounding of 1e-16 there is one of 1e-8 in the angle,
    # but the formula itself keeps full precision.
    assert (float64.asin(points) - torch.asin(points)).abs().max() < EXACT
    assert torch.isnan(float64.asin(torch.tensor([1.5], dtype=torch.float64))).all()


class After(nn.Module):
    """A function of the outputs of a linear layer."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(3)
        self.linear = nn.Linear(3, 4)
        self.function = function

    def forward(self, x):
        return self.function(torch.tanh(self.linear(x)))


@pytest.mark.parametrize(
    "function",
    [
        torch.erf,
        tf.gelu,
        tf.selu,
        tf.leaky_relu,
        tf.hardsigmoid,
        tf.mish,
        torch.tan,
        torch.asin,
        torch.acos,
        lambda x: math.pi * x / 3 + 0.1,
        lambda x: 0.1 - x,
        lambda x: (x + 2) ** 1.3,
        lambda x: x.clamp(-0.3, 0.7),
        lambda x: tf.layer_norm(x, (4,), eps=1e-3),
    ],
)
def test_exports_agree_to_the_last_digits(function, tmp_path):
    model = After(function)
    report = hybridx.export(model, (torch.randn(3, 3),), tmp_path / "m.onnx", dtype="float64")
    assert report.verification.worst < EXACT


def test_float32_keeps_the_operators_of_onnx(tmp_path):
    hybridx.export(After(tf.gelu), (torch.randn(3, 3),), tmp_path / "m.onnx")
    assert hybridx.inspect(tmp_path / "m.onnx").nodes["Gelu"] == 1


def test_only_rounded_numbers_are_lifted():
    assert not float64._is_rounded(0.5)
    assert float64._is_rounded(0.1)
    assert not float64._is_rounded(2)
    assert float(np.float32(0.1)) != 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / (x.norm(dim=1, keepdim=True) + 1e-12),
        lambda x: x / (1e-9 + x.norm(dim=1, keepdim=True)),
        lambda x: (x + 1e-9) * 1e9,
        lambda x: (x - 1e-9) * 1e9,
        lambda x: (1e-9 - x) * 1e9,
        lambda x: (x + 1) * 1.000009 * 1e5,
        lambda x: (x + 1) / 1.000009 * 1e5,
    ],
)
def test_numbers_near_0_and_1_are_not_left_out(function, dtype, tmp_path):
    """torch's optimizer leaves out summands below 1e-8 and factors within 1e-5 of 1."""

    class Model(nn.Module):
        def forward(self, x):
            return function(x)

    zeros = torch.zeros((2, 3), dtype=dtype)
    path = tmp_path / "model.onnx"
    hybridx.export(Model(), (zeros,), path, batch="none")
    (actual,) = hybridx.load(path).run({"x": zeros.numpy()}).values()
    np.testing.assert_allclose(actual, function(zeros).numpy(), rtol=1e-6)
