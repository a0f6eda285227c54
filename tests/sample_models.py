"""Small hybrid models as people write them, for parity tests; seeded, untrained."""

from __future__ import annotations

import pennylane as qml
import torch
from torch import nn


def strongly_entangling(wires=3, layers=2, device="default.qubit", shots=None):
    """AngleEmbedding, StronglyEntanglingLayers, a list of ⟨Z⟩: the most common circuit."""

    @qml.qnode(qml.device(device, wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires))
        qml.StronglyEntanglingLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]

    if shots is not None:
        circuit = qml.set_shots(circuit, shots)
    return qml.qnn.TorchLayer(circuit, {"weights": (layers, wires, 3)})


def basic_entangler(wires=4):
    """Data on RZ after Hadamards, BasicEntanglerLayers with RY, another wire order, one ⟨Z⟩."""

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        for wire in range(wires):
            qml.Hadamard(wires=wire)
        qml.AngleEmbedding(inputs, wires=range(wires)[::-1], rotation="Z")
        qml.BasicEntanglerLayers(weights, wires=range(wires), rotation=qml.RY)
        return qml.expval(qml.PauliZ(1))

    return qml.qnn.TorchLayer(circuit, {"weights": (2, wires)})


def own_rotations():
    """Rotations by hand with several weight arguments, CZ and other observables."""

    @qml.qnode(qml.device("default.qubit", wires=3))
    def circuit(inputs, first, second):
        qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
        for wire in range(3):
            qml.RX(first[wire], wires=wire)
            qml.CZ(wires=[wire, (wire + 1) % 3])
        qml.Rot(*second, wires=1)
        qml.CRX(second[0], wires=[2, 0])
        return [
            qml.expval(qml.PauliX(0)),
            qml.expval(qml.PauliZ(0) @ qml.PauliY(2)),
            qml.expval(0.5 * qml.PauliZ(1) - 2.0 * qml.PauliX(2)),
        ]

    return qml.qnn.TorchLayer(circuit, {"first": (3,), "second": (3,)})


def sandwich():
    """A quantum layer between two linear ones."""
    return nn.Sequential(nn.Linear(4, 3), strongly_entangling(3), nn.Linear(3, 2))


def convolution():
    """An image model with a quantum layer after a convolution."""
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3), strongly_entangling(3)
    )


class TwoHeads(nn.Module):
    """Two quantum layers side by side, and one of them a second time after both."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(5, 3)
        self.left = strongly_entangling(3)
        self.right = own_rotations()

    def forward(self, x):
        features = torch.tanh(self.inner(x))
        both = torch.cat([self.left(features), self.right(torch.pi * features)], dim=1)
        return self.left(both[:, 1:4]), both.mean(dim=1)


class Residual(nn.Module):
    """More leading dimensions than the batch, and a skip connection around the circuit."""

    def __init__(self):
        super().__init__()
        self.quantum = strongly_entangling(3)

    def forward(self, x):
        return x + self.quantum(x)


MODELS = {
    "layer": (strongly_entangling, (3,)),
    "basic_entangler": (basic_entangler, (4,)),
    "own_rotations": (own_rotations, (3,)),
    "sandwich": (sandwich, (4,)),
    "stacked": (lambda: nn.Sequential(strongly_entangling(3), strongly_entangling(3)), (3,)),
    "convolution": (convolution, (1, 6, 6)),
    "two_heads": (TwoHeads, (5,)),
    "residual": (Residual, (5, 3)),
    "lightning": (lambda: strongly_entangling(3, device="lightning.qubit"), (3,)),
    "shots": (lambda: strongly_entangling(3, shots=500), (3,)),
}


# ONNX Runtime's CPU provider has no convolution in float64.
REFUSED = [("convolution", "float64")]


def make(name):
    """Return a seeded model in eval mode and an example input of three rows."""
    factory, shape = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return factory().eval(), torch.randn(3, *shape)
