"""Trigonometric polynomials: how a circuit depends on its parameters, as a sum of Fourier modes.

Every gate of the table is one: with theta = scale x + offset and equation (1) of `docs/circuit.md`

    U = C + e^{i k theta} (A - iB)/2 + e^{-i k theta} (A + iB)/2.

So is every product of gates. A frequency counts, for each distinct (column, |scale|), in halves of
`|scale|` radians per unit of the parameter: whole numbers, so that equal frequencies are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    Apply,
    Circuit,
    Matrix,
    Operation,
    Parameter,
    Prepare,
    PureOperation,
    Unitary,
    angles_of,
    complex_entries,
    gate_of,
)

Frequency: TypeAlias = tuple[int, ...]
Spectrum: TypeAlias = Mapping[Frequency, Matrix]  # sum of e^{i frequency . x} matrix

_ZERO = 1e-15  # below this a coefficient is a rounding of zero


@dataclass(frozen=True, slots=True)
class Axes:
    """The distinct pairs of a column and the size of its scale; one entry of a frequency each."""

    pairs: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, circuit: Circuit) -> Axes:
        """Return the axes of all angles of a circuit's gates, in the order of columns."""
        found = {
            (operation.angle.column, abs(operation.angle.scale))
            for operation in circuit.operations
            if isinstance(operation, Apply) and isinstance(operation.angle, Parameter)
        }
        return cls(tuple(sorted(found)))

    @property
    def radians(self) -> NDArray[np.float64]:
        """What a frequency of one is for each axis, in radians per unit of its parameter."""
        return np.array([scale / 2 for _, scale in self.pairs])


def constant_matrix(operation: PureOperation) -> Matrix:
    """Return the matrix of an operation without parameters, on its controls and wires.

    A preparation of |psi> is |psi><0|, which is the same on wires that are still in |0>.
    """
    match operation:
        case Apply(angle=angle):
            assert not isinstance(angle, Parameter)
            return gate_of(operation).matrix(angle)
        case Unitary(wires, real, imaginary):
            return complex_entries(real, imaginary).reshape(2 ** len(wires), -1)
        case Prepare(wires, real, imaginary):
            matrix = np.zeros((2 ** len(wires), 2 ** len(wires)), dtype=np.complex128)
            matrix[:, 0] = complex_entries(real, imaginary)
            return matrix
        case _:
            assert_never(operation)


def has_parameter(operation: Operation) -> bool:
    """Return whether an operation takes a parameter."""
    return any(isinstance(angle, Parameter) for angle in angles_of(operation))


def spectrum_of(operation: PureOperation, axes: Axes) -> Spectrum:
    """Return the spectrum of a gate, or of an operation without parameters."""
    nothing = (0,) * len(axes.pairs)
    match operation:
        case Apply(angle=Parameter(column, scale, offset)):
            gate = gate_of(operation)
            assert gate.cosine is not None
            assert gate.sine is not None
            place = axes.pairs.index((column, abs(scale)))
            step = round(2 * gate.rate) * (1 if scale >= 0 else -1)
            mode = (*nothing[:place], step, *nothing[place + 1 :])
            mirrored = (*nothing[:place], -step, *nothing[place + 1 :])
            shift = np.exp(1j * gate.rate * offset)
            return _without_zeros(
                {
                    nothing: gate.constant,
                    mode: shift * (gate.cosine - 1j * gate.sine) / 2,
                    mirrored: np.conj(shift) * (gate.cosine + 1j * gate.sine) / 2,
                }
            )
        case _:
            return {nothing: constant_matrix(operation)}


def is_constant(spectrum: Spectrum) -> bool:
    """Return whether a spectrum does not depend on the parameters."""
    return not any(any(frequency) for frequency in spectrum)


def multiply(left: Spectrum, right: Spectrum) -> Spectrum:
    """Return the spectrum of the matrix product."""
    product: dict[Frequency, Matrix] = {}
    for one, matrix in left.items():
        for other, factor in right.items():
            frequency = tuple(a + b for a, b in zip(one, other, strict=True))
            product[frequency] = product.get(frequency, 0) + matrix @ factor
    return _without_zeros(product)


def adjoint(spectrum: Spectrum) -> Spectrum:
    """Return the spectrum of the conjugate transpose."""
    return {tuple(-n for n in frequency): m.conj().T for frequency, m in spectrum.items()}


def _without_zeros(spectrum: Spectrum) -> Spectrum:
    return {frequency: m for frequency, m in spectrum.items() if np.abs(m).max() > _ZERO}


@dataclass(frozen=True, eq=False)
class Basis:
    """Fourier modes, and the real features that span them.

    The mode of `frequencies[j]` is e^{i f.x} = cos(c.x) + i s sin(c.x), where c = s f is the
    canonical one of f and -f. The features are the cosines of all distinct c, then the sines of
    all but c = 0.
    """

    frequencies: NDArray[np.int64]  # (modes, axes)

    @classmethod
    def of(cls, spectra: Sequence[Spectrum], axes: Axes) -> Basis:
        """Return the basis of a product of spectra, the last varying fastest."""
        start = np.zeros((1, len(axes.pairs)), dtype=np.int64)

        def extend(total: NDArray[np.int64], spectrum: Spectrum) -> NDArray[np.int64]:
            own = np.array(list(spectrum), dtype=np.int64)
            summed: NDArray[np.int64] = total[:, None] + own.reshape(len(spectrum), -1)
            return summed.reshape(len(total) * len(spectrum), -1)

        return cls(reduce(extend, spectra, start))

    @cached_property
    def signs(self) -> NDArray[np.int64]:
        """The s of each mode, shape `(modes,)`."""
        if not self.frequencies.shape[1]:
            return np.ones(len(self.frequencies), dtype=np.int64)
        first = (self.frequencies != 0).argmax(1)
        leading = np.take_along_axis(self.frequencies, first[:, None], 1)[:, 0]
        return np.where(leading < 0, -1, 1)

    @cached_property
    def distinct(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The canonical frequencies, each once, and which of them each mode has."""
        rows, place = np.unique(self.frequencies * self.signs[:, None], axis=0, return_inverse=True)
        return rows, place.reshape(-1)

    @property
    def size(self) -> int:
        """The number of features."""
        rows, _ = self.distinct
        return len(rows) + int(rows.any(1).sum())

    def on_features(self, coefficients: Matrix) -> Matrix:
        """Return the coefficients of the features for those of the modes, along the first axis."""
        rows, place = self.distinct
        parametrised = rows.any(1)
        cosines = np.zeros((len(rows), *coefficients.shape[1:]), dtype=np.complex128)
        sines = np.zeros_like(cosines)
        np.add.at(cosines, place, coefficients)
        signs = self.signs.reshape(-1, *(1,) * (coefficients.ndim - 1))
        np.add.at(sines, place, 1j * signs * coefficients)
        return np.concatenate([cosines, sines[parametrised]])
