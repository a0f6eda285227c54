"""A small model for each feature of a file; `MODELS` names them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pennylane as qml
import torch
from torch import nn


class Case(NamedTuple):
    """A model with its example, and the options of `hybridx.export`."""

    model: nn.Module
    args: tuple[Any, ...]
    options: Mapping[str, Any] = MappingProxyType({})


def layer(circuit, wires, *, device="default.qubit", shots=None, **weights):
    """Return a TorchLayer of a circuit whose weights have these shapes."""
    node = qml.QNode(circuit, qml.device(device, wires=wires))
    if shots is not None:
        node = qml.set_shots(node, shots)
    return qml.qnn.TorchLayer(node, weights)


def classifier():
    """Names of columns and classes, entries of the user's own, layers before and behind."""

    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.StronglyEntanglingLayers(weights, wires=range(2))
        return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1))]

    model = nn.Sequential(
        nn.Linear(3, 2), nn.Tanh(), layer(circuit, 2, weights=(1, 2, 3)), nn.Linear(2, 2)
    )
    named = {"columns": ("a", "b", "c"), "classes": ("yes", "no"), "metadata": {"owner": "Ada"}}
    return Case(model, (torch.randn(2, 3),), named)


def observables():
    """Expectations of sums of Pauli words and of a matrix, variances, products."""
    matrix = np.array([[1.0, 0.5 - 0.25j], [0.5 + 0.25j, -0.75]])

    def circuit(inputs, weights):
        qml.RX(inputs[..., 0], wires=0)
        qml.RY(weights[0], wires=1)
        qml.CRZ(inputs[..., 1], wires=[0, 1])
        qml.PhaseShift(0.25, wires=1)
        return [
            qml.expval(0.5 * qml.PauliX(0) @ qml.PauliY(1) - 2.0 * qml.PauliZ(0)),
            qml.expval(qml.Hermitian(matrix, wires=1)),
            qml.var(qml.PauliZ(0)),
        ]

    return Case(layer(circuit, 2, weights=(1,)), (torch.randn(2, 2),))


def probabilities():
    """Results of several shapes side by side."""

    def circuit(inputs, weights):
        qml.Hadamard(wires=0)
        qml.IsingXX(inputs[..., 0], wires=[0, 1])
        qml.RY(weights[0], wires=0)
        return qml.probs(wires=[1, 0])

    return Case(nn.Sequential(layer(circuit, 2, weights=(1,))), (torch.randn(2, 1),))


class _State(nn.Module):
    def __init__(self):
        super().__init__()
        device = qml.device("default.qubit", wires=2)

        def gates(x):
            qml.RX(x[..., 0], wires=0)
            qml.CNOT(wires=[0, 1])
            qml.T(wires=1)

        @qml.qnode(device)
        def state(x):
            gates(x)
            return qml.state()

        @qml.qnode(device)
        def entropies(x):
            gates(x)
            return (
                qml.purity(wires=[0]),
                qml.vn_entropy(wires=[0], log_base=2),
                qml.mutual_info(wires0=[0], wires1=[1]),
            )

        @qml.qnode(device)
        def density(x):
            gates(x)
            return qml.density_matrix(wires=[0])

        self.state, self.entropies, self.density = state, entropies, density

    def forward(self, x):
        return {
            "state": self.state(x),
            "density": self.density(x),
            "entropies": torch.stack(self.entropies(x), -1).float(),
        }


def state():
    """Complex results, entropies, three circuits, outputs named by keys."""
    return Case(_State(), (torch.rand(2, 1) + 0.5,))


def noise():
    """Channels."""

    def circuit(inputs, weights):
        qml.RX(inputs[..., 0], wires=0)
        qml.CNOT(wires=[0, 1])
        qml.DepolarizingChannel(0.05, wires=0)
        qml.AmplitudeDamping(0.1, wires=1)
        qml.RY(weights[0], wires=1)
        return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))]

    return Case(layer(circuit, 2, device="default.mixed", weights=(1,)), (torch.randn(2, 1),))


def preparation():
    """A prepared state, matrices, controlled and adjoint operations."""
    matrix = qml.matrix(qml.Rot(0.3, 0.5, 0.7, wires=0))

    def circuit(inputs, weights):
        qml.StatePrep(np.array([0.6, 0.0, 0.8j, 0.0]), wires=[0, 1])
        qml.QubitUnitary(matrix, wires=1)
        qml.ctrl(qml.RY, control=[0], control_values=[0])(inputs[..., 0], wires=1)
        qml.adjoint(qml.S)(wires=0)
        qml.RX(weights[0], wires=0)
        return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1))]

    return Case(layer(circuit, 2, weights=(1,)), (torch.randn(2, 1),))


def shots():
    """A circuit that asks for shots on devices."""

    def circuit(inputs, weights):
        qml.RX(inputs[..., 0], wires=0)
        qml.RY(weights[0], wires=0)
        return qml.expval(qml.PauliZ(0))

    return Case(layer(circuit, 1, shots=100, weights=(1,)), (torch.randn(2, 1),))


class _Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 2)

        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.CNOT(wires=[0, 1])
            qml.RY(weights[0], wires=1)
            return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))]

        self.quantum = layer(circuit, 2, weights=(1,))

    def forward(self, x, ids, *, parts, scale=1.0):
        if torch.isnan(x).any():
            raise ValueError("x has gaps")
        first = self.quantum(x * scale)
        return {"first": first, "second": self.quantum(first + self.table(ids)) + parts["left"]}


def named():
    """Integers, tensors in a dict, a constant, a circuit called twice, an assumption."""
    args = torch.randn(3, 2), torch.tensor([0, 1, 4])
    kwargs = {"parts": {"left": torch.randn(3, 2)}, "scale": 0.5}
    return Case(_Named(), args, {"kwargs": kwargs, "embed_example": True})


class _Axes(nn.Module):
    def __init__(self):
        super().__init__()

        def circuit(inputs, weights):
            qml.RX(inputs[..., 0], wires=0)
            qml.RY(weights[0], wires=0)
            return qml.expval(qml.PauliZ(0))

        self.quantum = layer(circuit, 1, weights=(1,))

    def forward(self, x):
        return self.quantum(x.mean(1, keepdim=True)), x.cumsum(1)


def open_axes():
    """Two axes of any length."""
    return Case(_Axes(), (torch.randn(2, 4),), {"dynamic": {"x": {0: "batch", 1: "length"}}})


def fixed():
    """No axis of any length, no verification, names of the user's own, another opset."""

    def circuit(inputs, weights):
        qml.RX(inputs[..., 0], wires=0)
        qml.RY(weights[0], wires=0)
        return qml.probs(wires=0)

    options = {"dynamic": "none", "verify": False, "opset": 18}
    names = {"input_names": ("signal",), "output_names": ("chance",)}
    return Case(layer(circuit, 1, weights=(1,)), (torch.randn(2, 1),), options | names)


def double():
    """float64."""
    case = classifier()
    return Case(case.model.double(), (case.args[0].double(),))


class _Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 2, dtype=torch.complex64))

        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.RY(weights[0], wires=0)
            return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))]

        self.quantum = layer(circuit, 2, weights=(1,))

    def forward(self, z):
        z = z @ self.weight
        return self.quantum(z.abs()) * z


def complex_numbers():
    """Complex inputs, weights and outputs."""
    return Case(_Complex(), (torch.randn(2, 2, dtype=torch.complex64),))


class _Constant(nn.Module):
    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=1))
        def circuit():
            qml.RX(0.3, wires=0)
            return qml.expval(qml.PauliZ(0))

        self.circuit = circuit

    def forward(self, x):
        return x * self.circuit()


def no_parameters():
    """A circuit that depends on no input."""
    return Case(_Constant(), (torch.randn(2, 2),))


def in_rows():
    """A state in memory: the body is a loop over rows."""

    def circuit(inputs, weights):
        for wire in range(3):
            qml.RX(inputs[..., wire], wires=wire)
            qml.CNOT(wires=[wire, (wire + 1) % 3])
            qml.RY(weights[wire], wires=wire)
        return qml.expval(qml.PauliZ(2))

    options = {"strategy": "sweep"}
    return Case(layer(circuit, 3, weights=(3,)), (torch.randn(2, 3),), options)


class _Long(nn.Module):
    def __init__(self):
        super().__init__()
        self.quantum = shots().model

    def forward(self, x):
        return self.quantum(x.float().mean(1, keepdim=True)), x


def long_self_test():
    """An input that repeats, and an output of which some numbers are recorded."""
    return Case(_Long(), (torch.zeros(1, 6000, dtype=torch.bool),), {"dynamic": "none"})


def no_body():
    """Circuits without bodies, for devices only."""
    return Case(classifier().model, (torch.randn(2, 3),), {"body": False})


def small():
    """Return a model as a SOURCE names it: its weights are initial ones, and the file says so."""
    return make(shots).model


MODELS = (
    *(classifier, observables, probabilities, state, noise, preparation, shots, named, open_axes),
    *(fixed, double, complex_numbers, no_parameters, in_rows, long_self_test, no_body),
)
# A bundle has the same parts in other places, an archive other parts.
IN_BUNDLES = (classifier, state, named, noise, no_body)
IN_TORCHSCRIPT = (classifier, state, named)
IN_PT2 = (classifier, named)
SOURCE, SOURCE_SHAPE = "tests.golden.models:small", "N,1"


def make(of):
    """Return the case of a function of this file, seeded and in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        case = of()
        case.model.eval()
        return case
