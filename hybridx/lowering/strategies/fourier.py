"""Results as trigonometric polynomials: for few parameters, however often each enters.

Every gate is a sum of few Fourier modes of its parameter (`trig_polynomial.py`). So are the
amplitudes, but for a phase that is common to all of them, and all that is linear in the density
matrix:

    psi(x) = sum of a_n e^{i n.x}, 0 <= n_j <= D_j,    r_m(x) = sum of c_mf e^{i f.x}, |f_j| <= D_j,

exact, where D_j adds up by how much the frequencies of each gate with parameter j differ. The a_n
are found by multiplying spectra, one gate after another. The c_mf are those of products of two
amplitudes: between two discrete Fourier transforms, on 2 D_j + 1 points of each parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    Apply,
    Circuit,
    Expectation,
    Matrix,
    Probabilities,
    apply_to_axes,
    result_count,
    result_layout,
    wires_of,
)
from hybridx.lowering.analysis.pauli_words import factors_of, flips_of
from hybridx.lowering.analysis.trig_polynomial import (
    Axes,
    Basis,
    Spectrum,
    has_parameter,
    spectrum_of,
)
from hybridx.lowering.blocks import bilinear
from hybridx.lowering.cost import MOST_FOLDED
from hybridx.lowering.machines.machine import Machine
from hybridx.lowering.plan import Plan, Reason, exceeds, list_lines, name_wires, pure_operations
from hybridx.program import Program

_MOST_WORK = 2.0**30.5  # complex multiply-adds to find the coefficients: some five seconds
_MOST_AXES = 14  # more would have 3^15 modes
_WIDEST = 9  # wires of an operation; its matrix takes 4 MB
_TOGETHER = 2**21  # amplitudes on points: 32 MB
_COPIED = 16  # multiply-adds in the time that copying an amplitude takes
_TRANSFORM = 16  # multiply-adds that an amplitude takes in the Fourier transforms
_ZERO = 1e-14  # a coefficient this much smaller than the largest is a rounding of zero

_Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _FourierMatrix:
    """A matrix as a sum of Fourier modes.

    Attributes:
        wires: the first is the most significant of the matrices.
        spectrum: frequencies in units of each axis, the lowest is zero.
        degrees: the highest frequency on each axis.
    """

    wires: tuple[int, ...]
    spectrum: Spectrum
    degrees: _Integers


@dataclass(frozen=True, slots=True)
class _Group:
    """Gates in the order of time that are multiplied before they are applied to the state."""

    wires: tuple[int, ...]
    gates: tuple[_FourierMatrix, ...]
    degrees: _Integers

    @property
    def work(self) -> int:
        """About how many multiply-adds an amplitude takes."""
        modes: int = prod((self.degrees + 1).tolist())
        return modes * (_COPIED + (1 << len(self.wires)))

    def with_gate(self, gate: _FourierMatrix) -> _Group:
        """Return the group with a further gate."""
        wires = tuple(sorted({*self.wires, *gate.wires}))
        return _Group(wires, (*self.gates, gate), self.degrees + gate.degrees)

    def product(self) -> _FourierMatrix:
        """Return the gates as one."""
        count, size = len(self.wires), 2 ** len(self.wires)
        start = np.eye(size, dtype=np.complex128)
        total = start.reshape((2,) * count + (size,) + (1,) * len(self.degrees))
        for gate in self.gates:
            total = _after(gate, tuple(self.wires.index(wire) for wire in gate.wires), total)
        modes = total.reshape(size, size, *(self.degrees + 1))
        each = {n: modes[:, :, *n] for n in np.ndindex(*modes.shape[2:])}
        spectrum = {n: matrix for n, matrix in each.items() if matrix.any()}
        return _FourierMatrix(self.wires, spectrum, self.degrees)


@dataclass(frozen=True, eq=False)
class _Polynomial:
    """The results as a trigonometric polynomial, by the gates that give its coefficients.

    Attributes:
        axes: of the frequencies.
        units: for each axis, of which all frequencies of results are multiples.
        groups: in the order of time.
    """

    axes: Axes
    units: _Integers
    groups: tuple[_Group, ...]

    @cached_property
    def degrees(self) -> _Integers:
        """The D of each axis, in its units."""
        degrees: _Integers = np.sum([group.degrees for group in self.groups], axis=0)
        return degrees

    @property
    def points(self) -> tuple[int, ...]:
        """How many frequencies the results have on each axis."""
        return tuple((2 * self.degrees + 1).tolist())

    def frequencies(self, axes: range) -> _Integers:
        """Return the frequencies on some axes as `np.fft` orders them, `(modes, all axes)`."""
        sizes = [points if axis in axes else 1 for axis, points in enumerate(self.points)]
        index = np.indices(sizes).reshape(len(sizes), -1).T
        ordered = np.where(index > self.degrees, index - self.points, index)
        frequencies: _Integers = ordered * self.units
        return frequencies


@dataclass(frozen=True, eq=False)
class FourierPlan(Plan):
    """Results as a trigonometric polynomial.

    Attributes:
        polynomial: the degrees, and the gates whose product gives the coefficients.
        machine: that runs the program.
    """

    polynomial: _Polynomial
    machine: Machine

    def describe(self) -> str:
        """Return the degree in each parameter, and which gates are multiplied first."""
        found = self.polynomial
        degrees = ", ".join(
            f"{degree} in p[{column}]" + (f" scaled by {scale:g}" if scale != 1 else "")
            for (column, scale), degree in zip(found.axes.pairs, found.degrees, strict=True)
        )
        groups = [
            f"{len(group.gates)} operations together on {name_wires(group.wires)}"
            for group in found.groups
        ]
        return "\n".join(
            [
                f"degree of the results: {degrees}",
                f"Fourier modes: {prod(found.points)} at most",
                *list_lines(groups),
            ]
        )

    def build(self) -> Program:
        """Return the program: exact but for rounding.

        float32 multiplies the rounding of a parameter by the degree in it.
        """
        found, parameters = self.polynomial, self.circuit.parameters
        coefficients = _coefficients(self.circuit, found)
        present = _present(coefficients)
        axes = range(present.ndim)
        sizes = [int(present.any(axis=(*axes[:axis], *axes[axis + 1 :])).sum()) for axis in axes]
        cut = bilinear.best_cut(sizes, len(coefficients), parameters, self.machine)
        left, right = found.frequencies(axes[:cut]), found.frequencies(axes[cut:])
        pairs = present.reshape(len(left), len(right))
        f, g = pairs.any(axis=1), pairs.any(axis=0)
        modes = coefficients.reshape(-1, len(left), len(right))[:, f][:, :, g]
        return bilinear.build(parameters, found.axes, Basis(left[f]), Basis(right[g]), modes)


def plan(circuit: Circuit, machine: Machine) -> FourierPlan | Reason:
    """Return the plan of a circuit, or why the strategy does not apply."""
    if not all(isinstance(m, Expectation | Probabilities) for m in circuit.measurements):
        return Reason("a measurement is neither an expectation value nor probabilities")
    operations = pure_operations(circuit)
    if isinstance(operations, Reason):
        return operations
    axes = Axes.of(circuit)
    spectra: list[tuple[tuple[int, ...], Spectrum]] = []
    for operation in operations:
        if has_parameter(operation) and not isinstance(operation, Apply):
            return Reason("a state or a matrix holds a parameter")
        if len(axes.pairs) > _MOST_AXES:
            return Reason(f"{len(axes.pairs)} distinct parameters are too many")
        if len(wires_of(operation)) > _WIDEST:
            return Reason(f"an operation acts on more than {_WIDEST} wires")
        spectra.append((wires_of(operation), spectrum_of(operation, axes)))
    if not axes.pairs:
        return Reason("it has no parameters")
    found = _in_units(axes, spectra)
    points, results = found.points, result_count(circuit)
    too_large = exceeds(4 * results * prod(points), MOST_FOLDED)
    if too_large:
        return too_large
    if _work(circuit, found) > _MOST_WORK:
        return Reason(f"{prod(points)} Fourier modes of {circuit.wires} wires are too many to find")
    cut = bilinear.best_cut(points, results, circuit.parameters, machine)
    cost = bilinear.count(prod(points[:cut]), prod(points[cut:]), results, circuit.parameters)
    return FourierPlan(circuit, cost, found, machine)


def _in_units(axes: Axes, spectra: Sequence[tuple[tuple[int, ...], Spectrum]]) -> _Polynomial:
    keys = [np.array(list(spectrum), dtype=np.int64) for _, spectrum in spectra]
    raised = [own - own.min(axis=0) for own in keys]
    units = np.maximum(np.gcd.reduce(np.concatenate(raised), axis=0), 1)
    gates = [
        _FourierMatrix(
            wires,
            dict(zip(map(tuple, (own // units).tolist()), spectrum.values(), strict=True)),
            own.max(axis=0) // units,
        )
        for (wires, spectrum), own in zip(spectra, raised, strict=True)
    ]
    return _Polynomial(axes, units, _groups(gates))


def _groups(gates: Sequence[_FourierMatrix]) -> tuple[_Group, ...]:
    """Join each gate with those before it if that is less work than one after the other."""
    groups: list[_Group] = []
    for gate in gates:
        alone = _Group(gate.wires, (gate,), gate.degrees)
        if groups:
            joined = groups[-1].with_gate(gate)
            if joined.work <= groups[-1].work + alone.work:
                groups[-1] = joined
                continue
        groups.append(alone)
    return tuple(groups)


def _work(circuit: Circuit, found: _Polynomial) -> float:
    """Return about how many complex multiply-adds `_coefficients` takes."""
    degrees = np.zeros_like(found.units)
    a_state = 0
    for group in found.groups:
        a_state += group.work * prod((degrees + 1).tolist())
        degrees = degrees + group.degrees
    products = len(_flips(circuit)) * (_TRANSFORM + result_count(circuit))
    a_state += products * prod(found.points)
    return 2.0**circuit.wires * a_state


def _present(coefficients: Matrix) -> NDArray[np.bool_]:
    """Return which modes are in any result, one at least.

    Many are in none: those of parameters outside the light cone, or of the wrong parity.
    """
    size = np.abs(coefficients).max(axis=0)
    present = np.asarray(size > _ZERO * size.max())
    if not present.any():
        present.flat[0] = True
    return present


def _coefficients(circuit: Circuit, found: _Polynomial) -> Matrix:
    """Return the coefficients of all modes, `(M, modes of axis 0, modes of axis 1, ...)`."""
    psi = _amplitudes(circuit.wires, found)
    points, results = prod(found.points), result_count(circuit)
    a_time = max(1, _TOGETHER // max(points, results * len(_flips(circuit))))
    values = np.zeros((results, points))
    for start in range(0, len(psi), a_time):
        states = np.arange(start, min(start + a_time, len(psi)))
        own = _on_points(psi[states], found.points)
        for flip, weights in _weights(circuit, states).items():
            other = _on_points(psi[states ^ flip], found.points) if flip else own
            values += (weights @ (other.conj() * own)).real
    axes = range(1, 1 + len(found.points))
    spectra: Matrix = np.fft.fftn(values.reshape(-1, *found.points), axes=axes, norm="forward")
    return spectra


def _amplitudes(wires: int, found: _Polynomial) -> Matrix:
    """Return a_n for every basis state, `(2**wires, D_0 + 1, D_1 + 1, ...)`."""
    psi = np.zeros((2,) * wires + (1,) * len(found.units), dtype=np.complex128)
    psi.flat[0] = 1
    for group in found.groups:
        psi = _after(group.product(), group.wires, psi)
    return psi.reshape(2**wires, *psi.shape[wires:])


def _after(gate: _FourierMatrix, places: tuple[int, ...], modes: Matrix) -> Matrix:
    """Return modes `(2, ..., 2, ..., modes of axis 0, ...)` after a gate on some of the axes."""
    rest = modes.ndim - len(gate.degrees)
    sizes = modes.shape[rest:]
    grown = np.zeros((*modes.shape[:rest], *(sizes + gate.degrees)), dtype=np.complex128)
    for frequency, matrix in gate.spectrum.items():
        shifted = (slice(n, n + size) for n, size in zip(frequency, sizes, strict=True))
        place: tuple[Any, ...] = (..., *shifted)
        grown[place] += apply_to_axes(matrix, places, modes)
    return grown


def _on_points(modes: Matrix, points: tuple[int, ...]) -> Matrix:
    """Return sums of modes on equally spaced points of each axis, `(rows, points)`."""
    axes = range(1, modes.ndim)
    values: Matrix = np.fft.ifftn(modes, s=points, axes=axes, norm="forward")
    return values.reshape(len(modes), -1)


def _weights(circuit: Circuit, states: _Integers) -> dict[int, Matrix]:
    """Return the weights W of products of two amplitudes, `(M, states)`, by sets of flipped wires.

    r_m = Re sum of W[x][m, s] conj(psi_(s ^ x)) psi_s, over all basis states s and all sets x.
    """
    shape = (result_count(circuit), len(states))
    weights = {flip: np.zeros(shape, dtype=np.complex128) for flip in _flips(circuit)}
    for measurement, result in zip(circuit.measurements, result_layout(circuit), strict=True):
        if isinstance(measurement, Expectation):
            for term in measurement.terms:
                factors = factors_of(term, circuit.wires, states)
                weights[flips_of(term, circuit.wires)][result.offset] += factors
        elif isinstance(measurement, Probabilities):
            value = np.zeros_like(states)
            for wire in measurement.wires:
                value = 2 * value + (states >> (circuit.wires - 1 - wire) & 1)
            weights[0][result.offset + value, np.arange(len(states))] = 1
    return weights


def _flips(circuit: Circuit) -> set[int]:
    """Return the sets of wires that a word flips, or none for probabilities."""
    flips = set()
    for measurement in circuit.measurements:
        terms = measurement.terms if isinstance(measurement, Expectation) else ()
        flips |= {flips_of(term, circuit.wires) for term in terms} or {0}
    return flips
