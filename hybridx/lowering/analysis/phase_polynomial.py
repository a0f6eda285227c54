"""Diagonal matrices by their phases, and phases as polynomials in parities of wires.

The coefficients of the parities are the Walsh-Hadamard transform of the phases. A permutation that
is linear over GF(2), such as CNOT, maps parities to parities, so that phases can be carried through
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import hadamard
from hybridx.lowering.analysis.trig_polynomial import Spectrum

Mask: TypeAlias = int
"""A set of wires: bit w for wire w."""

PhaseAngle: TypeAlias = NDArray[np.float64]
"""Radians: a constant, then a factor for each pair of `Axes` (in halves of its scale)."""

SMALL = 1e-12
"""Below this a number is a rounding of zero: products of a dozen gates leave 1e-15."""


@dataclass(frozen=True, eq=False)
class Phases:
    """The diagonal matrix exp(i sum_m angle_m (-1)^(m.x)) over basis states x.

    Attributes:
        angles: by the parity m of wires, as a set.
    """

    angles: Mapping[Mask, PhaseAngle]

    @cached_property
    def mask(self) -> Mask:
        """All wires in it."""
        total = 0
        for mask in self.angles:
            total |= mask
        return total

    @property
    def is_constant(self) -> bool:
        """True if no phase depends on a parameter."""
        return not any(angle[1:].any() for angle in self.angles.values())


def mask_of(wires: Iterable[int]) -> Mask:
    """Return the set of some wires."""
    return sum(1 << wire for wire in wires)


def wires_in(mask: Mask) -> list[int]:
    """Return the wires of a set, in order."""
    return [wire for wire in range(mask.bit_length()) if mask >> wire & 1]


def as_phases(wires: tuple[int, ...], spectrum: Spectrum) -> Phases | None:
    """Return a matrix as phases, or None if it is not diagonal with one mode in each entry."""
    matrices = np.array(list(spectrum.values()))
    if (np.abs(matrices) > SMALL)[:, ~np.eye(matrices.shape[1], dtype=bool)].any():
        return None
    entries = np.diagonal(matrices, axis1=1, axis2=2)
    sizes = np.abs(entries)
    if not np.allclose(np.sort(sizes, axis=0)[-1], 1, rtol=0, atol=1e-9):
        return None
    mode = sizes.argmax(axis=0)
    # A frequency counts halves of the scale; so does an PhaseAngle.
    slopes = np.array(list(spectrum), dtype=np.float64).reshape(len(spectrum), -1)[mode]
    constants = np.angle(entries[mode, np.arange(entries.shape[1])])
    return phases_by_parity(wires, np.concatenate([constants[:, None], slopes], axis=1))


def phases_by_parity(wires: Sequence[int], phases: NDArray[np.float64]) -> Phases:
    """Return phases, given for each basis state of the wires, by parities."""
    angles: dict[Mask, PhaseAngle] = {}
    for index, angle in enumerate(hadamard(phases) / len(phases)):
        if np.abs(angle).max() > SMALL:
            chosen = [w for p, w in enumerate(wires) if index >> (len(wires) - 1 - p) & 1]
            angles[mask_of(chosen)] = angle
    return Phases(angles)


def add_angles(total: dict[Mask, PhaseAngle], angles: Mapping[Mask, PhaseAngle]) -> None:
    """Add the angles of some parities to those in `total`."""
    for mask, angle in angles.items():
        total[mask] = total[mask] + angle if mask in total else angle


def walsh(phases: Phases, order: Sequence[int]) -> NDArray[np.float64]:
    """Return the phases of all basis states, shape `(2**wires, 1 + axes)`.

    Args:
        phases: each with a factor for the same number of axes. Without any phase, the result is
            zeros with no axes.
        order: of the wires, the most significant first.
    """
    count = len(order)
    place = {wire: count - 1 - index for index, wire in enumerate(order)}
    width = len(next(iter(phases.angles.values()))) if phases.angles else 1
    total = np.zeros((2**count, width))
    for mask, angle in phases.angles.items():
        total[sum(1 << place[wire] for wire in wires_in(mask))] += angle
    return hadamard(total)
