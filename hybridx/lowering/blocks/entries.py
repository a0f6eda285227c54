"""Entries of matrices and states, numbers and parameters, as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Angle, Parameter
from hybridx.program import Builder, Value


def combine(builder: Builder, entries: Sequence[Angle]) -> Value:
    """Return numbers and parameters side by side, shape `(batch or 1, len(entries))`."""
    if not any(isinstance(entry, Parameter) for entry in entries):
        return builder.constant(np.array([entries], dtype=np.float64))
    # A number is a parameter with scale zero: some column is read and nothing of it kept.
    terms = [
        entry if isinstance(entry, Parameter) else Parameter(0, 0.0, float(entry))
        for entry in entries
    ]
    columns = [term.column for term in terms]
    scales = np.array([[term.scale for term in terms]])
    offsets = np.array([[term.offset for term in terms]])
    value = builder.parameters
    if columns != list(range(value.shape[1] or 0)):
        value = builder.gather(value, 1, columns)
    return scaled(builder, value, scales, offsets)


def scaled(
    builder: Builder, value: Value, scales: NDArray[np.float64], offsets: NDArray[np.float64]
) -> Value:
    """Return `scales * value + offsets`, without a step that would change nothing."""
    if (scales != 1).any():
        value = builder.multiply(value, builder.constant(scales))
    if (offsets != 0).any():
        value = builder.add(value, builder.constant(offsets))
    return value


def negative(entry: Angle) -> Angle:
    """Return the negative of an entry."""
    if isinstance(entry, Parameter):
        return Parameter(entry.column, -entry.scale, -entry.offset)
    return -entry
