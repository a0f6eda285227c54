"""TorchScript source: literals, lengths and what it has not."""

import io

import pytest
import torch

from hybridx.capture import quiet
from hybridx.errors import UnscriptableError
from hybridx.targets import to_torchscript
from hybridx.targets.script import script_class


class Lengths(torch.nn.Module):
    """Literals of every kind, and arithmetic on lengths."""

    def forward(self, x):
        rows = x.shape[0]
        wide = torch.nn.functional.pad(x, (0, 2), value=float("inf"))
        picked = x[:, torch.tensor([1, 0])]
        halves = torch.split(torch.cat([x, x]), [2, 4])
        scaled = x.reshape(rows * 2, -1) * (rows // 2 + 1) / (rows + 0.5)
        best = wide[:, :3].max(dim=1)
        return wide, picked, halves[1], scaled, best.values, best.indices, x.sum(dim=[])


def test_lengths_and_literals_come_out_in_torchscript():
    x = torch.randn(3, 4)
    with quiet():
        traced = torch.export.export(Lengths(), (x,), strict=False).run_decompositions({})
        module = traced.module(check_guards=False)
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    loaded = torch.jit.load(io.BytesIO(to_torchscript(module, dtype="float32")[0]))
    torch.testing.assert_close(loaded(x), Lengths()(x))


def test_what_torchscript_has_not_is_named():
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    graph.output((graph.call_function(torch.ops.higher_order.cond, (x,)),))
    with pytest.raises(UnscriptableError, match="cond"):
        script_class(torch.fx.GraphModule(torch.nn.Module(), graph))
