"""Calls of QNodes that read weights and Python values from elsewhere than their arguments."""

from __future__ import annotations

import builtins
import copy
import functools
import types
from types import SimpleNamespace

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.acceleration import calls
from hybridx.acceleration.calls import Calls
from hybridx.capture.graph import bind_circuits
from hybridx.circuit import Parameter, bind
from hybridx.errors import ParityError

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


def test_a_failure_swaps_nothing(monkeypatch):
    """The third of three QNodes raises when it is compiled."""

    class Three(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(
                qml.qnn.TorchLayer(qnode_of(make()), {"weights": WIRES}) for _ in range(3)
            )

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    def make():
        def circuit(inputs, weights):
            return ansatz(inputs, weights)

        return circuit

    learn = Calls.learn
    seen = []

    def failing(*given):
        seen.append(given)
        if len(seen) == 3:
            raise RuntimeError("planted")
        return learn(*given)

    model = Three()
    before = [dict(vars(layer)) for layer in model.layers]
    monkeypatch.setattr(Calls, "learn", failing)
    with pytest.raises(RuntimeError, match="planted"):
        hybridx.accelerate(model, (X,))
    assert [dict(vars(layer)) for layer in model.layers] == before
    assert all(type(layer.qnode) is qml.QNode for layer in model.layers)


def test_an_observable_that_is_made_for_each_call_is_compiled_once(monkeypatch):
    @qml.qnode(qml.device("default.qubit", wires=WIRES))
    def circuit(x, weights, observable):
        qml.AngleEmbedding(x, wires=range(WIRES))
        qml.BasicEntanglerLayers(weights[None], wires=range(WIRES))
        return qml.expval(observable)

    class Measured(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = new_weights()
            self.circuit = circuit

        def forward(self, x):
            pair = qml.Hamiltonian([0.5, 0.25], [qml.X(0), qml.Z(1)])
            found = [self.circuit(x, self.weights, one) for one in (qml.Z(0), pair)]
            return torch.stack(found, -1)

    model = Measured()
    eager = model(X)
    hybridx.accelerate(model, (X,))
    learned = []
    monkeypatch.setattr(Calls, "_learn", lambda *given: learned.append(given))
    torch.testing.assert_close(model(X), eager, rtol=0, atol=1e-12)
    assert learned == []


class Logged(qml.QNode):
    """A QNode whose calls are counted."""

    calls = 0

    def __call__(self, *args, **kwargs):
        Logged.calls += 1
        return super().__call__(*args, **kwargs)


class Constructed(qml.QNode):
    def construct(self, args, kwargs):
        return super().construct(args, kwargs)


def test_classes_of_qnodes():
    def circuit(x):
        return ansatz(x, torch.ones(WIRES, dtype=torch.float64))

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            device = qml.device("default.qubit", wires=WIRES)
            self.qnodes = [Logged(circuit, device), Constructed(circuit, device)]

        def forward(self, x):
            return self.qnodes[0](x)[0] + self.qnodes[1](x)[1]

    model = Two()
    report = hybridx.accelerate(model, (X,))
    assert [layer.is_compiled for layer in report.layers] == [True, False]
    assert "defines 'construct'" in report.layers[1].reason
    before = Logged.calls
    model(X)
    assert Logged.calls == before + 1
    assert isinstance(model.qnodes[0], Logged)
    twin = copy.deepcopy(model)
    assert hybridx.restore(twin) == hybridx.restore(model) == 1
    assert type(twin.qnodes[0]) is type(model.qnodes[0]) is Logged


def test_a_qnode_that_each_call_makes():
    class Fresh(nn.Module):
        def forward(self, x):
            return torch.stack(tuple(qnode_of(lambda x: ansatz(x, torch.ones(WIRES)))(x)))

    report = hybridx.accelerate(Fresh(), (X,))
    assert "anew in each call" in report.layers[0].reason
    assert "anew in each call" in str(report)
    assert "anew in each call" in report._repr_html_()


def test_a_layer_as_a_subclass_wrote_it():
    """Hooks and methods around the call of the QNode run as before."""

    class Scaled(qml.qnn.TorchLayer):
        def forward(self, inputs):
            return 2 * super().forward(inputs)

    class Replaced(qml.qnn.TorchLayer):
        def _evaluate_qnode(self, x):
            return 3 * super()._evaluate_qnode(x)

    def circuit(inputs, weights):
        return ansatz(inputs, weights)

    for kind in (Scaled, Replaced):
        layer = kind(qnode_of(circuit), {"weights": WIRES})
        layer.register_forward_hook(lambda *given: given[-1] + 1)
        expected = layer(X).detach()
        before = vars(layer).keys()
        assert_compiled(hybridx.accelerate(layer, (X,)))
        assert torch.allclose(layer(X), expected, rtol=0, atol=1e-12)
        assert torch.allclose(layer(X[0]), expected[0], rtol=0, atol=1e-12)
        assert torch.allclose(layer(X.float()), expected.float(), rtol=0, atol=1e-6)
        assert layer(X.float()).dtype is torch.float32
        assert torch.equal(copy.deepcopy(layer)(X), layer(X))
        assert hybridx.restore(layer) == 1
        assert vars(layer).keys() == before


def test_a_tensor_that_changes_becomes_an_input():
    """A buffer is part of a circuit until it changes; then one circuit serves all its values."""
    model = Model(of_self)
    model.register_buffer("shift", torch.tensor(0.1, dtype=torch.float64))

    def circuit(x):
        qml.RY(model.shift, wires=0)
        return ansatz(x, model.weights)

    model.qnode = qnode_of(circuit)
    assert_compiled(hybridx.accelerate(model, (X,)))
    for change in (
        lambda: model.shift.data.add_(1),
        lambda: model.shift.numpy().fill(0.7),
        lambda: setattr(model, "shift", model.shift + 1),
        lambda: model.shift.add_(1),
    ):
        change()
        fast = model(X)
        expected = torch.stack(tuple(qnode_of(circuit)(model.scale(X))), -1)
        assert torch.allclose(fast, expected, rtol=0, atol=1e-12)
    calls = vars(model.qnode)["_hybridx_calls"]
    assert sum(map(len, calls._known.values())) == 2


SCALES = {"angle": 1.0}


def scaled(x):
    qml.RY(SCALES["angle"], wires=0)
    return ansatz(x, torch.ones(WIRES, dtype=torch.float64))


class Scaled(nn.Module):
    def __init__(self, function=scaled):
        super().__init__()
        self.qnode = qnode_of(function)

    def forward(self, x):
        return torch.stack(tuple(self.qnode(x)), -1)


def test_too_many_circuits(monkeypatch, caplog):
    """A number that differs in each call: right to the end, and told once."""
    monkeypatch.setattr(calls, "MOST_STRUCTURES", 2)
    model = Scaled()
    hybridx.accelerate(model, (X,))
    for scale in (1.0, 0.9, 0.8, 0.7, 0.9, 1.0):
        monkeypatch.setitem(SCALES, "angle", scale)
        expected = torch.stack(tuple(qnode_of(scaled)(X)), -1)
        assert torch.allclose(model(X), expected, rtol=0, atol=1e-12)
    told = [record for record in caplog.records if "is slow from now on" in record.message]
    assert len(told) == 1


@functools.lru_cache
def remembered(number):
    return SCALES["angle"] * number


@functools.lru_cache
def doubled(number):
    return 2 * number


@pytest.mark.parametrize(("cached", "is_compiled"), [(remembered, False), (doubled, True)])
def test_a_cache_may_hold_what_was_there_before(cached, is_compiled):
    def circuit(x):
        qml.RY(cached(0.5), wires=0)
        return ansatz(x, torch.ones(WIRES, dtype=torch.float64))

    report = hybridx.accelerate(Scaled(circuit), (X,))
    assert [layer.is_compiled for layer in report.layers] == [is_compiled]


def test_a_module_gets_a_forward_of_its_own():
    model = Model(of_submodule)
    assert_compiled(hybridx.accelerate(model, (X,)))
    model.angles.forward = lambda x: 2 * x
    before = model(X)
    hybridx.restore(model)
    assert torch.allclose(before, model(X), rtol=0, atol=1e-12)


def test_a_wrong_rule_is_refused_by_all(monkeypatch, tmp_path):
    """Angles that depend on data are halved: nothing is swapped, and no file is left."""

    def halved(circuit, count, angle_of):
        def half(slot):
            angle = angle_of(slot)
            if not isinstance(angle, Parameter):
                return angle
            return Parameter(angle.column, angle.scale / 2, angle.offset)

        return bind(circuit, count, half)

    monkeypatch.setattr(bind_circuits, "bind", halved)
    model = Scaled()
    report = hybridx.accelerate(model, (X,))
    assert not report.layers[0].is_compiled
    assert "differ from PennyLane's" in report.layers[0].reason
    assert type(model.qnode) is qml.QNode
    with pytest.raises(ParityError):
        hybridx.export(model, (X,), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_verify_compares_with_pennylane(monkeypatch, tmp_path):
    """What a compiled circuit computes decides nothing."""
    model = Scaled()
    path = tmp_path / "model.onnx"
    hybridx.export(model, (X,), path)
    hybridx.accelerate(model, (X,))
    hybridx.verify(path, against=model)
    monkeypatch.setattr(calls.Compiled, "answer", lambda *_: [torch.zeros(3)] * 2)
    assert torch.equal(model(X), torch.zeros(3, 2))
    hybridx.verify(path, against=model)
    monkeypatch.setitem(SCALES, "angle", 2.0)
    with pytest.raises(ParityError):
        hybridx.verify(path, against=model)


def test_what_python_keeps_in_each_module_is_not_read(monkeypatch):
    """A console keeps its last result among the builtins, whatever that is."""
    monkeypatch.setattr(builtins, "_", iter(()), raising=False)
    mine = types.ModuleType("mine")
    mine.__builtins__ = vars(builtins)
    mine.turn = 0.3

    @qml.qnode(qml.device("default.qubit", wires=1))
    def circuit(x):
        qml.RX(mine.turn * x, wires=0)
        return qml.expval(qml.PauliZ(0))

    x = torch.rand(3)
    report = hybridx.accelerate(circuit, (x,))
    assert [layer.is_compiled for layer in report.layers] == [True]
    mine.turn = 0.5
    assert torch.allclose(circuit(x), torch.cos(0.5 * x).to(circuit(x).dtype), rtol=0, atol=1e-6)
