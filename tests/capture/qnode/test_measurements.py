"""Measurements whose coefficients are computed, and what is measured on the way."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.qnode.observables import symmetrized_product
from tests.sampling import some
from tests.support.agreement import DATA, Circuit, compiled, eager
from tests.support.examples import HERMITIAN, on

# PennyLane 0.45 multiplies tensors by NumPy's numbers the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

X, Y, Z = qml.PauliX, qml.PauliY, qml.PauliZ

# Measured 3e-15 for the worst of them.
ROUNDED = 2e-14

COEFFICIENTS = torch.tensor([0.5, -1.5, 0.25], dtype=torch.float64)
MATRIX = torch.from_numpy(HERMITIAN)
WORDS = [X(0) @ Y(1), Z(1), qml.Identity(0)]


def _hamiltonian(coefficients=COEFFICIENTS):
    return qml.Hamiltonian(coefficients, WORDS)


def _mixed(factor, matrix):
    return factor * qml.Hermitian(matrix, 0) @ Z(1) + 2.0 * qml.Hadamard(1)


def _measured(returned, reset=False, postselect=None):
    def apply(x):
        first = qml.measure(0, reset=reset, postselect=postselect)
        qml.RX(x[:, 0], 0)
        qml.CNOT([0, 1])
        second = qml.measure(1)
        qml.cond(first, qml.RY)(x[:, 1], wires=1)
        return returned(first, second)

    return on(2, apply)


USES = {
    "Hamiltonian": on(2, lambda x: qml.expval(_hamiltonian())),
    "dot": on(2, lambda x: qml.expval(qml.dot(COEFFICIENTS, WORDS))),
    "a multiple": on(2, lambda x: qml.expval(COEFFICIENTS[0] * Z(1))),
    "Hermitian": on(2, lambda x: qml.expval(qml.Hermitian(MATRIX, [1, 0]))),
    "a real Hermitian": on(2, lambda x: qml.expval(qml.Hermitian(MATRIX.real, [1, 0]))),
    "variance of a matrix": on(2, lambda x: qml.var(qml.Hermitian(MATRIX, [1, 0]))),
    "outcome": _measured(lambda first, second: qml.expval(first)),
    "outcomes": _measured(lambda first, second: qml.expval(first * second + 2 * first)),
    "variance of an outcome": _measured(lambda first, second: qml.var(second)),
    "probabilities of outcomes": _measured(lambda first, second: qml.probs(op=[second, first])),
    "reset": _measured(lambda first, second: qml.expval(Z(0) @ X(1)), reset=True),
    "postselected": _measured(lambda *_: qml.expval(Z(0) @ X(1)), postselect=1),
    "postselected and reset": _measured(lambda *_: qml.expval(Y(0)), reset=True, postselect=0),
    "postselected outcome": _measured(lambda first, second: qml.expval(second), postselect=1),
    "postselected sum": _measured(lambda *_: qml.expval(_hamiltonian()), postselect=1),
    "postselected variance": _measured(lambda *_: qml.var(Z(0) @ X(1)), postselect=1),
    "postselected probabilities": _measured(lambda *_: qml.probs([1, 0]), postselect=0),
}


# PennyLane 0.45 does these with numbers only.
WITH_NUMBERS = {
    "a sum with matrices": (
        on(2, lambda x: qml.expval(_mixed(COEFFICIENTS[0], MATRIX[:2, :2]))),
        on(2, lambda x: qml.expval(_mixed(0.5, HERMITIAN[:2, :2]))),
    ),
    "variance": (
        on(2, lambda x: qml.var(_hamiltonian())),
        on(2, lambda x: qml.var(_hamiltonian(COEFFICIENTS.tolist()))),
    ),
}


@pytest.mark.parametrize("name", some(USES, every=3))
def test_a_use_agrees_with_pennylane(name):
    expected, actual = eager(USES[name]), compiled(USES[name])
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_tensors_give_what_numbers_give(name):
    use, twin = WITH_NUMBERS[name]
    np.testing.assert_allclose(compiled(use), eager(twin), rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("name", ["Hamiltonian", "Hermitian", "postselected probabilities"])
def test_a_file_agrees_too(name, tmp_path):
    report = hybridx.export(Circuit(USES[name]), (DATA.float(),), tmp_path / "m.onnx")
    assert report.verification.worst <= report.verification.tolerance


def test_calls_with_other_coefficients_are_not_taken_for_alike(tmp_path):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.coefficients = nn.Parameter(torch.tensor([[0.3, 0.7], [1.1, -0.2]]))
            self.circuit = qml.QNode(self.play, qml.device("default.qubit", wires=2))

        def play(self, x, coefficients):
            qml.RY(x[0], 0)
            qml.CNOT([0, 1])
            return qml.expval(qml.Hamiltonian(coefficients * x[1], [Z(0), X(0) @ X(1)]))

        def forward(self, x):
            rows = [[self.circuit(row, c) for c in self.coefficients] for row in x]
            return torch.stack([torch.stack(row) for row in rows])

    report = hybridx.export(Loop(), (DATA.float(),), tmp_path / "m.onnx")
    assert report.verification.worst <= report.verification.tolerance


def test_a_postselected_state_is_refused(tmp_path):
    example = _measured(lambda *_: qml.purity([0]), postselect=1)
    with pytest.raises(hybridx.HybridxError, match="postselected"):
        hybridx.export(Circuit(example), (DATA,), tmp_path / "m.onnx")


def test_the_product_of_observables_is_symmetrised():
    word = qml.pauli.PauliWord
    first = {word({0: "X"}): 0.5, word({}): 2.0}
    second = {word({0: "Y"}): 3.0, word({0: "X"}): -1.0}
    expected = {word({}): -0.5, word({0: "Y"}): 6.0, word({0: "X"}): -2.0}
    assert dict(symmetrized_product(first, second)) == expected
