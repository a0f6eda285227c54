"""The laws of a gate row, one battery over the whole table."""

import numpy as np
import pennylane as qml
import pytest

from hybridx.circuit import (
    GATES,
    Apply,
    Circuit,
    Expectation,
    Parameter,
    PauliTerm,
    decode,
    encode,
    gate_of,
    parse,
    show,
    simulate,
)
from hybridx.program import run
from tests import pennylane_oracle
from tests.circuits import ANGLES as CHOSEN
from tests.circuits import inputs
from tests.lowering.agreement import plans_of
from tests.tolerances import EXACT

ANGLES = (*CHOSEN, *np.random.default_rng(7).uniform(-13, 13, 5).tolist())

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
        expected = qml.matrix(qml.adjoint(operator), wire_order=wires)
        np.testing.assert_allclose(gate.adjoint().matrix(angle), expected, atol=EXACT)


@every_gate
def test_adjoint_is_the_inverse(gate):
    for matrix, inverse in zip(matrices(gate), matrices(gate.adjoint()), strict=True):
        np.testing.assert_allclose(matrix @ inverse, np.eye(len(matrix)), atol=EXACT)


@every_gate
@pytest.mark.parametrize("adjoint", [False, True], ids=["plain", "adjoint"])
@pytest.mark.parametrize("values", [(True,), (False,), (True, False)], ids=str)
def test_controlled_equals_pennylane(gate, values, adjoint):
    controls = tuple(range(gate.wires, gate.wires + len(values)))
    angle = 0.7 if gate.takes_angle else None
    applied = Apply(gate.name, tuple(range(gate.wires)), angle, adjoint, controls, values)
    make = getattr(qml, gate.name)
    operator = make(angle, wires=applied.wires) if gate.takes_angle else make(wires=applied.wires)
    if adjoint:
        operator = qml.adjoint(operator)
    expected = qml.matrix(qml.ctrl(operator, controls, values), wire_order=controls + applied.wires)
    np.testing.assert_allclose(gate_of(applied).matrix(angle), expected, atol=EXACT)


def is_close(left, right):
    return bool(np.abs(left - right).max() < EXACT)


@every_gate
def test_flags_say_what_the_matrices_say(gate):
    samples = matrices(gate)
    one = np.eye(2**gate.wires)
    assert gate.is_diagonal == all(is_close(m, np.diag(np.diag(m))) for m in samples)
    adds = gate.takes_angle and all(
        is_close(gate.matrix(a) @ gate.matrix(b), gate.matrix(a + b))
        for a, b in zip(ANGLES, reversed(ANGLES), strict=True)
    )
    assert gate.adds_angles == adds
    if gate.adds_angles:
        assert is_close(gate.matrix(0.0), one)


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


def probed(wires, *operations):
    """A circuit whose operations meet an entangled state of the data, seen by every Pauli."""
    before = [
        operation
        for wire in range(wires)
        for operation in (Apply("RY", (wire,), Parameter(wire)), Apply("T", (wire,)))
    ]
    for wire in range(wires - 1):
        before += [Apply("CNOT", (wire, wire + 1)), Apply("SX", (wire,))]
    words = [(letter, (wire,)) for wire in range(wires) for letter in "XYZ"]
    words.append(("".join("XYZ"[wire % 3] for wire in range(wires)), tuple(range(wires))))
    seen = tuple(Expectation((PauliTerm(1.0, letters, on),)) for letters, on in words)
    return Circuit(wires, wires, (*before, *operations), seen)


FORMS = {
    "plain": (False, ()),
    "adjoint": (True, ()),
    "controlled": (False, (True,)),
    "adjoint on zero": (True, (False,)),
}


@every_gate
@pytest.mark.parametrize(("adjoint", "values"), FORMS.values(), ids=FORMS)
def test_every_execution_agrees(gate, adjoint, values):
    """The reference, PennyLane and each strategy in NumPy, for a number and for data as angle."""
    order = tuple(range(gate.wires + len(values)))[::-1]
    wires, controls = order[: gate.wires], order[gate.wires :]
    angles = (-1.1, Parameter(0, 0.7, 0.2)) if gate.takes_angle else (None,)
    without = probed(len(order))
    for angle in angles:
        applied = Apply(gate.name, wires, angle, adjoint, controls, values)
        circuit = probed(len(order), applied)
        parameters = inputs(circuit, batch=2)
        expected = pennylane_oracle.simulate(circuit, parameters)
        is_seen = np.abs(expected - simulate(without, parameters)).max() > 1e-3
        # A phase of everything cannot be seen.
        assert is_seen == (gate.name != "Identity" and (gate.name, values) != ("GlobalPhase", ()))
        np.testing.assert_allclose(simulate(circuit, parameters), expected, atol=EXACT)
        plans = plans_of(circuit)
        if angle is None or isinstance(angle, float):
            assert plans.keys() >= {"multilinear", "statevector", "unitary"}
        assert "statevector" in plans
        for name, plan in plans.items():
            actual = run(plan.build(), parameters)
            np.testing.assert_allclose(actual, expected, atol=EXACT, err_msg=name)
