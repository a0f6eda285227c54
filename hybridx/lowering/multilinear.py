"""Expectation values as one bilinear form: constant gates folded, parameters as waves.

If every parameter enters before its wire meets another one, the circuit is a product state and a
constant matrix V, and the density matrix of each wire is a sum of few waves (1, cos t and sin t
for one rotation by t). With f(x) the products of waves of the first wires, g(x) those of the rest,

    <O_m> = Tr(V rho(x) V* O_m) = sum_ab f_a(x) T_amb g_b(x),        exact,

where products of waves are waves of summed angles: f = cos(K x + phase) is one product and one
cosine. The cost is one matrix product with T, 3^n M entries for n rotated wires.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from hybridx.circuit import Circuit, Expectation, Matrix
from hybridx.lowering.cost import Cost
from hybridx.lowering.encoding import Encoding, contract, encoding_of, fold, is_still
from hybridx.lowering.program import Builder, Program
from hybridx.lowering.spectrum import Basis, Spectrum, adjoint, multiply

_MOST_BYTES = 48e6  # of T in float32
_MOST_WORK = 2.0**34.5  # complex multiply-adds to build T: some ten seconds


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
    return _cost(plan, len(circuit.measurements), circuit.parameters, plan.cut)


def lower(circuit: Circuit) -> Program:
    """Return the program of a circuit to which the strategy applies.

    Exact but for rounding; float32 gives about 1e-6 at 10 wires.
    """
    plan = _plan(circuit)
    assert not isinstance(plan, str), plan
    builder = Builder(circuit.parameters)
    axes = plan.encoding.axes
    left = Basis.of(plan.densities[: plan.cut], axes)
    right = Basis.of(plan.densities[plan.cut :], axes)
    waves = _coefficients(circuit, plan).reshape(-1, len(left.frequencies), len(right.frequencies))
    mixed = left.on_features(waves.transpose(1, 0, 2))
    T = right.on_features(mixed.transpose(2, 0, 1)).transpose(1, 2, 0).real
    measured, width = len(circuit.measurements), right.size
    f = left.features(builder, axes)
    product = builder.matmul(f, builder.constant(T.reshape(left.size, measured * width)))
    if width == 1:
        return builder.build(product)
    g = builder.reshape(right.features(builder, axes), (None, 1, width))
    rows = builder.reshape(product, (None, measured, width))
    return builder.build(builder.sum(builder.multiply(rows, g), 2))


def _plan(circuit: Circuit) -> _Plan | str:
    if not all(isinstance(measurement, Expectation) for measurement in circuit.measurements):
        return "a measurement is no expectation value"
    encoding = encoding_of(circuit)
    if isinstance(encoding, str):
        return encoding
    densities = tuple(multiply(psi, adjoint(psi)) for psi in encoding.amplitudes)
    measured = len(circuit.measurements)
    size = 4 * measured * prod(map(len, densities))
    if size > _MOST_BYTES:
        return f"its constants would take more than {_MOST_BYTES / 1e6:.0f} MB"
    if measured * 2**circuit.wires * 4**encoding.moving > _MOST_WORK:
        return f"{circuit.wires} wires are too many to fold"
    plan = _Plan(encoding, densities, 0)
    cuts = range(1, circuit.wires + 1)
    best = min(cuts, key=lambda cut: _cost(plan, measured, circuit.parameters, cut).time)
    return _Plan(encoding, densities, best)


def _cost(plan: _Plan, measured: int, parameters: int, cut: int) -> Cost:
    left = prod(map(len, plan.densities[:cut]))
    right = prod(map(len, plan.densities[cut:]))
    halves = 1 if right == 1 else 2
    features = left + (right if halves == 2 else 0)
    elements = features + (0 if halves == 1 else measured * right)
    weights = left * measured * right
    return Cost(
        multiply_adds=weights + features * parameters,
        elements=elements,
        steps=4 if halves == 1 else 10,
        constant_bytes=4 * (weights + features * (parameters + 1)),
    )


def _coefficients(circuit: Circuit, plan: _Plan) -> Matrix:
    """Return the coefficient of each product of waves for each observable, `(M, waves)`."""
    V = fold(plan.encoding)
    moving = plan.encoding.moving
    interleaved = [axis for wire in range(moving) for axis in (wire, moving + wire)]
    maps = [
        np.array([matrix.T.reshape(-1) for matrix in density.values()]).T
        for psi, density in zip(plan.encoding.amplitudes, plan.densities, strict=True)
        if not is_still(psi)  # as `fold` has it: a global phase moves psi alone
    ]
    rows = []
    for measurement in circuit.measurements:
        assert isinstance(measurement, Expectation)
        G = V.conj().T @ _observed(measurement, V)
        tensor = G.reshape((2,) * (2 * moving)).transpose(interleaved)
        rows.append(contract(tensor, maps).reshape(-1))
    return np.array(rows)


def _observed(observable: Expectation, V: Matrix) -> Matrix:
    """Return O V: a Pauli word permutes the rows of V and gives each a factor."""
    wires = len(V).bit_length() - 1
    states = np.arange(len(V))
    total = np.zeros_like(V)
    for term in observable.terms:
        flipped = states.copy()
        factor = np.full(len(V), term.coefficient, dtype=np.complex128)
        for letter, wire in zip(term.letters, term.wires, strict=True):
            bit = states >> (wires - 1 - wire) & 1
            if letter in "XY":
                flipped ^= 1 << (wires - 1 - wire)
            if letter in "YZ":
                factor *= 1 - 2 * bit
            if letter == "Y":
                factor *= -1j
        total += factor[:, None] * V[flipped]
    return total
