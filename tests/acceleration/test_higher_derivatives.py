"""Derivatives of every order and mode by the interpreter, beside those of torch's own operators."""

from __future__ import annotations

import pytest
import torch
from torch import func
from torch.autograd import forward_ad
from torch.utils import _pytree

from hybridx.acceleration import circuit as circuits
from hybridx.acceleration.circuit import LiveCircuit
from hybridx.circuit import parse

# Differences of float64 are off by 1e-13, 1e-12, ... of how fast the results may turn: here 10.
CLOSE = {1: 1e-11, 2: 1e-9, 3: 1e-7}

CIRCUIT = (
    "RY 0 p[0]; RX 1 p[1]; RZ 0 p[2]; CNOT 0 1; RY 1 0.5*p[3]; IsingXX 0 1 p[4]; CRX 0 1 p[2]; "
    "RX 0 p[0]; RZ 1 2*p[5]; PhaseShift 0 p[1]; expval Z0; expval X0@Y1; probs 0"
)


@pytest.fixture(scope="module")
def live():
    found = LiveCircuit(parse(CIRCUIT), 2)
    assert found.tape is not None
    return found


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


DATA, SHARED = numbers(3, 2), numbers(4, seed=1)


def no_operators(live, monkeypatch):
    def refused(*given):
        raise AssertionError(given)

    monkeypatch.setattr(LiveCircuit, "by_operators", refused)


def energy(f):
    return lambda data, shared: f(data, shared).sin().sum()


def jvp(f, along=(1.0, 1.0)):
    def pushed(data, shared):
        tangents = tuple(torch.cos(3 * one.detach()) for one in (data, shared))
        return func.jvp(f, (data, shared), tangents)[1]

    return pushed


def each(f):
    """A function of one row, over rows."""
    return lambda data, shared: func.vmap(lambda row: f(row[None], shared))(data)


TRANSFORMS = {
    "jacrev": (1, lambda f: func.jacrev(f, argnums=(0, 1))),
    "jacfwd": (1, lambda f: func.jacfwd(f, argnums=(0, 1))),
    "jvp": (1, jvp),
    "jvp of rows": (1, lambda f: jvp(each(f))),
    "rows of jvp": (1, lambda f: each(jvp(f))),
    "rows of weights": (
        1,
        lambda f: lambda data, shared: func.vmap(f, in_dims=(None, 0))(data, numbers(5, 4)),
    ),
    "last axis": (
        1,
        lambda f: lambda data, shared: func.vmap(f, in_dims=(1, None))(numbers(3, 5, 2), shared),
    ),
    "gradients of rows": (1, lambda f: each(func.grad(energy(f), argnums=(0, 1)))),
    "hessian": (2, lambda f: func.hessian(energy(f), argnums=(0, 1))),
    "reverse over reverse": (2, lambda f: func.jacrev(func.grad(energy(f), argnums=1), argnums=0)),
    "forward over forward": (2, lambda f: func.jacfwd(func.jacfwd(f))),
    "reverse over forward": (2, lambda f: func.jacrev(jvp(f), argnums=(0, 1))),
    "jvp of jvp": (2, lambda f: jvp(jvp(f))),
    "hessian of rows": (2, lambda f: each(func.hessian(energy(f)))),
    "third": (3, lambda f: func.jacrev(func.hessian(energy(f)), argnums=1)),
    "forward third": (3, lambda f: func.jacfwd(func.hessian(energy(f)))),
    "jvp of hessian of rows": (3, lambda f: jvp(each(func.hessian(energy(f))))),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_of_functions(live, name, monkeypatch):
    order, transform = TRANSFORMS[name]
    expected = _pytree.tree_leaves(transform(live.by_operators)(DATA, SHARED))
    no_operators(live, monkeypatch)
    found = _pytree.tree_leaves(transform(live)(DATA, SHARED))
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=CLOSE[order])


def residual(f, data, shared):
    """The loss of a physics-informed model: second derivatives by inputs inside."""
    data = data.clone().requires_grad_()
    values = f(torch.tanh(data), shared)
    (first,) = torch.autograd.grad(values[:, 0].sum(), data, create_graph=True)
    (second,) = torch.autograd.grad(first[:, 0].sum(), data, create_graph=True)
    return ((second[:, 0] - first[:, 1] + values[:, 1]) ** 2).mean()


def test_second_derivatives_inside_a_loss(live, monkeypatch):
    shared = SHARED.clone().requires_grad_()
    expected = torch.autograd.grad(residual(live.by_operators, DATA, shared), shared)
    no_operators(live, monkeypatch)
    found = torch.autograd.grad(residual(live, DATA, shared), shared)
    torch.testing.assert_close(found, expected, rtol=0, atol=CLOSE[3])


def test_float32(live):
    """Differences are computed in float64: nothing is lost but the roundings of float32."""
    narrow = DATA.float(), SHARED.float().requires_grad_()
    wide = narrow[0].double(), narrow[1].detach().double().requires_grad_()
    found = torch.autograd.grad(residual(live, *narrow), narrow[1])[0]
    expected = torch.autograd.grad(residual(live, *wide), wide[1])[0]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_dual_numbers(live, monkeypatch):
    tangents = numbers(3, 2, seed=2), numbers(4, seed=3)
    expected = func.jvp(live.by_operators, (DATA, SHARED), tangents)[1]
    no_operators(live, monkeypatch)
    with forward_ad.dual_level():
        data = forward_ad.make_dual(DATA, tangents[0])
        shared = forward_ad.make_dual(SHARED, tangents[1])
        found = forward_ad.unpack_dual(live(data, shared)).tangent
        alone = forward_ad.unpack_dual(live(data, SHARED)).tangent
    torch.testing.assert_close(found, expected, rtol=0, atol=CLOSE[1])
    assert not torch.allclose(alone, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("circuit", ["RY 0 p[0]; expval Z0", "RY 0 p[0]; RX 0 p[1]; expval Z0"])
def test_checks_of_torch(circuit):
    """Data alone, shared columns alone, and both."""
    parsed = parse(circuit)
    for columns in range(parsed.parameters + 1):
        given = numbers(2, columns), numbers(parsed.parameters - columns)
        given = tuple(one.requires_grad_() for one in given)
        live = LiveCircuit(parsed, columns)
        assert torch.autograd.gradcheck(live, given, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(live, given, check_fwd_over_rev=True)


def test_no_rows(live):
    shared = SHARED.clone().requires_grad_()
    data = numbers(0, 2).requires_grad_()
    slopes = torch.autograd.grad(live(data, shared).sum(), (data, shared), create_graph=True)
    again = torch.autograd.grad(slopes[1].sum(), shared)
    assert slopes[0].shape == (0, 2)
    assert not slopes[1].any()
    assert not again[0].any()
    assert func.vmap(live, in_dims=(0, None))(numbers(4, 0, 2), SHARED).shape == (4, 0, 4)


NOISE = "RY 0 p[0]; CRX 0 1 p[1]; channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; RX 1 p[2]; expval Z0@Y1"


@pytest.mark.parametrize("rows", [2, 5])
def test_operators_in_slices(rows, monkeypatch):
    """A circuit with noise, whose last slice has fewer rows: gradients are those of one slice."""
    live = LiveCircuit(parse(NOISE), 1)
    assert live.tape is None
    given = numbers(rows, 1).requires_grad_(), numbers(2).requires_grad_()

    def derived():
        results = live(*given)
        slopes = torch.autograd.grad(results.square().sum(), given, create_graph=True)
        return [results, *slopes, *torch.autograd.grad(slopes[1].sin().sum(), given)]

    whole = derived()
    monkeypatch.setattr(circuits, "_SLICE", 2 * 16)  # two rows of 16 numbers
    torch.testing.assert_close(derived(), whole, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(live, given)
    assert torch.autograd.gradgradcheck(live, given)


def test_operators_know_no_autocast():
    live = LiveCircuit(parse(NOISE), 1)
    given = numbers(3, 1).float(), numbers(2).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = live(*given)
    torch.testing.assert_close(found, live(*given), rtol=0, atol=0)
