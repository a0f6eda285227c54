"""Between which numbers the sliders of a page run."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import msgspec
import numpy as np

from hybridx.artifact import Signature
from hybridx.circuit import BATCH

_Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Range(msgspec.Struct, frozen=True):
    """The ends of a slider, and the number with which it begins."""

    least: float
    most: float
    start: float


class Spans:
    """The least, the largest and the mean number of each column of an input, row after row."""

    def __init__(self, signature: Signature) -> None:
        width = width_of(signature)
        self._is_whole = signature.dtype.kind != "f"
        self._least, self._most = np.full(width, np.inf), np.full(width, -np.inf)
        self._total, self._count = np.zeros(width), np.zeros(width)

    def add(self, rows: _Array) -> int:
        """Take further rows, and return how many they are; NaN and infinity count for nothing."""
        numbers = rows.astype(np.float64).reshape(-1, len(self._total))
        finite = np.isfinite(numbers)
        self._least = np.minimum(self._least, np.where(finite, numbers, np.inf).min(axis=0))
        self._most = np.maximum(self._most, np.where(finite, numbers, -np.inf).max(axis=0))
        self._total += np.where(finite, numbers, 0.0).sum(axis=0)
        self._count += finite.sum(axis=0)
        return len(numbers)

    def ranges(self) -> tuple[Range, ...]:
        """Return a range for each column, which begins at its mean."""
        means = self._total / np.maximum(self._count, 1)
        columns = zip(self._least, self._most, means, strict=True)
        return tuple(
            round_out(float(least), float(most), float(mean), is_whole=self._is_whole)
            for least, most, mean in columns
        )


def width_of(signature: Signature) -> int:
    """Return how many numbers a row of an input has."""
    shape = signature.shape
    row = shape[1:] if shape[:1] == (BATCH,) else shape
    return math.prod(length for length in row if isinstance(length, int))


def round_out(least: float, most: float, start: float, *, is_whole: bool) -> Range:
    """Return a range with round ends about numbers.

    Example:
        >>> round_out(4.31, 7.87, 5.84, is_whole=False)
        Range(least=4.2, most=8.0, start=5.84)
        >>> round_out(2.0, 2.0, 2.0, is_whole=True)
        Range(least=1.0, most=3.0, start=2.0)
    """
    width = most - least
    if not all(map(math.isfinite, (width, start))):
        least, most, width, start = -1.0, 1.0, 2.0, 0.0
    size = max(abs(least), abs(most))
    if is_whole:
        start = float(round(start))
    elif abs(_exact(start, 6) - start) <= max(width / 1000, size * 1e-13):
        start = _exact(start, 6)  # else it would leave a narrow range far from zero
    if width <= max(size * 1e-13, 1e-300):
        step = 1.0 if is_whole else max(1.0, 10.0 ** math.floor(math.log10(abs(most) or 1.0)))
        return Range(least - step, most + step, start)
    if is_whole:
        return Range(float(math.floor(least)), float(math.ceil(most)), start)
    rough = width / 20
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough * (1 - 1e-12))
    low, high = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return Range(_exact(low * step, 15), _exact(high * step, 15), start)


def _exact(number: float, digits: int) -> float:
    """Return a number in so many digits, as people write it."""
    return float(f"{number:.{digits}g}")
