"""D: amplitude encodings, probabilities, controlled rotations, data on controlled gates."""

# ruff: noqa: N812 - many authors write so, and so the corpus does

import numpy as np
import pennylane as qml
import torch
import torch.nn.functional as F
from torch import nn

from tests.corpus.case import Case, integers, normal, uniform


class Amplitudes(nn.Module):
    """Eight features on three wires, normalised by PennyLane."""

    def __init__(self):
        super().__init__()
        dev = qml.device("default.qubit", wires=3)

        @qml.qnode(dev, interface="torch", diff_method="backprop")
        def circuit(inputs, weights):
            qml.AmplitudeEmbedding(features=inputs, wires=range(3), normalize=True)
            qml.StronglyEntanglingLayers(weights, wires=range(3))
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.qlayer = qml.qnn.TorchLayer(circuit, {"weights": (2, 3, 3)})
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.qlayer(x))


class PaddedAmplitudes(nn.Module):
    """Five features are padded to eight amplitudes."""

    def __init__(self, n_wires=3):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=n_wires))
        def circuit(inputs, weights):
            qml.AmplitudeEmbedding(inputs, wires=range(n_wires), pad_with=0.3, normalize=True)
            for row in weights:
                for w in range(n_wires):
                    qml.RY(row[w], wires=w)
                for w in range(n_wires - 1):
                    qml.CZ(wires=[w, w + 1])
            return qml.probs(wires=range(n_wires))

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (2, n_wires)})

    def forward(self, x):
        return self.q(x)


class AmplitudesOnSomeWires(nn.Module):
    """Data on two of three wires, the third is the readout."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            qml.AmplitudeEmbedding(inputs, wires=[2, 0], pad_with=0.0, normalize=True)
            qml.Hadamard(wires=1)
            qml.CRX(weights[0], wires=[0, 1])
            qml.CRY(weights[1], wires=[2, 1])
            qml.CRot(weights[2], weights[3], weights[4], wires=[1, 0])
            return qml.expval(qml.PauliZ(1)), qml.expval(qml.PauliZ(0))

        self.circuit = circuit
        self.weights = nn.Parameter(torch.randn(5))

    def forward(self, x):
        return torch.stack(self.circuit(x, self.weights), dim=1).float()


class AmplitudesPerRow(nn.Module):
    """Rows are normalised in torch and prepared one by one."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.randn(2))
        self.dev = qml.device("default.qubit", wires=2)
        self.circuit = qml.QNode(self._build, self.dev)

    def _build(self, state, theta):
        qml.StatePrep(state, wires=range(2))
        qml.CRY(theta[0], wires=[0, 1])
        qml.RX(theta[1], wires=0)
        return qml.probs(wires=[0, 1])

    def forward(self, x):
        out = []
        for v in x:
            v = v / torch.norm(v)
            out.append(self.circuit(v, self.theta))
        return torch.stack(out)


class StatePrepBatched(nn.Module):
    """`F.normalize` over the batch, then StatePrep; probabilities of a subset of the wires."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            qml.StatePrep(inputs, wires=[0, 1, 2], validate_norm=False)
            qml.BasicEntanglerLayers(weights, wires=range(3))
            return qml.probs(wires=[2, 0])

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 3)})

    def forward(self, img):
        flat = F.normalize(img.flatten(1), p=2, dim=1)
        return self.q(flat)


class PaddedInForward(nn.Module):
    """Padding and normalising by hand, with an epsilon, before AmplitudeEmbedding."""

    def __init__(self):
        super().__init__()
        self.pre = nn.Linear(4, 3)

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, w):
            qml.AmplitudeEmbedding(inputs, wires=[0, 1])
            for layer in w:
                qml.Rot(*layer[0], wires=0)
                qml.Rot(*layer[1], wires=1)
                qml.CNOT(wires=[0, 1])
            return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))]

        self.q = qml.qnn.TorchLayer(circuit, {"w": (2, 2, 3)})

    def forward(self, x):
        x = F.relu(self.pre(x)).double()
        zeros = torch.full((x.shape[0], 1), 1e-3)
        x = torch.cat([x, zeros], dim=1)
        x = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return self.q(x).float()


class ClassProbabilities(nn.Module):
    """The first classes of `probs`, cut and normalised to one."""

    def __init__(self, classes=3):
        super().__init__()
        self.classes = classes

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(3))
            qml.StronglyEntanglingLayers(weights, wires=range(3))
            return qml.probs(wires=[0, 1])

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (1, 3, 3)})

    def forward(self, x):
        p = self.q(x)[:, : self.classes]
        p = p / p.sum(dim=1, keepdim=True)
        return torch.log(p + 1e-8)


class ControlledData(nn.Module):
    """Features are angles of controlled rotations."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            for i in range(3):
                qml.Hadamard(wires=i)
            qml.CRX(inputs[:, 0], wires=[0, 1])
            qml.CRY(inputs[:, 1], wires=[1, 2])
            qml.CRZ(inputs[:, 2], wires=[2, 0])
            qml.CRot(inputs[:, 0], weights[0], inputs[:, 1], wires=[0, 2])
            qml.ControlledPhaseShift(inputs[:, 2] * weights[1], wires=[1, 0])
            for i in range(3):
                qml.RX(weights[i], wires=i)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": 3})

    def forward(self, x):
        return self.q(x)


class QCNN(nn.Module):
    """Convolution and pooling on four wires; each layer shares its weights."""

    def __init__(self):
        super().__init__()

        def conv(w, a, b):
            qml.RY(w[0], wires=a)
            qml.RY(w[1], wires=b)
            qml.CRZ(w[2], wires=[b, a])
            qml.PauliX(wires=b)
            qml.CRX(w[3], wires=[a, b])

        def pool(w, source, sink):
            qml.CRZ(w[0], wires=[source, sink])
            qml.PauliX(wires=source)
            qml.CRX(w[1], wires=[source, sink])

        @qml.qnode(qml.device("default.qubit", wires=4))
        def circuit(inputs, c1, p1, c2, p2):
            qml.AmplitudeEmbedding(inputs, wires=range(4), normalize=True)
            for a, b in ((0, 1), (2, 3), (1, 2), (3, 0)):
                conv(c1, a, b)
            pool(p1, 0, 1)
            pool(p1, 2, 3)
            conv(c2, 1, 3)
            pool(p2, 1, 3)
            return qml.probs(wires=3)

        shapes = {"c1": 4, "p1": 2, "c2": 4, "p2": 2}
        self.q = qml.qnn.TorchLayer(circuit, shapes)

    def forward(self, x):
        return self.q(x.reshape(x.shape[0], 16))


class BasisInputs(nn.Module):
    """BasisEmbedding of a bit string that is a constant of the model, then data."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, weights):
            qml.BasisEmbedding(np.array([1, 0, 1]), wires=range(3))
            qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
            for i in range(3):
                qml.CRY(weights[i], wires=[i, (i + 2) % 3])
            return qml.probs()

        self.q = qml.qnn.TorchLayer(circuit, {"weights": 3})

    def forward(self, x):
        p = self.q(x)
        even = p[:, 0] + p[:, 3] + p[:, 5] + p[:, 6]
        return torch.stack([even, 1 - even], dim=1)


class BitsOfRows(nn.Module):
    """Integer bit strings, as rotations by pi times the bit."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.rand(1, 3, 3))

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(weights, bits):
            for i in range(3):
                qml.RX(torch.pi * bits[i], wires=i)
            qml.StronglyEntanglingLayers(weights, wires=range(3))
            return qml.expval(qml.PauliZ(0))

        self.circuit = circuit

    def forward(self, bits):
        return torch.stack([self.circuit(self.weights, b) for b in bits])


CASES = (
    Case("amplitudes", "D", Amplitudes, (normal(3, 8),)),
    Case("padded_amplitudes", "D", PaddedAmplitudes, (normal(3, 5),)),
    Case("amplitudes_some_wires", "D", AmplitudesOnSomeWires, (normal(3, 3),)),
    Case("amplitudes_per_row", "D", AmplitudesPerRow, (normal(3, 4),)),
    Case("state_prep_batched", "D", StatePrepBatched, (normal(3, 2, 4),)),
    Case("padded_in_forward", "D", PaddedInForward, (normal(3, 4),)),
    Case("class_probabilities", "D", ClassProbabilities, (normal(3, 3),)),
    Case("controlled_data", "D", ControlledData, (normal(3, 3),)),
    Case("qcnn", "D", QCNN, (uniform(3, 4, 4, low=0.05),)),
    Case("basis_inputs", "D", BasisInputs, (normal(3, 3),)),
    Case("bits_of_rows", "D", BitsOfRows, (integers(2, 3, 3),)),
)
