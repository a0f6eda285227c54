"""A lowered model under torch.compile: one graph for any strategy and any length of the batch."""

import shutil
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import hybridx
from hybridx.lowering import STRATEGIES, choose
from hybridx.program.to_torch import emit_module
from tests import sample_models
from tests.lowering.encoded import fitting

ROWS = (4, 8, 5)  # no other axis is as long as the first: torch would take both for one


class Graphs:
    """A backend that runs what it is given, and counts it."""

    def __init__(self):
        self.count = 0

    def __call__(self, module, _):
        self.count += 1
        return module.forward


class Both(nn.Module):
    """Two circuits, arguments in a dict and by keyword, results in a dict."""

    def __init__(self):
        super().__init__()
        self.first = sample_models.strongly_entangling(3)
        self.second = sample_models.basic_entangler(3)

    def forward(self, features, *, mask, scale=1.0):
        y = self.first(features["x"] * mask) * scale
        return {"both": (y, self.second(y)), "phase": torch.complex(y, features["x"])}


@pytest.fixture(autouse=True)
def forgotten():
    """Compile anew, and forget it afterwards."""
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.compiler.reset()


def compiled(module, backend):
    """The module without a graph break, for any length of its batch."""
    return torch.compile(module, fullgraph=True, dynamic=True, backend=backend)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [strategy.name for strategy in STRATEGIES])
def test_every_strategy_is_one_graph_for_all_lengths(strategy):
    circuit = fitting(strategy)
    module = emit_module(choose(circuit, strategy).plan.build(), dtype=np.dtype("float32"))
    graphs = Graphs()
    fast = compiled(module, graphs)
    for rows in ROWS:
        x = torch.randn(rows, circuit.parameters)
        torch.testing.assert_close(fast(x), module(x))
    assert graphs.count == 1


def test_a_whole_model_is_one_graph_for_all_lengths():
    def arguments(rows):
        return {"features": {"x": torch.randn(rows, 3)}, "mask": torch.ones(3), "scale": 0.5}

    lowered = hybridx.lower(Both(), (), kwargs=arguments(2))
    graphs = Graphs()
    fast = compiled(lowered, graphs)
    for rows in ROWS:
        given = arguments(rows)
        torch.testing.assert_close(fast(**given), lowered(**given))
    assert graphs.count == 1


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler")
def test_machine_code_computes_the_same():
    model, example = sample_models.make("sandwich")
    lowered = hybridx.lower(model, (example,))
    fast = compiled(lowered, "inductor")
    for rows in ROWS:
        x = torch.randn(rows, *example.shape[1:])
        with torch.no_grad():
            torch.testing.assert_close(fast(x), lowered(x))
