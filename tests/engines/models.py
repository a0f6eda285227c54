"""A small model for each strategy, and for each part of a file that an engine may refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pennylane as qml
import torch
from torch import nn


class Model(NamedTuple):
    """A model, and what its files are made with.

    Attributes:
        make: returns the module. Its weights follow from the seed that is set before.
        about: what it is, for the page.
        features: how many numbers a row of its input has.
        options: of `hybridx.export`.
        rows: how many rows it is compared at.
    """

    make: Callable[[], nn.Module]
    about: str
    features: int
    options: Mapping[str, Any] = MappingProxyType({})
    rows: int = 5


def _layer(circuit: Callable[..., Any], wires: int, *shape: int, device: str = "default.qubit"):
    node = qml.QNode(circuit, qml.device(device, wires=wires))
    return qml.qnn.TorchLayer(node, {"weights": shape})


def _ring(inputs, weights):
    """Apply layers that upload the inputs again and entangle neighbours on three wires."""
    for layer in weights:
        for wire in range(3):
            qml.RX(inputs[..., wire], wires=wire)
            qml.RY(layer[wire], wires=wire)
        for wire in range(3):
            qml.CNOT(wires=[wire, (wire + 1) % 3])


def _expectations() -> nn.Module:
    def circuit(inputs, weights):
        _ring(inputs, weights)
        return [qml.expval(qml.PauliZ(0) @ qml.PauliX(1)), qml.expval(qml.PauliY(2))]

    return _layer(circuit, 3, 2, 3)


def _probabilities() -> nn.Module:
    def circuit(inputs, weights):
        _ring(inputs, weights)
        return qml.probs(wires=[0, 2])

    return _layer(circuit, 3, 2, 3)


def _embedded() -> nn.Module:
    """Return a layer whose inputs are uploaded once, as those of most hybrid models."""

    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(4))
        qml.StronglyEntanglingLayers(weights, wires=range(4))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(4)]

    return _layer(circuit, 4, 2, 4, 3)


def _embedded_probabilities() -> nn.Module:
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(3))
        qml.StronglyEntanglingLayers(weights, wires=range(3))
        return qml.probs(wires=range(3))

    return _layer(circuit, 3, 2, 3, 3)


def _local() -> nn.Module:
    """Return a layer each of whose results depends on a few wires."""

    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(6))
        for wire in range(6):
            qml.RY(weights[wire], wires=wire)
        for wire in range(0, 6, 2):
            qml.CNOT(wires=[wire, wire + 1])
        return [qml.expval(qml.PauliZ(wire)) for wire in range(6)]

    return _layer(circuit, 6, 6)


def _noisy() -> nn.Module:
    def circuit(inputs, weights):
        for wire in range(2):
            qml.RX(inputs[..., wire], wires=wire)
            qml.DepolarizingChannel(0.05, wires=wire)
        qml.CNOT(wires=[0, 1])
        qml.RY(weights[0], wires=1)
        qml.AmplitudeDamping(0.1, wires=1)
        return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1))]

    return _layer(circuit, 2, 1, device="default.mixed")


def _alternating() -> nn.Module:
    """Return a layer of parametrised phases between constant gates."""

    def circuit(inputs, weights):
        for layer in weights:
            for wire in range(3):
                qml.Hadamard(wires=wire)
                qml.RY(layer[wire], wires=wire)
                qml.RZ(inputs[..., wire], wires=wire)
            qml.CNOT(wires=[0, 1])
            qml.CNOT(wires=[1, 2])
        return [qml.expval(qml.PauliX(wire)) for wire in range(3)]

    return _layer(circuit, 3, 3, 3)


def _wide() -> nn.Module:
    def circuit(inputs, weights):
        for layer in weights:
            for wire in range(12):
                qml.RX(inputs[..., wire], wires=wire)
                qml.RY(layer[wire], wires=wire)
            for wire in range(12):
                qml.CNOT(wires=[wire, (wire + 1) % 12])
        return [qml.expval(qml.PauliZ(wire)) for wire in range(4)]

    return _layer(circuit, 12, 2, 12)


def _hybrid() -> nn.Module:
    """Return a classifier. It has no convolution, for which ONNX Runtime has no float64."""
    return nn.Sequential(
        nn.Linear(10, 8),
        nn.ReLU(),
        nn.Linear(8, 4),
        nn.Tanh(),
        _embedded(),
        nn.LayerNorm(4),
        nn.Linear(4, 3),
        nn.Softmax(-1),
    )


class _Slope(nn.Module):
    """The results of a circuit and their derivative in the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.quantum = _expectations()

    def forward(self, x):
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            results = self.quantum(x)
            (slope,) = torch.autograd.grad(results.sum(), x, create_graph=True)
        return torch.cat([results, slope], dim=1)


class _Twice(nn.Module):
    """Two circuits, of which one is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = _alternating(), _embedded_probabilities()

    def forward(self, x):
        once = self.first(x)
        return torch.cat([self.first(once + x), self.second(once)], dim=1)


def _by(strategy: str) -> Mapping[str, str]:
    return MappingProxyType({"strategy": strategy})


MODELS: Mapping[str, Model] = {
    "cones": Model(_local, "6 wires, each result depends on two", 6, _by("cones")),
    "multilinear": Model(_embedded, "4 wires, inputs once", 4, _by("multilinear")),
    "fourier": Model(_expectations, "3 wires, inputs twice", 3, _by("fourier")),
    "unitary": Model(_embedded_probabilities, "3 wires, probabilities", 3, _by("unitary")),
    "density": Model(_noisy, "2 wires with channels", 2, _by("density")),
    "alternation": Model(_alternating, "3 wires, phases", 3, _by("alternation")),
    "halves": Model(_probabilities, "3 wires, inputs twice, probabilities", 3, _by("halves")),
    "sweep": Model(_expectations, "3 wires, inputs twice", 3, _by("sweep")),
    "statevector": Model(_probabilities, "3 wires, probabilities", 3, _by("statevector")),
    "hybrid": Model(_hybrid, "dense layers, a circuit, normalisation, softmax", 10),
    "derivative": Model(_Slope, "a circuit and its derivative by autograd", 3),
    "twice": Model(_Twice, "two circuits, one of them called twice", 3),
    "wide": Model(_wide, "12 wires, a state in memory", 12, _by("sweep"), 20),
}
