"""Inputs drawn from a fixed seed, so that a check of a model needs no data of the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.storage import Array

_Draw: TypeAlias = Callable[[np.random.Generator, Sequence[int]], NDArray[np.float64]]


def _unit_rows(rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float64]:
    """Return normally distributed numbers, each row divided by its Euclidean norm."""
    drawn = rng.standard_normal(shape)
    axes = tuple(range(min(1, len(shape) - 1), len(shape)))
    return drawn / np.sqrt((drawn**2).sum(axes, keepdims=True)) if axes else np.sign(drawn)


_OF_NORM_1 = "normal, each row of norm 1"

# Tried in this order: a model may take square roots or arcsines of its inputs, or states.
DISTRIBUTIONS: Mapping[str, _Draw] = MappingProxyType({
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "uniform on (0, 1)": lambda rng, shape: rng.uniform(0.05, 0.95, shape),
    _OF_NORM_1: _unit_rows,
})  # fmt: skip


def draw_inputs(
    examples: Mapping[str, Array],
    axes: Mapping[str, Mapping[int, str]],
    *,
    lengths: Mapping[str, int],
    distribution: str | None,
    seed: int,
    period: int | None = None,
) -> dict[str, Array]:
    """Return inputs like the examples, with other lengths of their open axes.

    Floating-point inputs are drawn. Integer and boolean inputs repeat the numbers of the example,
    because their range is not known.

    Args:
        examples: arrays by name.
        axes: by input, the names of the axes that may have any length.
        lengths: by the name of the axis; other axes are as long as in the example.
        distribution: a key of `DISTRIBUTIONS`; None repeats the numbers of the example.
        seed: of the generator.
        period: an input of more numbers repeats so many of them, so that a file can hold it.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, Array] = {}
    for name, example in examples.items():
        shape = list(example.shape)
        for axis, called in axes.get(name, {}).items():
            shape[axis] = lengths.get(called, shape[axis])
        is_long = period is not None and math.prod(shape) > period
        if distribution is not None and example.dtype.kind == "f":
            numbers = (
                _periodic(distribution, rng, shape, period or 1)
                if is_long
                else DISTRIBUTIONS[distribution](rng, shape)
            )
            drawn[name] = np.asarray(numbers, example.dtype)
        elif is_long:
            drawn[name] = np.resize(example.ravel()[:period], shape)
        else:
            drawn[name] = _repeated(example, shape)
    return drawn


def _periodic(
    distribution: str, rng: np.random.Generator, shape: Sequence[int], period: int
) -> NDArray[np.float64]:
    """Return numbers of a distribution that repeat after a period, in row-major order."""
    if distribution == _OF_NORM_1:
        # Numbers of one size, for a row of any length to have the norm 1.
        row = math.prod(shape[1:] if len(shape) > 1 else shape)
        return np.resize(np.sign(rng.standard_normal(period)) / np.sqrt(row), shape)
    return np.resize(DISTRIBUTIONS[distribution](rng, (period,)), shape)


def _repeated(example: Array, shape: Sequence[int]) -> Array:
    """Return an array of another shape, which repeats the array along each axis.

    Integers that do not rise, such as lengths of packed sequences, do not rise there either.
    """
    repeated = example
    for axis, length in enumerate(shape):
        repeated = repeated.take(np.arange(length) % example.shape[axis], axis)
    falls = example.ndim == 1 and example.dtype.kind == "i" and bool((np.diff(example) <= 0).all())
    return np.sort(repeated)[::-1].copy() if falls else repeated
