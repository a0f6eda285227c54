"""Selects by numbers from the data, as gathers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridx.capture import quiet
from hybridx.capture.graph.number_selects import gather_selected

TABLE = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))


class Picks(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, words):
        return TABLE[self.number(words[0].item(), words[1].item())]


NUMBERS = {
    "itself": lambda first, second: first,
    "arithmetic": lambda first, second: (2 * first - second + 7) // 3 % 5,
    "of both": lambda first, second: (first * second) % 5,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_select_by_a_number_is_a_gather(name):
    model = Picks(NUMBERS[name])
    with quiet():
        program = torch.export.export(model, (torch.tensor([1, 2]),), strict=False)
        module = program.run_decompositions().module(check_guards=False)
    for node in list(module.graph.nodes):
        if str(node.target).startswith("aten._assert") or "sym_constrain" in str(node.target):
            module.graph.erase_node(node)
    gather_selected(module)
    module.recompile()
    assert "_local_scalar_dense" not in str(module.graph)
    for words in (torch.tensor([0, 4]), torch.tensor([4, 3])):
        assert torch.equal(module(words), model(words))
