"""Calls of QNodes that read weights and Python values from elsewhere than their arguments."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx

WIRES = 2
GLOBAL = nn.Parameter(torch.tensor([0.4, -0.7], dtype=torch.float64))


def ansatz(x, weights):
    for wire in range(WIRES):
        qml.RY(x[..., wire], wires=wire)
        qml.RX(weights[wire], wires=wire)
    qml.CNOT(wires=[0, 1])
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


def new_weights():
    return nn.Parameter(torch.tensor([0.3, 0.9], dtype=torch.float64))


def qnode_of(function):
    return qml.QNode(function, qml.device("default.qubit", wires=WIRES))


class Model(nn.Module):
    """A model whose QNode reads its weights from somewhere."""

    def __init__(self, make):
        super().__init__()
        self.scale = nn.Linear(WIRES, WIRES).double()
        make(self)

    def forward(self, x):
        return torch.stack(tuple(self.qnode(self.scale(x))), -1)


def of_self(model):
    model.weights = new_weights()

    def circuit(x):
        return ansatz(x, model.weights)

    model.qnode = qnode_of(circuit)


def of_method(model):
    model.weights = new_weights()
    model.circuit = lambda x: ansatz(x, model.weights)
    model.qnode = qnode_of(model.circuit)


def of_closure(model):
    weights = new_weights()
    model.kept = weights

    def circuit(x):
        return ansatz(x, weights)

    model.qnode = qnode_of(circuit)


def of_global(model):
    model.kept = GLOBAL

    def circuit(x):
        return ansatz(x, GLOBAL)

    model.qnode = qnode_of(circuit)


def of_list(model):
    model.layers = nn.ParameterList([new_weights(), new_weights()])
    outside = [nn.Parameter(torch.tensor(0.2, dtype=torch.float64))]
    model.more = outside[0]

    def circuit(x):
        qml.RZ(outside[0], wires=0)  # straight to the operator
        return ansatz(x, model.layers[0] * model.layers[1])

    model.qnode = qnode_of(circuit)


def of_dict(model):
    model.gates = {"forget": SimpleNamespace(weights=new_weights())}
    model.kept = model.gates["forget"].weights

    def circuit(x):
        return ansatz(x, model.gates["forget"].weights)

    model.qnode = qnode_of(circuit)


def of_submodule(model):
    model.angles = nn.Linear(WIRES, WIRES).double()

    def circuit(x):
        return ansatz(model.angles(x), torch.ones(WIRES, dtype=torch.float64))

    model.qnode = qnode_of(circuit)


PLACES = [of_self, of_method, of_closure, of_global, of_list, of_dict, of_submodule]
X = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(3, 2)


def gradients(model):
    model.zero_grad()
    (model(X) ** 2).sum().backward()
    return [None if one.grad is None else one.grad.clone() for one in model.parameters()]


def check(model):
    """Compare a model's results and gradients with those after it is put back."""
    fast, found = model(X).detach(), gradients(model)
    hybridx.restore(model)
    slow, expected = model(X).detach(), gradients(model)
    assert torch.allclose(fast, slow, rtol=0, atol=1e-12)  # a few roundings of float64
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)


def assert_compiled(report):
    assert [layer.reason for layer in report.layers] == [None] * len(report.layers)


@pytest.mark.parametrize("place", PLACES)
def test_weights_are_read_wherever_they_stand(place):
    model = Model(place)
    assert_compiled(hybridx.accelerate(model, (X,)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    gradients(model)
    optimizer.step()
    check(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model, "weights", nn.Parameter(model.weights.detach() + 1)),
        lambda model: setattr(model.weights, "data", model.weights.data + 1),
        lambda model: model.weights.data.add_(1),
        lambda model: model.load_state_dict(
            {name: value + 1 for name, value in model.state_dict().items()}
        ),
        lambda model: model.float().double(),
        lambda model: model.weights.requires_grad_(requires_grad=False).add_(1),
    ],
)
def test_weights_that_are_replaced(change, monkeypatch):
    model = Model(of_self)
    assert_compiled(hybridx.accelerate(model, (X,)))
    model(X)
    change(model)
    with monkeypatch.context() as patch:
        patch.setattr(qml.QNode, "_impl_call", None)
        fast = model(X)
    hybridx.restore(model)
    assert torch.allclose(fast, model(X), rtol=0, atol=1e-12)


def test_a_copy_has_weights_of_its_own():
    model = Model(of_self)
    hybridx.accelerate(model, (X,))
    model(X)
    method = Methods()
    hybridx.accelerate(method, (X,))
    method(X)
    twin = copy.deepcopy(method)
    with torch.no_grad():
        twin.weights += 1
    fast = twin(X)
    hybridx.restore(twin)
    assert torch.allclose(fast, twin(X), rtol=0, atol=1e-12)
    assert not torch.allclose(fast, method(X))


class Methods(nn.Module):
    """A QNode that is made of a method, and a helper that reads an attribute."""

    def __init__(self):
        super().__init__()
        self.weights = new_weights()
        self.depth = 1
        self.qnode = qnode_of(self.circuit)

    def entangle(self):
        for _ in range(self.depth):
            qml.CNOT(wires=[0, 1])
            qml.RY(0.3, wires=1)

    def circuit(self, x):
        qml.RX(x[..., 0], wires=0)
        self.entangle()
        return ansatz(x, self.weights)

    def forward(self, x):
        return torch.stack(tuple(self.qnode(x)), -1)
