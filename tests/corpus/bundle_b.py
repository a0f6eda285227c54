"""B: data encoded by hand, arithmetic in the QNode, data re-uploading."""

# ruff: noqa: N801 - many authors write so, and so the corpus does

import math

import numpy as np
import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal, uniform


class ColumnsByIndex(nn.Module):
    """`inputs[:, i]`, as somebody writes who knows that a batch comes in."""

    def __init__(self):
        super().__init__()
        dev = qml.device("default.qubit", wires=3)

        @qml.qnode(dev, interface="torch")
        def circuit(inputs, w):
            for i in range(3):
                qml.RX(inputs[:, i], wires=i)
            qml.CNOT(wires=[0, 1])
            qml.CNOT(wires=[1, 2])
            for i in range(3):
                qml.RY(w[i], wires=i)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.q = qml.qnn.TorchLayer(circuit, {"w": (3,)})

    def forward(self, x):
        return self.q(x)


class Ellipsis_(nn.Module):
    """`inputs[..., i]` works with and without a batch."""

    def __init__(self, n=3, L=2):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=n))
        def qc(inputs, weights):
            for l in range(L):
                for i in range(n):
                    qml.RY(inputs[..., i], wires=i)
                    qml.RZ(weights[l, i], wires=i)
                for i in range(n - 1):
                    qml.CZ(wires=(i, i + 1))
            return [qml.expval(qml.PauliZ(i)) for i in range(n)]

        self.qlayer = qml.qnn.TorchLayer(qc, {"weights": (L, n)})
        self.fc = nn.Linear(n, 2)

    def forward(self, x):
        return self.fc(self.qlayer(x))


class Transposed(nn.Module):
    """The columns are unpacked from the transposed batch."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, a, b):
            x0, x1 = inputs.T
            qml.RY(x0, wires=0)
            qml.RY(x1, wires=1)
            qml.CNOT([0, 1])
            qml.RY(a * x0, wires=0)
            qml.RX(b + x1, wires=1)
            for feature, wire in zip(inputs.T, (1, 0), strict=True):
                qml.RZ(feature, wires=wire)
            qml.CNOT([1, 0])
            return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))

        self.layer = qml.qnn.TorchLayer(circuit, {"a": 1, "b": 1})

    def forward(self, x):
        # A TorchLayer stacks the results of a tuple first: (2, batch, 1).
        return self.layer(x).squeeze(-1).T


class TransposedInForward(nn.Module):
    """The same with `torch.t` and a scalar weight of shape ()."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=["a", "b"]))
        def circuit(inputs, gain):
            cols = torch.t(inputs)
            qml.RY(gain * cols[0], wires="a")
            qml.RY(gain * cols[1] / 2, wires="b")
            qml.CNOT(wires=["a", "b"])
            return [qml.expval(qml.PauliZ(w)) for w in "ab"]

        self.layer = qml.qnn.TorchLayer(circuit, {"gain": ()})

    def forward(self, x):
        return self.layer(x) + x


class TimesPi(nn.Module):
    """Pi in four spellings."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=4))
        def circuit(inputs, weights):
            qml.RX(np.pi * inputs[..., 0], wires=0)
            qml.RX(inputs[..., 1] * torch.pi, wires=1)
            qml.RX(math.pi * (inputs[..., 2] + 1) / 2, wires=2)
            qml.RX(2 * torch.tensor(math.pi) * inputs[..., 3], wires=3)
            qml.StronglyEntanglingLayers(weights, wires=range(4))
            return [qml.expval(qml.PauliZ(i)) for i in range(4)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 4, 3)})

    def forward(self, x):
        return self.q(x)


class Arctan(nn.Module):
    """RY(arctan x) RZ(arctan x²), the encoding of quantum LSTM papers."""

    def __init__(self, n_qubits=3):
        super().__init__()

        def _circuit(inputs, weights):
            ry_params = [torch.arctan(inputs[:, i]) for i in range(n_qubits)]
            rz_params = [torch.arctan(inputs[:, i] ** 2) for i in range(n_qubits)]
            for i in range(n_qubits):
                qml.Hadamard(wires=i)
                qml.RY(ry_params[i], wires=i)
                qml.RZ(rz_params[i], wires=i)
            for step in range(1, 3):
                for i in range(n_qubits):
                    qml.CNOT(wires=[i, (i + step) % n_qubits])
            for i in range(n_qubits):
                qml.Rot(*weights[:, i], wires=i)
            return [qml.expval(qml.PauliZ(wires=i)) for i in range(n_qubits)]

        self.QLayer = qml.qnn.TorchLayer(
            qml.QNode(_circuit, qml.device("default.qubit", wires=n_qubits)),
            {"weights": (3, n_qubits)},
        )

    def forward(self, x):
        return self.QLayer(x)


class CircuitLearning(nn.Module):
    """RY(arcsin x) RZ(arccos x²) on each wire: quantum circuit learning."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, theta):
            for w in range(2):
                qml.RY(torch.arcsin(inputs[..., w]), wires=w)
                qml.RZ(torch.arccos(inputs[..., w] ** 2), wires=w)
            for layer in theta:
                qml.CNOT(wires=[0, 1])
                for w, angles in enumerate(layer):
                    qml.Rot(*angles, wires=w)
            return qml.expval(qml.PauliZ(0))

        self.q = qml.qnn.TorchLayer(circuit, {"theta": (2, 2, 3)})
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.factor * self.q(x)


class SquareRoots(nn.Module):
    """Angles from sqrt(1 - x²), exp, cos and division."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            x = inputs[..., 0]
            y = inputs[..., 1]
            qml.RY(torch.sqrt(1 - x**2), wires=0)
            qml.RX(torch.exp(-(y**2)), wires=1)
            qml.RZ(torch.cos(x) / (1.5 + torch.sin(y)), wires=1)
            qml.RY(torch.atan2(x, 1 + y.abs()), wires=2)
            qml.BasicEntanglerLayers(weights, wires=range(3), rotation=qml.RY)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (2, 3)})

    def forward(self, x):
        return self.q(x)


class ClampAndTanh(nn.Module):
    """The batch is squashed in the circuit before it is used."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            inputs = torch.clamp(inputs, -1.0, 1.0)
            scaled = torch.tanh(inputs) * np.pi
            qml.AngleEmbedding(scaled, wires=range(2), rotation="Y")
            qml.AngleEmbedding(torch.relu(inputs), wires=range(2), rotation="Z")
            qml.StronglyEntanglingLayers(weights, wires=range(2))
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 2, 3)})

    def forward(self, x):
        return self.q(x)


class TrainableScaling(nn.Module):
    """Re-uploading with w·x + b, other weights in every layer."""

    def __init__(self, n_wires=2, n_layers=3):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=n_wires))
        def reupload(inputs, lam, bias, theta):
            for layer in range(n_layers):
                for i in range(n_wires):
                    qml.RX(lam[layer, i] * inputs[..., i] + bias[layer, i], wires=i)
                for i in range(n_wires):
                    qml.RY(theta[layer, i, 0], wires=i)
                    qml.RZ(theta[layer, i, 1], wires=i)
                qml.CZ(wires=[0, 1])
            return [qml.expval(qml.PauliZ(i)) for i in range(n_wires)]

        self.pqc = qml.qnn.TorchLayer(
            reupload,
            {
                "lam": (n_layers, n_wires),
                "bias": (n_layers, n_wires),
                "theta": (n_layers, n_wires, 2),
            },
            init_method={"lam": nn.init.ones_, "bias": nn.init.normal_, "theta": nn.init.normal_},
        )
        self.w_out = nn.Parameter(torch.ones(n_wires))

    def forward(self, state):
        return self.pqc(torch.atan(state)) * self.w_out


class WholeLayerScaling(nn.Module):
    """Re-uploading of `inputs * weights[layer]` at once, with AngleEmbedding."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, scale, weights):
            for s, w in zip(scale, weights, strict=True):
                qml.AngleEmbedding(inputs * s, wires=range(3), rotation="Y")
                qml.StronglyEntanglingLayers(w.unsqueeze(0), wires=range(3))
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.q = qml.qnn.TorchLayer(circuit, {"scale": (2, 3), "weights": (2, 3, 3)})

    def forward(self, x):
        return self.q(x)


class UniversalClassifier(nn.Module):
    """Six features on one of two wires, three at a time, on Rot gates."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def qcircuit(inputs, params):
            for p in params:
                for j in range(2):
                    chunk = inputs[..., 3 * j : 3 * j + 3]
                    qml.Rot(chunk[..., 0], chunk[..., 1], chunk[..., 2], wires=j)
                    qml.Rot(*p[j], wires=j)
                qml.CNOT(wires=[0, 1])
            return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))]

        self.layer = qml.qnn.TorchLayer(qcircuit, {"params": (2, 2, 3)})

    def forward(self, x):
        return self.layer(x).mean(dim=-1, keepdim=True)


class KroneckerFeatures(nn.Module):
    """Every feature is repeated with `torch.kron` and weighted."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=4))
        def circuit(inputs, weights):
            doubled = torch.kron(inputs, torch.tensor([[1.0, 0.5]]))
            qml.AngleEmbedding(doubled, wires=range(4), rotation="X")
            qml.BasicEntanglerLayers(weights, wires=range(4))
            return [qml.expval(qml.PauliZ(i)) for i in range(4)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 4)})

    def forward(self, x):
        return self.q(x)


class Flipped(nn.Module):
    """The features once forward, once backward, once rolled."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(3))
            qml.BasicEntanglerLayers(weights[:1], wires=range(3))
            qml.AngleEmbedding(torch.flip(inputs, dims=[-1]), wires=range(3), rotation="Y")
            qml.BasicEntanglerLayers(weights[1:], wires=range(3))
            qml.AngleEmbedding(torch.roll(inputs, 1, dims=-1), wires=range(3), rotation="Z")
            qml.Hadamard(0)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (2, 3)})

    def forward(self, x):
        return self.q(x)


class SecondOrderFeatureMap(nn.Module):
    """A ZZ feature map by hand: RZ((π - x_i)(π - x_j)) between CNOTs, twice."""

    def __init__(self, n=3, reps=2):
        super().__init__()

        def zz_map(x):
            for _ in range(reps):
                for i in range(n):
                    qml.Hadamard(wires=i)
                    qml.RZ(2 * x[..., i], wires=i)
                for i in range(n):
                    for j in range(i + 1, n):
                        qml.CNOT(wires=[i, j])
                        qml.RZ(2 * (np.pi - x[..., i]) * (np.pi - x[..., j]), wires=j)
                        qml.CNOT(wires=[i, j])

        @qml.qnode(qml.device("default.qubit", wires=n))
        def circuit(inputs, weights):
            zz_map(inputs)
            for i in range(n):
                qml.RY(weights[i], wires=i)
            for i in range(n):
                qml.CNOT(wires=[i, (i + 1) % n])
            return [qml.expval(qml.PauliZ(i)) for i in range(n)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (n,)})

    def forward(self, x):
        return self.q(x)


class OneFeatureEverywhere(nn.Module):
    """A regression of one number; it is encoded on every wire with another power."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            x = inputs[:, 0]
            for i in range(3):
                qml.RY(x ** (i + 1), wires=i)
                qml.RZ(3**i * x, wires=i)
            qml.StronglyEntanglingLayers(weights, wires=range(3))
            return qml.expval(qml.PauliZ(0))

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (2, 3, 3)})

    def forward(self, x):
        return self.q(x).unsqueeze(1)


class ShapeGuard(nn.Module):
    """The circuit guards against single samples and looks at the number of dimensions."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            if inputs.ndim == 1:
                inputs = inputs.unsqueeze(0)
            assert inputs.shape[-1] == 4, "four features expected"
            angles = inputs.reshape(-1, 2, 2)
            for layer in range(2):
                for wire in range(2):
                    qml.RY(angles[:, layer, wire], wires=wire)
                    qml.RZ(weights[layer][wire], wires=wire)
                qml.CNOT(wires=[0, 1])
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (2, 2)})

    def forward(self, x):
        return self.q(x)


class RowNormalised(nn.Module):
    """Min-max scaling of each row, in forward, then qml.math in the circuit."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            for i in range(3):
                qml.RY(2 * qml.math.arcsin(qml.math.sqrt(inputs[..., i])), wires=i)
            for i in range(3):
                qml.CRZ(weights[i], wires=[i, (i + 1) % 3])
                qml.RX(weights[i] ** 2 + qml.math.sin(weights[i]), wires=i)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": 3})

    def forward(self, x):
        low = x.min(dim=1, keepdim=True).values
        high = x.max(dim=1, keepdim=True)[0]
        x = 0.05 + 0.9 * (x - low) / (high - low + 1e-6)
        return self.q(x)


class MatrixInCircuit(nn.Module):
    """A trainable linear map of the features inside the QNode."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, W, b):
            angles = inputs @ W.T + b
            for i in range(3):
                qml.RX(angles[..., i], wires=i)
            for i in range(3):
                qml.CNOT(wires=[i, (i + 1) % 3])
            total = torch.sum(inputs, dim=-1)
            qml.RY(total / 3, wires=0)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.q = qml.qnn.TorchLayer(circuit, {"W": (3, 5), "b": 3})

    def forward(self, x):
        return self.q(x)


class LocalEncoderFunction(nn.Module):
    """Small functions for encoder and ansatz, the order of the layers given by a string."""

    def __init__(self, spec="eveav"):
        super().__init__()
        n_wires = 2

        def encode(x, scale=1.0):
            for k in range(n_wires):
                qml.RY(scale * x[..., k], wires=k)

        def entangle():
            for k in range(n_wires - 1):
                qml.CNOT(wires=[k, k + 1])

        @qml.qnode(qml.device("default.qubit", wires=n_wires), interface="torch")
        def model(inputs, weights):
            it = iter(weights)
            for letter in spec:
                if letter == "e":
                    encode(inputs, scale=0.5)
                elif letter == "a":
                    entangle()
                else:
                    row = next(it)
                    [qml.RX(row[k], wires=k) for k in range(n_wires)]
            return [qml.expval(qml.PauliZ(k)) for k in range(n_wires)]

        self.q = qml.qnn.TorchLayer(model, {"weights": (spec.count("v"), n_wires)})

    def forward(self, x):
        return self.q(x)


class PixelsOneByOne(nn.Module):
    """The features come one by one; the templates get lists of them."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(1, 2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(a, b, c, d, w):
            qml.AmplitudeEmbedding([a, b, c, 0.5], wires=range(2), normalize=True)
            qml.AngleEmbedding([c * d, d], wires=range(2), rotation="Y")
            qml.BasicEntanglerLayers(w, wires=range(2))
            return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliX(1))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([torch.stack(self.circuit(*row, self.w)) for row in x])


CASES = (
    Case("columns_by_index", "B", ColumnsByIndex, (normal(3, 3),)),
    Case("ellipsis", "B", Ellipsis_, (normal(3, 3),)),
    Case("transposed", "B", Transposed, (normal(3, 2),)),
    Case("transposed_letters", "B", TransposedInForward, (normal(3, 2),)),
    Case("times_pi", "B", TimesPi, (normal(3, 4),)),
    Case("arctan", "B", Arctan, (normal(3, 3),)),
    Case("circuit_learning", "B", CircuitLearning, (uniform(3, 2),)),
    Case("square_roots", "B", SquareRoots, (uniform(3, 2),)),
    Case("clamp_and_tanh", "B", ClampAndTanh, (normal(3, 2),)),
    Case("trainable_scaling", "B", TrainableScaling, (normal(3, 2),)),
    Case("whole_layer_scaling", "B", WholeLayerScaling, (normal(3, 3),)),
    Case("universal_classifier", "B", UniversalClassifier, (normal(3, 6),)),
    Case("kronecker_features", "B", KroneckerFeatures, (normal(3, 2),)),
    Case("flipped", "B", Flipped, (normal(3, 3),)),
    Case("second_order_map", "B", SecondOrderFeatureMap, (normal(3, 3),)),
    Case("one_feature_everywhere", "B", OneFeatureEverywhere, (normal(3, 1),)),
    Case("shape_guard", "B", ShapeGuard, (normal(3, 4),)),
    Case("row_normalised", "B", RowNormalised, (normal(3, 3),)),
    Case("matrix_in_circuit", "B", MatrixInCircuit, (normal(3, 5),)),
    Case("spec_string", "B", LocalEncoderFunction, (normal(3, 2),)),
    Case("pixels_one_by_one", "B", PixelsOneByOne, (uniform(3, 4, low=0.1),)),
)
