"""E: other observables, other gates, templates, circuits without data, states."""

import math

import numpy as np
import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal, uniform


def torch_layer(wires, circuit, shapes, **options):
    """Return a TorchLayer of a circuit on default.qubit."""
    device = qml.device("default.qubit", wires=wires)
    return qml.qnn.TorchLayer(qml.QNode(circuit, device), shapes, **options)


class Wrapped(nn.Module):
    """A quantum layer between nothing and nothing."""

    def __init__(self, wires, circuit, shapes):
        super().__init__()
        self.q = torch_layer(wires, circuit, shapes)

    def forward(self, x):
        return self.q(x)


# --- Observables ---------------------------------------------------------------------------


def all_paulis():
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.StronglyEntanglingLayers(weights, wires=range(2))
        exp_x = [qml.expval(qml.PauliX(i)) for i in range(2)]
        exp_y = [qml.expval(qml.PauliY(i)) for i in range(2)]
        exp_z = [qml.expval(qml.PauliZ(i)) for i in range(2)]
        return exp_x + exp_y + exp_z

    return Wrapped(2, circuit, {"weights": (2, 2, 3)})


def correlations():
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
        qml.BasicEntanglerLayers(weights, wires=range(3))
        zz = [qml.expval(qml.Z(i) @ qml.Z((i + 1) % 3)) for i in range(3)]
        total = qml.sum(*[qml.PauliZ(i) for i in range(3)])
        return [*zz, qml.expval(total), qml.var(qml.X(0)), qml.expval(qml.prod(qml.X(0), qml.Y(2)))]

    return Wrapped(3, circuit, {"weights": (2, 3)})


class ConstantHamiltonian(nn.Module):
    """The energy of a fixed Hamiltonian."""

    def __init__(self):
        super().__init__()
        coeffs = [0.2, -0.543, 0.7]
        obs = [qml.PauliX(0) @ qml.PauliZ(1), qml.PauliZ(0) @ qml.Hadamard(1), qml.Identity(0)]
        H = qml.Hamiltonian(coeffs, obs)

        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=[0, 1])
            qml.BasicEntanglerLayers(weights, wires=[0, 1])
            return qml.expval(H)

        self.q = torch_layer(2, circuit, {"weights": (2, 2)})

    def forward(self, x):
        return self.q(x).reshape(-1, 1)


class TrainableHamiltonian(nn.Module):
    """The coefficients of the measured Hamiltonian are parameters of the model."""

    def __init__(self):
        super().__init__()
        self.coeffs = nn.Parameter(torch.randn(3))
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w, coeffs):
            for i in range(2):
                qml.RY(x[..., i], wires=i)
            qml.CNOT(wires=[0, 1])
            for i in range(2):
                qml.RX(w[i], wires=i)
            obs = [qml.PauliZ(0), qml.PauliZ(1), qml.PauliX(0) @ qml.PauliX(1)]
            return qml.expval(qml.dot(coeffs, obs))

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(x, self.w, self.coeffs)


class TrainableHermitian(nn.Module):
    """A Hermitian observable that is trained: A + A†, one for each output."""

    def __init__(self):
        super().__init__()
        self.A = nn.Parameter(torch.randn(2, 4, 4))
        self.w = nn.Parameter(torch.randn(1, 2, 3))

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w, M):
            qml.AngleEmbedding(x, wires=range(2))
            qml.StronglyEntanglingLayers(w, wires=range(2))
            return qml.expval(qml.Hermitian(M, wires=range(2)))

        self.circuit = circuit

    def forward(self, x):
        outs = [self.circuit(x, self.w, a + a.T) for a in self.A]
        return torch.stack(outs, dim=1)


def hermitian_and_projector():
    plus = np.ones((2, 2)) / 2

    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        for i in range(2):
            qml.U3(*weights[i], wires=i)
        qml.CNOT(wires=[0, 1])
        return [
            qml.expval(qml.Hermitian(plus, wires=0)),
            qml.expval(qml.Projector([0, 1], wires=[0, 1])),
            qml.expval(qml.Projector([1], wires=[1])),
        ]

    return Wrapped(2, circuit, {"weights": (2, 3)})


class MixedMeasurements(nn.Module):
    """An expectation value and probabilities out of one circuit, as a tuple."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3))

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(x, w):
            for i in range(3):
                qml.RX(x[:, i], wires=i)
                qml.RY(w[i], wires=i)
            qml.CZ(wires=[0, 2])
            return qml.expval(qml.PauliZ(0)), qml.probs(wires=[1, 2])

        self.circuit = circuit

    def forward(self, x):
        value, policy = self.circuit(x, self.w)
        return policy.float(), value.float().unsqueeze(-1)


# --- Gates ---------------------------------------------------------------------------------


def zoo_of_gates():
    def circuit(inputs, weights):
        a, b, c = (inputs[..., i] for i in range(3))
        qml.U2(a, weights[0], wires=0)
        qml.U3(b, weights[1], weights[2], wires=1)
        qml.U1(c, wires=2)
        qml.IsingXX(a, wires=[0, 1])
        qml.IsingYY(weights[3], wires=[1, 2])
        qml.IsingZZ(b, wires=[0, 2])
        qml.IsingXY(weights[4], wires=[2, 0])
        qml.S(wires=0)
        qml.T(wires=1)
        qml.SX(wires=2)
        qml.adjoint(qml.S(wires=1))
        qml.SWAP(wires=[0, 2])
        qml.ISWAP(wires=[1, 2])
        qml.CY(wires=[0, 1])
        qml.CSWAP(wires=[0, 1, 2])
        qml.Toffoli(wires=[2, 1, 0])
        qml.MultiRZ(c, wires=[0, 1, 2])
        qml.PauliRot(weights[5], "XYZ", wires=[0, 1, 2])
        qml.CCZ(wires=[0, 1, 2])
        qml.SingleExcitation(a, wires=[0, 1])
        return [qml.expval(qml.PauliZ(i)) for i in range(3)]

    return Wrapped(3, circuit, {"weights": 6})


def controls_and_adjoints():
    def encode(x):
        qml.RY(x[..., 0], wires=0)
        qml.RZ(x[..., 1], wires=1)
        qml.CNOT(wires=[0, 1])

    def circuit(inputs, weights):
        qml.Hadamard(wires=2)
        qml.ctrl(encode, control=2)(inputs)
        qml.ctrl(qml.RX(weights[0], wires=0), control=[1, 2], control_values=[0, 1])
        qml.ctrl(qml.Rot, control=2)(weights[1], weights[2], weights[3], wires=1)
        qml.adjoint(encode)(inputs * 0.5)
        qml.adjoint(qml.RX)(weights[3], wires=1)
        qml.pow(qml.RY(weights[2], wires=0), 2)
        qml.MultiControlledX(wires=[0, 1, 2], control_values=[1, 0])
        qml.Hadamard(wires=2)
        return [qml.expval(qml.PauliZ(i)) for i in range(3)]

    return Wrapped(3, circuit, {"weights": 4})


class SwapTest(nn.Module):
    """The similarity of two inputs by a swap test, one ancilla."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))

        @qml.qnode(qml.device("default.qubit", wires=5))
        def swap_test(a, b, w):
            for k, wires in ((a, [1, 2]), (b, [3, 4])):
                qml.AngleEmbedding(k, wires=wires, rotation="Y")
                qml.CNOT(wires=wires)
                for wire, angle in zip(wires, w, strict=True):
                    qml.RZ(angle, wires=wire)
            qml.Hadamard(wires=0)
            qml.CSWAP(wires=[0, 1, 3])
            qml.CSWAP(wires=[0, 2, 4])
            qml.Hadamard(wires=0)
            return qml.expval(qml.PauliZ(0))

        self.swap_test = swap_test

    def forward(self, a, b):
        return self.swap_test(a, b, self.w)


# --- No data, states -----------------------------------------------------------------------


class CircuitBias(nn.Module):
    """The circuit has no data: its result is a trainable bias."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.randn(3))
        self.fc = nn.Linear(4, 3)

        @qml.qnode(qml.device("default.qubit", wires=3))
        def bias(theta):
            for i in range(3):
                qml.RY(theta[i], wires=i)
            qml.CNOT(wires=[0, 1])
            qml.CNOT(wires=[1, 2])
            return [qml.expval(qml.PauliZ(i)) for i in range(3)]

        self.bias = bias

    def forward(self, x):
        return self.fc(x) + torch.stack(self.bias(self.theta)).float()


class GeneratedWeights(nn.Module):
    """The weights of a linear layer are the probabilities of a circuit."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.randn(2, 3))
        self.scale = nn.Parameter(torch.ones(()))

        @qml.qnode(qml.device("default.qubit", wires=3))
        def generator(theta):
            for row in theta:
                for i, angle in enumerate(row):
                    qml.RX(angle, wires=i)
                for i in range(2):
                    qml.CNOT(wires=[i, i + 1])
            return qml.probs(wires=range(3))

        self.generator = generator

    def forward(self, x):
        w = self.generator(self.theta).to(x.dtype).view(2, 4)
        return nn.functional.linear(x, self.scale * (w - w.mean()))


class StateToProbabilities(nn.Module):
    """`state()`, then `abs() ** 2`."""

    def __init__(self):
        super().__init__()

        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.StronglyEntanglingLayers(weights, wires=range(2))
            return qml.state()

        self.q = torch_layer(2, circuit, {"weights": (2, 2, 3)})

    def forward(self, x):
        psi = self.q(x)
        return torch.abs(psi) ** 2


class StateParts(nn.Module):
    """Real and imaginary part of the state as features."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2))
        self.fc = nn.Linear(8, 2)

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=range(2), rotation="Y")
            qml.IsingXX(w[0], wires=[0, 1])
            qml.RZ(w[1], wires=1)
            return qml.state()

        self.circuit = circuit

    def forward(self, x):
        psi = self.circuit(x, self.w)
        return self.fc(torch.cat([psi.real, psi.imag], dim=-1).float())


# --- Templates -----------------------------------------------------------------------------


def iqp():
    def circuit(inputs, weights):
        qml.IQPEmbedding(inputs, wires=range(3), n_repeats=2)
        qml.BasicEntanglerLayers(weights, wires=range(3))
        return [qml.expval(qml.PauliZ(i)) for i in range(3)]

    return Wrapped(3, circuit, {"weights": (1, 3)})


def qaoa():
    def circuit(inputs, weights):
        qml.QAOAEmbedding(features=inputs, weights=weights, wires=range(3), local_field="Y")
        return [qml.expval(qml.PauliZ(i)) for i in range(3)]

    shape = qml.QAOAEmbedding.shape(n_layers=2, n_wires=3)
    return Wrapped(3, circuit, {"weights": shape})


def random_layers():
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(4), rotation="Y")
        qml.RandomLayers(weights, wires=list(range(4)), seed=42)
        return [qml.expval(qml.PauliZ(i)) for i in range(4)]

    return Wrapped(4, circuit, {"weights": (1, 4)})


def two_design():
    def circuit(inputs, initial, weights):
        qml.AngleEmbedding(inputs, wires=range(3))
        qml.SimplifiedTwoDesign(initial_layer_weights=initial, weights=weights, wires=range(3))
        return [qml.expval(qml.PauliZ(i)) for i in range(3)]

    return Wrapped(3, circuit, {"initial": 3, "weights": (2, 2, 2)})


def particle_conserving():
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(3))
        qml.ParticleConservingU2(weights, wires=range(3), init_state=np.array([1, 1, 0]))
        return [qml.expval(qml.PauliZ(i)) for i in range(3)]

    shape = qml.ParticleConservingU2.shape(n_layers=1, n_wires=3)
    return Wrapped(3, circuit, {"weights": shape})


def fourier():
    def circuit(inputs, weights):
        for i in range(3):
            qml.Hadamard(wires=i)
        qml.ControlledSequence(qml.RX(weights[0], wires=3), control=range(3))
        for i in range(3):
            qml.RZ(inputs[..., i], wires=i)
        qml.adjoint(qml.QFT)(wires=range(3))
        qml.QFT(wires=[1, 2, 3])
        qml.GroverOperator(wires=range(3))
        qml.RY(weights[1], wires=0)
        return qml.probs(wires=range(2))

    return Wrapped(4, circuit, {"weights": 2})


def arbitrary_unitary():
    def circuit(inputs, weights, more):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.ArbitraryUnitary(weights, wires=[0, 1])
        qml.Rot(*more, wires=0)
        return [qml.expval(qml.PauliZ(i)) for i in range(2)]

    return Wrapped(2, circuit, {"weights": 15, "more": 3})


def tensor_networks():
    def pair(weights, wires):
        qml.RY(weights[0], wires=wires[0])
        qml.RY(weights[1], wires=wires[1])
        qml.CNOT(wires=wires)

    def circuit(inputs, tree, chain, mera):
        qml.AngleEmbedding(inputs, wires=range(4), rotation="Y")
        qml.TTN(range(4), 2, pair, 2, tree)
        qml.MPS(range(4), 2, pair, 2, chain)
        qml.MERA(range(4), 2, pair, 2, mera)
        return qml.expval(qml.PauliZ(3))

    blocks = qml.MERA.get_n_blocks(range(4), 2)
    return Wrapped(4, circuit, {"tree": (3, 2), "chain": (3, 2), "mera": (blocks, 2)})


def layer_and_loops():
    """`qml.layer`, `qml.for_loop`, `qml.cond` with what is known when the circuit is built."""

    def block(theta):
        for i in range(2):
            qml.RX(theta[i], wires=i)
        qml.CNOT(wires=[0, 1])

    def circuit(inputs, weights):
        @qml.for_loop(0, 2, 1)
        def encode(i):
            qml.RY(inputs[..., i], wires=i)

        encode()
        qml.layer(block, 3, weights)
        for k in range(2):
            qml.cond(k % 2 == 0, qml.Hadamard, qml.T)(wires=k)

        @qml.for_loop(2)
        def last(i, angle):
            qml.RZ(angle, wires=i)
            return angle * 2

        last(weights[0, 0])
        qml.Hadamard(0)
        return [qml.expval(qml.PauliZ(i)) for i in range(2)]

    return Wrapped(2, circuit, {"weights": (3, 2)})


class IsingTrotter(nn.Module):
    """Time evolution under a constant Hamiltonian, as reservoir."""

    def __init__(self):
        super().__init__()
        H = qml.dot([1.0, 0.5, 0.25], [qml.Z(0) @ qml.Z(1), qml.X(0), qml.X(1)])

        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
            qml.TrotterProduct(H, time=0.7, n=2, order=2)
            qml.ApproxTimeEvolution(qml.Hamiltonian([0.3, 0.4], [qml.X(0), qml.Z(1)]), 0.5, 2)
            qml.exp(qml.X(0) @ qml.X(1), 0.4j)
            qml.RY(weights[0], wires=0)
            return [qml.expval(qml.PauliZ(i)) for i in range(2)]

        self.q = torch_layer(2, circuit, {"weights": (1,)})

    def forward(self, x):
        return self.q(x)


class StringWires(nn.Module):
    """Wires are words; the order of the device is not the order of use."""

    def __init__(self):
        super().__init__()
        wires = qml.wires.Wires(["data", "aux", 7])
        dev = qml.device("default.qubit", wires=wires)

        @qml.qnode(dev)
        def circuit(inputs, weights):
            qml.RX(inputs[..., 1], wires=7)
            qml.RY(inputs[..., 0], wires="data")
            qml.Barrier(wires=wires)
            qml.CNOT(wires=["data", "aux"])
            qml.CRZ(weights, wires=["aux", 7])
            qml.Hadamard(wires=7)
            qml.Snapshot("end")
            qml.GlobalPhase(math.pi / 4)
            return qml.probs(wires=[7, "data"])

        self.q = qml.qnn.TorchLayer(circuit, {"weights": ()})

    def forward(self, x):
        return self.q(x)


class NoWiresOnDevice(nn.Module):
    """The device was made without wires."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2, 3))

        @qml.qnode(qml.device("default.qubit"))
        def circuit(x, w):
            qml.AngleEmbedding(x, wires=[0, 1, 2])
            for row in w:
                for i in range(3):
                    qml.RY(row[i], wires=i)
                qml.CNOT([2, 0])
            return qml.expval(qml.sum(qml.Z(0), qml.Z(1) @ qml.X(2), 0.5 * qml.Y(2)))

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(x, self.w).float()


CASES = (
    Case("all_paulis", "E", all_paulis, (normal(3, 2),)),
    Case("correlations", "E", correlations, (normal(3, 3),)),
    Case("constant_hamiltonian", "E", ConstantHamiltonian, (normal(3, 2),)),
    Case("trainable_hamiltonian", "E", TrainableHamiltonian, (normal(3, 2),)),
    Case("trainable_hermitian", "E", TrainableHermitian, (normal(3, 2),)),
    Case("hermitian_and_projector", "E", hermitian_and_projector, (normal(3, 2),)),
    Case("mixed_measurements", "E", MixedMeasurements, (normal(3, 3),)),
    Case("zoo_of_gates", "E", zoo_of_gates, (normal(3, 3),)),
    Case("controls_and_adjoints", "E", controls_and_adjoints, (normal(3, 2),)),
    Case("swap_test", "E", SwapTest, (normal(3, 2), uniform(3, 2))),
    Case("circuit_bias", "E", CircuitBias, (normal(3, 4),)),
    Case("generated_weights", "E", GeneratedWeights, (normal(3, 4),)),
    Case("state_to_probabilities", "E", StateToProbabilities, (normal(3, 2),)),
    Case("state_parts", "E", StateParts, (normal(3, 2),)),
    Case("iqp", "E", iqp, (normal(3, 3),)),
    Case("qaoa", "E", qaoa, (normal(3, 3),)),
    Case("random_layers", "E", random_layers, (normal(3, 4),)),
    Case("two_design", "E", two_design, (normal(3, 3),)),
    Case("particle_conserving", "E", particle_conserving, (normal(3, 3),)),
    Case("fourier", "E", fourier, (normal(3, 3),)),
    Case("arbitrary_unitary", "E", arbitrary_unitary, (normal(3, 2),)),
    Case("tensor_networks", "E", tensor_networks, (normal(3, 4),)),
    Case("layer_and_loops", "E", layer_and_loops, (normal(3, 2),)),
    Case("ising_trotter", "E", IsingTrotter, (normal(3, 2),)),
    Case("string_wires", "E", StringWires, (normal(3, 2),)),
    Case("no_wires_on_device", "E", NoWiresOnDevice, (normal(3, 3),)),
)
