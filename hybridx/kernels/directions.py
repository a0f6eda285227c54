"""Derivatives of values and gradients along directions, of any order, by differences.

A result of a circuit is a sum of sines and cosines of its angles, whose frequencies are bounded. So
the steps of a difference can be chosen for float64: the first derivative is off by some 1e-13 of
the largest number, the second by 1e-12. A mixed derivative is a sum of derivatives on lines,

    D_u1 ... D_uk f = sum over signs of s1 ... sk (d/dt)^k f(x + t (s1 u1 + ... + sk uk)) / k! 2^k,

and all points of all lines are rows of one batch, with the weights of the differences in the
cotangents: the interpreter runs once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import GATES, Apply, Circuit, Parameter, Prepare
from hybridx.kernels.run import gradients, values
from hybridx.kernels.tape import Tape

Rows: TypeAlias = NDArray[np.floating]


def frequencies(circuit: Circuit) -> NDArray[np.float64]:
    """Return bounds on how fast the results of a circuit of gates turn with each column."""
    found = np.zeros(circuit.parameters)
    for operation in circuit.operations:
        match operation:
            case Apply(angle=Parameter(column, scale)):
                found[column] += 2 * abs(GATES[operation.gate].rate * scale)
            case Prepare(real=real, imaginary=imaginary):
                for entry in (*real, *(imaginary or ())):
                    if isinstance(entry, Parameter):
                        found[entry.column] += abs(entry.scale)
            case _:
                pass
    return found


def along(
    tape: Tape,
    frequencies: NDArray[np.float64],
    data: Rows,
    shared: Rows,
    cotangent: Rows | None,
    directions: Sequence[Rows],
) -> tuple[Rows, Rows, Rows]:
    """Return a mixed derivative of values and gradients along directions in the data.

    Args:
        tape: of the circuit, with P data columns and W shared ones.
        frequencies: of the circuit.
        data: `(batch, P)`.
        shared: `(W,)`.
        cotangent: `(batch, M)`, of which gradients are meant; None if they are not asked for.
        directions: one or more, `(batch, P)` each.

    Returns:
        of the values `(batch, M)`, of the gradient of data `(batch, P)`, and of the gradient of
        shared columns `(W,)`: float64.
    """
    order, batch = len(directions), len(data)
    shifts, weights = _difference(order)
    # Each direction with length one: then no line turns faster than its parameter.
    lengths = [np.abs(one) @ frequencies[: tape.data] for one in directions]
    units = [
        one / (order * np.where(length == 0, 1, length))[:, None]
        for one, length in zip(directions, lengths, strict=True)
    ]
    factor = math.prod(lengths) * order**order / (math.factorial(order) * 2 ** (order - 1))
    points, factors = [], []
    for signs in product((1, -1), repeat=order - 1):  # the other half are the same lines reversed
        line = sum(sign * unit for sign, unit in zip((1, *signs), units, strict=True))
        points += [data + shift * line for shift in shifts]
        factors += [factor * math.prod(signs) * weight for weight in weights]
    rows, scales = np.concatenate(points), np.concatenate(factors)[:, None]
    shared = shared.astype(np.float64)
    found, kept = values(tape, rows, shared)

    def summed(parts: Rows) -> Rows:
        total: Rows = parts.reshape(len(points), batch, parts.shape[1]).sum(0)
        return total

    of_values = summed(scales * found)
    if cotangent is None:
        return of_values, np.zeros(data.shape), np.zeros(shared.shape)
    weighted = scales * np.tile(cotangent, (len(points), 1))
    of_data, of_shared = gradients(tape, rows, shared, kept, weighted)
    return of_values, summed(of_data), of_shared


@cache
def _difference(order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shifts and weights of a central difference.

    The middle has no weight: it is the same point on all lines, whose signs cancel.
    """
    reach = order + 1
    accuracy = 2 * reach - order + 2 - order % 2
    step = 2 * np.finfo(np.float64).eps ** (1 / (order + accuracy))
    places = np.arange(-reach, reach + 1.0)
    powers = places ** np.arange(len(places))[:, None]
    wanted = math.factorial(order) * (np.arange(len(places)) == order)
    weights = np.linalg.solve(powers, wanted) / step**order
    sides = places != 0
    return places[sides] * step, weights[sides]
