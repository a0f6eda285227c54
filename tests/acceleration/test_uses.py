"""Ways in which people call QNodes: each is compiled, or stays eager for a reason, and is right."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

from tests.acceleration.against_eager import compare
from tests.sampling import some

pytestmark = pytest.mark.filterwarnings("ignore")  # PennyLane itself uses what NumPy deprecates

WIRES = 3
X = torch.tensor([[0.3, -0.8, 1.2], [0.9, 0.1, -0.4], [-1.1, 0.6, 0.2], [0.5, 1.4, -0.7]])


def rotations(x, w):
    for wire in range(WIRES):
        qml.RY(x[..., wire], wires=wire)
        qml.RX(w[wire], wires=wire)
    qml.CNOT([0, 1])
    qml.CNOT([1, 2])


def means(x, w):
    rotations(x, w)
    return [qml.expval(qml.Z(wire)) for wire in range(WIRES)]


def features_first(x, w):
    return means(x.T, w)


def several(first, second, third, *rest):
    return means(torch.stack([first, second, third], -1), rest[-1])


def through_items(x, w):
    qml.RY(x[0].item(), wires=0)
    qml.RX(float(np.pi) * np.sin(x.detach().numpy()[1]), wires=1)
    return means(x, w)


def written_in_place(x, w):
    angles = torch.zeros(WIRES, dtype=w.dtype)
    angles[0] = w[1] * w[2]
    angles[1:] = w[:2]
    x = x.clone()
    x[..., 0] *= 2
    return means(x, angles)


def detached(x, w):
    return means(x, w.detach() + 0.5 * w)


def trained_sum(x, w):
    rotations(x, w)
    words = [qml.Z(0), qml.X(1) @ qml.Z(0)]
    return qml.expval(qml.Hamiltonian([w[0], w[1]], words)), qml.state()


def trained_matrix(x, w):
    qml.AngleEmbedding(x, wires=range(WIRES))  # an odd number of columns
    qml.QubitUnitary(torch.matrix_exp(1j * torch.diag(w[1:])), wires=1)
    return [qml.expval(qml.X(0)), qml.expval(qml.Z(1))]


def branching(x, w):
    if x[0] > 0:
        qml.RX(0.5, wires=0)
    return means(x, w)


def told_of_gradients(x, w):
    if torch.is_grad_enabled():
        qml.RX(0.5, wires=0)
    return means(x, w)


def drawing(x, w):
    qml.RX(np.random.choice([0.1, 0.2]), wires=0)
    return means(x, w)


def writing(x, w):
    x *= 2
    return means(x, w)


class Use(nn.Module):
    """A QNode and how forward calls it."""

    def __init__(self, function, call, options):
        super().__init__()
        torch.manual_seed(0)
        self.weights = nn.Parameter(torch.randn(WIRES))
        device = qml.device(options.pop("device", "default.qubit"), wires=WIRES)
        self.qnode, self.call = qml.QNode(function, device, **options), call

    def forward(self, x):
        return self.call(self.qnode, x, self.weights)


def by_position(qnode, x, w):
    return qnode(x, w)


def row_by_row(qnode, x, w):
    return [qnode(row, w) for row in x]


COMPILED = {
    "by position": (means, by_position, {}),
    "by keyword": (means, lambda qnode, x, w: qnode(w=w, x=x), {}),
    "row by row": (means, row_by_row, {}),
    "a row and a batch": (means, lambda qnode, x, w: (qnode(x[0], w), qnode(x, w)), {}),
    "features first": (features_first, lambda qnode, x, w: qnode(x.T, w), {}),
    "as many rows as features": (features_first, lambda qnode, x, w: qnode(x[:3].T, w), {}),
    "twenty arguments": (several, lambda qnode, x, w: qnode(*x.T, *[x[:, 0]] * 16, w), {}),
    "numbers that are read": (through_items, row_by_row, {}),
    "written in place": (written_in_place, by_position, {}),
    "detached": (detached, by_position, {}),
    "trained coefficients, a state": (trained_sum, by_position, {}),
    "parameter shift": (means, row_by_row, {"diff_method": "parameter-shift"}),
    "adjoint": (means, row_by_row, {"diff_method": "adjoint"}),
    "a transform": (qml.transforms.merge_rotations(means), row_by_row, {}),
    "a trained matrix": (trained_matrix, row_by_row, {}),
    "frozen": (means, lambda qnode, x, w: qnode(x, w.detach()), {}),
}

EAGER = {
    "a branch on data": (branching, row_by_row, "Python code in it needs a number"),
    "gradients asked about": (told_of_gradients, by_position, "its values without gradients"),
    "drawn": (drawing, by_position, "it draws from NumPy"),
    "writes into arguments": (writing, lambda qnode, x, w: qnode(x.clone(), w), "it writes into"),
    "estimates": (means, row_by_row, "its gradients are estimates"),
}


@pytest.mark.parametrize("name", some(COMPILED, every=3))
def test_it_is_compiled(name):
    function, call, options = COMPILED[name]
    outcome = compare(lambda: Use(function, call, dict(options)), ((X,), {}), ((-X,), {}))
    assert {layer.reason for layer in outcome.layers} == {None}
    values, slopes, seconds = outcome.differences
    assert max(values, slopes) < 1e-9
    assert "diff_method" in options or seconds < 1e-7  # PennyLane has none by these methods


@pytest.mark.parametrize("name", EAGER)
def test_it_stays_eager(name):
    function, call, reason = EAGER[name]
    options = {"diff_method": "spsa"} if name == "estimates" else {}
    outcome = compare(lambda: Use(function, call, dict(options)), ((X,), {}), ((-X,), {}))
    assert all(layer.reason.startswith(reason) for layer in outcome.layers)
    assert name == "estimates" or max(outcome.differences) == 0
