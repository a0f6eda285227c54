"""The laws of a gate row, one battery over the whole table."""

import numpy as np
import pennylane as qml
import pytest

from hybridx.circuit import GATES, Apply, decode, encode, parse, row_of, show
from tests.circuits import ANGLES
from tests.tolerances import EXACT

every_gate = pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)


def matrices(gate):
    return [gate.matrix(angle) for angle in ANGLES] if gate.takes_angle else [gate.matrix()]


@every_gate
def test_is_unitary(gate):
    for matrix in matrices(gate):
        assert matrix.shape == (2**gate.wires, 2**gate.wires)
        np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(len(matrix)), atol=EXACT)


@every_gate
def test_equals_pennylane(gate):
    make, wires = getattr(qml, gate.name), range(gate.wires)
    for angle in ANGLES if gate.takes_angle else [None]:
        operator = make(wires=wires) if angle is None else make(angle, wires=wires)
        expected = qml.matrix(operator, wire_order=wires)
        np.testing.assert_allclose(gate.matrix(angle), expected, atol=EXACT)


@every_gate
def test_adjoint_is_the_inverse(gate):
    for matrix, inverse in zip(matrices(gate), matrices(gate.adjoint()), strict=True):
        np.testing.assert_allclose(matrix @ inverse, np.eye(len(matrix)), atol=EXACT)


@every_gate
@pytest.mark.parametrize("values", [(True,), (False,), (True, False)], ids=str)
def test_controlled_equals_pennylane(gate, values):
    controls = tuple(range(gate.wires, gate.wires + len(values)))
    angle = 0.7 if gate.takes_angle else None
    applied = Apply(gate.name, tuple(range(gate.wires)), angle, False, controls, values)
    make = getattr(qml, gate.name)
    operator = make(angle, wires=applied.wires) if gate.takes_angle else make(wires=applied.wires)
    expected = qml.matrix(qml.ctrl(operator, controls, values), wire_order=controls + applied.wires)
    np.testing.assert_allclose(row_of(applied).matrix(angle), expected, atol=EXACT)


@every_gate
def test_flags_are_true(gate):
    for matrix in matrices(gate):
        is_diagonal = np.allclose(matrix, np.diag(np.diag(matrix)), rtol=0, atol=EXACT)
        assert is_diagonal or not gate.is_diagonal
        if gate.is_self_inverse:
            np.testing.assert_allclose(matrix @ matrix, np.eye(len(matrix)), atol=EXACT)
    if gate.adds_angles:
        np.testing.assert_allclose(
            gate.matrix(0.4) @ gate.matrix(-1.9), gate.matrix(-1.5), atol=EXACT
        )
        np.testing.assert_allclose(gate.matrix(0.0), np.eye(2**gate.wires), atol=EXACT)


@every_gate
def test_derivative_is_that_of_the_row(gate):
    if not gate.takes_angle:
        return
    theta, step = 0.37, 1e-6
    turn = gate.rate * theta
    derivative = gate.rate * (np.cos(turn) * gate.sine - np.sin(turn) * gate.cosine)
    difference = (gate.matrix(theta + step) - gate.matrix(theta - step)) / (2 * step)
    # The central difference itself is off by step^2 and by 1e-16 / step.
    np.testing.assert_allclose(derivative, difference, atol=1e-9)


@every_gate
def test_survives_text_and_json(gate):
    wires = " ".join(map(str, range(gate.wires)))
    angle = " (0.5*p[1] + -0.25)" if gate.takes_angle else ""
    circuit = parse(f"ctrl[5, !6] adj {gate.name} {wires}{angle}; expval Z0")
    assert parse(show(circuit)) == circuit
    assert decode(encode(circuit)) == circuit


def test_table_is_keyed_by_name():
    assert all(name == gate.name for name, gate in GATES.items())
