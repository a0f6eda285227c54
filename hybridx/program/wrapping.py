"""How a column is wrapped: less the nearest multiple of its period 2 pi / scale, in any dtype.

    k = round(x / period),      wrapped = x - k T1 - k T2 - k T3,      period = T1 + T2 + T3

T1 and T2 have few bits, so that their multiples are exact and nothing is lost while large numbers
cancel (Cody and Waite). Of `scale * wrapped`, in radians, the error in float32 is at most

    4e-7 + 4e-10 |scale x|     up to 2^20 periods: |scale x| < 6e6,

and a tenth of the second part where the scale is a power of two. Of larger numbers it is some
angle, and finite while |x| and |scale x| are less than 1e38. A number within half a period stays as
it is in every bit. Infinity becomes NaN, and NaN stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import frexp, ldexp
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybridx.program.program import Wrap

_BITS: Final = (4, 4)  # of T1, and of T2
_TWO_PI: Final = 2 * Fraction("3.14159265358979323846264338327950288419716939937510582")
_LEAST_SCALE: Final = 1e-36  # with less all numbers of float32 are within a period or two


@dataclass(frozen=True, eq=False)
class Wrapping:
    """How a target wraps columns; the numbers are float64, of shape `(columns,)` or `(1,)`.

    Attributes:
        indices: of the columns; None for all in their order.
        inverse: one over the period, zero for a column that stays as it is; None if all do.
        parts: -T1, -T2 and -T3.
    """

    indices: tuple[int, ...] | None
    inverse: NDArray[np.float64] | None
    parts: tuple[NDArray[np.float64], ...]


def wrapping_of(step: Wrap) -> Wrapping:
    """Return how the columns of a step are wrapped."""
    indices = tuple(index for index, _ in step.columns)
    scales = [scale if scale >= _LEAST_SCALE else 0.0 for _, scale in step.columns]
    if not any(scales):
        return Wrapping(indices, None, ())
    distinct = {scale: _numbers(scale) for scale in scales}
    rows = distinct.values() if len(distinct) == 1 else [distinct[scale] for scale in scales]
    inverse, *parts = np.array(list(rows)).T
    every = indices == tuple(range(step.x.shape[1] or 0))
    return Wrapping(None if every else indices, inverse, tuple(-part for part in parts))


def _numbers(scale: float) -> tuple[float, ...]:
    """Return one over the period, then its parts."""
    if not scale:
        return (0.0,) * (2 + len(_BITS))
    rest = _TWO_PI / Fraction(scale)
    numbers = [float(1 / rest)]
    for bits in _BITS:
        mantissa, exponent = frexp(float(rest))
        numbers.append(ldexp(round(ldexp(mantissa, bits)), exponent - bits))
        rest -= Fraction(numbers[-1])
    return (*numbers, float(rest))
