"""Values of a graph that are the same have one number, and no others have."""

from __future__ import annotations

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from hybridx.capture.python.concrete_values import EqualValues


def numbers(function):
    """Return the number of each value that a function returns."""
    graph = make_fx(function)(torch.ones(3)).graph
    values = EqualValues()
    (returned,) = graph.output_node().args
    return [values.number(node) for node in returned]


def test_the_same_operation_on_the_same_values_is_one_value():
    one, same, other = numbers(lambda x: [(x + 1).max(), (x + 1).max(), (x + 2).max()])
    assert one == same
    assert one != other


def test_an_integer_is_not_a_float():
    one, other = numbers(lambda x: [x.mul(2), x.mul(2.0)])
    assert one != other


def test_a_write_lies_between():
    def writes(x):
        part = x[:2]
        before = part.sum()
        x.add_(1)
        return [before, part.sum()]

    before, behind = numbers(writes)
    assert before != behind


def test_draws_are_different_values():
    one, other = numbers(lambda x: [torch.rand_like(x), torch.rand_like(x)])
    assert one != other
