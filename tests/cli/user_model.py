"""A user's file: a small hybrid model in every form that a SOURCE may name, and wrong ones."""

import pennylane as qml
import torch
from torch import nn


def layer(returned, extra=None):
    """A TorchLayer on two wires with the measurement `returned()`."""

    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        if extra is not None:
            extra()
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return returned()

    return qml.qnn.TorchLayer(circuit, {"weights": (1, 2)})


def expectations():
    return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]


class Small(nn.Module):
    def __init__(self, returned=expectations, extra=None, outputs=3, seed=1):
        super().__init__()
        torch.manual_seed(seed)
        self.inner = nn.Linear(4, 2)
        self.quantum = layer(returned, extra)
        self.head = nn.Linear(2, outputs)

    def forward(self, x):
        return self.head(self.quantum(self.inner(x)))


class Masked(nn.Module):
    """Works on sequences of any length; the mask is given by keyword only."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.quantum = layer(expectations)

    def forward(self, x, *, mask):
        hidden = self.quantum(x) * mask
        return {"pooled": hidden.mean(1), "hidden": hidden}


class Text(nn.Module):
    """Takes the numbers of words."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.words = nn.Embedding(30, 2)
        self.quantum = layer(expectations)

    def forward(self, ids):
        return self.quantum(self.words(ids).mean(1))


class Steps(nn.Module):
    """Loops over the second axis, which fixes its length."""

    def __init__(self):
        super().__init__()
        self.quantum = layer(expectations)

    def forward(self, x):
        state = torch.zeros(len(x), 2)
        for step in range(x.shape[1]):
            state = torch.tanh(state + x[:, step])
        return self.quantum(state)


class OwnGate(qml.operation.Operation):
    """Neither a matrix nor a decomposition."""

    num_wires = 1


def make_small():
    return Small()


model = Small()


def other_weights():
    return Small(seed=2)


def regressor():
    return Small(outputs=1)


def not_finite():
    model = Small()
    with torch.no_grad():
        model.head.bias[1] = torch.nan
    return model


def with_shots(returned):
    model = Small(returned)
    model.quantum.qnode = qml.set_shots(model.quantum.qnode, 10)
    return model


def sampled():
    return with_shots(lambda: qml.sample(wires=[0, 1]))


def counted():
    return with_shots(lambda: qml.counts(wires=0))


def own_gate():
    model = Small(extra=lambda: OwnGate(wires=1))
    # null.qubit runs anything, so that the refusal is the exporter's.
    null = qml.device("null.qubit", wires=2)
    model.quantum.qnode = qml.QNode(model.quantum.qnode.func, null)
    return model


def fails():
    raise OSError("no weights here")


def gives_a_list():
    return [1, 2]


answer = 42
