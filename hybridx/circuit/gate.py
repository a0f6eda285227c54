"""A gate: its matrix as a function of at most one angle, in one form for all gates.

    U(theta) = C + cos(k theta) A + sin(k theta) B        (1)

theta is in radians; C, A, B are constant complex matrices; k is 1/2 or 1. A fixed gate has only C.
The adjoint and every controlled version of a gate have this form too, so that the compiler needs
one rule for all gates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.complex128]

_EXACT = 1e-14  # a dozen roundings of numbers of size one


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate in the form (1): a row of the gate table, or made from one.

    Attributes:
        name: what PennyLane calls the operator.
        wires: how many wires it acts on; the first is the most significant.
        constant: C of equation (1), shape `(2**wires, 2**wires)`.
        cosine: A, or None for a fixed gate.
        sine: B, or None for a fixed gate.
        rate: k.
    """

    name: str
    wires: int
    constant: Matrix
    cosine: Matrix | None = None
    sine: Matrix | None = None
    rate: float = 1.0

    @property
    def takes_angle(self) -> bool:
        """True if the gate has an angle."""
        return self.cosine is not None

    def matrix(self, theta: float | None = None) -> Matrix:
        """Return U(theta), complex128, shape `(2**wires, 2**wires)`."""
        if self.cosine is None or self.sine is None:
            return self.constant
        assert theta is not None
        angle = self.rate * theta
        matrix: Matrix = self.constant + np.cos(angle) * self.cosine + np.sin(angle) * self.sine
        return matrix

    def terms(self) -> tuple[Matrix, ...]:
        """Return those of C, A and B that the gate has."""
        return tuple(m for m in (self.constant, self.cosine, self.sine) if m is not None)

    @cached_property
    def is_diagonal(self) -> bool:
        """True if U(theta) is diagonal for every theta."""
        return all(np.array_equal(term, np.diag(np.diag(term))) for term in self.terms())

    @cached_property
    def adds_angles(self) -> bool:
        """True if U(a) U(b) = U(a + b), so that the inverse of U(a) is U(-a)."""
        if not self.takes_angle:
            return False
        # Three pairs suffice: both sides are trigonometric polynomials of one frequency.
        pairs = ((0.3, 1.1), (-2.0, 0.7), (5.0, 9.0))
        return all(
            np.abs(self.matrix(a) @ self.matrix(b) - self.matrix(a + b)).max() < _EXACT
            for a, b in pairs
        )

    def adjoint(self) -> Gate:
        """Return the gate whose matrix is the conjugate transpose."""
        return self._map(self.wires, lambda term: term.conj().T, f"Adjoint({self.name})")

    def controlled(self, values: tuple[bool, ...], name: str | None = None) -> Gate:
        """Return the gate that acts if the control wires, put first, hold `values`."""
        size = len(self.constant)
        start = size * sum(2**place for place, value in enumerate(reversed(values)) if value)
        block = slice(start, start + size)

        def place(term: Matrix) -> Matrix:
            # Where the controls do not hold, U is the identity, which is part of C.
            untouched = 1.0 if term is self.constant else 0.0
            placed = untouched * np.eye(size * 2 ** len(values), dtype=np.complex128)
            placed[block, block] = term
            return placed

        return self._map(self.wires + len(values), place, name or f"C({self.name})")

    def _map(self, wires: int, change: Callable[[Matrix], Matrix], name: str) -> Gate:
        return Gate(
            name=name,
            wires=wires,
            constant=change(self.constant),
            cosine=None if self.cosine is None else change(self.cosine),
            sine=None if self.sine is None else change(self.sine),
            rate=self.rate,
        )
