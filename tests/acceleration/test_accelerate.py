"""Models trained with compiled circuits, beside the same models in eager PennyLane."""

from __future__ import annotations

import copy
import pickle
import time

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.acceleration.circuit import LiveCircuit
from hybridx.circuit import parse
from hybridx.errors import (
    ArgumentsDoNotFitError,
    ForwardRaisesError,
    NoQuantumLayerError,
    NotAModelError,
)
from hybridx.kernels import tape as tapes

WIRES = 3
DEPTH = [1]


def make_qnode(function, wires=WIRES, device="default.qubit", **options):
    return qml.QNode(function, qml.device(device, wires=wires), **options)


def entangled(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(WIRES), rotation="Y")
    qml.StronglyEntanglingLayers(weights, wires=range(WIRES))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


def reuploading(inputs, weights):
    for layer in weights:
        for wire in range(WIRES):
            qml.RX(np.pi * inputs[..., wire], wires=wire)
            qml.CRY(layer[wire], wires=[wire, (wire + 1) % WIRES])
        qml.IsingXX(torch.sin(inputs[..., 0]) * layer[0], wires=[0, 2])
    return qml.expval(qml.PauliX(0) @ qml.PauliY(1)), qml.probs(wires=[2, 0])


class Classifier(nn.Module):
    """Linear, circuit, Linear."""

    def __init__(self, qnode=None):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(2, WIRES)
        self.circuit = qml.qnn.TorchLayer(
            qnode or make_qnode(entangled), {"weights": (2, WIRES, 3)}
        )
        self.last = nn.Linear(WIRES, 2)

    def forward(self, x):
        return self.last(self.circuit(self.first(x)))


class Called(nn.Module):
    """A QNode that forward calls itself."""

    def __init__(self, qnode):
        super().__init__()
        torch.manual_seed(0)
        self.qnode = qnode
        self.weights = nn.Parameter(torch.randn(2, WIRES, dtype=torch.float64))

    def forward(self, x):
        mean, chances = self.qnode(x, self.weights)
        return torch.cat([mean[:, None], chances], 1)


def losses(model, steps, width, rows=4):
    """Train a model and return its losses."""
    generator = torch.Generator().manual_seed(1)
    dtype = next(model.parameters()).dtype
    x = torch.randn(rows, width, dtype=dtype, generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return np.array(found)


def compiled(report):
    return [layer.is_compiled for layer in report.layers]


@pytest.mark.parametrize(
    ("make", "width"), [(Classifier, 2), (lambda: Called(make_qnode(reuploading)), WIRES)]
)
def test_the_losses_are_eager_ones(make, width):
    eager, fast = make().double(), make().double()
    keys = list(fast.state_dict())
    parameters = list(fast.parameters())
    report = hybridx.accelerate(fast, (torch.zeros(3, width, dtype=torch.float64),))
    assert compiled(report) == [True]
    assert list(fast.state_dict()) == keys
    assert all(one is two for one, two in zip(fast.parameters(), parameters, strict=True))
    # Adam divides by the root of a mean of squares, so that roundings of 1e-16 grow at first.
    assert np.abs(losses(fast, 12, width) - losses(eager, 12, width)).max() < 1e-9


def test_float32_and_other_batch_sizes():
    eager, fast = Classifier(), Classifier()
    hybridx.accelerate(fast, (torch.zeros(3, 2),))
    for shape in ((1, 2), (7, 2), (2, 3, 2)):
        x = torch.randn(shape)
        results = fast(x)
        assert results.dtype == eager(x).dtype
        assert torch.allclose(results, eager(x), rtol=0, atol=1e-6)  # roundings of 6e-8


def test_the_circuit_is_what_runs(monkeypatch):
    """Each test of equality here would pass if the layer stayed eager."""
    fast = Classifier()
    hybridx.accelerate(fast, (torch.zeros(3, 2),))
    monkeypatch.setattr(qml.workflow, "construct_batch", None)
    monkeypatch.setattr(qml.QNode, "_impl_call", None, raising=False)
    fast(torch.zeros(5, 2)).sum().backward()


def test_restored_it_is_as_before():
    qnode = make_qnode(entangled)
    before = dict(vars(qnode))
    first, second = Classifier(qnode), Classifier(qnode)
    hybridx.accelerate(first, (torch.zeros(3, 2),))
    hybridx.accelerate(second, (torch.zeros(3, 2),))
    drawn = qml.draw(qnode)(torch.zeros(WIRES), torch.zeros(2, WIRES, 3))
    assert "AngleEmbedding" in drawn
    assert hybridx.restore(first) == 1
    assert type(qnode) is not qml.QNode  # the other model still uses it
    assert hybridx.restore(second) == 1
    assert type(qnode) is qml.QNode
    assert vars(qnode).keys() == before.keys()
    assert hybridx.restore(second) == 0


def test_copies():
    fast = Classifier()
    hybridx.accelerate(fast, (torch.zeros(3, 2),))
    twin = copy.deepcopy(fast)
    x = torch.randn(4, 2)
    assert torch.equal(twin(x), fast(x))
    assert hybridx.restore(twin) == 1
    assert torch.allclose(twin(x), fast(x), rtol=0, atol=1e-6)  # one of them is eager now
    loaded = pickle.loads(pickle.dumps(fast.circuit))
    x = torch.randn(4, WIRES)
    assert torch.equal(loaded(x), fast.circuit(x))
    assert hybridx.restore(loaded) == 1


def test_python_values_that_change():
    """A list in the globals, a keyword and an attribute: the next call has eager's results."""

    def circuit(inputs, weights, turn=0.0):
        for _ in range(DEPTH[0]):
            qml.RY(inputs[..., 0] + turn, wires=0)
            qml.CRX(weights[0, 0], wires=[0, 1])
        return qml.expval(qml.PauliZ(1)), qml.probs(wires=0)

    qnode = make_qnode(circuit, 2)
    model = Called(qnode)
    hybridx.accelerate(model, (torch.zeros(3, 1, dtype=torch.float64),))
    x = torch.rand(3, 1, dtype=torch.float64)
    try:
        for depth in (1, 2, 3, 1):
            DEPTH[0] = depth
            eager = qml.QNode(circuit, qml.device("default.qubit", wires=2))
            for given in ({}, {"turn": 0.5 * depth}):
                fast, slow = qnode(x, model.weights, **given), eager(x, model.weights, **given)
                assert torch.allclose(fast[0], slow[0], rtol=0, atol=1e-12)
                assert torch.allclose(fast[1], slow[1], rtol=0, atol=1e-12)
    finally:
        DEPTH[0] = 1


def test_what_stays_eager_says_why():
    def reading(inputs):
        qml.RX(inputs[..., 0] + time.perf_counter(), wires=0)
        return qml.expval(qml.PauliZ(0))

    def noisy(inputs):
        qml.RX(inputs[..., 0], wires=0)
        return qml.sample(wires=0)

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = make_qnode(reading, 1)
            self.two = qml.set_shots(make_qnode(noisy, 1), 10)

        def forward(self, x):
            return self.one(x), self.two(x)

    model = Both()
    report = hybridx.accelerate(model, (torch.zeros(3, 1),))
    assert compiled(report) == [False, False]
    assert report.layers[0].reason.startswith("it reads what cannot be compared between calls")
    assert report.layers[1].reason.startswith("it samples shots")
    assert type(model.one) is qml.QNode


def test_a_layer_that_the_example_does_not_reach_is_told():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = Classifier(), Classifier()

        def forward(self, x):
            return self.one(x) if self.training else self.two(x)

    model = Two()
    report = hybridx.accelerate(model, (torch.zeros(3, 2),))
    assert compiled(report) == [True, False]
    assert report.layers[1].layer.startswith("'two.circuit'")
    assert report.layers[1].reason.startswith("forward does not call it on this example")
    assert compiled(hybridx.accelerate(model.eval(), (torch.zeros(3, 2),))) == [True]
    assert hybridx.restore(model) == 2


def test_a_circuit_that_fails_without_gradients_stays_eager():
    def circuit(x, weight):
        if not weight.requires_grad:
            raise ValueError("nothing to train")
        qml.RX(x * weight, wires=0)
        return qml.expval(qml.PauliZ(0))

    class Trained(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))
            self.one = make_qnode(circuit, 1)

        def forward(self, x):
            return self.one(x, self.weight)

    report = hybridx.accelerate(Trained(), (torch.zeros(3),))
    assert "without gradients: ValueError: nothing to train" in report.layers[0].reason


def test_a_wrong_rule_is_not_swapped_in(monkeypatch):
    right = tapes._generator
    monkeypatch.setattr(tapes, "_generator", lambda *given: -right(*given))
    model = Classifier()
    report = hybridx.accelerate(model, (torch.zeros(3, 2),))
    assert report.layers[0].reason == "its gradients differ from PennyLane's"
    assert type(model.circuit.qnode) is qml.QNode


def test_an_export_still_compares_with_pennylane(tmp_path, monkeypatch):
    """With a wrong compiled circuit in the model, the file is right."""
    model = Classifier().eval()
    x = torch.randn(5, 2)
    expected = model(x).detach()
    hybridx.accelerate(model, (torch.zeros(3, 2),))
    monkeypatch.setattr(LiveCircuit, "forward", lambda *_: torch.zeros(5, WIRES))
    assert not torch.allclose(model(x), expected)
    hybridx.export(model, (x,), tmp_path / "model.onnx")
    with hybridx.load(tmp_path / "model.onnx") as session:
        found = session(x.numpy())
    assert np.abs(found - expected.numpy()).max() < 1e-5  # of float32


def test_refusals():
    with pytest.raises(NoQuantumLayerError):
        hybridx.accelerate(nn.Linear(2, 2), (torch.zeros(1, 2),))
    with pytest.raises(ForwardRaisesError):
        hybridx.accelerate(Classifier(), (torch.zeros(1, 5),))


CIRCUIT = (
    "RY 0 p[0]; RX 1 p[1]; RZ 0 p[2]; CNOT 0 1; RY 1 p[3]; IsingXX 0 1 p[4]; CRX 0 1 p[2]; "
    "RZ 1 2*p[5]; expval Z0; expval X0@Y1; probs 0"
)


@pytest.fixture(scope="module")
def live():
    return LiveCircuit(parse(CIRCUIT), 2)


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(0)
    options = {"dtype": torch.float64, "generator": generator, "requires_grad": True}
    return torch.randn(3, 2, **options), torch.randn(4, **options)


def test_derivatives_by_differences(live, given):
    assert live.tape is not None
    assert torch.autograd.gradcheck(live, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(live, given)


def test_transforms_of_functions(live, given):
    """Each by the interpreter and by torch's own operators."""
    data, shared = (one.detach() for one in given)

    def both(transform):
        fast, slow = transform(live), transform(live.by_operators)
        for one, two in zip(*map(torch.utils._pytree.tree_leaves, (fast, slow)), strict=True):
            assert torch.allclose(one, two, rtol=0, atol=1e-10)  # of differences in float64

    both(lambda f: torch.func.jacrev(f, argnums=(0, 1))(data, shared))
    both(lambda f: torch.func.hessian(lambda *a: f(*a).sin().sum(), argnums=1)(data, shared))
    both(lambda f: torch.func.vmap(f, in_dims=(0, None))(data[:, None], shared))
    both(lambda f: torch.func.vmap(f, in_dims=(None, 0))(data, shared.expand(5, -1)))
    both(
        lambda f: torch.func.vmap(
            torch.func.grad(lambda x, w: f(x[None], w).sum()), in_dims=(0, None)
        )(data, shared)
    )


def test_what_is_no_model_or_does_not_fit_it():
    with pytest.raises(NotAModelError):
        hybridx.accelerate(Classifier, (torch.zeros(1, 2),))
    with pytest.raises(NotAModelError):
        hybridx.restore(3)
    with pytest.raises(ArgumentsDoNotFitError):
        hybridx.accelerate(Classifier(), ())


def test_wrappers_and_functions():
    """What is given is restored by the same name: a wrapper, a QNode, a method."""
    model = Classifier()
    for given in (nn.DataParallel(model), model.forward, model):
        report = hybridx.accelerate(given, torch.zeros(3, 2))
        assert compiled(report) == [True]
        assert hybridx.restore(given) == 1
        assert type(model.circuit.qnode) is qml.QNode
    qnode = make_qnode(entangled)
    arguments = torch.zeros(3, WIRES), torch.zeros(2, WIRES, 3)
    assert compiled(hybridx.accelerate(qnode, arguments)) == [True]
    assert hybridx.restore(qnode) == 1


class Residual(Classifier):
    """Asks for gradients of its input."""

    def forward(self, x):
        x.requires_grad_()
        return torch.autograd.grad(super().forward(x).sum(), x, create_graph=True)[0]


class Writing(Classifier):
    """Writes into its input."""

    def forward(self, x):
        result = super().forward(x.clone())
        x.mul_(2)
        return result


@pytest.mark.parametrize("make", [Residual, Writing])
def test_the_example_is_left_as_it_is(make):
    x = torch.ones(3, 2)
    model = make()
    assert compiled(hybridx.accelerate(model, (x,))) == [True]
    assert torch.equal(x, torch.ones(3, 2))
    assert not x.requires_grad
    results = [one(torch.ones(3, 2)) for one in (model, make())]
    assert torch.allclose(*results, rtol=0, atol=1e-6)  # roundings of 6e-8
