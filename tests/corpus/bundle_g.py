"""G: noise, density matrices, unitaries of inputs, measurements in between, devices."""

# ruff: noqa: C416 - many authors write so, and so the corpus does

import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal, uniform


class Wrapped(nn.Module):
    """A TorchLayer of a QNode."""

    def __init__(self, qnode, shapes):
        super().__init__()
        self.q = qml.qnn.TorchLayer(qnode, shapes)

    def forward(self, x):
        return self.q(x)


# --- Noise ---------------------------------------------------------------------------------


def depolarized():
    @qml.qnode(qml.device("default.mixed", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
        for layer in weights:
            for i in range(2):
                qml.RX(layer[i], wires=i)
            qml.CNOT(wires=[0, 1])
            for i in range(2):
                qml.DepolarizingChannel(0.05, wires=i)
        return [qml.expval(qml.PauliZ(i)) for i in range(2)]

    return Wrapped(circuit, {"weights": (2, 2)})


class NoiseModel(nn.Module):
    """All usual channels, their strengths in a dict; rows one by one."""

    def __init__(self):
        super().__init__()
        noise = {"amp": 0.1, "phase": 0.02, "flip": 0.03}
        self.theta = nn.Parameter(torch.rand(3))
        dev = qml.device("default.mixed", wires=3)

        @qml.qnode(dev, interface="torch", diff_method="backprop")
        def noisy(x, theta):
            for i in range(3):
                qml.RY(x[i], wires=i)
                qml.AmplitudeDamping(noise["amp"], wires=i)
            for i in range(3):
                qml.CRX(theta[i], wires=[i, (i + 1) % 3])
                qml.PhaseDamping(noise["phase"], wires=i)
            qml.BitFlip(noise["flip"], wires=0)
            qml.PhaseFlip(noise["flip"], wires=1)
            qml.GeneralizedAmplitudeDamping(0.1, 0.8, wires=2)
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.noisy = noisy

    def forward(self, x):
        return torch.stack([torch.stack(self.noisy(s, self.theta)) for s in x])


class TrainableNoise(nn.Module):
    """The strength of the noise is trained, or switched off."""

    def __init__(self, noise=True):
        super().__init__()
        self.noise = noise
        self.p = nn.Parameter(torch.tensor(-2.0))
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.mixed", wires=2))
        def circuit(x, w, p):
            qml.AngleEmbedding(x, wires=[0, 1])
            qml.CNOT(wires=[0, 1])
            qml.RY(w[0], wires=0)
            qml.RY(w[1], wires=1)
            if self.noise:
                qml.DepolarizingChannel(p, wires=0)
                qml.BitFlip(p / 2, wires=1)
            return qml.probs(wires=[0, 1])

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(x, self.w, torch.sigmoid(self.p))


def mixed_without_noise():
    @qml.qnode(qml.device("default.mixed", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return qml.expval(qml.PauliZ(0) @ qml.PauliZ(1))

    return Wrapped(circuit, {"weights": (2, 2)})


# --- Density matrices ----------------------------------------------------------------------


class ReducedDensity(nn.Module):
    """The density matrix of one wire; its Bloch vector is the output."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(1, 2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(2))
            qml.BasicEntanglerLayers(w, wires=range(2), rotation=qml.RY)
            return qml.density_matrix(wires=[0])

        self.circuit = circuit

    def forward(self, x):
        rho = self.circuit(x, self.w)
        bloch = (2 * rho[:, 0, 1].real, -2 * rho[:, 0, 1].imag, (rho[:, 0, 0] - rho[:, 1, 1]).real)
        return torch.stack(bloch, dim=1)


class PurityByHand(nn.Module):
    """Tr ρ² by einsum, for each row."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(x):
            qml.AngleEmbedding(x, wires=range(3), rotation="Y")
            qml.CNOT(wires=[0, 1])
            qml.IsingXX(0.7, wires=[1, 2])
            return qml.density_matrix(wires=[0, 2])

        self.circuit = circuit
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        rhos = torch.stack([self.circuit(row) for row in x])
        return self.scale * torch.einsum("bij,bji->b", rhos, rhos).real


def purity():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
        qml.CRX(weights, wires=[0, 1])
        return qml.purity(wires=[0])

    return Wrapped(circuit, {"weights": ()})


# --- Unitaries of inputs -------------------------------------------------------------------


class HandMadeRotation(nn.Module):
    """A rotation matrix of each row, built with stack, given to QubitUnitary."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(U, w):
            qml.RY(w[0], wires=0)
            qml.QubitUnitary(U, wires=0)
            qml.CNOT(wires=[0, 1])
            qml.RX(w[1], wires=1)
            return [qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))]

        self.circuit = circuit

    def forward(self, x):
        c, s = torch.cos(x[:, 0] / 2), torch.sin(x[:, 0] / 2)
        U = torch.stack((torch.stack((c, -s), -1), torch.stack((s, c), -1)), dim=-2)
        return torch.stack(self.circuit(U, self.w), dim=1).float()


class MatrixExponential(nn.Module):
    """exp(-iH) of a Hermitian matrix made from the input, row by row."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(U):
            qml.Hadamard(wires=0)
            qml.QubitUnitary(U, wires=[0, 1])
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.circuit = circuit
        self.fc = nn.Linear(3, 16)

    def forward(self, x):
        out = []
        for row in self.fc(x):
            A = row.reshape(4, 4).double()
            H = (A + A.T) / 2
            U = torch.linalg.matrix_exp(-1j * H)
            out.append(torch.stack(self.circuit(U)))
        return torch.stack(out)


class TrainedUnitary(nn.Module):
    """A unitary of parameters only: exp of a skew-symmetric matrix."""

    def __init__(self):
        super().__init__()
        self.A = nn.Parameter(torch.randn(4, 4))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, U):
            qml.AngleEmbedding(x, wires=range(2))
            qml.QubitUnitary(U, wires=range(2))
            return qml.probs(wires=1)

        self.circuit = circuit

    def forward(self, x):
        U = torch.matrix_exp(self.A - self.A.T).to(torch.complex128)
        return self.circuit(x, U)


# --- Measurements in between ---------------------------------------------------------------


def teleported():
    @qml.qnode(qml.device("default.qubit", wires=3))
    def circuit(inputs, weights):
        qml.RY(inputs[..., 0], wires=0)
        qml.RZ(weights[0], wires=0)
        qml.Hadamard(wires=1)
        qml.CNOT(wires=[1, 2])
        qml.CNOT(wires=[0, 1])
        qml.Hadamard(wires=0)
        m0 = qml.measure(0)
        m1 = qml.measure(1)
        qml.cond(m1, qml.PauliX)(wires=2)
        qml.cond(m0, qml.PauliZ)(wires=2)
        return [qml.expval(qml.PauliZ(2)), qml.expval(qml.PauliX(2))]

    return Wrapped(circuit, {"weights": (1,)})


def dropped_wire():
    """A measured wire decides about a trained rotation, and is used again."""

    @qml.qnode(qml.device("default.qubit"))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.CNOT(wires=[0, 1])
        m = qml.measure(0, reset=True)
        qml.cond(m, lambda: qml.RY(weights[0], wires=1), lambda: qml.RX(weights[1], wires=1))()
        qml.RY(inputs[..., 0], wires=0)
        qml.CNOT(wires=[1, 0])
        return [qml.expval(qml.PauliZ(i)) for i in range(2)]

    return Wrapped(circuit, {"weights": 2})


class MeasuredPooling(nn.Module):
    """A convolutional network with measured pooling, on a batch."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(5))

        @qml.qnode(qml.device("default.qubit"))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(3))
            for i in range(2):
                qml.IsingXX(w[i], wires=[i, i + 1])
            m = qml.measure(0)
            qml.cond(m == 1, qml.RZ)(w[2], wires=1)
            n = qml.measure(1)
            qml.cond(n & m, qml.RX)(w[3], wires=2)
            qml.RY(w[4], wires=2)
            return qml.expval(qml.PauliZ(2)), qml.expval(m)

        self.circuit = circuit

    def forward(self, x):
        return torch.stack(self.circuit(x, self.w), dim=1).float()


# --- Devices and options -------------------------------------------------------------------


def finite_shots():
    @qml.set_shots(200)
    @qml.qnode(qml.device("default.qubit", wires=2, seed=3))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return [qml.expval(qml.PauliZ(i)) for i in range(2)]

    return Wrapped(circuit, {"weights": (1, 2)})


class ShotsOnDevice(nn.Module):
    """The shots are an argument of the device, the gradient is parameter-shift."""

    def __init__(self):
        super().__init__()
        dev = qml.device("default.qubit", wires=2, shots=100)
        self.w = nn.Parameter(torch.rand(2))

        @qml.qnode(dev, interface="torch", diff_method="parameter-shift")
        def circuit(x, w):
            qml.RY(x[0], wires=0)
            qml.RY(x[1], wires=1)
            qml.CNOT(wires=[0, 1])
            qml.RX(w[0], wires=0)
            qml.RX(w[1], wires=1)
            return qml.probs(wires=[0, 1])

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([self.circuit(row, self.w) for row in x]).float()


def lightning():
    @qml.qnode(qml.device("lightning.qubit", wires=3), diff_method="adjoint")
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(3))
        qml.StronglyEntanglingLayers(weights, wires=range(3))
        return [qml.expval(qml.PauliZ(i)) for i in range(3)]

    return nn.Sequential(
        nn.Linear(2, 3), qml.qnn.TorchLayer(circuit, {"weights": (1, 3, 3)}), nn.Linear(3, 1)
    )


class LightningLoop(nn.Module):
    """lightning.qubit row by row, adjoint differentiation."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(2, 2))
        dev = qml.device("lightning.qubit", wires=2)

        def ansatz(x, w):
            qml.AngleEmbedding(x, wires=range(2))
            qml.BasicEntanglerLayers(w, wires=range(2))
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.qnode = qml.QNode(ansatz, dev, diff_method="adjoint", interface="torch")

    def forward(self, x):
        res = [torch.hstack([z for z in self.qnode(v, self.w)]) for v in x]
        return torch.vstack(res).float()


class DiffMethods(nn.Module):
    """The same ansatz with four methods of differentiation."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList()
        for method in ("best", "parameter-shift", "finite-diff", "adjoint"):
            node = qml.QNode(self.ansatz, qml.device("default.qubit", wires=2), diff_method=method)
            self.layers.append(qml.qnn.TorchLayer(node, {"weights": (1, 2)}))

    @staticmethod
    def ansatz(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return [qml.expval(qml.PauliZ(i)) for i in range(2)]

    def forward(self, x):
        return sum(layer(x) for layer in self.layers)


class Transformed(nn.Module):
    """QNodes with transforms: compiled, merged, batched inputs."""

    def __init__(self):
        super().__init__()

        @qml.transforms.merge_rotations
        @qml.transforms.cancel_inverses
        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            qml.Hadamard(wires=0)
            qml.Hadamard(wires=0)
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.RX(weights[0], wires=0)
            qml.RX(weights[1], wires=0)
            qml.CNOT(wires=[0, 1])
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (2,)})

    def forward(self, x):
        return self.q(x)


class BatchInputTransform(nn.Module):
    """`qml.batch_input` makes a batch of tapes out of one argument."""

    def __init__(self):
        super().__init__()

        @qml.batch_input(argnum=0)
        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
            qml.BasicEntanglerLayers(weights, wires=range(2))
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.circuit = circuit
        self.w = nn.Parameter(torch.rand(1, 2))

    def forward(self, x):
        return torch.stack(self.circuit(x, self.w), dim=-1).float()


CASES = (
    Case("depolarized", "G", depolarized, (normal(3, 2),)),
    Case("noise_model", "G", NoiseModel, (normal(3, 3),)),
    Case("trainable_noise", "G", TrainableNoise, (normal(3, 2),)),
    Case("mixed_without_noise", "G", mixed_without_noise, (normal(3, 2),)),
    Case("reduced_density", "G", ReducedDensity, (normal(3, 2),)),
    Case("purity_by_hand", "G", PurityByHand, (normal(3, 3),)),
    Case("purity", "G", purity, (normal(3, 2),)),
    Case("hand_made_rotation", "G", HandMadeRotation, (normal(3, 1),)),
    Case("matrix_exponential", "G", MatrixExponential, (uniform(3, 3),)),
    Case("trained_unitary", "G", TrainedUnitary, (normal(3, 2),)),
    Case("teleported", "G", teleported, (normal(3, 1),)),
    Case("dropped_wire", "G", dropped_wire, (normal(3, 2),)),
    Case("measured_pooling", "G", MeasuredPooling, (normal(3, 3),)),
    Case("finite_shots", "G", finite_shots, (normal(3, 2),), note="compared without shots"),
    Case("shots_on_device", "G", ShotsOnDevice, (normal(3, 2),), note="compared without shots"),
    Case("lightning", "G", lightning, (normal(3, 2),)),
    Case("lightning_loop", "G", LightningLoop, (normal(3, 2),)),
    Case("diff_methods", "G", DiffMethods, (normal(3, 2),)),
    Case("transformed", "G", Transformed, (normal(3, 2),)),
    Case("batch_input", "G", BatchInputTransform, (normal(3, 2),)),
)
