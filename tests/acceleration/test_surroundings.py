"""Accelerated models in what people put around them: each beside the same model in PennyLane."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pennylane as qml
import pytest
import torch
from torch import func, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

import hybridx
from hybridx.acceleration.circuit import LiveCircuit

WIRES = 3
CLOSE = {"rtol": 0, "atol": 1e-9}


def circuit(inputs, weights):
    for layer in weights:
        qml.AngleEmbedding(inputs, wires=range(WIRES), rotation="Y")
        qml.StronglyEntanglingLayers(layer[None], wires=range(WIRES))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


def make(dtype=torch.float64):
    torch.manual_seed(0)
    qnode = qml.QNode(circuit, qml.device("default.qubit", wires=WIRES))
    layer = qml.qnn.TorchLayer(qnode, {"weights": (2, WIRES, 3)})
    return nn.Sequential(nn.Linear(2, WIRES), nn.Tanh(), layer, nn.Linear(WIRES, 1)).to(dtype)


def numbers(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=dtype, generator=generator)


@pytest.fixture(scope="module")
def models():
    """A model whose circuit the interpreter runs, and the same in PennyLane."""
    fast, eager = make(), make()
    report = hybridx.accelerate(fast, (numbers(3, 2),))
    assert all(layer.is_compiled and layer.steps for layer in report.layers)
    return fast, eager


@pytest.fixture
def pair(models, monkeypatch):
    """The two models; the first one cannot call PennyLane."""
    fast, eager = models
    for one in models:
        one.load_state_dict(make().state_dict())
        one.requires_grad_(True)
    monkeypatch.setattr(fast[2].qnode.__dict__["_hybridx_calls"], "_eager", None)
    return fast, eager


def learn(monkeypatch, fast):
    """Let the model compile further circuits."""
    calls = fast[2].qnode.__dict__["_hybridx_calls"]
    monkeypatch.setattr(calls, "_eager", qml.QNode.__call__)


def trained(model, train):
    """Return what training gives, and all gradients."""
    model.zero_grad()
    found = train(model)
    return [found, *(one.grad for one in model.parameters())]


def same(pair, train, **close):
    for one, two in zip(trained(pair[0], train), trained(pair[1], train), strict=True):
        torch.testing.assert_close(one, two, **(close or CLOSE))


def backward(results):
    results.square().sum().backward()
    return results.detach()


def test_gradients_of_the_input_alone_of_weights_alone_and_of_nothing(pair):
    x = numbers(4, 2)
    for data, weights in ((True, True), (True, False), (False, True)):

        def train(model, data=data, weights=weights):
            model.requires_grad_(weights)
            given = x.clone().requires_grad_(data)
            results = backward(model(given))
            return torch.cat([results, given.grad], 1) if data else results

        same(pair, train)
    for one in pair:
        one.requires_grad_(False)
    assert not pair[0](x).requires_grad
    torch.testing.assert_close(pair[0](x), pair[1](x), **CLOSE)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(pair, mode):
    with mode():
        found, expected = (one(numbers(4, 2)) for one in pair)
        assert not found.requires_grad
        assert found.is_inference() == expected.is_inference()
        torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.slow
def test_a_circuit_that_inference_mode_meets_first(pair, monkeypatch):
    fast, eager = make(), make()
    hybridx.accelerate(fast, (numbers(3, 2),))
    with torch.inference_mode():
        fast(numbers(2, 3, 2))
        fast(numbers(1, 2))
    same((fast, eager), lambda model: backward(model(numbers(1, 2))))


def test_many_backward_passes(pair):
    def train(model):
        results = model(numbers(4, 2))
        loss = results.square().sum()
        loss.backward(retain_graph=True)
        loss.backward()
        for part in numbers(6, 2).split(2):  # accumulated
            model(part).sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        return results.detach()

    same(pair, train)


def test_what_a_call_was_given_is_written_anew(pair):
    """PennyLane does not look at its arguments on the way back."""

    def train(model):
        layer, angles = model[2], torch.zeros(2, WIRES, dtype=torch.float64)
        results = []
        for column, given in enumerate(numbers(WIRES, 2).requires_grad_()):
            angles[:, column] = given
            results.append(layer(angles))
        with torch.no_grad():
            layer.qnode_weights["weights"].add_(1)
        return backward(torch.stack(results))

    same(pair, train)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints(pair, reentrant):
    def train(model):
        x = numbers(4, 2).requires_grad_()
        backward(checkpoint(model, x, use_reentrant=reentrant))
        return x.grad

    same(pair, train)


def test_saved_tensors_elsewhere_and_anomalies(pair):
    def train(model):
        with torch.autograd.graph.save_on_cpu(), torch.autograd.detect_anomaly(check_nan=True):
            return backward(model(numbers(4, 2)))

    with pytest.warns(UserWarning, match="Anomaly Detection"):
        same(pair, train)


def test_hooks(pair):
    def train(model):
        seen = []
        x = numbers(4, 2).requires_grad_()
        x.register_hook(lambda slope: seen.append(slope) or 2 * slope)
        handles = [
            model[2].register_forward_hook(lambda module, given, results: results * 2),
            model[2].register_full_backward_hook(lambda module, of, out: seen.extend([*of, *out])),
            model[2].qnode_weights["weights"].register_hook(lambda slope: slope + 1),
        ]
        backward(model(x))
        for handle in handles:
            handle.remove()
        return torch.cat([x.grad.reshape(-1), *(one.reshape(-1) for one in seen)])

    same(pair, train)


@pytest.mark.parametrize(
    "layout",
    [
        lambda: numbers(2, 4).t(),
        lambda: numbers(8, 4)[::2, 1:3],
        lambda: numbers(1, 2).expand(4, 2),
        lambda: numbers(4, 2).flip(0),
        lambda: numbers(3, 4, 2).transpose(0, 1),
        lambda: numbers(2),
    ],
)
def test_layouts_of_inputs(pair, layout, monkeypatch):
    learn(monkeypatch, pair[0])
    same(pair, lambda model: backward(model(layout())))


def test_physics_informed_losses_and_penalties(pair):
    def train(model):
        x = numbers(4, 2).requires_grad_()
        values = model(x)
        (first,) = torch.autograd.grad(values.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first[:, 0].sum(), x, create_graph=True)
        loss = (second[:, 0] - first[:, 1] + values[:, 0]).square().mean()
        loss = loss + (first.norm(dim=1) - 1).square().mean()
        loss.backward()
        return loss.detach()

    same(pair, train)


def test_transforms_of_functions(pair, monkeypatch):
    fast, eager = pair
    learn(monkeypatch, fast)
    parameters = {name: one.detach() for name, one in eager.named_parameters()}
    x, y = numbers(4, 2), numbers(4, 1)

    def loss(model, parameters, x, y):
        return (func.functional_call(model, parameters, (x,)) - y).square().mean()

    def each(model):
        def one(parameters, x, y):
            return loss(model, parameters, x[None], y[None])

        return one

    for transform in (
        lambda model: func.grad(loss, argnums=1)(model, parameters, x, y),
        lambda model: func.vmap(func.grad(each(model)), in_dims=(None, 0, 0))(parameters, x, y),
        lambda model: func.jacrev(model)(x),
        lambda model: func.jacfwd(model)(x),
        lambda model: func.hessian(lambda row: model(row[None]).sum())(x[0]),
        lambda model: func.jvp(model, (x,), (torch.cos(x),)),
    ):
        found, expected = transform(fast), transform(eager)
        torch.testing.assert_close(found, expected, **CLOSE)


def test_an_ensemble_of_models(pair):
    """Weights with a further axis, under vmap."""
    fast, eager = pair
    x = numbers(4, 2)
    stacked = {
        name: torch.stack([one.detach(), 2 * one.detach()])
        for name, one in eager.named_parameters()
    }

    def losses(model):
        def call(parameters):
            return func.functional_call(model, parameters, (x,)).sum()

        return func.vmap(func.grad(call))(stacked)

    torch.testing.assert_close(losses(fast), losses(eager), **CLOSE)


@pytest.mark.slow
def test_autocast(monkeypatch):
    """The circuit is computed in float32; the dtypes of results are eager's."""
    fast, eager = make(torch.float32), make(torch.float32)
    hybridx.accelerate(fast, (numbers(3, 2, dtype=torch.float32),))
    seen = []
    right = LiveCircuit.forward

    def noted(self, data, shared):
        results = right(self, data, shared)
        seen.append((data.dtype, shared.dtype, results.dtype))
        return results

    monkeypatch.setattr(LiveCircuit, "forward", noted)
    x = numbers(4, 2, dtype=torch.float32)

    def train(model):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            results = model(x)
        results.float().square().sum().backward()
        return results.detach()

    train(fast)
    seen.clear()
    same((fast, eager), train, rtol=0.05, atol=0.05)  # bfloat16 has 8 bits
    assert seen == [(torch.float32,) * 3]


@pytest.mark.slow
def test_two_threads(pair):
    """On one model, whose circuits of other shapes are learned meanwhile."""
    fast, eager = make(), make()
    hybridx.accelerate(fast, (numbers(3, 2),))

    def slope(model, count):
        x = numbers(count, 2).requires_grad_()
        return torch.autograd.grad(model(x).square().sum(), x)[0]

    counts = [1, 2, 5, 8] * 4
    expected = {count: slope(eager, count) for count in set(counts)}
    with ThreadPoolExecutor(2) as pool:
        for count, found in zip(counts, pool.map(lambda n: slope(fast, n), counts), strict=True):
            torch.testing.assert_close(found, expected[count], **CLOSE)


class Rows(Dataset):
    """Features that the model itself computes, in the loader's processes."""

    def __init__(self, model):
        self.model = model

    def __len__(self):
        return 4

    def __getitem__(self, index):
        with torch.no_grad():
            return self.model(numbers(index + 2, 2)).sum(0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_loaders_that_fork(pair):
    fast, eager = pair
    loader = DataLoader(Rows(fast), batch_size=2, num_workers=2, multiprocessing_context="fork")
    found = torch.cat(list(loader))
    expected = torch.stack([Rows(eager)[index] for index in range(4)])
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.slow
def test_other_optimizers_and_copies(pair):
    fast, _ = pair
    twin = pickle.loads(pickle.dumps(fast[2]))
    assert type(twin.qnode) is type(fast[2].qnode)

    def train(model):
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)

        def closure():
            optimizer.zero_grad()
            loss = model(numbers(4, 2)).square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return torch.cat([one.detach().reshape(-1) for one in model.parameters()])

    same(pair, train, rtol=0, atol=1e-7)
