"""Where elements come from, by the movement of labels."""

from __future__ import annotations

import torch

from hybridx.capture.graph.constants import Constants
from hybridx.capture.graph.provenance import Origins


def labels(forward, *args):
    """Return the labels of what a function returns, and the node that is their source."""

    class Model(torch.nn.Module):
        def forward(self, *args):
            return forward(*args)

    program = torch.export.export(Model(), args, strict=False)
    module = program.module(check_guards=False)
    (returned,) = module.graph.output_node().all_input_nodes
    origins = Origins(Constants(module))
    elements = origins.of(returned)
    return elements.label, origins.source_of(int(elements.label.flatten()[0])).node


def test_a_constant_index_moves_labels():
    label, source = labels(lambda x: x.index_select(0, torch.tensor([1, 0])), torch.rand(2, 2))
    assert label.tolist() == [[2, 3], [0, 1]]
    assert source.op == "placeholder"


def test_an_index_of_the_data_makes_a_source():
    order = torch.tensor([1, 0])
    label, source = labels(lambda x, order: x.index_select(1, order), torch.rand(2, 2), order)
    assert label.unique().numel() == 4
    assert source.target is torch.ops.aten.index_select.default
