"""What the operations of a circuit do to amplitudes, in four forms that an interpreter runs.

Amplitudes are numbered as everywhere: wire 0 is the most significant bit of an index. Here a wire
is named by its *bit*, a power of two, and a set of wires by a *mask*.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import or_
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Matrix, Parameter, hadamard

Integers: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mode:
    """A phase `coefficient * angle` with the sign of a parity: -1 for an odd one.

    Attributes:
        mask: the wires whose parity is meant.
        coefficient: radians of phase per radian of the angle.
        angle: a column.
    """

    mask: int
    coefficient: float
    angle: Parameter


@dataclass(slots=True, eq=False)
class Phases:
    """A phase for each amplitude.

    Attributes:
        constant: radians, `(A,)`; zeros if the phases differ by row.
        modes: what is added to it.
        by_row: the angles of the modes differ by row; otherwise they are the same in every row.
    """

    constant: Numbers
    modes: list[Mode] = field(default_factory=list)
    by_row: bool = False

    @property
    def wires(self) -> int:
        """The mask of the wires on which a mode depends."""
        return functools.reduce(or_, (mode.mask for mode in self.modes), 0)


@dataclass(slots=True, eq=False)
class Moves:
    """Amplitudes in another order: amplitude a is the one that was at `origin[a]`."""

    origin: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A matrix on some wires where others hold a value.

    Attributes:
        terms: `(3, size, size)`: C, A, B of `U = C + cos(rate angle) A + sin(rate angle) B`.
        rate: of the angle.
        generator: K, with dU/d(angle) = K U.
        targets: bits of the wires of the matrix, the most significant first.
        mask: of the controls.
        value: what they hold.
        angle: None for a constant matrix.
    """

    terms: Matrix
    rate: float
    generator: Matrix
    targets: tuple[int, ...]
    mask: int
    value: int
    angle: Parameter | None

    @property
    def is_diagonal(self) -> bool:
        """True if the matrix is diagonal for every angle."""
        off = ~np.eye(self.terms.shape[1], dtype=bool)
        return not self.terms[:, off].any()

    @property
    def flips(self) -> int:
        """The mask of the wires that the matrix mixes."""
        return 0 if self.is_diagonal else sum(self.targets)

    @property
    def wires(self) -> int:
        """The mask of all its wires."""
        return self.mask | sum(self.targets)


Step: TypeAlias = Phases | Moves | Gate


def chosen_bits(indices: Integers, bits: Sequence[int]) -> Integers:
    """Return the number that some bits of each index form, the first most significant."""
    chosen = np.zeros_like(indices)
    for bit in bits:
        chosen = chosen * 2 + (indices & bit != 0)
    return chosen


def placed_bits(numbers: Integers, bits: Sequence[int]) -> Integers:
    """Return the indices at which some bits form these numbers and all others are zero."""
    placed = np.zeros_like(numbers)
    for place, bit in enumerate(reversed(bits)):
        placed |= np.where(numbers >> place & 1, bit, 0)
    return placed


def as_moves(gate: Gate, indices: Integers) -> Moves | None:
    """Return a constant gate that only moves amplitudes as moves, or None."""
    ones = gate.terms[0] == 1
    if gate.angle is not None or gate.terms[1:].any() or not (ones | (gate.terms[0] == 0)).all():
        return None
    if not (ones.sum(axis=0) == 1).all() or not (ones.sum(axis=1) == 1).all():
        return None
    inside = chosen_bits(indices, gate.targets)
    from_inside = ones.argmax(axis=1)[inside]  # row i of the matrix has its one in this column
    origin = (indices & ~sum(gate.targets)) | placed_bits(from_inside, gate.targets)
    return Moves(np.where(indices & gate.mask == gate.value, origin, indices))


def as_phases(gate: Gate, indices: Integers, data: int) -> list[Step]:
    """Return a diagonal gate as phases; an angle from the first `data` columns differs by row."""
    holds = indices & gate.mask == gate.value
    inside = chosen_bits(indices, gate.targets)
    constant, cosine, _ = (np.diag(term) for term in gate.terms)
    turns = np.where(holds, np.angle(constant + cosine)[inside], 0.0)
    # Most gates with an angle have none of it: zeros that take no memory, as there may be hundreds.
    phases = Phases(turns if turns.any() else np.broadcast_to(0.0, turns.shape))
    if gate.angle is None:
        return [phases]
    rates = np.where(holds, np.diag(gate.generator).imag[inside], 0.0)
    # Only parities of its own wires occur: the transform over these is all that is needed.
    bits = _bits(gate.wires)
    corners = placed_bits(np.arange(2 ** len(bits)), bits)
    spectrum = hadamard(rates[corners][:, None])[:, 0] / len(corners)
    modes = [
        Mode(int(corners[place]), float(spectrum[place]), gate.angle)
        for place in np.flatnonzero(np.abs(spectrum) > 1e-14)
    ]
    if gate.angle.column >= data:
        return [Phases(phases.constant, modes)]
    return [phases, Phases(np.broadcast_to(0.0, turns.shape), modes, by_row=True)]


def _bits(mask: int) -> list[int]:
    """Return the bits of a mask, the most significant first."""
    return [1 << place for place in reversed(range(mask.bit_length())) if mask >> place & 1]
