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
    found = [next(iter(example.axes.get(one, {})), None) for one in example.tensors]
    assert found == expected


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
