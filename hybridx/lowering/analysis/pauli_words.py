"""What a Pauli word does to basis states: it flips some wires, and gives each state a factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Matrix, PauliTerm


def flips_of(term: PauliTerm, wires: int) -> int:
    """Return the x with `word |s> = factor |s ^ x>`, of a circuit of `wires` wires."""
    letters = zip(term.letters, term.wires, strict=True)
    return sum(1 << (wires - 1 - wire) for letter, wire in letters if letter in "XY")


def factors_of(term: PauliTerm, wires: int, states: NDArray[np.int64]) -> Matrix:
    """Return the factor of each state, times the coefficient of the term: shape `(states,)`."""
    factors = np.full(len(states), term.coefficient, dtype=np.complex128)
    for letter, wire in zip(term.letters, term.wires, strict=True):
        if letter in "YZ":
            factors *= 1 - 2 * (states >> (wires - 1 - wire) & 1)
        if letter == "Y":
            factors *= 1j
    return factors
