"""Numbers for each basis state as sums over parities: the Walsh-Hadamard transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hadamard(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return H^n of each column, H = [[1, 1], [1, -1]]; twice, it is 2^n times the column."""
    total, places = columns, len(columns).bit_length() - 1
    for place in range(places):
        halves = total.reshape(2**place, 2, -1, columns.shape[1])
        one, other = halves[:, 0], halves[:, 1]
        total = np.stack([one + other, one - other], axis=1).reshape(columns.shape)
    return total
