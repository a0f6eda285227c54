"""A small model for each feature of a file; `MODELS` names them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pennylane as qml
import torch
from torch import nn

from hybridx.circuit import GATES


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


def every_gate(wires, chosen):
    """Return a model with some gates of the table; some adjoint, some controlled."""

    def circuit(inputs, weights):
        for wire in range(wires):
            qml.RY(inputs[..., 0] + weights[wire], wires=wire)
        for number, gate in enumerate(chosen):
            angle = (inputs[..., number % 2],) if gate.takes_angle else ()
            name, on = (
                getattr(qml, gate.name),
                [(wire + number) % wires for wire in range(gate.wires)],
            )
            if gate.wires < wires and number % 4 == 0:
                spare = next(wire for wire in range(wires) if wire not in on)
                qml.ctrl(name, control=[spare], control_values=[number % 8 == 0])(*angle, on)
            elif number % 4 == 1:
                qml.adjoint(name)(*angle, on)
            else:
                name(*angle, on)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]

    return Case(layer(circuit, wires, weights=(wires,)), (torch.randn(2, 2),))


def fixed_gates():
    """Every gate without an angle."""
    return every_gate(3, [gate for gate in GATES.values() if not gate.takes_angle])


def turned_gates():
    """Every gate of one and two wires with an angle."""
    return every_gate(2, [gate for gate in GATES.values() if gate.takes_angle and gate.wires < 4])


def wide_gates():
    """Every gate of four wires."""
    return every_gate(4, [gate for gate in GATES.values() if gate.wires == 4])


def scales():
    """Angles that are scaled, shifted and large."""

    def circuit(inputs, weights):
        qml.RX(2.5 * inputs[..., 0] + 0.5, wires=0)
        qml.RY(-inputs[..., 1], wires=1)
        qml.CNOT(wires=[0, 1])
        qml.RZ(1e4 * inputs[..., 0] - 3e3, wires=1)
        qml.RX(weights[0], wires=1)
        return [qml.expval(qml.PauliY(0)), qml.expval(qml.PauliZ(1))]

    # Large angles need the precision of float64.
    made = layer(circuit, 2, weights=(1,)).double()
    return Case(made, (torch.randn(2, 2, dtype=torch.float64),))


class _FromData(nn.Module):
    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, turned):
            qml.AmplitudeEmbedding(x, wires=[0, 1], normalize=True)
            qml.QubitUnitary(turned, wires=0)
            return qml.expval(qml.PauliZ(0)), qml.probs(wires=[1])

        self.circuit = circuit

    def forward(self, x, angle):
        c, s = torch.cos(angle), torch.sin(angle)
        turned = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
        mean, chances = self.circuit(x, turned)
        return torch.cat([mean[:, None], chances], -1).float()


def from_data():
    """Amplitudes and matrices from data."""
    return Case(_FromData(), (torch.rand(2, 4) + 0.1, torch.randn(2)))


class _Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        device = qml.device("default.mixed", wires=2)

        def gates(row):
            qml.RY(row[0], wires=0)
            qml.CNOT(wires=[0, 1])
            qml.AmplitudeDamping(torch.sigmoid(row[1]), wires=0)
            qml.PhaseDamping(0.3, wires=1)

        @qml.qnode(device)
        def state(row):
            gates(row)
            return qml.state()

        @qml.qnode(device)
        def numbers(row):
            gates(row)
            return (
                qml.var(qml.PauliZ(0) @ qml.PauliZ(1)),
                qml.purity(wires=[1]),
                qml.vn_entropy(wires=[0]),
                qml.vn_entropy(wires=[1], log_base=10),
            )

        @qml.qnode(device)
        def chances(row):
            gates(row)
            return qml.probs(wires=[1, 0])

        self.circuits = state, numbers, chances

    def forward(self, x):
        state, numbers, chances = self.circuits
        return (
            torch.stack([state(row) for row in x]),
            torch.stack([torch.stack(numbers(row)) for row in x]),
            torch.stack([chances(row) for row in x]),
        )


def mixed_states():
    """Measurements of a density matrix; noise as strong as the data say."""
    return Case(_Mixed(), (torch.rand(2, 2) + 0.5,))


class _Molecule(nn.Module):
    def __init__(self):
        super().__init__()
        self.coefficients = nn.Parameter(torch.randn(2))
        words = [qml.Identity(0), qml.PauliX(0) @ qml.PauliX(2), qml.PauliY(1) @ qml.PauliZ(2)]
        energy = qml.Hamiltonian([0.5, -1.25, 0.75], words)

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(x, coefficients):
            qml.AngleEmbedding(x, wires=range(3))
            qml.CNOT(wires=[0, 2])
            learned = qml.dot(coefficients, [qml.PauliZ(0), qml.PauliX(1)])
            return qml.expval(energy), qml.var(energy), qml.expval(learned)

        self.circuit = circuit

    def forward(self, x):
        return torch.stack(self.circuit(x, self.coefficients), -1)


def hamiltonians():
    """Sums of Pauli words with the identity, and with coefficients that are weights."""
    return Case(_Molecule(), (torch.randn(2, 3),))


class _Measured(nn.Module):
    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=4))
        def circuit(x):
            qml.RX(x[..., 0], wires=0)
            qml.CNOT(wires=[0, 1])
            outcome = qml.measure(0, reset=True)
            qml.cond(outcome, qml.RY)(0.7, wires=1)
            return qml.expval(qml.PauliZ(1)), qml.expval(outcome)

        @qml.qnode(qml.device("default.qubit", wires=4))
        def kept(x):
            qml.RY(x[..., 0], wires=0)
            qml.CRX(0.9, wires=[0, 1])
            qml.measure(1, postselect=0)
            return qml.expval(qml.PauliZ(0))

        self.circuit, self.kept = circuit, kept

    def forward(self, x):
        return torch.stack([*self.circuit(x), self.kept(x)], -1)


def mid_circuit():
    """Measurements inside a circuit, whose outcomes are used or postselected."""
    return Case(_Measured(), (torch.randn(2, 1),))


class _Rows(nn.Module):
    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(row):
            qml.RX(row[0], wires=0)
            qml.CNOT(wires=[0, 1])
            qml.RY(row[1], wires=1)
            return qml.expval(qml.PauliZ(1))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([self.circuit(row) for row in x]).float()


def over_rows():
    """A model that loops over the rows of its batch."""
    return Case(_Rows(), (torch.randn(2, 2),))


class _Numbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.quantum = shots().model

    def forward(self, whole, mask, small, precise):
        x = whole.float() + mask.float() - small.float() / 8
        return self.quantum(x) + precise, whole + 1, mask & (small > 3)


def dtypes():
    """Inputs and outputs of several dtypes."""
    whole, mask = torch.tensor([[1], [-2]], dtype=torch.int32), torch.tensor([[True], [False]])
    small, precise = torch.tensor([[7], [3]], dtype=torch.uint8), torch.randn(2).double()
    return Case(_Numbers(), (whole, mask, small, precise))


class _Core(nn.Module):
    """Layers whose operators have other versions in the opsets that are written."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.wave = nn.Conv1d(4, 4, 3, padding=1)
        self.norm = nn.LayerNorm(4)
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)
        self.memory = nn.GRU(4, 3, batch_first=True)
        self.kept = nn.LSTM(4, 3, batch_first=True)
        self.filter = nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")
        self.groups, self.scaled = nn.GroupNorm(2, 4), nn.BatchNorm2d(4)
        self.pool, self.mean = nn.MaxPool2d(2), nn.AvgPool2d(2)
        self.root, self.softened = nn.RMSNorm(4), nn.Mish()
        self.quantum = classifier().model

    def forward(self, ids, image):
        x = self.words(ids)
        x = self.norm(nn.functional.gelu(self.wave(x.mT).mT))
        x = x + self.attend(x, x, x, need_weights=False)[0]
        _, last = self.memory(x)
        _, (kept, _) = self.kept(self.root(x))
        seen = self.scaled(nn.functional.hardswish(self.groups(self.filter(image))))
        seen = nn.functional.interpolate(self.pool(seen), scale_factor=2.0, mode="bilinear")
        seen = self.softened(nn.functional.elu(self.mean(seen))).amax((2, 3))
        seen = torch.where(torch.isnan(seen), 0.0, seen).cumsum(1)[:, :3]
        best = seen.topk(2, 1)
        mixed = last[0] + kept[0] + seen.scatter(1, best.indices, -best.values)
        return self.quantum(mixed).softmax(-1)


def core(opset):
    """Layers of all kinds around a circuit, in a version of ONNX's operators."""
    args = torch.tensor([[0, 1, 6], [2, 5, 3]]), torch.randn(2, 2, 4, 4)
    return Case(_Core(), args, {"opset": opset})


def opset_18():
    """Operators of version 18."""
    return core(18)


def opset_19():
    """Operators of version 19."""
    return core(19)


def opset_20():
    """Operators of version 20."""
    return core(20)


def opset_21():
    """Operators of version 21."""
    return core(21)


def opset_22():
    """Operators of version 22."""
    return core(22)


def opset_23():
    """Operators of version 23."""
    return core(23)


def uploaded(strategy):
    """Data that enter three times, compiled by a strategy."""

    def circuit(inputs, weights):
        for block in weights:
            qml.AngleEmbedding(inputs, wires=range(3))
            qml.BasicEntanglerLayers(block[None], wires=range(3), rotation=qml.RY)
        return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1) @ qml.PauliZ(2))]

    made = layer(circuit, 3, weights=(2, 3))
    return Case(made, (torch.randn(2, 3),), {"strategy": strategy})


def encoded(strategy):
    """Data that enter once, before everything else, compiled by a strategy."""

    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
        qml.StronglyEntanglingLayers(weights, wires=range(3))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(3)]

    made = layer(circuit, 3, weights=(1, 3, 3))
    return Case(made, (torch.randn(2, 3),), {"strategy": strategy})


def by_cones():
    """Compiled by the strategy cones."""

    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(4))
        for pair in ((0, 1), (2, 3)):
            qml.CNOT(wires=pair)
            qml.RY(weights[pair[0]], wires=pair[1])
        return [qml.expval(qml.PauliZ(wire)) for wire in range(4)]

    return Case(layer(circuit, 4, weights=(4,)), (torch.randn(2, 4),), {"strategy": "cones"})


def by_multilinear():
    """Compiled by the strategy multilinear."""
    return encoded("multilinear")


def by_unitary():
    """Compiled by the strategy unitary."""
    return encoded("unitary")


def by_fourier():
    """Compiled by the strategy fourier."""
    return uploaded("fourier")


def by_alternation():
    """Compiled by the strategy alternation."""
    return uploaded("alternation")


def by_halves():
    """Compiled by the strategy halves."""
    return uploaded("halves")


def by_statevector():
    """Compiled by the strategy statevector."""
    return uploaded("statevector")


def small():
    """Return a model as a SOURCE names it: its weights are initial ones, and the file says so."""
    return make(shots).model


class _Residual(nn.Module):
    def __init__(self):
        super().__init__()

        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
            qml.CNOT(wires=[0, 1])
            qml.CRX(inputs[..., 0], wires=[0, 1])
            qml.RX(weights[0], wires=1)
            return [qml.expval(qml.PauliZ(0)), qml.var(qml.PauliZ(1))]

        self.quantum = layer(circuit, 2, weights=(1,))

    def forward(self, x):
        x = x.requires_grad_()
        u = self.quantum(x).sum(1)
        slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        return u, slope, torch.autograd.grad(slope[:, 0].sum(), x, create_graph=True)[0]


def derivatives():
    """The first and the second vector-Jacobian product of a circuit."""
    return Case(_Residual(), (torch.randn(2, 2),))


MODELS = (
    *(classifier, observables, probabilities, state, noise, preparation, shots, named, open_axes),
    *(fixed, double, complex_numbers, no_parameters, in_rows, long_self_test, no_body),
    *(
        fixed_gates,
        turned_gates,
        wide_gates,
        scales,
        from_data,
        mixed_states,
        hamiltonians,
        mid_circuit,
        over_rows,
        dtypes,
        derivatives,
    ),
    *(opset_18, opset_19, opset_20, opset_21, opset_22, opset_23),
    *(by_cones, by_multilinear, by_unitary, by_fourier, by_alternation, by_halves, by_statevector),
)
# A bundle has the same parts in other places, an archive other parts.
IN_BUNDLES = (
    *(classifier, state, named, noise, no_body, shots, open_axes, double, no_parameters),
    derivatives,
)
IN_TORCHSCRIPT = (classifier, state, named, noise, open_axes, double, complex_numbers, derivatives)
IN_PT2 = (classifier, named, noise, open_axes, double, derivatives)
INLINED = classifier, named, no_parameters, in_rows, double, fixed, derivatives
SOURCE, SOURCE_SHAPE = "tests.golden.models:small", "N,1"


def make(of):
    """Return the case of a function of this file, seeded and in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        case = of()
        case.model.eval()
        return case
