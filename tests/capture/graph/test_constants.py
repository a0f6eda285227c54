"""What is computed of constants alone, because no file format has an operator for it."""

from __future__ import annotations

import torch
from torch import nn

from hybridx.capture import quiet
from hybridx.capture.graph.constants import fold_constants


class Fitted(nn.Module):
    """Fits a line to three inputs, by a pseudo-inverse of constants."""

    def forward(self, y):
        powers = torch.vander(torch.tensor([1.0, 2.0, 3.0]), 2)
        return torch.linalg.pinv(powers) @ y


class Inverted(nn.Module):
    """The inverse of an input cannot be known."""

    def forward(self, y):
        return torch.linalg.inv_ex(y).inverse


def graph_of(model, example):
    with quiet():
        program = torch.export.export(model, (example,), strict=False)
        return program.run_decompositions({}).module(check_guards=False)


def names(module):
    return [str(node.target) for node in module.graph.nodes if node.op == "call_function"]


def test_matrix_functions_of_constants_become_values():
    example = torch.rand(3, generator=torch.Generator().manual_seed(0))
    module = graph_of(Fitted(), example)
    assert any("linalg" in name for name in names(module))
    expected = module(example)
    fold_constants(module)
    module.recompile()
    assert len(names(module)) < 5
    assert not any("linalg" in name for name in names(module))
    assert torch.equal(module(example), expected)


def test_matrix_functions_of_inputs_stay():
    module = graph_of(Inverted(), torch.eye(2))
    before = names(module)
    fold_constants(module)
    assert names(module) == before
