"""Operators of data whose PennyLane rules look at the numbers: states, exponentials, controls."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
import torch

import hybridx
from hybridx.capture.qnode.state_preparation import prepare_state
from tests.sampling import some
from tests.support.agreement import DATA, Circuit, compiled, eager
from tests.support.examples import on

# Measured 2e-15 for the worst of them.
ROUNDED = 1e-14

X, Y, Z = qml.PauliX, qml.PauliY, qml.PauliZ
ISING = 0.5 * (X(0) @ X(1)) + 0.25 * Z(0)
WEIGHTS = torch.tensor([0.3, -1.2, 0.4, 2.0], dtype=torch.float64)


def _complex(x):
    y = x[:, [0, 1, 1, 2]]
    return torch.complex(torch.cos(y), torch.sin(y)) / 2


def _several(x):
    qml.AmplitudeEmbedding(x[:, :2], [1], normalize=True)
    qml.StatePrep(WEIGHTS, [2, 0], normalize=True)


USES = {
    "data after gates": on(
        2, lambda x: qml.AmplitudeEmbedding(x, [1, 0], pad_with=0.25, normalize=True)
    ),
    "complex data after gates": on(2, lambda x: qml.StatePrep(_complex(x), [0, 1])),
    "a weight after gates": on(2, lambda x: qml.StatePrep(WEIGHTS, [0, 1], normalize=True)),
    "a number after gates": on(
        2, lambda x: qml.StatePrep(np.array([0.5, 0.5j, -0.5, 0.5]), [0, 1])
    ),
    "some wires": on(3, _several),
    "zeros": on(2, lambda x: qml.StatePrep(WEIGHTS * (WEIGHTS > 1), [0, 1], normalize=True)),
    "controlled": on(
        3,
        lambda x: qml.ctrl(qml.StatePrep(WEIGHTS, [0, 1], normalize=True), 2, control_values=[0]),
    ),
    "adjoint": on(
        2, lambda x: qml.adjoint(qml.AmplitudeEmbedding)(x, [1, 0], pad_with=0.5, normalize=True)
    ),
    "Möttönen of |0>": on(
        2, lambda x: qml.MottonenStatePreparation(WEIGHTS / WEIGHTS.norm(), [0, 1]), 0
    ),
    "Möttönen": on(2, lambda x: qml.MottonenStatePreparation(WEIGHTS / WEIGHTS.norm(), [0, 1])),
    "a word in time": on(2, lambda x: qml.evolve(X(0) @ Y(1), x[:, 0])),
    "a word in a weight's time": on(2, lambda x: qml.evolve(X(0) @ Y(1), WEIGHTS[0])),
    "an exponential": on(2, lambda x: qml.exp(X(0) @ Z(1), -1j * x[:, 0])),
    "a controlled exponential": on(3, lambda x: qml.ctrl(qml.evolve(X(0) @ Z(2), x[:, 0]), 1)),
    "controlled U2": on(2, lambda x: qml.ctrl(qml.U2(x[:, 0], x[:, 1], 0), 1)),
    "controlled U3": on(3, lambda x: qml.ctrl(qml.U3(*x.T, 0), [1, 2], [0, 1])),
    "controlled Rot": on(2, lambda x: qml.ctrl(qml.Rot(*x.T, 0), 1)),
    "controlled adjoint": on(2, lambda x: qml.ctrl(qml.adjoint(qml.U3(*x.T, 0)), 1)),
    "adjoint controlled": on(2, lambda x: qml.adjoint(qml.ctrl(qml.U2(*x.T[:2], 0), 1))),
    "controlled twice": on(3, lambda x: qml.ctrl(qml.ctrl(qml.Rot(*x.T, 0), 1), 2)),
    "controlled product": on(3, lambda x: qml.ctrl(qml.U3(*x.T, 0) @ qml.RX(x[:, 0], 1), 2)),
    "controlled matrix": on(2, lambda x: qml.ctrl(qml.QubitUnitary(_turn(x), 0), 1)),
    "controlled complex matrix": on(
        3, lambda x: qml.ctrl(qml.QubitUnitary(1j * _turn(x), 0), [2, 1], [1, 0])
    ),
}


def _turn(x):
    cosine, sine = torch.cos(x[:, 0]), torch.sin(x[:, 0])
    return torch.stack([cosine, -sine, sine, cosine], dim=-1).reshape(-1, 2, 2)


@pytest.mark.parametrize("name", some(USES, every=3))
def test_a_use_agrees_with_pennylane(name):
    np.testing.assert_allclose(compiled(USES[name]), eager(USES[name]), rtol=0, atol=ROUNDED)


def test_trotter_steps_agree_with_pennylane():
    steps = on(2, lambda x: qml.TrotterProduct(ISING, x[:, 0], n=2, order=2))
    # PennyLane multiplies by torch.linalg.matrix_exp, which is off by 1e-10 (torch 2.13).
    np.testing.assert_allclose(compiled(steps), eager(steps), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["data after gates", "controlled U3"])
def test_a_file_agrees_too(name, tmp_path):
    report = hybridx.export(Circuit(USES[name]), (DATA.float(),), tmp_path / "m.onnx")
    assert report.verification.worst <= report.verification.tolerance


@pytest.mark.parametrize("wires", [1, 2, 4])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
def test_a_preparation_is_pennylanes_gate_by_gate(wires, is_complex, zeros):
    generator = torch.Generator().manual_seed(wires)
    state = torch.randn(3, 2**wires, 2, dtype=torch.float64, generator=generator)
    state[:, : zeros * 2 ** (wires - 1)] = 0
    state = torch.view_as_complex(state) if is_complex else state[..., 0]
    state = state / torch.linalg.vector_norm(state, dim=-1, keepdim=True)
    # Of tensors with gradients PennyLane leaves no gate out.
    theirs = qml.MottonenStatePreparation.compute_decomposition(
        state.requires_grad_(), list(range(wires))
    )
    for ours, other in zip(prepare_state(state, range(wires)), theirs, strict=True):
        assert (ours.name, ours.wires) == (other.name, other.wires)
        for angle, expected in zip(ours.data, other.data, strict=True):
            torch.testing.assert_close(angle, expected, rtol=0, atol=ROUNDED)
