"""Noise as people write it: each channel exported, run on ONNX Runtime and on a device."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.circuit import Channel
from tests.sampling import some

# Numbers of float64: those of float32 would be all that eager PennyLane computes with.
WEIGHTS = np.random.default_rng(5).uniform(0, 6, (2, 3, 3))
DEVICE = qml.device("default.mixed", wires=3)
DAMPING = [np.diag([1, 0.8]), np.array([[0, 0.6], [0, 0]])]
TWISTED = [np.kron(K, 1j * np.eye(2)[::-1]) for K in DAMPING]

CHANNELS = {
    "depolarizing": lambda: qml.DepolarizingChannel(0.1, wires=0),
    "amplitude damping": lambda: qml.AmplitudeDamping(0.2, wires=1),
    "generalized amplitude damping": lambda: qml.GeneralizedAmplitudeDamping(0.2, 0.3, wires=0),
    "phase damping": lambda: qml.PhaseDamping(0.4, wires=2),
    "bit flip": lambda: qml.BitFlip(0.05, wires=0),
    "phase flip": lambda: qml.PhaseFlip(0.05, wires=0),
    "pauli error": lambda: qml.PauliError("XYZ", 0.3, wires=[2, 0, 1]),
    "reset error": lambda: qml.ResetError(0.1, 0.2, wires=1),
    "slow relaxation": lambda: qml.ThermalRelaxationError(0.1, 1.2, 1.1, 0.4, wires=1),
    "fast relaxation": lambda: qml.ThermalRelaxationError(0.1, 1.2, 1.9, 0.4, wires=1),
    "kraus operators": lambda: qml.QubitChannel(TWISTED, wires=[2, 0]),
}


def embed(inputs):
    qml.AngleEmbedding(inputs, wires=range(3))
    qml.StronglyEntanglingLayers(WEIGHTS, wires=range(3))


class Layer(nn.Module):
    """A noisy QNode called directly on a batch."""

    def __init__(self, function, device=DEVICE):
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(0.15))
        self.circuit = qml.QNode(function, device)

    def forward(self, x):
        return finish(self.circuit(x, self.strength))


def finish(results):
    if not isinstance(results, torch.Tensor):
        return torch.stack(tuple(results), dim=-1)
    return results.abs() if results.is_complex() else results


def noisy(measure, noise):
    def function(inputs, strength):
        embed(inputs)
        noise(strength)
        qml.CNOT([0, 1])
        qml.DepolarizingChannel(0.02, wires=1)
        return measure()

    return function


def means():
    return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1) @ qml.PauliY(2))]


def proved(model, path, dtype="float32"):
    """Export with proof, then run the self-test on a device that has channels."""
    example = torch.rand(3, 3, generator=torch.Generator().manual_seed(1))
    report = hybridx.export(model, (example,), path, dtype=dtype)
    device = hybridx.verify(path, device="default.mixed")
    assert device.worst <= device.tolerance
    return report


@pytest.mark.parametrize("name", some(CHANNELS, every=3))
def test_every_channel_exports(name, tmp_path):
    model = Layer(noisy(means, lambda _: CHANNELS[name]()))
    report = proved(model, tmp_path / "m.onnx", dtype="float64")
    assert report.dtype == "float64"


MEASURED = {
    "means": means,
    "variance": lambda: qml.var(qml.PauliZ(0) @ qml.PauliX(1)),
    "probabilities": lambda: qml.probs(wires=[2, 0]),
    "density": lambda: qml.density_matrix([1, 2]),
    "purity": lambda: qml.purity(wires=[0, 1]),
    "state": qml.state,
}


@pytest.mark.parametrize("name", some(MEASURED, every=3))
def test_every_measurement_of_noise_exports(name, tmp_path):
    proved(Layer(noisy(MEASURED[name], lambda _: qml.BitFlip(0.1, wires=0))), tmp_path / "m.onnx")


def test_what_a_mixed_device_calls_a_state_is_a_matrix_also_without_noise(tmp_path):
    def function(inputs, strength):
        embed(inputs)
        return qml.state()

    model = Layer(function)
    proved(model, tmp_path / "m.onnx")
    example = {"x": np.zeros((2, 3), dtype=np.float32)}
    (actual,) = hybridx.load(tmp_path / "m.onnx").run(example).values()
    assert actual.shape == (2, 8, 8)


TRACED = {
    "depolarizing": lambda p: qml.DepolarizingChannel(p, wires=0),
    "amplitude damping": lambda p: qml.AmplitudeDamping(p, wires=1),
    "generalized amplitude damping": lambda p: qml.GeneralizedAmplitudeDamping(p, 0.3, wires=0),
    "phase damping": lambda p: qml.PhaseDamping(p, wires=2),
    "bit flip": lambda p: qml.BitFlip(p, wires=0),
    "phase flip": lambda p: qml.PhaseFlip(p, wires=0),
    "pauli error": lambda p: qml.PauliError("XY", p, wires=[2, 0]),
    "reset error": lambda p: qml.ResetError(p, 0.1, wires=1),
    "kraus operators": lambda p: qml.QubitChannel(
        [torch.sqrt(1 - p) * torch.eye(2), torch.sqrt(p) * torch.eye(2).flip(0)], wires=1
    ),
}


# Which operators it has depends on the times: known for weights, not for data.
TRAINED = TRACED | {
    "thermal relaxation": lambda p: qml.ThermalRelaxationError(0.1, 1 + p, 1.1, 0.1, wires=1)
}


@pytest.mark.filterwarnings("ignore:__array_wrap__")  # PennyLane multiplies a NumPy number by torch
@pytest.mark.parametrize("name", some(TRAINED, every=3))
def test_strengths_may_be_trained(name, tmp_path):
    proved(Layer(noisy(means, TRAINED[name])), tmp_path / "m.onnx")
    (circuit,) = hybridx.load(tmp_path / "m.onnx").artifact.circuits.values()
    assert circuit.parameters == 3
    assert any(isinstance(operation, Channel) for operation in circuit.operations)


class ByRow(nn.Module):
    """Noise whose strength comes from the data, a row at a time as PennyLane wants it."""

    def __init__(self, channel):
        super().__init__()

        @qml.qnode(DEVICE)
        def circuit(row):
            qml.AngleEmbedding(row, wires=range(3))
            channel(torch.sigmoid(row[0]))
            qml.CNOT([0, 1])
            return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([torch.stack(self.circuit(row)) for row in x])


@pytest.mark.parametrize("name", ["depolarizing", "amplitude damping", "pauli error"])
def test_strengths_may_come_from_data(name, tmp_path):
    example = torch.rand(2, 3, generator=torch.Generator().manual_seed(2))
    path = tmp_path / "m.onnx"
    hybridx.export(ByRow(TRACED[name]), (example,), path, batch=2)
    device = hybridx.verify(path, device="default.mixed")
    assert device.worst <= device.tolerance


@pytest.mark.filterwarnings("ignore:__array_wrap__")  # PennyLane multiplies a NumPy number by torch
def test_noise_that_data_decide_on_is_right(tmp_path):
    """PennyLane compares the two times of the relaxation, and chooses its matrices by that."""
    model = ByRow(TRAINED["thermal relaxation"])
    report = hybridx.export(model, (torch.rand(2, 3),), tmp_path / "m.onnx", batch=2)
    assert report.verification.worst <= report.verification.tolerance


def test_readout_errors_are_named(tmp_path):
    device = qml.device("default.mixed", wires=3, readout_prob=0.1)
    model = Layer(noisy(means, lambda _: qml.BitFlip(0.1, wires=0)), device)
    with pytest.raises(hybridx.HybridxError, match="readout"):
        hybridx.export(model, (torch.rand(3, 3),), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_mixed_device_is_measured_by_its_matrix(tmp_path):
    def function(inputs):
        for wire in range(15):
            qml.RX(inputs[:, 0], wires=wire)
        return qml.expval(qml.PauliZ(0))

    node = qml.QNode(function, qml.device("default.mixed", wires=15))
    with pytest.raises(hybridx.HybridxError, match="HX202"):
        hybridx.export(qml.qnn.TorchLayer(node, {}), (torch.rand(3, 1),), tmp_path / "m.onnx")


def test_a_device_without_channels_names_one_that_has_them(tmp_path):
    path = tmp_path / "m.onnx"
    proved(Layer(noisy(means, lambda _: qml.BitFlip(0.1, wires=0))), path)
    with pytest.raises(hybridx.HybridxError, match=r"HX504[^$]*device=\"default.mixed\""):
        hybridx.verify(path, device="default.qubit")
