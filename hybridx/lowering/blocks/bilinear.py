"""Bilinear forms in Fourier modes of the parameters: how they are cut in two, counted and built.

    r_m(x) = sum_ab f_a(x) T_amb g_b(x)

The product of two modes is the mode of the summed frequencies, so the features f = cos(K x + phase)
are one product and one cosine, and so are g. Where f are many, they are products of fewer cosines:
a multiplication takes a quarter of the time of a cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Matrix
from hybridx.lowering.analysis.trig_polynomial import Axes, Basis
from hybridx.lowering.blocks.angles import features
from hybridx.lowering.cost import EASY, Cost
from hybridx.lowering.machines.machine import Machine
from hybridx.program import Builder, Program, Value

_MANY = 512  # features; of fewer, the steps of a product take as long as the cosines that it saves


def best_cut(sizes: Sequence[int], results: int, parameters: int, machine: Machine) -> int:
    """Return how many factors make f, the others g, so that the time is least.

    Args:
        sizes: how many modes each factor has.
        results: M.
        parameters: P.
        machine: that computes it.
    """

    def time(cut: int) -> float:
        cost = count(prod(sizes[:cut]), prod(sizes[cut:]), results, parameters)
        return cost.time(machine)

    return min(range(1, len(sizes) + 1), key=time)


def count(left: int, right: int, results: int, parameters: int) -> Cost:
    """Return the cost of a form with so many features in f and in g."""
    halves = 1 if right == 1 else 2
    features = left + (right if halves == 2 else 0)
    # Those of the rows times g, and their sums, take as long as two multiplications each.
    elements = features + (0 if halves == 1 else 2 * EASY * results * right)
    steps = 4 if halves == 1 else 10
    if left > _MANY:
        # Products of the square root of as many cosines, or a few more.
        elements -= (1 - 2 * EASY) * left - 2 * left**0.5
        steps += 6
    weights = left * results * right
    return Cost(
        multiply_adds=weights + features * parameters,
        elements=elements,
        steps=steps,
        constant_bytes=4 * (weights + features * (parameters + 1)),
        numbers=3 * features + (0 if halves == 1 else 2 * results * right) + results,
    )


def build(parameters: int, axes: Axes, left: Basis, right: Basis, modes: Matrix) -> Program:
    """Return the program of a form.

    Args:
        parameters: P.
        axes: of the frequencies.
        left: the modes of f.
        right: the modes of g.
        modes: the coefficient of each product of modes, `(M, modes of f, modes of g)`.
    """
    results, width = len(modes), right.size
    factors = _factors(left) if left.size > _MANY else None
    first = left if factors is None else factors
    # One result at a time: the coefficients of all results are the largest array there is.
    T = np.array([right.on_features(first.on_features(own).T).T.real for own in modes])
    builder = Builder(parameters)
    f = features(builder, left, axes) if factors is None else factors.features(builder, axes)
    product = builder.matmul(f, builder.constant(T.swapaxes(0, 1).reshape(left.size, -1)))
    if width == 1:
        return builder.build(product)
    g = builder.reshape(features(builder, right, axes), (None, 1, width))
    rows = builder.reshape(product, (None, results, width))
    return builder.build(builder.sum(builder.multiply(rows, g), 2))


@dataclass(frozen=True, eq=False)
class _Factors:
    """A basis whose features are the products of those of two others.

    Attributes:
        outer: a basis of some axes.
        inner: of the other axes; its features vary fastest.
        places: of each mode, its pair of modes in these two, `(modes, 2)`.
    """

    outer: Basis
    inner: Basis
    places: NDArray[np.int64]

    def features(self, builder: Builder, axes: Axes) -> Value:
        """Return the features, shape `(batch, outer.size * inner.size)`."""
        outer, inner = features(builder, self.outer, axes), features(builder, self.inner, axes)
        rows = builder.multiply(
            builder.reshape(outer, (None, self.outer.size, 1)),
            builder.reshape(inner, (None, 1, self.inner.size)),
        )
        return builder.reshape(rows, (None, self.outer.size * self.inner.size))

    def on_features(self, coefficients: Matrix) -> Matrix:
        """Return the coefficients of the features for those of the modes, `(modes, columns)`."""
        columns = coefficients.shape[1]
        sizes = len(self.outer.frequencies), len(self.inner.frequencies)
        grid = np.zeros((*sizes, columns), dtype=np.complex128)
        np.add.at(grid, (self.places[:, 0], self.places[:, 1]), coefficients)
        by_inner = self.inner.on_features(self.outer.on_features(grid).swapaxes(0, 1))
        return by_inner.swapaxes(0, 1).reshape(-1, columns)


def _factors(basis: Basis) -> _Factors | None:
    """Return the two bases with the fewest features whose product a basis is, if there are any."""
    every = basis.frequencies
    modes = len(np.unique(every, axis=0))
    used = np.flatnonzero(every.any(axis=0))
    found: list[_Factors] = []
    for count in range(1, len(used)):
        halves, places = [], []
        for axes in (used[:count], used[count:]):
            rows, place = np.unique(every[:, axes], axis=0, return_inverse=True)
            frequencies = np.zeros((len(rows), every.shape[1]), dtype=np.int64)
            frequencies[:, axes] = rows
            halves.append(Basis(frequencies))
            places.append(place.reshape(-1))
        is_grid = len(halves[0].frequencies) * len(halves[1].frequencies) == modes
        if is_grid and halves[0].size * halves[1].size == basis.size:
            found.append(_Factors(halves[0], halves[1], np.stack(places, axis=1)))
    return min(found, key=lambda one: one.outer.size + one.inner.size, default=None)
