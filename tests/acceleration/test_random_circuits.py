"""Random circuits as QNodes of torch: PennyLane, and shifted parameters, against compiled ones."""

from __future__ import annotations

import msgspec
import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from hybridx.acceleration.circuit import LiveCircuit
from hybridx.circuit import GATES, Apply, Parameter, Probabilities, simulate
from tests import pennylane_oracle
from tests.acceleration.against_eager import compare
from tests.circuits import circuits, expectations, inputs

EXACT = 1e-9
SECONDS = 1e-7


class Random(nn.Module):
    """A circuit as a QNode; its first columns come from data, the rest are weights."""

    def __init__(self, circuit, data, seed=0):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(inputs(circuit, 1, seed)[0, data:]))

        def function(x, weights):
            row = [*x.unbind(-1), *weights]
            for operation in circuit.operations:
                pennylane_oracle._apply(operation, row)
            return [pennylane_oracle._measure(one) for one in circuit.measurements]

        device = qml.device("default.qubit", wires=circuit.wires)
        self.qnode = qml.QNode(function, device, interface="torch")

    def forward(self, x):
        return self.qnode(x, self.weights)


def agree(circuit, data):
    """Compare a circuit, unless no angle of it is a parameter."""
    angles = [one.angle for one in circuit.operations if isinstance(one, Apply)]
    assume(any(isinstance(angle, Parameter) for angle in angles))
    x = torch.tensor(inputs(circuit, 5, seed=1)[:, :data])
    outcome = compare(lambda: Random(circuit, data), ((x[:2],), {}), ((x,), {}))
    assert [layer.reason for layer in outcome.layers] == [None]
    values, slopes, seconds = outcome.differences
    assert max(values, slopes) < EXACT
    assert seconds < SECONDS


@pytest.mark.filterwarnings("ignore")  # PennyLane itself uses what NumPy deprecates
@settings(max_examples=8, deadline=None)
@given(circuits(max_wires=3, max_gates=8), st.data())
def test_random_circuits_train_as_in_pennylane(circuit, data):
    agree(circuit, data.draw(st.integers(0, circuit.parameters)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None)
@given(circuits(max_wires=5, max_gates=20, max_parameters=5), st.data())
def test_many_random_circuits_train_as_in_pennylane(circuit, data):
    agree(circuit, data.draw(st.integers(0, circuit.parameters)))


def shifted_slopes(circuit, rows, cotangent):
    """Return the gradient of each column by the parameter-shift rule, `(batch, P)`.

    A gate `C + cos(k angle) A + sin(k angle) B` gives frequencies k and 2 k, so that four shifts
    suffice. Each gate is shifted by itself.
    """
    found = np.zeros(rows.shape)
    for place, operation in enumerate(circuit.operations):
        if not (isinstance(operation, Apply) and isinstance(operation.angle, Parameter)):
            continue
        rate = GATES[operation.gate].rate
        for number in range(1, 5):
            point = (2 * number - 1) * np.pi / 4
            factor = (-1) ** (number - 1) * rate / (8 * np.sin(point / 2) ** 2)
            angle = msgspec.structs.replace(
                operation.angle, offset=operation.angle.offset + point / rate
            )
            operations = list(circuit.operations)
            operations[place] = msgspec.structs.replace(operation, angle=angle)
            moved = msgspec.structs.replace(circuit, operations=tuple(operations))
            change = (simulate(moved, rows) * cotangent).sum(axis=1)
            found[:, operation.angle.column] += operation.angle.scale * factor * change
    return found


def linear(wires):
    """Measurements that are linear in the density matrix: the others have more frequencies."""
    order = st.permutations(range(wires))
    return st.one_of(expectations(wires), st.builds(lambda some: Probabilities(tuple(some)), order))


@settings(max_examples=40, deadline=None)
@given(circuits(max_parameters=4, measured=linear), st.data())
def test_the_parameter_shift_rule_agrees(circuit, data):
    count = data.draw(st.integers(0, circuit.parameters))
    live = LiveCircuit(circuit, count)
    assert live.tape is not None
    shared = inputs(circuit, 1, seed=2)[:, count:]
    rows = np.concatenate([inputs(circuit, 3)[:, :count], np.repeat(shared, 3, axis=0)], axis=1)
    x = torch.tensor(rows[:, :count], requires_grad=True)
    weights = torch.tensor(shared[0], requires_grad=True)
    results = live(x, weights)
    cotangent = np.random.default_rng(3).normal(size=results.shape)
    (results * torch.tensor(cotangent)).sum().backward()
    expected = shifted_slopes(circuit, rows, cotangent)
    scale = max(1.0, np.abs(expected).max(initial=0))
    for one, other in ((x.grad, expected[:, :count]), (weights.grad, expected[:, count:].sum(0))):
        if other.size:
            assert np.abs(one.numpy() - other).max() < EXACT * scale
