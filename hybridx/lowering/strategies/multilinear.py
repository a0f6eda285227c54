"""Expectation values as one bilinear form: constant gates folded, parameters as waves.

If every parameter enters before its wire meets another one, the circuit is a product state and a
constant matrix V, and the density matrix of each wire is a sum of few waves (1, cos t and sin t
for one rotation by t). With f(x) the products of waves of the first wires, g(x) those of the rest,

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
from hybridx.lowering.analysis.product_encoding import (
    Encoding,
    contract,
    encoding_of,
    fold,
    is_still,
)
from hybridx.lowering.analysis.trig_polynomial import Basis, Spectrum, adjoint, multiply
from hybridx.lowering.blocks import bilinear
from hybridx.lowering.cost import Cost
from hybridx.program import Program

_MOST_BYTES = 48e6  # of T in float32
_MOST_WORK = 2.0**34.5  # complex multiply-adds to build T: some ten seconds
_FIRST = 2  # wires: a quarter of V* O V is there at a time


@dataclass(frozen=True, slots=True)
class _Plan:
    encoding: Encoding
    densities: tuple[Spectrum, ...]  # of each wire, matrices (2, 2)
    cut: int  # wires before it make f, the others g


def count(circuit: Circuit) -> Cost | str:
    """Return the counted cost, or why the strategy does not apply."""
    plan = _plan(circuit)
    if isinstance(plan, str):
        return plan
    left = prod(map(len, plan.densities[: plan.cut]))
    right = prod(map(len, plan.densities[plan.cut :]))
    return bilinear.count(left, right, len(circuit.measurements), circuit.parameters)


def lower(circuit: Circuit) -> Program:
    """Return the program of a circuit to which the strategy applies.

    Exact but for rounding; float32 gives about 1e-6 at 10 wires.
    """
    plan = _plan(circuit)
    assert not isinstance(plan, str), plan
    axes = plan.encoding.axes
    left = Basis.of(plan.densities[: plan.cut], axes)
    right = Basis.of(plan.densities[plan.cut :], axes)
    waves = _coefficients(circuit, plan).reshape(-1, len(left.frequencies), len(right.frequencies))
    return bilinear.build(circuit.parameters, axes, left, right, waves)


def _plan(circuit: Circuit) -> _Plan | str:
    if not all(isinstance(measurement, Expectation) for measurement in circuit.measurements):
        return "a measurement is no expectation value"
    encoding = encoding_of(circuit)
    if isinstance(encoding, str):
        return encoding
    densities = tuple(multiply(psi, adjoint(psi)) for psi in encoding.amplitudes)
    measured = len(circuit.measurements)
    sizes = [len(density) for density in densities]
    if 4 * measured * prod(sizes) > _MOST_BYTES:
        return f"its constants would take more than {_MOST_BYTES / 1e6:.0f} MB"
    if measured * 2**circuit.wires * 4**encoding.moving > _MOST_WORK:
        return f"{circuit.wires} wires are too many to fold"
    cut = bilinear.best_cut(sizes, measured, circuit.parameters)
    return _Plan(encoding, densities, cut)


def _coefficients(circuit: Circuit, plan: _Plan) -> Matrix:
    """Return the coefficient of each product of waves for each observable, `(M, waves)`."""
    V = fold(plan.encoding)
    maps = [
        np.array([matrix.T.reshape(-1) for matrix in density.values()]).T
        for psi, density in zip(plan.encoding.amplitudes, plan.densities, strict=True)
        if not is_still(psi)  # as `fold` has it: a global phase moves psi alone
    ]
    coefficients = np.empty((len(circuit.measurements), prod(map(len, plan.densities))), V.dtype)
    for row, measurement in zip(coefficients, circuit.measurements, strict=True):
        assert isinstance(measurement, Expectation)
        row[:] = _waves(measurement, V, maps)
    return coefficients


def _waves(observable: Expectation, V: Matrix, maps: list[Matrix]) -> Matrix:
    """Return V* O V = (O V)* V, the bits (i, j) of each wire replaced by its waves with `maps`.

    That matrix is larger than what comes of it, so it is never there as a whole: rows that agree
    on the first wires are made together, and their other wires replaced.
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
    waves = contract(tensor.transpose([*pairs, 2 * first]), maps[:first])
    return waves.reshape(len(waves), -1).T.reshape(-1)


def _observed(observable: Expectation, V: Matrix, columns: slice) -> Matrix:
    """Return columns of O V: a Pauli word permutes the rows of V and gives each a factor."""
    wires = len(V).bit_length() - 1
    states = np.arange(len(V))
    total = np.zeros_like(V[:, columns])
    for term in observable.terms:
        factors = factors_of(term, wires, states)[:, None]
        total[states ^ flips_of(term, wires)] += factors * V[:, columns]
    return total
