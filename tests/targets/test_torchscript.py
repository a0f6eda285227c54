"""TorchScript files: weights that move, and Pythons without TorchScript."""

import io
import sys

import numpy as np
import pytest
import torch
from torch import fx, nn

from hybridx.errors import NoTorchScriptError
from hybridx.lowering import choose
from hybridx.program.to_torch import emit_module
from hybridx.targets import to_torchscript
from tests.lowering.encoded import fitting
from tests.targets.spliced import content, sample


def test_weights_move_with_a_scripted_module():
    loaded = torch.jit.load(io.BytesIO(content("sandwich", "torchscript")))
    moved = loaded.to(torch.float64)  # in place of a device, which a test machine may lack
    (found,) = moved(torch.zeros(5, 4, dtype=torch.float64))
    assert found.dtype == torch.float64


def test_a_python_without_torchscript_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(NoTorchScriptError, match="pt2"):
        to_torchscript(sample("sandwich").module, dtype="float32")


@pytest.mark.parametrize("strategy", ["sweep", "halves", "density"])
def test_a_call_has_the_operators_of_the_module(strategy):
    # What a module does not do would, on a GPU, wait for it or copy to it in every call.
    circuit = fitting(strategy)
    body = emit_module(choose(circuit, strategy).plan.build(), dtype=np.dtype("float32"))
    graph = fx.Graph()
    graph.output((graph.call_module("circuit_0", (graph.placeholder("x"),)),))
    module = fx.GraphModule(nn.ModuleDict({"circuit_0": body}), graph)
    archive, _ = to_torchscript(module, dtype="float32")
    script = torch.jit.load(io.BytesIO(archive))
    found = [node.kind() for node in script.circuit_0.graph.nodes()]
    wanted = [
        node.target.name().partition(".")[0].replace("sym_size", "size")
        for node in body.graph.nodes
        if node.op == "call_function"
    ]
    assert sorted(kind for kind in found if kind.startswith("aten::")) == sorted(wanted)
