"""Wide QNodes, run light cone by light cone."""

from __future__ import annotations

import pennylane as qml
import pytest
import torch

from hybridx.capture.model.eager import WHOLE, cone_tapes, exact

WIRES = WHOLE + 1


def shallow(angles):
    """Pairs of wires that nothing joins; wires 0 to 2 in one cone of a circuit of two layers."""
    qml.AngleEmbedding(angles, wires=range(WIRES), rotation="Y")
    for wire in range(0, WIRES - 1, 2):
        qml.CNOT([wire, wire + 1])
    qml.RX(0.3, 1)
    qml.CNOT([1, 2])


def measure():
    return [
        qml.expval(qml.PauliZ(4)),
        qml.probs(wires=[0, 1]),
        qml.var(qml.PauliX(5)),
        qml.expval(qml.PauliZ(0) @ qml.PauliZ(1)),
        qml.expval(qml.PauliY(16)),
    ]


@pytest.mark.parametrize("rows", [(), (1,), (3,)])
def test_the_cones_give_what_the_whole_circuit_gives(rows):
    @qml.qnode(qml.device("default.qubit", wires=WIRES))
    def qnode(angles):
        shallow(angles)
        return measure()

    torch.manual_seed(0)
    angles = torch.rand(*rows, WIRES, dtype=torch.float64)
    for found, expected in zip(exact(qnode)(angles), qnode(angles), strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)  # sums of 2^17 numbers


def test_measurements_with_the_same_cone_are_made_together():
    with qml.queuing.AnnotatedQueue() as queue:
        shallow(torch.zeros(WIRES))
        measure()
    groups = cone_tapes(qml.tape.QuantumScript.from_queue(queue))
    assert [numbers for numbers, _ in groups] == [(0, 2), (1, 3), (4,)]
    assert [len(tape.wires) for _, tape in groups] == [2, 4, 1]


def test_one_measurement_of_a_wide_circuit_is_no_list():
    @qml.qnode(qml.device("default.qubit", wires=WIRES))
    def qnode(angles):
        shallow(angles)
        return qml.expval(qml.PauliZ(1))

    angles = torch.linspace(0, 1, WIRES, dtype=torch.float64)
    torch.testing.assert_close(exact(qnode)(angles), qnode(angles), rtol=0, atol=1e-13)
