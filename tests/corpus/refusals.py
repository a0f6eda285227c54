"""What no file can hold; each model says why in the words of its `Case`."""

import random

import numpy as np
import pennylane as qml
import torch
from torch import nn

from tests.corpus.case import Case, normal


def quantum(wires=2):
    """Return a TorchLayer."""

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires))
        qml.BasicEntanglerLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(w)) for w in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, wires)})


class WithLayer(nn.Module):
    """A quantum layer `q` and a linear one `fc`."""

    def __init__(self):
        super().__init__()
        self.q = quantum()
        self.fc = nn.Linear(2, 2)


# --- Randomness ----------------------------------------------------------------------------


class LatentNoise(WithLayer):
    """A generator that draws its own noise."""

    def forward(self, x):
        noise = torch.randn(x.shape[0], 2)
        return self.fc(self.q(x + noise))


class NoiseLike(WithLayer):
    """Noise is added to the angles, in eval mode as well."""

    def forward(self, x):
        x = x + 0.05 * torch.rand_like(x)
        return self.q(x)


class NumpyNoise(WithLayer):
    """A random shift from NumPy."""

    def forward(self, x):
        shift = np.random.normal(0, 0.1, size=2)
        return self.q(x + torch.tensor(shift, dtype=x.dtype))


class PythonNoise(WithLayer):
    """A random factor from Python."""

    def forward(self, x):
        return self.q(x) * random.uniform(0.9, 1.1)


class AlwaysDropout(WithLayer):
    """Monte Carlo dropout: active in eval mode."""

    def forward(self, x):
        h = nn.functional.dropout(self.fc(x), p=0.3, training=True)
        return self.q(h)


class Reparameterized(WithLayer):
    """A variational latent that is always drawn."""

    def forward(self, x):
        mu = self.q(x)
        eps = torch.normal(torch.zeros_like(mu), torch.ones_like(mu))
        return mu + eps * 0.1


class ShuffledWires(nn.Module):
    """The order of the wires is shuffled in each call."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3))

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(x, w):
            order = list(range(3))
            random.shuffle(order)
            for k, wire in enumerate(order):
                qml.RY(x[..., k], wires=wire)
                qml.CRX(w[k], wires=[wire, (wire + 1) % 3])
            return qml.expval(qml.PauliZ(0))

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(x, self.w)


class RandomGates(nn.Module):
    """Gates are chosen by `random.choice` while the circuit is built."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            for i in range(2):
                gate = random.choice([qml.RX, qml.RY, qml.RZ])
                gate(weights[i], wires=i)
            qml.CNOT(wires=[0, 1])
            return [qml.expval(qml.PauliX(i)) for i in range(2)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": 2})

    def forward(self, x):
        return self.q(x)


class NumpyChoice(nn.Module):
    """A random circuit by `np.random.randint`, row by row."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(row):
            qml.AngleEmbedding(row, wires=range(2))
            if np.random.rand() < 0.5:
                qml.CNOT(wires=[0, 1])
            qml.RY(np.random.uniform(0, np.pi), wires=np.random.randint(2))
            return qml.expval(qml.PauliZ(1))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([self.circuit(row) for row in x])


class UnseededRandomLayers(nn.Module):
    """RandomLayers with `seed=None`: other wires in each call."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=4))
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(4), rotation="Y")
            qml.RandomLayers(weights, wires=list(range(4)), seed=None)
            return [qml.expval(qml.PauliZ(i)) for i in range(4)]

        self.q = qml.qnn.TorchLayer(circuit, {"weights": (2, 4)})

    def forward(self, x):
        return self.q(x)


# --- Branches ------------------------------------------------------------------------------


class ArgmaxRouting(WithLayer):
    """The expert is chosen by `argmax().item()`."""

    def forward(self, x):
        scores = self.fc(x).mean(dim=0)
        expert = [self.q, self.fc][int(scores.argmax().item())]
        return expert(x)


# --- Modules made in forward ---------------------------------------------------------------


class FreshLinear(WithLayer):
    """A new linear layer in each call."""

    def forward(self, x):
        y = self.q(x)
        return nn.Linear(y.shape[1], 3)(y)


class FreshQuantumLayer(WithLayer):
    """A new TorchLayer, with new random weights, in each call."""

    def forward(self, x):
        return self.fc(quantum()(x))


class FreshAttention(WithLayer):
    """A new projection for each row."""

    def forward(self, x):
        rows = []
        for row in self.q(x):
            project = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
            rows.append(project(row))
        return torch.stack(rows)


# --- Samples and counts --------------------------------------------------------------------


class Sampled(nn.Module):
    """The outputs are shots."""

    def __init__(self):
        super().__init__()

        @qml.set_shots(10)
        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(row):
            qml.AngleEmbedding(row, wires=range(2))
            qml.CNOT(wires=[0, 1])
            return qml.sample(wires=[0, 1])

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([self.circuit(row).float().mean(0) for row in x])


class SampledObservable(nn.Module):
    """`qml.sample` of an observable, averaged by hand."""

    def __init__(self):
        super().__init__()
        dev = qml.device("default.qubit", wires=2, shots=20)

        @qml.qnode(dev, diff_method=None)
        def circuit(x):
            qml.AngleEmbedding(x, wires=range(2))
            return [qml.sample(qml.PauliZ(i)) for i in range(2)]

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([torch.stack(self.circuit(r)).double().mean(dim=1) for r in x])


class Counted(nn.Module):
    """A histogram of bit strings."""

    def __init__(self, shots=50):
        super().__init__()
        self.shots = shots

        @qml.set_shots(shots)
        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(row):
            qml.AngleEmbedding(row, wires=range(2), rotation="Y")
            return qml.counts(wires=[0, 1])

        self.circuit = circuit

    def forward(self, x):
        out = []
        for row in x:
            c = self.circuit(row)
            out.append([c.get(k, 0) / self.shots for k in ("00", "01", "10", "11")])
        return torch.tensor(out, dtype=torch.float32)


# --- Other machines ------------------------------------------------------------------------


class GaussianLayer(nn.Module):
    """Continuous variables: displacements, squeezing, a beam splitter."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(3))

        @qml.qnode(qml.device("default.gaussian", wires=2))
        def circuit(x, w):
            qml.Displacement(x[0], 0.0, wires=0)
            qml.Displacement(x[1], 0.0, wires=1)
            qml.Beamsplitter(w[0], w[1], wires=[0, 1])
            qml.Squeezing(w[2], 0.0, wires=0)
            return qml.expval(qml.QuadX(0))

        self.circuit = circuit

    def forward(self, x):
        w = self.w.detach().numpy()
        return torch.tensor([float(self.circuit(r.detach().numpy(), w)) for r in x])


class GaussianTorchLayer(nn.Module):
    """The same in a TorchLayer with the embedding template."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.gaussian", wires=2))
        def circuit(inputs, weights):
            qml.DisplacementEmbedding(inputs, wires=range(2))
            qml.Rotation(weights[0], wires=0)
            qml.Beamsplitter(weights[1], weights[2], wires=[0, 1])
            return qml.expval(qml.NumberOperator(1))

        self.q = qml.qnn.TorchLayer(circuit, {"weights": 3})

    def forward(self, x):
        return torch.stack([self.q(row) for row in x])


class QutritLayer(nn.Module):
    """Wires of three levels."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand(2))

        @qml.qnode(qml.device("default.qutrit", wires=2))
        def circuit(x, w):
            qml.TRX(x[0], wires=0, subspace=(0, 1))
            qml.TRY(x[1], wires=1, subspace=(1, 2))
            qml.TAdd(wires=[0, 1])
            qml.TRZ(w[0], wires=0, subspace=(0, 2))
            qml.TRX(w[1], wires=1, subspace=(0, 1))
            return qml.expval(qml.GellMann(0, 3)), qml.expval(qml.GellMann(1, 8))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([torch.stack(self.circuit(row, self.w)) for row in x])


# --- Loops ---------------------------------------------------------------------------------


class WhileNotConverged(WithLayer):
    """A fixed point is sought until the step is small."""

    def forward(self, x):
        y = self.q(x)
        steps = 0
        while (y - self.q(y)).abs().max() > 1e-2 and steps < 20:
            y = 0.5 * (y + self.q(y))
            steps += 1
        return y


class LengthFromData(WithLayer):
    """The number of repetitions is a value of the input."""

    def forward(self, x):
        repeat = int(x[:, 0].abs().max().item() * 2) + 1
        for _ in range(repeat):
            x = self.q(x)
        return x


class ReuploadFromData(nn.Module):
    """In the circuit: as many layers as a feature says."""

    def __init__(self):
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=2))
        def circuit(row):
            for _ in range(1 + int(row[0].abs())):
                qml.AngleEmbedding(row, wires=range(2))
                qml.CNOT(wires=[0, 1])
            return qml.expval(qml.PauliZ(0))

        self.circuit = circuit

    def forward(self, x):
        return torch.stack([self.circuit(row) for row in x])


CASES = tuple(
    Case(name, "refusals", make, (normal(3, wires),), refused=reason)
    for name, make, wires, reason in (
        ("latent_noise", LatentNoise, 2, "randomness"),
        ("noise_like", NoiseLike, 2, "randomness"),
        ("numpy_noise", NumpyNoise, 2, "randomness"),
        ("python_noise", PythonNoise, 2, "randomness"),
        ("always_dropout", AlwaysDropout, 2, "randomness"),
        ("reparameterized", Reparameterized, 2, "randomness"),
        ("shuffled_wires", ShuffledWires, 3, "randomness"),
        ("random_gates", RandomGates, 2, "randomness"),
        ("numpy_choice", NumpyChoice, 2, "randomness"),
        ("unseeded_random_layers", UnseededRandomLayers, 4, "randomness"),
        ("argmax_routing", ArgmaxRouting, 2, "list by data"),
        ("fresh_linear", FreshLinear, 2, "module in forward"),
        ("fresh_quantum_layer", FreshQuantumLayer, 2, "module in forward"),
        ("fresh_attention", FreshAttention, 2, "module in forward"),
        ("sampled", Sampled, 2, "sample"),
        ("sampled_observable", SampledObservable, 2, "sample"),
        ("counted", Counted, 2, "counts"),
        ("gaussian_layer", GaussianLayer, 2, "continuous variable"),
        ("gaussian_torch_layer", GaussianTorchLayer, 2, "continuous variable"),
        ("qutrit_layer", QutritLayer, 2, "qutrit"),
        ("while_not_converged", WhileNotConverged, 2, "data dependent loop"),
        ("length_from_data", LengthFromData, 2, "data dependent loop"),
        ("reupload_from_data", ReuploadFromData, 2, "data dependent loop"),
    )
)
