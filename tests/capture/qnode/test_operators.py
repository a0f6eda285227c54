"""What people write in a QNode: each exported, run on ONNX Runtime and on a device."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from tests.sampling import some

WEIGHTS = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(5)) * 6
HERMITIAN = np.array([[1, 2j, 0, 0], [-2j, 0, 0, 1], [0, 0, 3, 0], [0, 1, 0, -1.0]])


def embed(inputs):
    qml.AngleEmbedding(inputs, wires=range(3))
    qml.StronglyEntanglingLayers(WEIGHTS, wires=range(3))


def amplitudes(inputs):
    qml.AmplitudeEmbedding(inputs, wires=range(3), normalize=True)
    qml.StronglyEntanglingLayers(WEIGHTS, wires=range(3))
    return qml.probs(wires=[2, 0])


def padded_amplitudes(inputs):
    qml.AmplitudeEmbedding(inputs, wires=range(3), pad_with=0.1, normalize=True)
    qml.BasicEntanglerLayers(WEIGHTS[:, :, 0], wires=range(3))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(3)]


def amplitudes_of_some_wires(inputs):
    qml.Hadamard(0)
    qml.AmplitudeEmbedding(inputs, wires=[1, 2], normalize=True)
    qml.CNOT([0, 1])
    return qml.probs()


def matrices(inputs):
    embed(inputs)
    qml.QubitUnitary(np.array([[0, 1], [1j, 0]]), wires=1)
    qml.DiagonalQubitUnitary([1, 1j, -1, 1], wires=[0, 1])
    qml.pow(qml.PauliX(0), 0.5)
    return [
        qml.expval(qml.Hermitian(HERMITIAN, wires=[0, 2])),
        qml.expval(qml.Projector([1, 0], wires=[0, 1])),
        qml.var(0.5 * qml.PauliX(0) + qml.PauliZ(0) @ qml.PauliY(1)),
    ]


def controlled(inputs):
    embed(inputs)
    qml.MultiControlledX(wires=[0, 1, 2], control_values=[1, 0])
    qml.CSWAP([0, 1, 2])
    qml.ctrl(qml.RX, 0)(inputs[:, 0], wires=1)
    qml.ctrl(qml.GlobalPhase, 0)(inputs[:, 0], wires=1)
    qml.adjoint(qml.U3)(inputs[:, 1], 0.2, 0.3, wires=2)
    qml.PauliRot(inputs[:, 2], "XYZ", wires=[0, 1, 2])
    return [qml.expval(qml.PauliX(wire)) for wire in range(3)]


def templates(inputs):
    qml.IQPEmbedding(inputs, wires=range(3), n_repeats=2)
    qml.QFT(wires=range(3))
    qml.SimplifiedTwoDesign([0.1, 0.2, 0.3], [[[0.1, 0.2], [0.3, 0.4]]], wires=range(3))
    qml.RandomLayers(np.array([[0.1, 0.2, 0.3]]), wires=range(3), seed=3)
    return qml.probs(wires=range(3))


def qaoa(inputs):
    qml.QAOAEmbedding(inputs, WEIGHTS[:1].reshape(1, -1)[:, :6], wires=range(3))
    return qml.expval(qml.Hamiltonian([0.5, -0.2], [qml.PauliZ(0) @ qml.PauliZ(1), qml.PauliX(2)]))


def mid_circuit(inputs):
    embed(inputs)
    outcome = qml.measure(0)
    qml.cond(outcome, qml.RX)(0.5, wires=1)
    return [qml.expval(qml.PauliZ(wire)) for wire in (1, 2)]


def purity(inputs):
    embed(inputs)
    return qml.purity(wires=[0])


def basis_change(inputs):
    embed(inputs)
    return qml.probs(op=qml.PauliX(0) @ qml.PauliY(2))


def labelled(inputs):
    qml.AngleEmbedding(inputs, wires=[7, "a", "b"])
    qml.CNOT(["a", 7])
    return [qml.expval(qml.PauliZ(wire)) for wire in ("b", 7, "a")]


def state(inputs):
    embed(inputs)
    return qml.state()


def density(inputs):
    embed(inputs)
    return qml.density_matrix([2])


def mixed(inputs):
    embed(inputs)
    return [qml.probs(wires=0), qml.expval(qml.PauliZ(1))]


DEVICE = qml.device("default.qubit", wires=3)
FREE = qml.device("default.qubit")
NAMED = qml.device("default.qubit", wires=["a", "b", 7])

LAYERS = [
    (amplitudes, 8, DEVICE),
    (padded_amplitudes, 5, DEVICE),
    (amplitudes_of_some_wires, 4, DEVICE),
    (matrices, 3, DEVICE),
    (controlled, 3, DEVICE),
    (templates, 3, DEVICE),
    (qaoa, 3, FREE),
    (mid_circuit, 3, FREE),
    (purity, 3, DEVICE),
    (basis_change, 3, DEVICE),
    (labelled, 3, NAMED),
]


def proved(model, width, folder):
    """Export with proof at several batch sizes, then run the self-test on a device."""
    path = folder / "model.onnx"
    example = torch.rand(3, width, generator=torch.Generator().manual_seed(1))
    report = hybridx.export(model, (example,), path)
    assert report.is_dynamic
    assert len(report.verification.batches) > 2
    device = hybridx.verify(path, device="default.qubit")
    assert device.worst <= device.tolerance
    return report


_BY_NAME = {function.__name__: (function, width, device) for function, width, device in LAYERS}


@pytest.mark.parametrize("name", some(_BY_NAME, every=2))
def test_a_torch_layer(name, tmp_path):
    function, width, device = _BY_NAME[name]
    proved(qml.qnn.TorchLayer(qml.QNode(function, device), {}), width, tmp_path)


class After(nn.Module):
    """A QNode called directly on a batch, and torch on what it returns."""

    def __init__(self, function, finish):
        super().__init__()
        self.circuit = qml.QNode(function, DEVICE)
        self.finish = finish

    def forward(self, x):
        return self.finish(self.circuit(x))


@pytest.mark.parametrize(
    ("function", "finish"),
    [
        (state, lambda y: y.abs() ** 2),
        (state, lambda y: y),
        (density, lambda y: y.real),
        (mixed, lambda y: torch.cat([y[0], y[1][:, None]], dim=1)),
        (mixed, lambda y: torch.stack([y[0][:, 1], y[1]]).T.float()),
    ],
    ids=["populations", "complex output", "density", "several", "stacked"],
)
def test_a_direct_call(function, finish, tmp_path):
    proved(After(function, finish), 3, tmp_path)


def test_complex_outputs_leave_with_a_last_axis_of_two(tmp_path):
    proved(After(state, lambda y: y), 3, tmp_path)
    x = np.zeros((2, 3), dtype=np.float32)
    (actual,) = hybridx.load(tmp_path / "model.onnx").run({"x": x}).values()
    expected = qml.QNode(state, DEVICE)(torch.from_numpy(x)).numpy()
    # float32 beside complex128.
    np.testing.assert_allclose(actual[..., 0] + 1j * actual[..., 1], expected, rtol=0, atol=1e-6)


def test_measurements_without_a_rule_are_named(tmp_path):
    def function(inputs):
        embed(inputs)
        return qml.classical_shadow(wires=[0])

    node = qml.set_shots(qml.QNode(function, DEVICE), 10)
    with pytest.raises(hybridx.HybridxError, match="ClassicalShadow"):
        hybridx.export(qml.qnn.TorchLayer(node, {}), (torch.rand(3, 3),), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
