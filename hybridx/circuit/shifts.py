"""Derivatives of a circuit from its results at shifted parameters, exact but for rounding.

As a function of one angle, each result is a trigonometric polynomial whose frequencies the gate
tells. Its derivative is a sum of results at a few shifted angles [Mitarai 2018; Wierichs 2022]. As
a function of one entry of a matrix or of a state, each result is a polynomial of low degree, of
which a difference quotient is the derivative. And a derivative is linear in each cotangent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import gcd
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit.circuit import (
    Apply,
    Circuit,
    Operation,
    Parameter,
    Purity,
    State,
    Variance,
    angles_of,
    bind,
    derivative_blocks,
    result_count,
    underived,
)
from hybridx.circuit.gates import gate_of

Rows: TypeAlias = NDArray[np.float64]
Rule: TypeAlias = tuple[tuple[float, float], ...]
"""Shifts with their factors: the derivative of f at x is the sum of factor * f(x + shift)."""

Evaluate: TypeAlias = Callable[[Circuit, Rows], Rows]
"""Returns the results of a circuit for each row of its parameters."""

# Of what is linear: its difference quotient with any step.
_LINEAR: Rule = ((0.5, 1.0), (-0.5, -1.0))
# Of a polynomial of degree up to 4.
_QUARTIC: Rule = ((0.5, 4 / 3), (-0.5, -4 / 3), (1.0, -1 / 6), (-1.0, 1 / 6))


@dataclass(frozen=True, eq=False)
class Apart:
    """A circuit in which each angle and each entry has a column of its own.

    Attributes:
        circuit: takes `(batch, N)`, and is no derivative.
        scale: shape `(N, P)`: the columns are `parameters @ scale.T + offset`.
        offset: shape `(N,)`.
        rules: of each column.
        has_entries: a column is an entry of a matrix, of a state or of a Kraus operator.
    """

    circuit: Circuit
    scale: Rows
    offset: Rows
    rules: tuple[Rule, ...]
    has_entries: bool


@lru_cache(maxsize=64)
def apart(circuit: Circuit) -> Apart:
    """Return the circuit of a derivative with its angles apart."""
    found: list[tuple[Parameter, Rule]] = []
    for operation in circuit.operations:
        places = [angle for angle in angles_of(operation) if isinstance(angle, Parameter)]
        if places:
            rule = _rule_of(operation, circuit)
            found += [(place, rule) for place in places]
    scale = np.zeros((len(found), circuit.parameters))
    for row, (place, _) in enumerate(found):
        scale[row, place.column] = place.scale
    columns = count()
    return Apart(
        bind(underived(circuit), len(found), lambda _: Parameter(next(columns))),
        scale,
        np.array([place.offset for place, _ in found], dtype=np.float64),
        tuple(rule for _, rule in found),
        any(
            isinstance(angle, Parameter)
            for operation in circuit.operations
            if not isinstance(operation, Apply)
            for angle in angles_of(operation)
        ),
    )


def evaluations(circuit: Circuit) -> int:
    """Return at how many points, at most, a circuit is evaluated for a row of its derivative."""
    if not circuit.derivative:
        return 1
    shifts = sum(map(len, apart(circuit).rules))
    return int((1 + shifts) ** circuit.derivative)


def by_shifts(circuit: Circuit, parameters: Rows, evaluate: Evaluate) -> Rows:
    """Return what a derivative of a circuit gives, from the results of the circuit alone.

    Args:
        circuit: with `derivative` of at least 1.
        parameters: the columns that it takes.
        evaluate: called once, with all points.

    Returns:
        shape `(batch, columns)`.
    """
    found = apart(circuit)
    if not found.rules:  # the circuit gives the same whatever it is given
        return np.zeros((len(parameters), result_count(circuit)))
    blocks, _ = derivative_blocks(circuit)
    is_angle, gives_angle = _kinds(circuit.derivative)
    parts = np.split(np.asarray(parameters, dtype=np.float64), np.cumsum(blocks)[:-1], axis=1)
    apart_parts = [
        part @ found.scale.T if has_angles else part
        for part, has_angles in zip(parts, is_angle, strict=True)
    ]
    apart_parts[0] = apart_parts[0] + found.offset
    columns = np.concatenate(apart_parts, axis=1)
    widths = [part.shape[1] for part in apart_parts]
    points, join = _points(found, widths, circuit.derivative, columns)
    distinct, place = np.unique(points, axis=0, return_inverse=True)
    results = join(evaluate(found.circuit, distinct)[place.reshape(-1)])
    given = [
        len(found.rules) if has_angles else derivative_blocks(underived(circuit))[1][0]
        for has_angles in gives_angle
    ]
    parts = np.split(results, np.cumsum(given)[:-1], axis=1)
    return np.concatenate(
        [
            part @ found.scale if has_angles else part
            for part, has_angles in zip(parts, gives_angle, strict=True)
        ],
        axis=1,
    )


def _kinds(order: int) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Return for each block that a derivative takes, and gives, whether it is like the angles."""
    taken: tuple[bool, ...] = (True,)
    given: tuple[bool, ...] = (False,)
    for _ in range(order):
        taken, given = taken + given, taken
    return taken, given


def _points(
    found: Apart, widths: list[int], order: int, columns: Rows
) -> tuple[Rows, Callable[[Rows], Rows]]:
    """Return the points at which the circuit is evaluated, and what makes results of its results.

    Args:
        found: the circuit with its angles apart.
        widths: of the blocks of `columns`.
        order: of the derivative.
        columns: shape `(batch, sum of widths)`.
    """
    if not order:
        return columns, lambda results: results
    blocks = _taken_blocks(order - 1)
    inner = sum(widths[:blocks])
    x, cotangents = columns[:, :inner], columns[:, inner:]
    shifts = [
        (column, *shift)
        for column in range(inner)
        for shift in (found.rules[column] if column < len(found.rules) else _LINEAR)
    ]
    shifted = np.repeat(x[None], len(shifts), axis=0)
    for index, (column, shift, _) in enumerate(shifts):
        shifted[index, :, column] += shift
    points, join = _points(found, widths[:blocks], order - 1, shifted.reshape(-1, inner))

    def joined(results: Rows) -> Rows:
        values = join(results).reshape(len(shifts), len(x), cotangents.shape[1])
        products = np.einsum("src,rc->sr", values, cotangents)
        gradient = np.zeros((len(x), inner))
        for (column, _, factor), product in zip(shifts, products, strict=True):
            gradient[:, column] += factor * product
        return gradient

    return points, joined


def _taken_blocks(order: int) -> int:
    return len(_kinds(order)[0])


def _rule_of(operation: Operation, circuit: Circuit) -> Rule:
    """Return the rule of the derivative by an angle or an entry of an operation."""
    if not isinstance(operation, Apply):
        return _QUARTIC
    gate = gate_of(operation)
    assert gate.cosine is not None
    assert gate.sine is not None
    # U is C + exp(i k x) (A - i B) / 2 + exp(-i k x) (A + i B) / 2; exponents in units of k.
    parts = {0: gate.constant, 1: gate.cosine - 1j * gate.sine, -1: gate.cosine + 1j * gate.sine}
    amplitudes = {power for power, matrix in parts.items() if np.any(matrix)}
    densities = {a - b for a in amplitudes for b in amplitudes}
    frequencies: set[int] = set()
    for measurement in circuit.measurements:
        match measurement:
            case State():
                frequencies |= amplitudes
            case Variance() | Purity():
                frequencies |= {a + b for a in densities for b in densities}
            case _:
                frequencies |= densities
    return _trigonometric({abs(one) for one in frequencies if one}, gate.rate)


def _trigonometric(frequencies: set[int], rate: float) -> Rule:
    """Return the rule of a trigonometric polynomial with these frequencies, in units of `rate`."""
    if not frequencies:
        return ()
    unit = gcd(*frequencies)
    size = max(frequencies) // unit
    rule = []
    for place in range(1, 2 * size + 1):
        angle = (2 * place - 1) * np.pi / (2 * size)
        factor = (-1) ** (place - 1) / (4 * size * np.sin(angle / 2) ** 2)
        # An angle near zero, so that shifts of large angles lose nothing.
        shift = angle - 2 * np.pi if angle > np.pi else angle
        rule.append((shift / (unit * rate), factor * unit * rate))
    return tuple(rule)
