"""The entries of matrices and states as complex numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hybridx.circuit.circuit import Angle
from hybridx.circuit.gate import Matrix


def complex_entries(real: Sequence[Angle], imaginary: Sequence[Angle]) -> Matrix:
    """Return entries whose real and imaginary parts are numbers, complex128, shape `(entries,)`.

    Args:
        real: real parts, none of them a parameter.
        imaginary: as many imaginary parts, or none where all are zero.

    Example:
        >>> complex_entries([0.6, 0.0], [0.0, 0.8])
        array([0.6+0.j , 0. +0.8j])
    """
    entries = np.array(real, dtype=np.complex128)
    if imaginary:
        entries = entries + 1j * np.array(imaginary, dtype=np.float64)
    return entries
