"""The comparison of two sets of outputs with a tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from hybridx.errors import MismatchError
from hybridx.storage import Array

TOLERANCE: Mapping[str, float] = MappingProxyType({
    # float32 has a precision of 6e-8. The longest sums of a 10-wire circuit between two linear
    # layers lost 5e-7, and 1e-5 still shows a wrong sign of the smallest weight.
    "float32": 1e-5,
    # float64 has 1e-16; a thousand operations in sequence stay below 1e-13.
    "float64": 1e-10,
})  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The distance of two sets of outputs.

    Attributes:
        worst: the largest error of an element.
        elements: number of elements compared; NaN and infinite elements do not count.
    """

    worst: float
    elements: int


def compare(
    actual: Mapping[str, Array],
    expected: Mapping[str, Array],
    *,
    tolerance: float,
    left: str,
    right: str,
    batch: int,
) -> Difference:
    """Return the distance of two sets of named outputs, or refuse them.

    The error of an element is `|actual - expected| / max(1, |expected|)`; a NaN or an infinity
    on one side only is an infinite error, and so is another shape.

    Args:
        actual: outputs of the execution under test.
        expected: outputs that it should have.
        tolerance: the largest error that passes.
        left: name of the execution that gave `actual`, for the message.
        right: likewise of `expected`.
        batch: the batch size, for the message.

    Raises:
        MismatchError: the error of an output is above the tolerance, or an output is missing.
    """
    worst, elements = 0.0, 0
    for name in sorted(set(actual) | set(expected)):
        error = np.inf
        if name in actual and name in expected:
            error = _error(np.asarray(actual[name]), np.asarray(expected[name]))
        if not error <= tolerance:
            raise MismatchError(left, right, name, batch, error, tolerance)
        worst = max(worst, error)
        elements += int(np.isfinite(expected[name]).sum())
    return Difference(worst, elements)


def _error(actual: Array, expected: Array) -> float:
    if actual.shape != expected.shape:
        return float("inf")
    if actual.size == 0:
        return 0.0
    if actual.dtype.kind != "f" or expected.dtype.kind != "f":
        return 0.0 if np.array_equal(actual, expected) else float("inf")
    wide, target = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(target)
    same = (wide == target) | (np.isnan(wide) & np.isnan(target))
    if not np.array_equal(np.isfinite(wide), finite) or not same[~finite].all():
        return float("inf")
    if not finite.any():
        return 0.0
    difference = np.abs(wide[finite] - target[finite]) / np.maximum(1.0, np.abs(target[finite]))
    return float(difference.max())
