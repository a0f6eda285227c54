"""Angles as values: columns of parameters scaled and shifted, and their cosines and sines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hybridx.circuit import Angle, Parameter
from hybridx.program import Builder, Value


class SinCos:
    """The cosines and sines of all angles that a program needs, in one step each."""

    def __init__(self, builder: Builder, angles: Sequence[Parameter]) -> None:
        self._builder = builder
        distinct = tuple(dict.fromkeys(angles))
        self._positions = {angle: position for position, angle in enumerate(distinct)}
        if distinct:
            theta = combine(builder, distinct)
            cosines, sines = builder.cos(theta), builder.sin(theta)
            self._trigonometric = builder.concatenate([cosines, sines], 1)

    def features(self, angles: Sequence[Parameter]) -> Value:
        """Return the cosines of some of the angles, then their sines: `(batch, 2 len(angles))`."""
        cosines = [self._positions[angle] for angle in angles]
        sines = [len(self._positions) + position for position in cosines]
        return self._builder.gather(self._trigonometric, 1, cosines + sines)


def combine(builder: Builder, angles: Sequence[Angle]) -> Value:
    """Return numbers and parameters side by side, shape `(batch or 1, len(angles))`."""
    if not any(isinstance(angle, Parameter) for angle in angles):
        return builder.constant(np.array([angles], dtype=np.float64))
    # A number is a parameter with scale zero: some column is read and nothing of it kept.
    terms = [
        angle if isinstance(angle, Parameter) else Parameter(0, 0.0, float(angle))
        for angle in angles
    ]
    columns = [term.column for term in terms]
    scales = np.array([[term.scale for term in terms]])
    offsets = np.array([[term.offset for term in terms]])
    value = builder.parameters
    if columns != list(range(value.shape[1] or 0)):
        value = builder.gather(value, 1, columns)
    if (scales != 1).any():
        value = builder.multiply(value, builder.constant(scales))
    if (offsets != 0).any():
        value = builder.add(value, builder.constant(offsets))
    return value


def multiple(angle: Parameter, factor: float) -> Parameter:
    """Return `factor` times an angle."""
    return Parameter(angle.column, factor * angle.scale, factor * angle.offset)


def negative(angle: Angle) -> Angle:
    """Return the negative of an angle or an entry."""
    return multiple(angle, -1.0) if isinstance(angle, Parameter) else -angle
