"""Bilinear forms in Fourier modes of the parameters: how they are cut in two, counted and built.

    r_m(x) = sum_ab f_a(x) T_amb g_b(x)

The product of two modes is the mode of the summed frequencies, so the features f = cos(K x + phase)
are one product and one cosine, and so are g.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from hybridx.circuit import Matrix
from hybridx.lowering.analysis.trig_polynomial import Axes, Basis
from hybridx.lowering.blocks.angles import features
from hybridx.lowering.cost import Cost
from hybridx.lowering.machines.machine import Machine
from hybridx.program import Builder, Program


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
    elements = features + (0 if halves == 1 else results * right)
    weights = left * results * right
    return Cost(
        multiply_adds=weights + features * parameters,
        elements=elements,
        steps=4 if halves == 1 else 10,
        constant_bytes=4 * (weights + features * (parameters + 1)),
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
    # One result at a time: the coefficients of all results are the largest array there is.
    T = np.array([right.on_features(left.on_features(own).T).T.real for own in modes])
    builder = Builder(parameters)
    f = features(builder, left, axes)
    product = builder.matmul(f, builder.constant(T.swapaxes(0, 1).reshape(left.size, -1)))
    if width == 1:
        return builder.build(product)
    g = builder.reshape(features(builder, right, axes), (None, 1, width))
    rows = builder.reshape(product, (None, results, width))
    return builder.build(builder.sum(builder.multiply(rows, g), 2))
