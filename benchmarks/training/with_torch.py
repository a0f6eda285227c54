"""A step of training in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.training.lessons import RATE, Lesson, Library, Parameters, parameters_of
from benchmarks.training.steps import Training
from benchmarks.workloads import Arrays


def _fold(step: Callable[[Any, Any], Any], state: Any, rows: Any) -> Any:
    for row in rows:
        state = step(state, row)
    return state


TORCH = Library(
    Arrays(torch.from_numpy, torch.tanh, torch.erf),
    lambda parts: torch.cat(parts, -1),
    torch.zeros,
    _fold,
)


def train_module(model: nn.Module, lesson: Lesson) -> Training:
    """Return a torch module in training."""
    names = parameters_of(lesson.workload)
    named = {
        known: parameter
        for name, parameter in model.named_parameters()
        for known in names
        if name == known or name.endswith(f".{known}")
    }
    return train(model, list(model.parameters()), partial(_slopes, named), lesson)


def train_function(model: Callable[[Parameters, Tensor], Tensor], lesson: Lesson) -> Training:
    """Return a function of parameters and rows in training."""
    named = {
        name: nn.Parameter(torch.from_numpy(array))
        for name, array in parameters_of(lesson.workload).items()
    }
    return train(partial(model, named), list(named.values()), partial(_slopes, named), lesson)


def train(
    model: Callable[[Tensor], Tensor],
    parameters: list[nn.Parameter],
    gradients: Callable[[], Mapping[str, Any]],
    lesson: Lesson,
) -> Training:
    """Return a model in training.

    Args:
        model: from rows to results.
        parameters: that Adam changes.
        gradients: of the last step, by the names of the lesson.
        lesson: its rows and targets.
    """
    x, y = torch.from_numpy(lesson.rows), torch.from_numpy(lesson.targets)
    optimizer = torch.optim.Adam(parameters, lr=RATE)

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x).reshape(y.shape), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Training(step, gradients)


def _slopes(named: Mapping[str, nn.Parameter]) -> dict[str, Any]:
    return {name: one.grad.numpy() for name, one in named.items() if one.grad is not None}
