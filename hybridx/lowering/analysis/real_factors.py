"""Operations as real matrices between phases: U = D R D', with D and D' diagonal.

A product with a real matrix costs a quarter of one with a complex matrix, and the phases of many
gates are one elementwise product. Nearly every gate has this form for all its angles: any unitary
of one wire (the Euler angles about Z, Y and Z), its controlled versions, and permutations of basis
states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Matrix, PureOperation, wires_of
from hybridx.lowering.analysis.phase_polynomial import (
    SMALL,
    Mask,
    Phases,
    as_phases,
    mask_of,
    phases_by_parity,
    walsh,
    wires_in,
)
from hybridx.lowering.analysis.trig_polynomial import (
    Axes,
    Frequency,
    Spectrum,
    is_constant,
    spectrum_of,
)


@dataclass(frozen=True, eq=False)
class Affine:
    """The permutation x -> A x + b of basis states over GF(2).

    Attributes:
        images: of the set of each wire that changes something, A^T applied to it.
        flips: the wires in b.
    """

    images: Mapping[int, Mask]
    flips: Mask

    def back(self, mask: Mask) -> tuple[Mask, int]:
        """Return the parity m' and the sign with (-1)^(m.(Ax+b)) = sign (-1)^(m'.x)."""
        image = 0
        for wire in wires_in(mask):
            image ^= self.images.get(wire, 1 << wire)
        return image, -1 if (mask & self.flips).bit_count() % 2 else 1


@dataclass(frozen=True, eq=False)
class MatrixFactor:
    """A matrix on some wires, constant or parametrised.

    Attributes:
        wires: the first is the most significant of the matrix.
        spectrum: of the matrix.
        targets: wires whose basis states it mixes; in all others it is block-diagonal.
        affine: if it is such a permutation, that and its inverse.
        is_real: the sum of the spectrum is real.
    """

    wires: tuple[int, ...]
    spectrum: Spectrum
    targets: Mask
    affine: tuple[Affine, Affine] | None
    is_real: bool = True

    @cached_property
    def controls(self) -> Mask:
        """The wires that are no targets."""
        return mask_of(self.wires) & ~self.targets

    @property
    def is_constant(self) -> bool:
        """True if it does not depend on a parameter."""
        return is_constant(self.spectrum)


Factor: TypeAlias = Phases | MatrixFactor

_WIDEST = 5  # wires of a complex matrix: it acts on real and imaginary parts as well


def real_factors_of(operation: PureOperation, axes: Axes) -> tuple[Factor, ...] | None:
    """Return the factors of an operation in the order in which they act, or None if it has none.

    Phases of zero and identities are left out.
    """
    wires = wires_of(operation)
    spectrum = spectrum_of(operation, axes)
    diagonal = as_phases(wires, spectrum)
    if diagonal is not None:
        return (diagonal,)
    phases = _real_phases(spectrum)
    if phases is None:
        return None
    left, right = phases
    real: dict[Frequency, Matrix] = {
        frequency: np.exp(-1j * left)[:, None] * matrix * np.exp(-1j * right)[None]
        for frequency, matrix in spectrum.items()
    }
    (matrix, *others) = real.values()
    affine = affine_of(wires, matrix) if not others else None
    middle = MatrixFactor(wires, real, _targets(wires, real), affine)
    factors = (_constant(wires, right, axes), middle, _constant(wires, left, axes))
    return tuple(one for one in factors if isinstance(one, MatrixFactor) or one.angles)


def matrix_factors_of(operation: PureOperation, axes: Axes) -> tuple[Factor, ...] | None:
    """Return the factors of an operation as `real_factors_of`, but what is constant as matrices.

    A constant operation is one matrix, so that only phases of parameters are left as phases.
    """
    wires = wires_of(operation)
    spectrum = spectrum_of(operation, axes)
    if is_constant(spectrum) and len(wires) <= _WIDEST:
        (matrix,) = spectrum.values()
        return (constant_factor(wires, matrix, axes),)
    factors = real_factors_of(operation, axes)
    if factors is None:
        return None
    return tuple(_as_matrix(factor, axes) for factor in factors)


def constant_factor(wires: tuple[int, ...], matrix: Matrix, axes: Axes) -> MatrixFactor:
    """Return a matrix of numbers as a factor."""
    spectrum = {(0,) * len(axes.pairs): matrix}
    is_real = not (np.abs(matrix.imag) > SMALL).any()
    return MatrixFactor(
        wires, spectrum, _targets(wires, spectrum), affine_of(wires, matrix), is_real
    )


def _as_matrix(factor: Factor, axes: Axes) -> Factor:
    if isinstance(factor, MatrixFactor) or not factor.is_constant:
        return factor
    wires = tuple(wires_in(factor.mask))
    if len(wires) > _WIDEST:
        return factor
    return constant_factor(wires, np.diag(np.exp(1j * walsh(factor, wires)[:, 0])), axes)


def _constant(wires: tuple[int, ...], phases: NDArray[np.float64], axes: Axes) -> Phases:
    column = np.zeros((len(phases), 1 + len(axes.pairs)))
    column[:, 0] = phases
    return phases_by_parity(wires, column)


def _real_phases(
    spectrum: Spectrum,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return left and right phases that leave a real matrix for all parameters, if there are any.

    Entry (i, j) has one phase, up to its sign, that is left_i + right_j.
    """
    phase = _entry_phases(spectrum)
    if phase is None:
        return None
    size = len(phase)
    left, right = np.full(size, np.nan), np.full(size, np.nan)
    for start in range(size):
        if not np.isnan(left[start]):
            continue
        left[start] = 0.0
        rows = [start]
        while rows:
            row = rows.pop()
            for column in np.flatnonzero(~np.isnan(phase[row])):
                if not np.isnan(right[column]):
                    continue
                right[column] = phase[row, column] - left[row]
                for other in np.flatnonzero(~np.isnan(phase[:, column])):
                    if np.isnan(left[other]):
                        left[other] = phase[other, column] - right[column]
                        rows.append(int(other))
    error = np.sin(phase - left[:, None] - right[None])
    if np.nanmax(np.abs(error)) > 1e-9:
        return None
    # Alone in its row, an entry becomes 1 and not -1: a permutation then stays one.
    alone = (~np.isnan(phase)).sum(axis=1) == 1
    negative = np.nansum(np.cos(phase - left[:, None] - right[None]), axis=1) < 0
    left[alone & negative] += np.pi
    return left, right


def _entry_phases(spectrum: Spectrum) -> NDArray[np.float64] | None:
    """Return the phase of each entry, NaN where it is zero; None if one has several."""
    # cos and sin terms of each pair of frequencies; a real family has both real.
    terms: list[Matrix] = []
    for frequency, matrix in spectrum.items():
        mirrored = spectrum.get(tuple(-n for n in frequency), np.zeros_like(matrix))
        terms += [matrix + mirrored, 1j * (matrix - mirrored)]
    stacked = np.array(terms)
    largest = np.abs(stacked).argmax(axis=0)
    chosen = np.take_along_axis(stacked, largest[None], axis=0)[0]
    filled = np.abs(chosen) > SMALL
    phase = np.where(filled, np.angle(chosen), np.nan)
    rest = (stacked * np.exp(-1j * np.where(filled, phase, 0.0))).imag
    if (np.abs(rest) > 1e-9).any():
        return None
    # Up to the sign, so that what is real already needs no phases.
    reduced = np.mod(phase, np.pi)
    return np.where(np.pi - reduced < 1e-9, 0.0, reduced)


def _targets(wires: tuple[int, ...], spectrum: Spectrum) -> Mask:
    filled = np.any([np.abs(matrix) > SMALL for matrix in spectrum.values()], axis=0)
    rows, columns = np.nonzero(filled)
    changed = int(np.bitwise_or.reduce(rows ^ columns)) if len(rows) else 0
    last = len(wires) - 1
    return mask_of(wire for place, wire in enumerate(wires) if changed >> (last - place) & 1)


def affine_of(wires: tuple[int, ...], matrix: Matrix) -> tuple[Affine, Affine] | None:
    """Return a permutation that is affine over GF(2), and its inverse; None for other matrices."""
    forth = np.abs(matrix).argmax(axis=0)  # column x goes to row forth[x]
    is_permutation = np.abs(matrix - np.eye(len(matrix))[:, forth]).max() < 1e-9
    if not is_permutation:
        return None
    found = []
    for table in (forth, np.argsort(forth)):
        base = int(table[0])
        steps = [int(table[1 << bit]) ^ base for bit in range(len(wires))]
        for state, image in enumerate(table):
            expected = base
            for bit, step in enumerate(steps):
                expected ^= step if state >> bit & 1 else 0
            if expected != image:
                return None
        found.append(_affine_of(wires, base, steps))
    return found[0], found[1]


def _affine_of(wires: tuple[int, ...], base: int, steps: Sequence[int]) -> Affine:
    last = len(wires) - 1
    images = {
        wire: mask_of(
            other
            for position, other in enumerate(wires)
            if steps[last - position] >> (last - place) & 1
        )
        for place, wire in enumerate(wires)
    }
    flips = mask_of(wire for place, wire in enumerate(wires) if base >> (last - place) & 1)
    return Affine(images, flips)
