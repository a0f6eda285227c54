"""The program that torch's ONNX exporter takes: made without a second trace wherever it can be."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridx.artifact import Compiled
from hybridx.capture import NotLocal, decomposed
from hybridx.circuit import encode
from hybridx.targets import to_onnx
from tests import sample_models
from tests.targets.spliced import splice_model


class Around(nn.Module):
    """A layer that is used twice, a constant and a function around a circuit."""

    def __init__(self, function):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("shift", torch.full((3,), 0.25))
        self.quantum = sample_models.strongly_entangling(3)
        self.function = function

    def forward(self, x):
        return self.linear(self.function(self.quantum(self.linear(x))) + self.shift)


@pytest.fixture
def traces(monkeypatch):
    """Count the calls of torch.export."""
    counted = []
    original = torch.export.export

    def export(*args, **kwargs):
        counted.append(args[0])
        return original(*args, **kwargs)

    monkeypatch.setattr(torch.export, "export", export)
    return counted


def not_local(*args, **kwargs):
    raise NotLocal


@pytest.mark.parametrize(
    ("function", "decompose", "expected"),
    [
        (torch.sigmoid, not_local, 0),
        (lambda x: torch.diag_embed(x).sum(-1), decomposed, 0),
        (lambda x: torch.diag_embed(x).sum(-1), not_local, 1),
    ],  # torch writes only the first as it is
)
def test_a_graph_is_traced_again_only_if_no_operation_can_be_decomposed_by_itself(
    function, decompose, expected, traces, monkeypatch
):
    monkeypatch.setattr("hybridx.targets.exported_program.decomposed", decompose)
    spliced = splice_model(Around(function), (torch.rand(3, 3),))
    before = spliced.captured.module.code
    traces.clear()
    compiled = [Compiled(encode(circuit), None) for circuit in spliced.captured.circuits]
    model, _ = to_onnx(spliced.captured, spliced.args, compiled, opset=20)
    assert len(traces) == expected
    assert spliced.captured.module.code == before
    assert {one.name for one in model.graph.initializer} >= {"linear.weight", "shift"}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
