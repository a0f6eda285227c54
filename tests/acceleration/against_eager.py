"""A model trained by compiled circuits beside its eager twin: results and derivatives."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import hybridx
from hybridx.acceleration import AcceleratedLayer


@dataclass(frozen=True)
class Way:
    """How a model is differentiated.

    Attributes:
        is_wide: in float64.
        inputs: with respect to its inputs, not its parameters alone.
        order: 2 for second derivatives too, 0 for results alone.
    """

    is_wide: bool
    inputs: bool
    order: int


WAYS = tuple(Way(*one) for one in product((True, False), (True, False), (2, 1, 0)))
"""The most demanding first; PennyLane, or the model, cannot do each."""


@dataclass(frozen=True)
class Outcome:
    """What became of a model.

    Attributes:
        layers: of the report.
        way: in which it was compared.
        differences: of results, first and second derivatives, as a part of the largest number.
        trains: some result depends on an input or a parameter.
    """

    layers: tuple[AcceleratedLayer, ...]
    way: Way
    differences: tuple[float, float, float]
    trains: bool


def compare(
    make: Callable[[], nn.Module],
    example: tuple[Sequence[Any], Mapping[str, Any]],
    given: tuple[Sequence[Any], Mapping[str, Any]],
) -> Outcome:
    """Accelerate a model and compare it with its eager twin.

    Args:
        make: returns the model, the same one each time.
        example: arguments by position and by name with which it is accelerated.
        given: those with which it is compared.
    """
    for way in WAYS:
        try:
            expected = derivatives(_made(make, way), given, way)
        except Exception as error:
            reason = error
            continue
        break
    else:
        raise reason
    fast = _made(make, way)
    report = hybridx.accelerate(
        fast,
        tuple(_leaf(_as(one, way), way) for one in example[0]),
        kwargs={name: _leaf(_as(one, way), way) for name, one in example[1].items()},
    )
    found = derivatives(fast, given, way)
    hybridx.restore(fast)
    one, two, three = (difference(*pair) for pair in zip(expected, found, strict=True))
    return Outcome(report.layers, way, (one, two, three), trains=bool(expected[1]))


def derivatives(
    model: nn.Module, given: tuple[Sequence[Any], Mapping[str, Any]], way: Way
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return results, first derivatives and second derivatives of a model.

    The first ones are those of a sum of all results with weights of their own, the second ones
    those of a sum of the first ones with weights of their own.
    """
    args = [_leaf(_as(one, way), way) for one in given[0]]
    kwargs = {name: _leaf(_as(one, way), way) for name, one in given[1].items()}
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    results = [one for one in tree_leaves(model(*args, **kwargs)) if isinstance(one, Tensor)]
    along = [
        one
        for one in (*args, *kwargs.values(), *model.parameters())
        if isinstance(one, Tensor) and one.requires_grad
    ]
    total = _mixed(results)
    if total is None or not along or not way.order:
        return results, [], []
    goes_on = way.order == 2
    firsts = torch.autograd.grad(total, along, create_graph=goes_on, allow_unused=True)
    again = _mixed([one for one in firsts if one is not None]) if goes_on else None
    if again is None:
        return results, _filled(firsts, along), []
    seconds = torch.autograd.grad(again, along, allow_unused=True)
    return results, _filled(firsts, along), _filled(seconds, along)


def difference(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """Return the largest difference, as a part of the largest number; infinity for other forms."""
    if _forms(left) != _forms(right):
        return math.inf
    worst = 0.0
    for one, two in zip(left, right, strict=True):
        wide = torch.complex128 if one.is_complex() else torch.float64
        first, second = one.detach().to(wide), two.detach().to(wide)
        if not torch.equal(first.isfinite(), second.isfinite()):
            return math.inf
        first, second = (part.nan_to_num(0.0, 0.0, 0.0) for part in (first, second))
        if first.numel():
            scale = max(1.0, float(first.abs().max()))
            worst = max(worst, float((first - second).abs().max()) / scale)
    return worst


def _forms(tensors: Sequence[Tensor]) -> list[Any]:
    return [(one.shape, one.dtype, one.requires_grad) for one in tensors]


def _made(make: Callable[[], nn.Module], way: Way) -> nn.Module:
    return make().double() if way.is_wide else make()


def _as(value: Any, way: Way) -> Any:
    if not isinstance(value, Tensor) or not way.is_wide:
        return value
    if value.is_complex():
        return value.to(torch.complex128)
    return value.double() if value.is_floating_point() else value


def _leaf(value: Any, way: Way) -> Any:
    if not isinstance(value, Tensor):
        return value
    value = value.detach().clone()
    has_slopes = value.is_floating_point() or value.is_complex()
    return value.requires_grad_(has_slopes and way.inputs)


def _mixed(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return a sum of all numbers with weights of their own, or None if nothing depends on it."""
    total: Any = None
    for place, one in enumerate(tensors):
        if not one.requires_grad:
            continue
        real = torch.view_as_real(one) if one.is_complex() else one
        weights = torch.cos(torch.arange(real.numel(), dtype=torch.float64) + place)
        part = (real.reshape(-1).double() * weights).sum()
        total = part if total is None else total + part
    return total


def _filled(found: Any, along: Sequence[Tensor]) -> list[Tensor]:
    return [
        torch.zeros_like(two) if one is None else one.detach()
        for one, two in zip(found, along, strict=True)
    ]
