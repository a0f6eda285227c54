"""Results as Fourier sums: for few parameters, however often each enters.

Every gate is a sum of few waves of its parameter (`spectrum.py`). So are the amplitudes, but for a
phase that is common to all of them, and whatever is linear in the density matrix:

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
    Channel,
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
from hybridx.lowering.analysis.product_encoding import MIXED
from hybridx.lowering.analysis.trig_polynomial import (
    Axes,
    Basis,
    Spectrum,
    has_parameter,
    spectrum_of,
)
from hybridx.lowering.blocks import bilinear
from hybridx.lowering.cost import Cost
from hybridx.program import Program

_MOST_BYTES = 48e6  # of T in float32
_MOST_WORK = 2.0**30.5  # complex multiply-adds to find the coefficients: some five seconds
_MOST_AXES = 14  # more would have 3^15 waves
_WIDEST = 9  # wires of an operation; its matrix takes 4 MB
_TOGETHER = 2**21  # amplitudes on points: 32 MB
_MOVED = 16  # multiply-adds in the time that an amplitude takes to be moved
_TRANSFORM = 16  # multiply-adds that an amplitude takes in the Fourier transforms
_ZERO = 1e-14  # a coefficient this much smaller than the largest is a rounding of zero

_Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Gate:
    """A sum of waves of matrices.

    Attributes:
        wires: the first is the most significant of the matrices.
        spectrum: frequencies in units of each axis, the lowest is zero.
        degrees: the highest frequency on each axis.
    """

    wires: tuple[int, ...]
    spectrum: Spectrum
    degrees: _Integers


@dataclass(frozen=True, slots=True)
class _Block:
    """Gates in the order of time that are multiplied before they meet the amplitudes."""

    wires: tuple[int, ...]
    gates: tuple[_Gate, ...]
    degrees: _Integers

    @property
    def work(self) -> int:
        """About how many multiply-adds an amplitude takes."""
        waves: int = prod((self.degrees + 1).tolist())
        return waves * (_MOVED + (1 << len(self.wires)))

    def with_gate(self, gate: _Gate) -> _Block:
        """Return the block with a further gate."""
        wires = tuple(sorted({*self.wires, *gate.wires}))
        return _Block(wires, (*self.gates, gate), self.degrees + gate.degrees)

    def product(self) -> _Gate:
        """Return the gates as one."""
        count, size = len(self.wires), 2 ** len(self.wires)
        start = np.eye(size, dtype=np.complex128)
        total = start.reshape((2,) * count + (size,) + (1,) * len(self.degrees))
        for gate in self.gates:
            total = _after(gate, tuple(self.wires.index(wire) for wire in gate.wires), total)
        waves = total.reshape(size, size, *(self.degrees + 1))
        each = {n: waves[:, :, *n] for n in np.ndindex(*waves.shape[2:])}
        spectrum = {n: matrix for n, matrix in each.items() if matrix.any()}
        return _Gate(self.wires, spectrum, self.degrees)


@dataclass(frozen=True, eq=False)
class _Plan:
    """A circuit as such blocks.

    Attributes:
        axes: of the frequencies.
        units: for each axis, of which all frequencies of results are multiples.
        blocks: in the order of time.
    """

    axes: Axes
    units: _Integers
    blocks: tuple[_Block, ...]

    @cached_property
    def degrees(self) -> _Integers:
        """The D of each axis, in its units."""
        degrees: _Integers = np.sum([block.degrees for block in self.blocks], axis=0)
        return degrees

    @property
    def points(self) -> tuple[int, ...]:
        """How many frequencies the results have on each axis."""
        return tuple((2 * self.degrees + 1).tolist())

    def frequencies(self, axes: range) -> _Integers:
        """Return the frequencies on some axes as `np.fft` orders them, `(waves, all axes)`."""
        sizes = [points if axis in axes else 1 for axis, points in enumerate(self.points)]
        index = np.indices(sizes).reshape(len(sizes), -1).T
        ordered = np.where(index > self.degrees, index - self.points, index)
        frequencies: _Integers = ordered * self.units
        return frequencies


def count(circuit: Circuit) -> Cost | str:
    """Return the counted cost, or why the strategy does not apply."""
    plan = _plan(circuit)
    if isinstance(plan, str):
        return plan
    points, results = plan.points, result_count(circuit)
    cut = bilinear.best_cut(points, results, circuit.parameters)
    return bilinear.count(prod(points[:cut]), prod(points[cut:]), results, circuit.parameters)


def lower(circuit: Circuit) -> Program:
    """Return the program of a circuit to which the strategy applies.

    Exact but for rounding; float32 multiplies the rounding of a parameter by its degree.
    """
    plan = _plan(circuit)
    assert not isinstance(plan, str), plan
    coefficients = _coefficients(circuit, plan)
    present = _present(coefficients)
    axes = range(present.ndim)
    sizes = [int(present.any(axis=(*axes[:axis], *axes[axis + 1 :])).sum()) for axis in axes]
    cut = bilinear.best_cut(sizes, len(coefficients), circuit.parameters)
    left, right = plan.frequencies(axes[:cut]), plan.frequencies(axes[cut:])
    pairs = present.reshape(len(left), len(right))
    f, g = pairs.any(axis=1), pairs.any(axis=0)
    waves = coefficients.reshape(-1, len(left), len(right))[:, f][:, :, g]
    return bilinear.build(circuit.parameters, plan.axes, Basis(left[f]), Basis(right[g]), waves)


def _plan(circuit: Circuit) -> _Plan | str:
    if not all(isinstance(m, Expectation | Probabilities) for m in circuit.measurements):
        return "a measurement is neither an expectation value nor probabilities"
    axes = Axes.of(circuit)
    spectra: list[tuple[tuple[int, ...], Spectrum]] = []
    for operation in circuit.operations:
        if isinstance(operation, Channel):
            return MIXED
        if has_parameter(operation) and not isinstance(operation, Apply):
            return "a state or a matrix holds a parameter"
        if len(axes.pairs) > _MOST_AXES:
            return f"{len(axes.pairs)} distinct parameters are too many"
        if len(wires_of(operation)) > _WIDEST:
            return f"an operation acts on more than {_WIDEST} wires"
        spectra.append((wires_of(operation), spectrum_of(operation, axes)))
    if not axes.pairs:
        return "it has no parameters"
    plan = _in_units(axes, spectra)
    waves, results = prod(plan.points), result_count(circuit)
    if 4 * results * waves > _MOST_BYTES:
        return f"its constants would take more than {_MOST_BYTES / 1e6:.0f} MB"
    if _work(circuit, plan) > _MOST_WORK:
        return f"{waves} waves of {circuit.wires} wires are too many to find"
    return plan


def _in_units(axes: Axes, spectra: Sequence[tuple[tuple[int, ...], Spectrum]]) -> _Plan:
    keys = [np.array(list(spectrum), dtype=np.int64) for _, spectrum in spectra]
    raised = [own - own.min(axis=0) for own in keys]
    units = np.maximum(np.gcd.reduce(np.concatenate(raised), axis=0), 1)
    gates = [
        _Gate(
            wires,
            dict(zip(map(tuple, (own // units).tolist()), spectrum.values(), strict=True)),
            own.max(axis=0) // units,
        )
        for (wires, spectrum), own in zip(spectra, raised, strict=True)
    ]
    return _Plan(axes, units, _blocks(gates))


def _blocks(gates: Sequence[_Gate]) -> tuple[_Block, ...]:
    """Join each gate with those before it if that is less work than one after the other."""
    blocks: list[_Block] = []
    for gate in gates:
        alone = _Block(gate.wires, (gate,), gate.degrees)
        if blocks:
            joined = blocks[-1].with_gate(gate)
            if joined.work <= blocks[-1].work + alone.work:
                blocks[-1] = joined
                continue
        blocks.append(alone)
    return tuple(blocks)


def _work(circuit: Circuit, plan: _Plan) -> float:
    """Return about how many complex multiply-adds `_coefficients` takes."""
    degrees = np.zeros_like(plan.units)
    a_state = 0
    for block in plan.blocks:
        a_state += block.work * prod((degrees + 1).tolist())
        degrees = degrees + block.degrees
    products = len(_flips(circuit)) * (_TRANSFORM + result_count(circuit))
    a_state += products * prod(plan.points)
    return 2.0**circuit.wires * a_state


def _present(coefficients: Matrix) -> NDArray[np.bool_]:
    """Return which waves are in any result, one at least.

    Light cones and parities leave out many.
    """
    size = np.abs(coefficients).max(axis=0)
    present = np.asarray(size > _ZERO * size.max())
    if not present.any():
        present.flat[0] = True
    return present


def _coefficients(circuit: Circuit, plan: _Plan) -> Matrix:
    """Return the coefficients of all waves, `(M, waves of axis 0, waves of axis 1, ...)`."""
    psi = _amplitudes(circuit.wires, plan)
    points, results = prod(plan.points), result_count(circuit)
    a_time = max(1, _TOGETHER // max(points, results * len(_flips(circuit))))
    values = np.zeros((results, points))
    for start in range(0, len(psi), a_time):
        states = np.arange(start, min(start + a_time, len(psi)))
        own = _on_points(psi[states], plan.points)
        for flip, weights in _weights(circuit, states).items():
            other = _on_points(psi[states ^ flip], plan.points) if flip else own
            values += (weights @ (other.conj() * own)).real
    axes = range(1, 1 + len(plan.points))
    spectra: Matrix = np.fft.fftn(values.reshape(-1, *plan.points), axes=axes, norm="forward")
    return spectra


def _amplitudes(wires: int, plan: _Plan) -> Matrix:
    """Return a_n for every basis state, `(2**wires, D_0 + 1, D_1 + 1, ...)`."""
    psi = np.zeros((2,) * wires + (1,) * len(plan.units), dtype=np.complex128)
    psi.flat[0] = 1
    for block in plan.blocks:
        psi = _after(block.product(), block.wires, psi)
    return psi.reshape(2**wires, *psi.shape[wires:])


def _after(gate: _Gate, places: tuple[int, ...], waves: Matrix) -> Matrix:
    """Return waves `(2, ..., 2, ..., waves of axis 0, ...)` after a gate on some of the axes."""
    rest = waves.ndim - len(gate.degrees)
    sizes = waves.shape[rest:]
    grown = np.zeros((*waves.shape[:rest], *(sizes + gate.degrees)), dtype=np.complex128)
    for frequency, matrix in gate.spectrum.items():
        moved = (slice(n, n + size) for n, size in zip(frequency, sizes, strict=True))
        place: tuple[Any, ...] = (..., *moved)
        grown[place] += apply_to_axes(matrix, places, waves)
    return grown


def _on_points(waves: Matrix, points: tuple[int, ...]) -> Matrix:
    """Return sums of waves on equally spaced points of each axis, `(rows, points)`."""
    axes = range(1, waves.ndim)
    values: Matrix = np.fft.ifftn(waves, s=points, axes=axes, norm="forward")
    return values.reshape(len(waves), -1)


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
