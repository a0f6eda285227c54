"""Inputs drawn from a fixed seed, so that a check of a model needs no data of the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.storage import Array

Whole: TypeAlias = Literal["repeated", "within", "spread"]

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
    whole: Whole = "repeated",
) -> dict[str, Array]:
    """Return inputs like the examples, with other lengths of their open axes.

    Floating-point inputs are drawn, those of zeros and ones, such as masks, as zeros and ones.
    Integer and boolean inputs repeat the numbers of the example, because their range is not known.
    Where they may be indices into open axes, such as the ends of the edges of a graph, they can
    follow the lengths of these.

    Args:
        examples: arrays by name.
        axes: by input, the names of the axes that may have any length.
        lengths: by the name of the axis; other axes are as long as in the example.
        distribution: a key of `DISTRIBUTIONS`; None repeats the numbers of the example.
        seed: of the generator.
        period: an input of more numbers repeats so many of them, so that a file can hold it.
        whole: `repeated`, or what becomes of integers that may be indices: `within` the lengths of
            the open axes, or also `spread` over longer ones.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, Array] = {}
    own = own_lengths(examples, axes)
    shortest = min((lengths.get(called, length) for called, length in own.items()), default=0)
    for name, example in examples.items():
        shape = list(example.shape)
        for axis, called in axes.get(name, {}).items():
            shape[axis] = lengths.get(called, shape[axis])
        is_long = period is not None and math.prod(shape) > period
        numbers: Array
        if distribution is not None and example.dtype.kind == "f":
            if _is_mask(example):
                numbers = _zeros_and_ones(rng, shape, period if is_long else None)
            elif is_long:
                numbers = _periodic(distribution, rng, shape, period or 1)
            else:
                numbers = DISTRIBUTIONS[distribution](rng, shape)
            drawn[name] = np.asarray(numbers, example.dtype)
        elif is_long:
            drawn[name] = np.resize(example.ravel()[:period], shape)
        else:
            numbers = _repeated(example, shape)
            if whole != "repeated" and may_be_indices(example, own):
                if whole == "spread":
                    numbers = numbers + _copies(example.shape, shape, max(own.values()))
                numbers = (numbers % max(1, shortest)).astype(example.dtype)
            drawn[name] = numbers
    return drawn


def own_lengths(
    examples: Mapping[str, Array], axes: Mapping[str, Mapping[int, str]]
) -> dict[str, int]:
    """Return the length of each open axis in the example, by the name of the axis."""
    return {
        called: examples[name].shape[axis]
        for name, named in axes.items()
        for axis, called in named.items()
    }


def may_be_indices(example: Array, own: Mapping[str, int]) -> bool:
    """Return whether an input's numbers may be indices into an axis of one of some lengths.

    Numbers that do not rise are rather lengths, of packed sequences for example.
    """
    if example.dtype.kind not in "iu" or not example.size or not own or _falls(example):
        return False
    return bool(example.min() >= 0 and example.max() < max(own.values()))


def _copies(shape: Sequence[int], longer: Sequence[int], step: int) -> NDArray[np.int64]:
    """Return `step` times the number of the copy that each element of a repeated array is in."""
    number = np.zeros(longer, np.int64)
    for axis, (own, length) in enumerate(zip(shape, longer, strict=True)):
        along = [1] * len(longer)
        along[axis] = length
        number += step * (np.arange(length) // own).reshape(along)
    return number


def _is_mask(example: Array) -> bool:
    """Return whether all numbers are 0 or 1, and both are there."""
    return set(np.unique(example).tolist()) == {0.0, 1.0}


def _zeros_and_ones(
    rng: np.random.Generator, shape: Sequence[int], period: int | None
) -> NDArray[np.float64]:
    """Return drawn zeros and ones, the first of each row 1: a mask leaves something."""
    drawn = rng.integers(0, 2, period if period is not None else shape).astype(np.float64)
    drawn = np.resize(drawn, shape) if period is not None else drawn
    if drawn.ndim:
        drawn[..., :1] = 1
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
    return np.sort(repeated)[::-1].copy() if _falls(example) else repeated


def _falls(example: Array) -> bool:
    whole = example.ndim == 1 and example.dtype.kind == "i"
    return whole and bool((np.diff(example) <= 0).all())
