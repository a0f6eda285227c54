"""Calls that repeat an earlier one are copies of it, with their own arguments."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridx import capture
from hybridx.capture.qnode import recording
from hybridx.capture.qnode.dependence import CallOrder
from hybridx.capture.rehearsal import rehearse
from tests import sample_models


class Recurrent(nn.Module):
    """Two layers, each called at every step on what the step before gave."""

    def __init__(self, steps, *, side_by_side=False):
        super().__init__()
        self.first = sample_models.strongly_entangling(3)
        self.second = sample_models.strongly_entangling(3)
        self.mix = nn.Linear(6, 3)
        self.steps = steps
        self.side_by_side = side_by_side

    def forward(self, x):
        h = x.new_zeros(x.shape[0], 3)
        for step in range(self.steps):
            h = self.mix(torch.cat([h, x[:, step]], 1))
            h = self.first(h) * self.second(torch.sin(h))
            if self.side_by_side:
                h = h + self.first(x[:, step])
        return h


class Written(Recurrent):
    """The state is written into a buffer, step by step."""

    def forward(self, x):
        states = x.new_zeros(x.shape[0], self.steps + 1, 3)
        for step in range(self.steps):
            states[:, step + 1] = self.first(states[:, step] + x[:, step])
        return states


def flat_of(model, *args):
    call, _ = capture.describe_call(model, args, {})
    return capture.Flat(model, call)


def captured(model, *args):
    call, tensors = capture.describe_call(model, args, {})
    flat = capture.Flat(model, call)
    with capture.in_eval_mode(model), capture.as_dtype(model, "float32"):
        example = capture.prepare_example(flat, tensors, dtype="float32")
        return capture.capture(flat, example, dtype="float32")


def test_each_quantum_function_is_traced_once(monkeypatch):
    traced = []
    original = recording.Translator
    monkeypatch.setattr(
        recording, "Translator", lambda *args: traced.append(args) or original(*args)
    )
    model = Recurrent(4)
    found = captured(model, torch.rand(3, 4, 3))
    assert len(traced) == 2
    assert len(found.circuits) == 8
    assert len(set(found.circuits)) == 2
    assert found.is_dynamic


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Recurrent(3), False),
        (Recurrent(3, side_by_side=True), True),
        (Written(3), False),
    ],
    ids=["chain", "side by side", "written into a tensor"],
)
def test_it_is_known_before_a_trace_whether_calls_can_be_joined(model, expected):
    x = torch.rand(3, 3, 3)
    found = rehearse(flat_of(model, x), [x])
    assert found.repeats
    assert found.joins is expected


def test_results_are_followed_through_operations_of_torch():
    order = CallOrder()
    with order:
        for _ in range(2):
            with order.calling("layer", torch.ones(2)) as made:
                made.append(torch.ones(2))
    assert order.has_independent
    order = CallOrder()
    with order:
        x = torch.ones(2)
        for _ in range(3):
            with order.calling("layer", [x.exp() + 1]) as made:
                x = torch.ones(2)
                made.append((x,))
    assert not order.has_independent
