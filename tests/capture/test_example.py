"""Which axes of the example inputs are the batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridx.capture import Flat, describe_call, in_eval_mode, prepare_example


class Model(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.recurrent = nn.GRU(3, 2, num_layers=2)
        self.linear = nn.Linear(3, 2)
        self.encoder = nn.TransformerEncoderLayer(3, 1, 4, dropout=0.0)
        self.run = forward
        self.table = torch.randn(3, 2)

    def forward(self, *args):
        return self.run(self, *args)


def steps(rows, length=4):
    return torch.randn(length, rows, 3)


torch.manual_seed(0)  # rows of some draws depend on each other by less than is seen

FOUND = {
    "rows first": (lambda m, x: m.linear(x), (torch.randn(2, 3),), [0]),
    "steps of a recurrent layer first": (lambda m, x: m.recurrent(x)[0], (steps(2),), [1]),
    "as many steps as rows": (lambda m, x: m.recurrent(x)[0], (steps(2, 2),), [1]),
    "one row": (lambda m, x: m.recurrent(x)[0][-1], (steps(1),), [1]),
    "steps of attention first": (lambda m, x: m.encoder(x), (steps(2),), [1]),
    "a state beside": (
        lambda m, x, state: m.recurrent(x, state),
        (steps(3), torch.randn(2, 3, 2)),
        [1, 1],
    ),
    "the last axis": (lambda m, x: m.linear(x.T), (torch.randn(3, 2),), [1]),
    "different axes": (
        lambda m, x, y: m.linear(x) + m.linear(y.T),
        (torch.randn(2, 3), torch.randn(3, 2)),
        [0, 1],
    ),
    "shared, as long as the batch": (
        lambda m, x, scale: m.linear(x) * scale,
        (torch.randn(2, 3), torch.randn(2)),
        [0, None],
    ),
    "rows that depend on each other": (
        lambda m, x: m.linear(x.softmax(0)),
        (torch.randn(2, 3),),
        [0],
    ),
    "a mean of the rows": (lambda m, x: m.linear(x).mean(0), (torch.randn(1, 3),), [0]),
    "whole numbers that are counted": (
        lambda m, words: m.table[words].mean(0),
        (torch.tensor([0, 2]),),
        [0],
    ),
    "the last step of all": (lambda m, x: m.recurrent(x)[0][-1], (torch.randn(2, 3),), [None]),
    "one number of each place": (lambda m, x: x[0] - x[1], (torch.randn(2),), [None]),
    "a mean beside rows": (
        lambda m, support, x: m.linear(x) - m.linear(support).mean(0),
        (torch.randn(4, 3), torch.randn(2, 3)),
        [None, 0],
    ),
    "two sets of one length": (
        lambda m, x, y: m.linear(x) @ m.linear(y).T,
        (torch.randn(2, 3), torch.randn(2, 3)),
        [0, None],
    ),
    "none": (lambda m, x: m.linear(x.reshape(2, 3)), (torch.randn(2, 3),), [None]),
    "another rank": (
        lambda m, x: m.linear(x).squeeze(0) if len(x) == 1 else m.linear(x),
        (torch.ones(1, 3),),
        [0],
    ),
    "whole numbers and truths": (
        lambda m, x: (m.linear(x) > 0, m.linear(x).argmax(-1)),
        (torch.randn(2, 3),),
        [0],
    ),
}


def prepared(forward, args, **options):
    torch.manual_seed(0)
    model = Model(forward)
    call, tensors = describe_call(model, args, {})
    with in_eval_mode(model):
        flat = Flat(model, call)
        return flat, prepare_example(flat, tensors, dtype="float32", **options)


@pytest.mark.parametrize("name", FOUND)
def test_the_batch_is_the_axis_whose_rows_depend_on_themselves_alone(name):
    forward, args, expected = FOUND[name]
    _, example = prepared(forward, args)
    axes = [example.axes.get(one, {}) for one in example.tensors]
    found = [next((a for a, name in named.items() if name == "batch"), None) for named in axes]
    assert found == expected


def summed(x, source, target):
    return x.index_add(0, target, x[source])


EDGES = torch.tensor([[0, 1, 1, 3, 2], [1, 0, 2, 1, 1]])

FURTHER = {
    "edges of a graph": (
        lambda m, x, edges: m.linear(summed(x, edges[0], edges[1])),
        (torch.randn(4, 3), EDGES),
        [{0: "batch"}, {1: "args_1_length"}],
    ),
    "pairs of ends": (
        lambda m, x, edges: m.linear(summed(x, edges[:, 0], edges[:, 1])),
        (torch.randn(4, 3), EDGES.T.contiguous()),
        [{0: "batch"}, {0: "args_1_length"}],
    ),
    "as many edges as nodes, with weights": (
        lambda m, x, edges, weights: m.linear(x.index_add(0, edges[1], x[edges[0]] * weights)),
        (torch.randn(5, 3), EDGES, torch.randn(5, 1)),
        [{0: "batch"}, {1: "args_1_length"}, {0: "args_1_length"}],
    ),
    "the greatest of a graph": (
        lambda m, x, edges: m.linear(summed(x, edges[0], edges[1]).amax(0)),
        (torch.randn(4, 3), EDGES),
        [{0: "args_0_length"}, {1: "args_1_length"}],
    ),
    "nodes of two kinds": (
        lambda m, x, y, edges: m.linear(y.index_add(0, edges[1], x[edges[0]])),
        (torch.randn(4, 3), torch.randn(3, 3), EDGES),
        [{0: "args_0_length"}, {0: "batch"}, {1: "args_2_length"}],
    ),
    "a matrix of a graph": (
        lambda m, x, matrix: m.linear(torch.softmax(matrix, 0) @ x),
        (torch.randn(4, 3), torch.randn(4, 4)),
        [{0: "args_0_length"}, {0: "args_0_length", 1: "args_0_length"}],
    ),
    "two towers": (
        lambda m, x, y: m.linear(x) @ m.linear(y).T,
        (torch.randn(2, 3), torch.randn(4, 3)),
        [{0: "batch"}, {0: "args_1_length"}],
    ),
    "two numbers of three": (
        lambda m, x, y: m.linear(x) * y[0] + y[1],
        (torch.randn(5, 3), torch.randn(2)),
        [{0: "batch"}, {}],
    ),
    "numbers for columns": (
        lambda m, x, y: m.linear(x * y),
        (torch.randn(5, 3), torch.randn(3)),
        [{0: "batch"}, {}],
    ),
}


@pytest.mark.parametrize("name", FURTHER)
def test_inputs_without_a_batch_may_have_any_length_of_their_own(name):
    forward, args, expected = FURTHER[name]
    _, example = prepared(forward, args)
    assert [example.axes.get(one, {}) for one in example.tensors] == expected


def test_a_fixed_batch_is_as_long_as_the_user_gave_it():
    given = torch.randn(2, 3)
    flat, example = prepared(lambda m, x: m.linear(x), (given,))
    assert example.rows == 3
    fixed = example.fixed(flat, {"batch": "a reason"})
    (tensor,) = fixed.tensors.values()
    torch.testing.assert_close(tensor, given, rtol=0, atol=0)
    assert fixed.rows == 2
    assert not any(fixed.axes.values())
    (note,) = fixed.notes
    assert "fixed at 2: a reason" in note
    assert "dynamic=" in note
