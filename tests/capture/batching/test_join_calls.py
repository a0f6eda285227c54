"""Calls that are alike: joined where they do not depend on each other, never where they differ.

Every export here is compared with the eager model, so a wrong join fails it.
"""

from __future__ import annotations

from collections import Counter

import onnx
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.batching.join_calls import MOST_VARIANTS

DEVICE = qml.device("default.qubit", wires=2)


@qml.qnode(DEVICE)
def circuit(x, weights):
    qml.AngleEmbedding(x, wires=range(2))
    qml.CNOT([0, 1])
    qml.AngleEmbedding(weights, wires=range(2), rotation="Y")
    return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1))


def calls(model, tmp_path, example=None):
    """Return how often each circuit is called in the exported file, most first."""
    path = tmp_path / "model.onnx"
    example = torch.rand(3, 4) if example is None else example
    assert hybridx.export(model, (example,), path).is_dynamic
    nodes = Counter(node.op_type for node in onnx.load(path).graph.node)
    return sorted((count for name, count in nodes.items() if "Circuit" in name), reverse=True)


class Quantum(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.rand(2, generator=torch.Generator().manual_seed(4)))

    def call(self, x, weights=None):
        return torch.stack(circuit(x, self.weights if weights is None else weights), -1).float()


def test_independent_calls_are_one(tmp_path):
    class Patches(Quantum):
        def forward(self, x):
            return torch.cat([self.call(x[:, start : start + 2]) for start in range(3)], 1)

    assert calls(Patches(), tmp_path) == [1]


def test_calls_with_amplitudes_are_one(tmp_path):
    @qml.qnode(DEVICE)
    def prepared(x, weights):
        qml.AmplitudeEmbedding(x, wires=range(2), pad_with=0.5, normalize=True)
        qml.AngleEmbedding(weights, wires=range(2), rotation="Y")
        return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1))

    class Patches(Quantum):
        def forward(self, x):
            patches = [prepared(x[:, start : start + 2], self.weights) for start in range(3)]
            return torch.cat([torch.stack(patch, -1).float() for patch in patches], 1)

    assert calls(Patches(), tmp_path) == [1]


def test_calls_that_feed_each_other_stay_apart(tmp_path):
    class Recurrent(Quantum):
        def forward(self, x):
            hidden = torch.zeros(len(x), 2)
            for step in range(3):
                hidden = self.call(hidden + x[:, step : step + 2])
            return hidden

    assert sum(calls(Recurrent(), tmp_path)) == 3


def test_each_step_of_a_recurrence_joins_its_own(tmp_path):
    class TwoCells(Quantum):
        def forward(self, x):
            left, right = x[:, :2], x[:, 2:]
            for _ in range(3):
                left, right = self.call(left), self.call(right)
            return left + right

    assert calls(TwoCells(), tmp_path) == [3]


def test_groups_that_wait_for_each_other_make_no_circle(tmp_path):
    class Crossed(Quantum):
        def forward(self, x):
            other = self.weights * 2
            first = self.call(x[:, :2])
            second = self.call(first, other)
            third = self.call(x[:, 2:], other)
            return second + self.call(third)

    # Joining both pairs would make each wait for the other.
    assert sum(calls(Crossed(), tmp_path)) == 3


def test_weights_of_their_own_are_circuits_of_their_own(tmp_path):
    class Gates(Quantum):
        def forward(self, x):
            gates = {"forget": self.weights, "input": self.weights * 2}
            return sum(self.call(x[:, :2], gates[name]) for name in ("forget", "input", "forget"))

    assert calls(Gates(), tmp_path) == [1, 1]


def test_many_constants_become_inputs(tmp_path):
    class Kernel(Quantum):
        def forward(self, x):
            points = torch.linspace(0, 3, 2 * (MOST_VARIANTS + 2)).reshape(-1, 2)
            return torch.cat([self.call(x[:, :2], point) for point in points], 1)

    assert calls(Kernel(), tmp_path) == [1]


def test_equal_calls_are_one(tmp_path):
    class Same(Quantum):
        def forward(self, x):
            return self.call(x[:, :2]) * self.call(x[:, :2])

    assert calls(Same(), tmp_path) == [1]


def test_python_values_that_a_call_sees_keep_calls_apart(tmp_path):
    class Counting(nn.Module):
        def forward(self, x):
            results = []
            for turns in (1, 2):
                self.turns = turns

                @qml.qnode(DEVICE)
                def repeated(features):
                    for _ in range(self.turns):
                        qml.AngleEmbedding(features, wires=range(2))
                        qml.CNOT([0, 1])
                    return qml.expval(qml.PauliZ(1))

                results += [repeated(x[:, :2]), repeated(x[:, 2:])]
            return torch.stack(results, 1).float()

    assert calls(Counting(), tmp_path) == [1, 1]  # one for each number of turns


@pytest.mark.parametrize("axis", ["X", "Y"])
def test_plain_arguments_keep_calls_apart(tmp_path, axis):
    @qml.qnode(DEVICE)
    def turned(x, rotation, entangle=True):
        qml.AngleEmbedding(x, wires=range(2), rotation=rotation)
        if entangle:
            qml.CNOT([0, 1])
        return qml.expval(qml.PauliZ(1))

    class Plain(nn.Module):
        def forward(self, x):
            pairs = [x[:, :2], x[:, 2:]]
            return torch.stack(
                [turned(p, rotation=axis, entangle=e) for p in pairs for e in (True, False)], 1
            ).float()

    assert calls(Plain(), tmp_path) == [1, 1]


def test_data_that_a_quantum_function_takes_from_elsewhere(tmp_path):
    class Captured(nn.Module):
        def forward(self, x):
            self.shift = x[:, 0]

            @qml.qnode(DEVICE)
            def shifted(features):
                qml.RX(self.shift, wires=0)
                qml.AngleEmbedding(features, wires=range(2))
                return qml.expval(qml.PauliY(0))

            return torch.stack([shifted(x[:, :2]), shifted(x[:, 2:])], 1).float()

    assert calls(Captured(), tmp_path) == [1, 1]


def test_calls_that_take_no_data_are_one(tmp_path):
    class Grid(Quantum):
        def forward(self, x):
            rows = torch.stack([self.call(row[:2]) for row in x])
            grid = [self.call(torch.tensor([0.1, step])) for step in (0.2, 0.3, 0.2)]
            return rows + torch.stack(grid).sum(0)

    assert calls(Grid(), tmp_path) == [1, 1, 1]


def test_calls_that_do_not_read_their_data_are_one(tmp_path):
    class Unread(nn.Module):
        def forward(self, x):
            @qml.qnode(DEVICE)
            def constant(features):
                qml.RX(0.3, wires=0)
                return qml.expval(qml.PauliZ(0))

            return x[:, 0] + constant(x[0]) - 2 * constant(x[0] + 1)

    assert calls(Unread(), tmp_path) == [1]


def test_an_image_read_pixel_by_pixel_is_two_gathers(tmp_path):
    class Quanvolution(Quantum):
        def forward(self, x):
            out = torch.zeros(len(x), 2, 2, 2)
            for image in range(len(x)):
                for row in range(2):
                    for column in range(2):
                        pixels = torch.stack([x[image, row, column], x[image, row + 1, column]])
                        values = self.call(pixels)
                        for channel in range(2):
                            out[image, channel, row, column] = values[channel]
            return out

    assert calls(Quanvolution(), tmp_path, torch.rand(3, 3, 3)) == [1]
    nodes = Counter(n.op_type for n in onnx.load(tmp_path / "model.onnx").graph.node)
    assert nodes["Gather"] == 2
    assert sum(nodes.values()) < 12
