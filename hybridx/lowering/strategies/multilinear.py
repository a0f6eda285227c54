"""Expectation values as one bilinear form: constant gates folded, parameters as Fourier modes.

If every parameter enters before its wire meets another one, the circuit is a product state and a
constant matrix V, and the density matrix of each wire is a sum of few Fourier modes (1, cos t and
sin t for one rotation by t). With f(x) the products of modes of the first wires, g(x) those of the
rest,

    <O_m> = Tr(V rho(x) V* O_m) = sum_ab f_a(x) T_amb g_b(x),        exact,

which `bilinear` makes a program. The cost is one matrix product with T, 3^n M entries for n
rotated wires.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from hybridx.circuit import Circuit, Expectation, Matrix
from hybridx.lowering.analysis.pauli_words import factors_of, flips_of
from hybridx.lowering.analysis.product_encoding import Encoding, contract, encoding_of, fold
from hybridx.lowering.analysis.trig_polynomial import (
    Basis,
    Spectrum,
    adjoint,
    is_constant,
    multiply,
)
from hybridx.lowering.blocks import bilinear
from hybridx.lowering.cost import MOST_FOLDED
from hybridx.lowering.machines.machine import Machine
from hybridx.lowering.plan import Plan, Reason, exceeds, name_wires
from hybridx.program import Program

_MOST_WORK = 2.0**34.5  # complex multiply-adds to build T: some ten seconds
_FIRST = 2  # wires: a quarter of V* O V is there at a time


@dataclass(frozen=True, eq=False)
class MultilinearPlan(Plan):
    """Expectation values of an encoded circuit as a bilinear form.

    Attributes:
        encoding: the circuit as a product state and V.
        densities: of each wire the density matrix before V, matrices `(2, 2)`.
        cut: the wires before it make f, the others g.
    """

    encoding: Encoding
    densities: tuple[Spectrum, ...]
    cut: int

    def describe(self) -> str:
        """Return the encoding, and how many modes each wire has."""
        modes = " ".join(str(len(density)) for density in self.densities)
        wires = range(self.circuit.wires)
        halves = [name_wires(half) for half in (wires[: self.cut], wires[self.cut :]) if half]
        return (
            f"{self.encoding.describe()}\n"
            f"Fourier modes of the wires' density matrices: {modes}\n"
            f"form in the products of modes of {' and '.join(halves)}"
        )

    def build(self) -> Program:
        """Return the program: exact but for rounding; float32 gives about 1e-6 at 10 wires."""
        axes = self.encoding.axes
        left = Basis.of(self.densities[: self.cut], axes)
        right = Basis.of(self.densities[self.cut :], axes)
        modes = _coefficients(self).reshape(-1, len(left.frequencies), len(right.frequencies))
        return bilinear.build(self.circuit.parameters, axes, left, right, modes)


def plan(circuit: Circuit, machine: Machine) -> MultilinearPlan | Reason:
    """Return the plan of a circuit, or why the strategy does not apply."""
    if not all(isinstance(measurement, Expectation) for measurement in circuit.measurements):
        return Reason("a measurement is no expectation value")
    encoding = encoding_of(circuit)
    if isinstance(encoding, Reason):
        return encoding
    densities = tuple(multiply(psi, adjoint(psi)) for psi in encoding.amplitudes)
    measured = len(circuit.measurements)
    sizes = [len(density) for density in densities]
    too_large = exceeds(4 * measured * prod(sizes), MOST_FOLDED)
    if too_large:
        return too_large
    if measured * 2**circuit.wires * 4**encoding.parametrised > _MOST_WORK:
        return Reason(f"{circuit.wires} wires are too many to fold")
    cut = bilinear.best_cut(sizes, measured, circuit.parameters, machine)
    cost = bilinear.count(prod(sizes[:cut]), prod(sizes[cut:]), measured, circuit.parameters)
    return MultilinearPlan(circuit, cost, encoding, densities, cut)


def _coefficients(plan: MultilinearPlan) -> Matrix:
    """Return the coefficient of each product of modes for each observable, `(M, modes)`."""
    V = fold(plan.encoding)
    maps = [
        np.array([matrix.T.reshape(-1) for matrix in density.values()]).T
        for psi, density in zip(plan.encoding.amplitudes, plan.densities, strict=True)
        if not is_constant(psi)  # as `fold` has it: only psi depends on a global phase
    ]
    measurements = plan.circuit.measurements
    coefficients = np.empty((len(measurements), prod(map(len, plan.densities))), V.dtype)
    for row, measurement in zip(coefficients, measurements, strict=True):
        assert isinstance(measurement, Expectation)
        row[:] = _modes(measurement, V, maps)
    return coefficients


def _modes(observable: Expectation, V: Matrix, maps: list[Matrix]) -> Matrix:
    """Return V* O V = (O V)* V, the bits (i, j) of each wire replaced by its modes with `maps`.

    The matrix V* O V is larger than the result, so it is never there as a whole: rows that agree on
    the first wires are made together, and their other wires replaced.
    """
    first = min(_FIRST, len(maps))
    others = len(maps) - first
    rows = 2**others
    paired = [axis for wire in range(others) for axis in (wire, len(maps) + wire)]
    parts = []
    for start in range(0, V.shape[1], rows):
        G = _observed(observable, V, slice(start, start + rows)).conj().T @ V
        tensor = G.reshape((2,) * (others + len(maps)))
        tensor = tensor.transpose([*paired, *range(others, len(maps))])
        parts.append(contract(tensor, maps[first:]).reshape(2**first, -1))
    pairs = [axis for wire in range(first) for axis in (wire, first + wire)]
    tensor = np.array(parts).reshape((2,) * (2 * first) + (-1,))
    modes = contract(tensor.transpose([*pairs, 2 * first]), maps[:first])
    return modes.reshape(len(modes), -1).T.reshape(-1)


def _observed(observable: Expectation, V: Matrix, columns: slice) -> Matrix:
    """Return columns of O V: a Pauli word permutes the rows of V and gives each a factor."""
    wires = len(V).bit_length() - 1
    states = np.arange(len(V))
    total = np.zeros_like(V[:, columns])
    for term in observable.terms:
        factors = factors_of(term, wires, states)[:, None]
        total[states ^ flips_of(term, wires)] += factors * V[:, columns]
    return total
