"""Accelerated models under `torch.compile`: a QNode call is one operator of the graph."""

from __future__ import annotations

import copy

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.errors import CompiledCallChangedError

WIRES = 2
SCALE = {"of inputs": 1.0}
CLOSE = {"rtol": 0, "atol": 1e-12}  # roundings of float64


def circuit(inputs, weights):
    qml.AngleEmbedding(SCALE["of inputs"] * inputs, wires=range(WIRES))
    qml.StronglyEntanglingLayers(weights, wires=range(WIRES))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


def model():
    torch.manual_seed(0)
    qnode = qml.QNode(circuit, qml.device("default.qubit", wires=WIRES))
    layer = qml.qnn.TorchLayer(qnode, {"weights": (1, WIRES, 3)})
    return nn.Sequential(nn.Linear(3, WIRES), nn.Tanh(), layer, nn.Linear(WIRES, 1)).double()


@pytest.fixture
def pair():
    """A model with a compiled circuit, and the same model without."""
    fast, eager = model(), model()
    report = hybridx.accelerate(fast, (torch.zeros(2, 3, dtype=torch.float64),))
    assert all(layer.is_compiled for layer in report.layers)
    torch.compiler.reset()
    yield fast, eager
    torch.compiler.reset()


def rows(count):
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, 3, dtype=torch.float64, generator=generator)


def slopes(function, module, x):
    """Return the results, and the gradients of the input and of the parameters."""
    x = x.clone().requires_grad_()
    module.zero_grad()
    results = function(x)
    (results**2).sum().backward()
    return [results, x.grad, *(one.grad for one in module.parameters())]


def assert_close(found, expected):
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, **CLOSE)


def graphs_of(backend):
    """Return a backend that keeps the graphs it is given, and the list of them."""
    kept = []

    def keeping(graph, inputs):
        kept.append(graph)
        return torch._dynamo.lookup_backend(backend)(graph, inputs)

    return keeping, kept


def count_pennylane(monkeypatch):
    """Return a list that grows when PennyLane simulates."""
    calls = []
    right = qml.devices.DefaultQubit.execute
    monkeypatch.setattr(
        qml.devices.DefaultQubit, "execute", lambda *given: calls.append(1) or right(*given)
    )
    return calls


def check(pair, backend, monkeypatch, **options):
    fast, eager = pair
    keeping, kept = graphs_of(backend)
    compiled = torch.compile(fast, backend=keeping, fullgraph=True, **options)
    for count in (4, 5, 1):
        x = rows(count)
        expected = slopes(eager, eager, x)
        if count == 5:  # all is learned and traced, but for this length
            simulated = count_pennylane(monkeypatch)
        found = slopes(compiled, fast, x)
        if count == 5:
            assert not simulated
            monkeypatch.undo()
        assert_close(found, expected)
    assert len(kept) <= 3  # the first length, any length, one row
    return compiled


def test_training_with_any_batch_size(pair, monkeypatch):
    compiled = check(pair, "aot_eager", monkeypatch)
    with torch.no_grad():
        assert_close([compiled(rows(4))], [pair[1](rows(4))])


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "dynamic"), [("eager", True), ("inductor", None)])
def test_other_backends(pair, backend, dynamic, monkeypatch):
    check(pair, backend, monkeypatch, dynamic=dynamic)


def test_python_values_that_change(pair, monkeypatch):
    """torch sees nothing of what a quantum function reads."""
    fast, eager = pair
    compiled = torch.compile(fast, backend="aot_eager", fullgraph=True)
    for scale in (1.0, 2.0, 1.0):
        monkeypatch.setitem(SCALE, "of inputs", scale)
        assert_close(slopes(compiled, fast, rows(4)), slopes(eager, eager, rows(4)))


@pytest.mark.slow
def test_restored_and_copied_models(pair):
    fast, eager = pair
    compiled = torch.compile(fast, backend="aot_eager")
    expected = [eager(rows(4))]
    assert_close([compiled(rows(4))], expected)
    twin = copy.deepcopy(fast)
    assert_close([torch.compile(twin, backend="aot_eager", fullgraph=True)(rows(4))], expected)
    hybridx.restore(fast)  # torch.compile cannot follow PennyLane
    hybridx.accelerate(fast, (rows(4),))
    assert_close([compiled(rows(4))], expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "transform",
    [
        torch.func.grad,
        torch.func.hessian,
        lambda f: torch.func.jacrev(torch.func.grad(f)),
        lambda f: lambda x: torch.func.jvp(f, (x,), (x,)),
        lambda f: lambda x: torch.func.vmap(torch.func.grad(f))(torch.stack([x, 2 * x])),
    ],
)
def test_transforms_inside_a_compiled_function(pair, transform):
    """torch differentiates and vectorizes the operator while it traces."""

    def derived(module, x):
        return transform(lambda one: module(one[None]).sin().sum())(x)

    x = rows(1)[0]
    compiled = torch.compile(derived, backend="aot_eager", fullgraph=True)
    found, expected = compiled(pair[0], x), derived(pair[1], x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)  # of second derivatives


def test_other_results_are_refused():
    """A graph has a fixed number of results."""
    count = [1]

    def several(x):
        qml.RX(x, wires=0)
        return [qml.expval(qml.PauliZ(0)) for _ in range(count[0])]

    qnode = qml.QNode(several, qml.device("default.qubit", wires=1))
    x = torch.tensor(0.3, dtype=torch.float64)

    class Called(nn.Module):
        def forward(self, x):
            return qnode(x)

    fast = Called()
    hybridx.accelerate(fast, (x,))
    compiled = torch.compile(fast, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x)[0], torch.cos(x), **CLOSE)
    count[0] = 2
    with pytest.raises(CompiledCallChangedError, match=r"torch\.compiler\.reset"):
        compiled(x)


def test_weights_that_are_no_arguments():
    """They are inputs of the graph: replaced ones are noticed."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(2, dtype=torch.float64))

    class Enclosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.held = [weight]
            self.weight = weight

            def rotated(x):
                qml.RX(x[..., 0], wires=0)
                qml.RY(self.held[0][0] * self.held[0][1], wires=0)
                return qml.expval(qml.PauliZ(0))

            self.qnode = qml.QNode(rotated, qml.device("default.qubit", wires=1))

        def forward(self, x):
            return self.qnode(x)

    fast, eager = Enclosing(), Enclosing()
    assert all(one.is_compiled for one in hybridx.accelerate(fast, (rows(4),)).layers)
    compiled = torch.compile(fast, backend="aot_eager", fullgraph=True)
    assert_close(slopes(compiled, fast, rows(4)), slopes(eager, eager, rows(4)))
    weight.data.mul_(2)
    assert_close(slopes(compiled, fast, rows(4)), slopes(eager, eager, rows(4)))
    fast.held[0] = eager.held[0] = nn.Parameter(weight.detach() + 1)
    with pytest.raises(CompiledCallChangedError, match=r"torch\.compiler\.reset"):
        compiled(rows(4))
    torch.compiler.reset()
    assert_close([compiled(rows(4))], [eager(rows(4))])
    fast.held[0] = eager.held[0] = weight  # which an earlier call has read
    with pytest.raises(CompiledCallChangedError):
        compiled(rows(4))
    torch.compiler.reset()
    assert_close([compiled(rows(4))], [eager(rows(4))])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_trace_gets_what_pennylane_computes(pair):
    """The numbers of the example must not become constants of a TorchScript module."""
    fast, eager = pair
    traced = torch.jit.trace(fast, (rows(4),), check_trace=False)
    assert_close([traced(rows(4) + 1)], [eager(rows(4) + 1)])
