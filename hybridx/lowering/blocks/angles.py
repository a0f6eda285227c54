"""The angles of gates: every cosine and sine of a program is of angles that are made here.

A gate has the period 4 pi in its angle, and so has everything that is computed from the circuit.
Columns are therefore wrapped by their periods before anything is summed (`program/wrapping.py`): a
sum of large angles would lose the part of it that matters. Law P11 of programs refuses what does
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import frexp, pi, remainder
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Circuit, Parameter
from hybridx.lowering.analysis.trig_polynomial import Axes, Basis
from hybridx.lowering.blocks.entries import scaled
from hybridx.lowering.cost import Cost
from hybridx.program import Builder, Value

Multiple: TypeAlias = tuple[Parameter, float]
"""The angle of a gate, and how many times it is taken: a multiple of one half."""


def count_sums(circuit: Circuit) -> Cost:
    """Return the cost of wrapping all columns that are angles, once for all sums of a program."""
    return _count(len(Axes.of(circuit).pairs))


def count_multiples(angles: Sequence[Multiple]) -> Cost:
    """Return the cost of wrapping the columns of angles that are summed with nothing."""
    return _count(sum(_wrapped(angle)[1] != 0 for angle, _ in dict.fromkeys(angles)))


def _count(columns: int) -> Cost:
    return Cost(0.0, columns, 8 if columns else 0, 0.0, numbers=8 * columns)


def radians(builder: Builder, angles: NDArray[np.float64], axes: Axes) -> Value:
    """Return sums of angles, shape `(batch, len(angles))`, without a multiple of their period.

    A row may be a fraction of a gate's angle, whose other fractions are elsewhere. That is right
    because all rows of a program lack the same multiple of each axis.

    Args:
        builder: takes the steps.
        angles: a row for each, shape `(angles, 1 + axes)`: a constant in radians, then a factor
            for each axis in halves of its scale.
        axes: all of the circuit's.
    """
    halves = axes.radians
    columns = [column for column, _ in axes.pairs]
    wrapped = builder.wrap(list(zip(columns, halves.tolist(), strict=True)))
    theta = builder.matmul(wrapped, builder.constant((angles[:, 1:] * halves).T))
    return builder.add(theta, builder.constant(angles[None, :, 0]))


def features(builder: Builder, basis: Basis, axes: Axes) -> Value:
    """Return the features of a basis, shape `(batch, basis.size)`; sin t is cos(t - pi/2)."""
    rows, _ = basis.distinct
    parametrised = rows[rows.any(1)]
    if not len(parametrised):
        zero = builder.reshape(builder.sum(builder.parameters, 1), (None, 1))
        zero = builder.multiply(zero, builder.constant(np.zeros((1, 1))))
        return builder.add(zero, builder.constant(np.ones((1, 1))))
    frequencies = np.concatenate([rows, parametrised])
    phases = np.repeat([0, -pi / 2], [len(rows), len(parametrised)])
    return builder.cos(radians(builder, np.column_stack([phases, frequencies]), axes))


class SinCos:
    """The cosines and sines of all angles that a program needs, in one step each."""

    def __init__(self, builder: Builder, angles: Sequence[Multiple]) -> None:
        self._builder = builder
        distinct = tuple(dict.fromkeys(angles))
        self._positions = {angle: position for position, angle in enumerate(distinct)}
        if distinct:
            theta = _multiples(builder, distinct)
            cosines, sines = builder.cos(theta), builder.sin(theta)
            self._trigonometric = builder.concatenate([cosines, sines], 1)

    def features(self, angles: Sequence[Multiple]) -> Value:
        """Return the cosines of some of the angles, then their sines: `(batch, 2 len(angles))`."""
        cosines = [self._positions[angle] for angle in angles]
        sines = [len(self._positions) + position for position in cosines]
        return self._builder.gather(self._trigonometric, 1, cosines + sines)


def _multiples(builder: Builder, angles: Sequence[Multiple]) -> Value:
    """Return angles side by side, each without a multiple of 2 pi: `(batch, len(angles))`."""
    value = builder.wrap([_wrapped(angle) for angle, _ in angles])
    scales = np.array([[factor * angle.scale for angle, factor in angles]])
    offsets = np.array([[factor * remainder(angle.offset, 4 * pi) for angle, factor in angles]])
    return scaled(builder, value, scales, offsets)


def _wrapped(angle: Parameter) -> tuple[int, float]:
    """Return the column of an angle and the scale by which it is wrapped, 0 if it need not be.

    A cosine is exact of any number. So an angle that is a column times a power of two, without an
    offset, is rounded nowhere, and stays exact even where it is larger than what can be wrapped.
    """
    mantissa, _ = frexp(angle.scale)
    is_exact = abs(mantissa) == 0.5 and not angle.offset
    return angle.column, 0.0 if is_exact else abs(angle.scale) / 2
