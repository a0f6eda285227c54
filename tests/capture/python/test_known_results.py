"""What depends on no input is computed while a model is traced; what does is refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridx.capture import Flat, capture, describe_call, in_eval_mode, prepare_example
from hybridx.errors import DrawError, LengthFromDataError, RandomnessError


class Model(nn.Module):
    """Constants of each kind, and a forward that is given."""

    def __init__(self, forward):
        super().__init__()
        self.register_buffer("edges", torch.tensor([[0, 1, 1], [1, 0, 1]]))
        self.weight = nn.Parameter(torch.tensor([0.5, -2.0]))
        self.mask = torch.tensor([True, False])
        self.count = torch.tensor(2)
        self._run = forward

    def forward(self, x):
        return self._run(self, x)


X = torch.tensor([[0.5, 1.0], [2.0, -1.0], [0.1, 0.2]])


def traced(forward):
    """Return the traced graph of a model, with the model."""
    model = Model(forward)
    call, tensors = describe_call(model, (X,), {})
    flat = Flat(model, call)
    with in_eval_mode(model):
        return model, capture(
            flat, prepare_example(flat, tensors, dtype="float32"), dtype="float32"
        )


def drawn(x, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def written(m, x):
    degree = torch.bincount(m.edges[1])
    degree[0] = 5
    degree.mul_(2)
    return x * degree.tolist()[0] + degree[degree > 4].sum()


def counted(m, x):
    total = torch.zeros(())
    for step in range(3):
        total += step
    return x * 2 if total == 3 else x


def filled(m, x):
    torch.manual_seed(4)
    matrix = torch.empty(2, 2)
    nn.init.orthogonal_(matrix)
    return x @ matrix + torch.empty(2).uniform_()


def isolated(m, x):
    rows = [x]
    for node in range(3):
        found = m.edges[0][m.edges[1] == node]
        if found.numel() == 0:
            rows.append(x * node)
    return sum(rows)


CONSTANTS = {
    "unique": lambda m, x: sum(x * one for one in torch.unique(m.edges).tolist()),
    "unique, all of it": lambda m, x: x[:, torch.unique(m.edges, return_inverse=True)[1][0]],
    "nonzero": lambda m, x: x[:, (m.edges[0] == 1).nonzero().squeeze(1)[0]],
    "where": lambda m, x: x + torch.where(m.weight > 0)[0],
    "a mask of the data": lambda m, x: x[:, m.mask] * 3,
    "a mask of weights": lambda m, x: x * m.weight[m.weight > 0],
    "masked_select": lambda m, x: x * torch.masked_select(m.weight, m.mask),
    "numel": isolated,
    "repeated": lambda m, x: x + torch.repeat_interleave(m.weight, torch.tensor([1, 1])),
    "one hot": lambda m, x: x @ nn.functional.one_hot(m.edges[0, :2]).float(),
    "equal": lambda m, x: x * 2 if torch.equal(m.edges, m.edges.flip(0)) else x,
    "contained": lambda m, x: x * 2 if 7 in m.edges else x * 3,
    "a size": lambda m, x: x + torch.arange(m.count) + torch.zeros(m.count),
    "an end": lambda m, x: x[:, : m.count] * m.weight[: m.count],
    "a write": written,
    "writes of numbers": counted,
    "a seeded generator": lambda m, x: x + drawn(x, 2),
    "a permutation": lambda m, x: x[:, torch.randperm(2, generator=torch.Generator())],
    "filled": filled,
}


@pytest.mark.parametrize("kind", CONSTANTS)
def test_what_depends_on_no_input_is_a_constant(kind):
    model, found = traced(CONSTANTS[kind])
    assert found.is_dynamic
    for x in (X, X[:1] + 1):
        assert torch.allclose(found.module(x)[0], model.eval()(x), atol=1e-6)


def seeded_like(m, x):
    torch.manual_seed(2)
    return x + torch.randn_like(x)


def test_seeded_draws_for_each_row_fix_the_batch():
    model, found = traced(seeded_like)
    assert not found.is_dynamic
    assert any("random numbers" in note or "rows" in note for note in found.notes)
    assert torch.allclose(found.module(X)[0], model(X))


def of_data(m, x):
    torch.manual_seed(2)
    return x * torch.bernoulli(x.sigmoid())


REFUSED = {
    "a loop": (lambda m, x: sum(x * one for one in torch.unique(x)), LengthFromDataError, "unique"),
    "a list": (lambda m, x: x * len(x.nonzero().tolist()), LengthFromDataError, "nonzero"),
    "a draw": (of_data, DrawError, "bernoulli"),
    "no seed": (lambda m, x: x + torch.rand(2), RandomnessError, "generator"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_depends_on_the_inputs_is_refused_by_name(kind):
    forward, error, name = REFUSED[kind]
    with pytest.raises(error, match=name) as caught:
        traced(forward)
    assert "test_known_results.py:" in str(caught.value)
    assert "set a seed" not in str(caught.value)
