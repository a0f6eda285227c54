"""A: a TorchLayer on a batch, with the templates and gates that most people use."""

# ruff: noqa: N812, UP008 - many authors write so, and so the corpus does

import math

import pennylane as qml
import torch
from pennylane import numpy as np
from torch import nn
from torch.nn import functional as F

from tests.corpus.case import Case, normal, uniform

# --- The tutorial's classifier -------------------------------------------------------------

n_qubits = 3
dev = qml.device("default.qubit", wires=n_qubits)


@qml.qnode(dev)
def qnode(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(n_qubits))
    qml.StronglyEntanglingLayers(weights, wires=range(n_qubits))
    return [qml.expval(qml.PauliZ(wires=i)) for i in range(n_qubits)]


class HybridModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.clayer_1 = nn.Linear(4, n_qubits)
        self.qlayer = qml.qnn.TorchLayer(qnode, {"weights": (2, n_qubits, 3)})
        self.clayer_2 = nn.Linear(n_qubits, 2)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        x = self.clayer_1(x)
        x = self.qlayer(x)
        x = self.clayer_2(x)
        return self.softmax(x)


class SplitHybrid(nn.Module):
    """The tutorial's second part: two quantum layers, each on half of the features."""

    def __init__(self):
        super().__init__()
        shapes = {"weights": (1, n_qubits, 3)}
        self.clayer_1 = nn.Linear(2, 6)
        self.qlayer_1 = qml.qnn.TorchLayer(qnode, shapes)
        self.qlayer_2 = qml.qnn.TorchLayer(qnode, shapes)
        self.clayer_2 = nn.Linear(6, 2)

    def forward(self, x):
        x = self.clayer_1(x)
        x_1, x_2 = torch.split(x, 3, dim=1)
        x_1 = self.qlayer_1(x_1)
        x_2 = self.qlayer_2(x_2)
        x = torch.cat([x_1, x_2], axis=1)
        return F.log_softmax(self.clayer_2(x), dim=1)


# --- Sequential ----------------------------------------------------------------------------


def make_sequential():
    wires = 4
    device = qml.device("default.qubit", wires=wires)

    @qml.qnode(device, interface="torch", diff_method="backprop")
    def entangler(inputs, weights):
        qml.templates.AngleEmbedding(inputs, wires=range(wires), rotation="Y")
        qml.templates.BasicEntanglerLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(wires=w)) for w in range(wires)]

    layers = [
        nn.Linear(6, wires),
        nn.Tanh(),
        qml.qnn.TorchLayer(entangler, {"weights": (3, wires)}),
        nn.ReLU(),
        nn.Linear(wires, 3),
    ]
    return nn.Sequential(*layers)


class DressedQuantumNet(nn.Module):
    """Transfer learning with a "dressed" circuit: tanh, times pi/2, depth loops."""

    def __init__(self, n_qubits=4, q_depth=2):
        super().__init__()
        self.n_qubits = n_qubits

        @qml.qnode(qml.device("default.qubit", wires=n_qubits), interface="torch")
        def quantum_net(inputs, q_weights_flat):
            q_weights = q_weights_flat.reshape(q_depth, n_qubits)
            for idx in range(n_qubits):
                qml.Hadamard(wires=idx)
            qml.AngleEmbedding(inputs, wires=range(n_qubits), rotation="Y")
            for k in range(q_depth):
                for i in range(0, n_qubits - 1, 2):
                    qml.CNOT(wires=[i, i + 1])
                for i in range(1, n_qubits - 1, 2):
                    qml.CNOT(wires=[i, i + 1])
                for idx in range(n_qubits):
                    qml.RY(q_weights[k, idx], wires=idx)
            return [qml.expval(qml.PauliZ(position)) for position in range(n_qubits)]

        self.pre_net = nn.Linear(8, n_qubits)
        self.q_net = qml.qnn.TorchLayer(quantum_net, {"q_weights_flat": q_depth * n_qubits})
        self.post_net = nn.Linear(n_qubits, 2)

    def forward(self, input_features):
        pre_out = self.pre_net(input_features)
        q_in = torch.tanh(pre_out) * np.pi / 2.0
        return self.post_net(self.q_net(q_in))


class FrozenBackbone(nn.Module):
    """A pretrained feature extractor that is only ever run under `no_grad`."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((2, 2)),
        )
        for param in self.backbone.parameters():
            param.requires_grad = False
        self.head = DressedQuantumNet(4, 1)
        self.reduce = nn.Linear(16, 8)

    def forward(self, images):
        with torch.no_grad():
            features = self.backbone(images)
        features = torch.flatten(features, 1)
        return self.head(self.reduce(features))


# --- Own circuits --------------------------------------------------------------------------


class RingCircuit(nn.Module):
    """Own rotations and a CNOT ring; the QNode is made in `__init__`."""

    def __init__(self, wires=4, depth=2):
        super().__init__()
        device = qml.device("default.qubit", wires=wires)

        @qml.qnode(device, interface="torch")
        def ring(inputs, theta, phi):
            qml.AngleEmbedding(inputs, wires=range(wires), rotation="X")
            for layer in range(depth):
                for w in range(wires):
                    qml.RY(theta[layer, w], wires=w)
                    qml.RZ(phi[layer, w], wires=w)
                for w in range(wires):
                    qml.CNOT(wires=[w, (w + 1) % wires])
            return [qml.expval(qml.PauliZ(w)) for w in range(wires)]

        shapes = {"theta": (depth, wires), "phi": (depth, wires)}
        self.vqc = qml.qnn.TorchLayer(ring, shapes, init_method=nn.init.uniform_)

    def forward(self, x):
        return self.vqc(x)


class ManyWeights(nn.Module):
    """Five weight arguments of all shapes, each with its own initial values."""

    def __init__(self):
        super().__init__()
        weight_shapes = {"w0": 3, "w1": (3,), "w2": (2, 3), "w3": (), "rot": (3, 3)}
        inits = {
            "w0": lambda t: nn.init.normal_(t, 0, 0.1),
            "w1": nn.init.zeros_,
            "w2": nn.init.xavier_uniform_,
            "w3": lambda t: nn.init.constant_(t, 0.4),
            "rot": lambda t: nn.init.uniform_(t, b=2 * math.pi),
        }
        self.quantum = qml.qnn.TorchLayer(self._qnode(), weight_shapes, init_method=inits)

    @staticmethod
    def _qnode():
        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs, w0, w1, w2, w3, rot):
            for i in range(3):
                qml.Hadamard(wires=i)
            qml.AngleEmbedding(features=inputs, wires=[0, 1, 2], rotation="Z")
            for i in range(3):
                qml.RX(w0[i], wires=i)
                qml.RY(w1[i], wires=i)
            qml.CZ(wires=[0, 1])
            qml.CZ(wires=[1, 2])
            for row in w2:
                for i, angle in enumerate(row):
                    qml.RZ(angle, wires=i)
            qml.PhaseShift(w3, wires=0)
            for i in range(3):
                qml.Rot(rot[i, 0], rot[i, 1], rot[i, 2], wires=i)
            for pair in ([0, 1], [1, 2], [2, 0]):
                qml.CNOT(wires=pair)
            return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(2))]

        return circuit

    def forward(self, x):
        return self.quantum(x)


class OneExpectation(nn.Module):
    """One number per row, reshaped and sent through a sigmoid."""

    def __init__(self):
        super().__init__()
        d = qml.device("default.qubit", wires=2)

        def f(inputs, weights):
            qml.AngleEmbedding(inputs, wires=[0, 1], rotation="Y")
            qml.PauliX(wires=1)
            qml.StronglyEntanglingLayers(weights, wires=[0, 1], ranges=[1, 1], imprimitive=qml.CZ)
            return qml.expval(qml.Z(0))

        self.q = qml.qnn.TorchLayer(qml.QNode(f, d), {"weights": (2, 2, 3)})
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        out = self.q(x)
        return torch.sigmoid(self.scale * out).view(-1, 1)


class BinaryProbability(nn.Module):
    """One expectation turned into the probabilities of two classes."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(5, 2)
        self.q = OneExpectation().q

    def forward(self, x):
        z = self.q(F.relu(self.fc(x)))
        p = (z + 1) / 2
        return torch.stack((p, 1 - p), -1)


# --- Front ends ----------------------------------------------------------------------------


def block(wires, rotation, depth=1):
    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires), rotation=rotation)
        qml.BasicEntanglerLayers(weights, wires=range(wires), rotation=qml.RZ)
        for w in range(wires):
            qml.RX(math.pi / 3, wires=w)
        return [qml.expval(qml.PauliZ(w)) for w in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (depth, wires)})


class ConvNet(nn.Module):
    def __init__(self):
        super(ConvNet, self).__init__()
        self.conv1 = nn.Conv2d(1, 3, kernel_size=3)
        self.bn = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 4, kernel_size=2)
        self.dropout = nn.Dropout2d(0.3)
        self.fc1 = nn.Linear(4, 2)
        self.qnn = block(2, "Y", 2)
        self.fc2 = nn.Linear(2, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv1(x))), 2)
        x = self.dropout(F.relu(self.conv2(x)))
        x = x.view(x.shape[0], -1)
        x = self.fc1(x)
        x = self.qnn(x)
        return F.log_softmax(self.fc2(x), dim=-1)


class NormalisedResidual(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.quantum = block(width, "X")
        self.alpha = nn.Parameter(torch.zeros(1))
        self.out = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(p=0.5))

    def forward(self, x):
        skip = x
        x = self.norm(x)
        x = self.alpha.exp() * self.quantum(x) + skip
        return self.out(x)


class BatchNormMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.1), nn.Dropout(0.2), nn.Linear(8, 3)
        )
        self.quantum = block(3, "Z")
        self.head = nn.Linear(3 + 3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.net(x)
        q = self.quantum(torch.sigmoid(h) * 2 * torch.pi)
        return self.head(torch.hstack((h, q)))


class Chain(nn.Module):
    """Quantum layers one after the other, in a ModuleList."""

    def __init__(self, n=3):
        super().__init__()
        self.layers = nn.ModuleList([block(2, r) for r in "XYX"[:n]])

    def forward(self, x):
        for q in self.layers:
            x = q(x) * torch.pi
        return x


class ParallelHeads(nn.Module):
    """Several quantum layers side by side on chunks of the features."""

    def __init__(self, heads=3, wires=2):
        super().__init__()
        self.inp = nn.Linear(4, heads * wires)
        self.heads = nn.ModuleList(block(wires, "Y") for _ in range(heads))
        self.out = nn.Linear(heads * wires, 1)

    def forward(self, x):
        parts = self.inp(x).chunk(len(self.heads), dim=-1)
        y = torch.cat([head(part) for head, part in zip(self.heads, parts, strict=True)], dim=-1)
        return self.out(y).squeeze(-1)


class NamedBranches(nn.Module):
    """A ModuleDict of quantum layers, their results added; weights are shared by two calls."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleDict({"slow": block(2, "X"), "fast": block(2, "Y", 2)})

    def forward(self, x):
        total = 0
        for name, branch in self.branches.items():
            total = total + branch(x[:, :2]) + (branch(x[:, 2:]) if name == "slow" else 0)
        return total / 3


class UNetBottleneck(nn.Module):
    """An encoder, a quantum bottleneck on the channels, a decoder with a skip."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 2, 2, stride=2)
        self.squeeze = nn.Linear(8, 3)
        self.quantum = block(3, "Y")
        self.expand = nn.Linear(3, 8)
        self.up = nn.ConvTranspose2d(4, 1, 2, stride=2)

    def forward(self, img):
        b = img.size(0)
        h = F.silu(self.down(img))
        z = self.expand(self.quantum(self.squeeze(h.flatten(start_dim=1))))
        z = z.reshape(b, 2, 2, 2)
        return self.up(torch.cat((h, z), 1))


CASES = (
    Case("tutorial_classifier", "A", HybridModel, (normal(3, 4),)),
    Case("tutorial_split", "A", SplitHybrid, (normal(3, 2),)),
    Case("sequential", "A", make_sequential, (normal(3, 6),)),
    Case("dressed_net", "A", DressedQuantumNet, (normal(3, 8),)),
    Case("frozen_backbone", "A", FrozenBackbone, (normal(3, 3, 6, 6),)),
    Case("cnot_ring", "A", RingCircuit, (normal(3, 4),)),
    Case("many_weights", "A", ManyWeights, (normal(3, 3),)),
    Case("one_expectation", "A", OneExpectation, (normal(3, 2),)),
    Case("binary_probability", "A", BinaryProbability, (normal(3, 5),)),
    Case("conv_net", "A", ConvNet, (uniform(3, 1, 6, 6, low=0.0),)),
    Case("normalised_residual", "A", NormalisedResidual, (normal(3, 3),)),
    Case("batch_norm_mlp", "A", BatchNormMLP, (normal(3, 5),)),
    Case("chain", "A", Chain, (normal(3, 2),)),
    Case("parallel_heads", "A", ParallelHeads, (normal(3, 4),)),
    Case("named_branches", "A", NamedBranches, (normal(3, 4),)),
    Case("unet_bottleneck", "A", UNetBottleneck, (uniform(3, 1, 4, 4, low=0.0),)),
)
