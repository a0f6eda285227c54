"""Models whose inputs have lengths of their own, at other lengths than the example's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import hybridx
from tests.corpus.arguments import layer
from tests.corpus.graphs import (
    AdjacencyMatrix,
    Convolution,
    GraphAttention,
    LargestNodes,
    PooledGraphs,
    Ratings,
    Retrieval,
)

DRAWN = torch.Generator().manual_seed(4)


def numbers(*shape):
    return torch.randn(shape, generator=DRAWN)


def places(high, *shape):
    return torch.randint(high, shape, generator=DRAWN)


def graph(nodes, edges):
    return numbers(nodes, 3), places(nodes, 2, edges)


def graphs(edges, *sizes):
    nodes = sum(sizes)
    belongs = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return numbers(nodes, 3), places(nodes, 2, edges), numbers(edges), belongs


def ratings(users, items, pairs):
    pairs = torch.stack([places(users, pairs), places(items, pairs)], 1)
    return numbers(users, 3), numbers(items, 2), pairs


def square(nodes):
    return numbers(nodes, 3), (numbers(nodes, nodes) > 0).float()


def memory(queries, kept):
    return numbers(queries, 3), numbers(kept, 3)


GRAPHS = [(2, 5), (7, 7), (12, 3)]
MODELS = {
    "convolution": (Convolution, graph, [(5, 8), *GRAPHS]),
    "as many edges as nodes": (Convolution, graph, [(6, 6), *GRAPHS]),
    "attention": (GraphAttention, graph, [(5, 8), *GRAPHS]),
    "largest nodes": (LargestNodes, graph, [(5, 8), *GRAPHS]),
    "pooled": (PooledGraphs, graphs, [(6, 3, 2), (9, 2, 1, 4), (2, 5), (7, 7)]),
    "ratings": (Ratings, ratings, [(4, 5, 9), (7, 2, 3), (3, 3, 3), (2, 9, 20)]),
    "square": (AdjacencyMatrix, square, [(5,), (2,), (8,), (3,)]),
    "retrieval": (Retrieval, memory, [(4, 6), (2, 9), (7, 3), (5, 5)]),
}


def made(model_type):
    torch.manual_seed(0)
    return model_type().eval()


def agrees(path, model, args):
    session = hybridx.load(path)
    given = {name: x.numpy() for name, x in zip(session.input_names, args, strict=True)}
    (found,) = session.run(given).values()
    with torch.no_grad():
        np.testing.assert_allclose(found, model(*args), atol=2e-5)


SLOW = {"as many edges as nodes", "attention", "ratings", "retrieval"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MODELS]
)
def test_each_length_is_open(name, tmp_path):
    model_type, draw, sizes = MODELS[name]
    model, path = made(model_type), tmp_path / "model.onnx"
    hybridx.export(model, draw(*sizes[0]), path)
    for size in sizes:
        agrees(path, model, draw(*size))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["pt", "pt2"])
def test_the_number_of_graphs_is_open_in_archives_of_torch(ending, tmp_path):
    model, path = made(PooledGraphs), tmp_path / f"model.{ending}"
    hybridx.export(model, graphs(6, 3, 2), path)
    for size in ((9, 2, 1, 4), (2, 5)):
        agrees(path, model, graphs(*size))


def test_a_length_that_cannot_stay_open_is_fixed_without_a_word(tmp_path):
    class Edgewise(nn.Module):
        """A loop over the edges."""

        def __init__(self):
            super().__init__()
            self.linear, self.layer = nn.Linear(3, 2), layer()

        def forward(self, x, edge_index):
            h = self.linear(x)
            for source, target in zip(*edge_index, strict=True):
                h = h.index_add(0, target[None], torch.tanh(h[source])[None])
            return self.layer(h)

    model, path, args = made(Edgewise), tmp_path / "model.onnx", graph(5, 3)
    report = hybridx.export(model, args, path)
    agrees(path, model, args)
    assert not any("fixed" in note for note in report.notes)
    shapes = {one.name: one.shape for one in hybridx.load(path).inputs}
    assert shapes["edge_index"] == (2, 3)


class Squeezed(nn.Module):
    """Its circuit is called twice, and the last line drops axes of length 1."""

    def __init__(self):
        super().__init__()
        self.linear, self.layer, self.out = nn.Linear(3, 2), layer(), nn.Linear(2, 1)

    def forward(self, x):
        h = self.linear(x)
        return self.out(self.layer(h) + self.layer(2 * h)).squeeze()


class SqueezedRows(Squeezed):
    """It loops over the rows."""

    def forward(self, x):
        return torch.stack([self.out(self.layer(self.linear(row))) for row in x]).squeeze()


@pytest.mark.parametrize("model_type", [Squeezed, SqueezedRows])
def test_a_single_row_loses_its_axis_where_the_model_drops_it(model_type, tmp_path):
    model, path = made(model_type), tmp_path / "model.onnx"
    hybridx.export(model, (numbers(3, 3),), path)
    for rows in (1, 2, 6):
        agrees(path, model, (numbers(rows, 3),))
