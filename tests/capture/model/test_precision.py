"""A model in eval mode, or in float64, for a while: afterwards it is what it was."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

from hybridx.capture import as_dtype, in_eval_mode


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(2, 2)
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("count", torch.zeros(2))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))


def write(model):
    model.count.add_(1)


def rebind(model):
    model.count = model.count + 1


def register(model):
    model.register_buffer("late", torch.zeros(1))


def replace(model):
    model.weight = nn.Parameter(torch.zeros(2))


def freeze(model):
    model.requires_grad_(False)


def train(model):
    model.train()


def draw(_):
    torch.rand(1)
    np.random.rand()
    random.random()


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("change", [write, rebind, register, replace, freeze, train, draw])
def test_what_a_forward_changes_is_put_back(change, error):
    model = Counted().train(mode=False)
    count, weight = model.count, model.weight
    states = torch.get_rng_state(), str(np.random.get_state()), random.getstate()
    with suppress(ValueError, KeyboardInterrupt), in_eval_mode(model):
        change(model)
        if error is not None:
            raise error
    assert model.count is count
    assert model.weight is weight
    assert count.tolist() == [0, 0]
    assert weight.requires_grad
    assert not model.training
    assert [name for name, _ in model.named_buffers()] == ["count", "steps"]
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (str(np.random.get_state()), random.getstate())


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_model_in_float64_keeps_its_tensors_and_gradients(error):
    model = Counted()
    (model.lstm(torch.ones(3, 1, 2))[0].sum() + model.weight.sum()).backward()
    tensors = [*model.parameters(), *model.buffers()]
    before = [(one, one.data_ptr(), one.dtype, one.grad) for one in tensors]
    with suppress(KeyboardInterrupt), as_dtype(model, "float64"):
        assert {one.dtype for one in tensors} == {torch.float64, torch.int64}
        assert model.lstm(torch.ones(3, 1, 2).double())[0].dtype == torch.float64
        if error is not None:
            raise error
    for (tensor, pointer, dtype, grad), now in zip(
        before, [*model.parameters(), *model.buffers()], strict=True
    ):
        assert now is tensor
        assert (now.data_ptr(), now.dtype) == (pointer, dtype)
        assert now.grad is grad
        assert grad is None or grad.dtype == dtype
    torch.optim.Adam(model.parameters()).step()


class Trainer(nn.Module):
    """A module whose `train` and `eval` are the user's own loops over data."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout()

    def train(self, loader, epochs=3):
        raise AssertionError("a loop over data")

    def eval(self, loader):
        raise AssertionError("a loop over data")


class Adapter(nn.Module):
    """A module that merges a weight into another one in eval mode."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.delta = nn.Parameter(torch.ones(2))

    def train(self, mode=True):
        if not mode and self.training:
            self.weight.data += self.delta.data
        return super().train(mode)


def test_a_train_that_is_something_else_is_not_called():
    model = nn.Sequential(Trainer())
    with in_eval_mode(model):
        assert not model[0].drop.training
    assert model[0].drop.training


def test_a_models_own_eval_is_called_and_undone():
    model = Adapter()
    with in_eval_mode(model):
        assert model.weight.tolist() == [2, 2]
        assert not model.training
    assert model.weight.tolist() == [1, 1]
    assert model.training
