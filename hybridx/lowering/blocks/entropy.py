"""Entropies: the eigenvalues of small Hermitian matrices by a fixed number of Jacobi's rotations.

A round rotates disjoint pairs (p, q) of indices at once so that their entries H_pq vanish; a sweep
is as many rounds as visit every pair once. Rotations are unitary to the last bit, so that an error
of an eigenvalue is a rounding of the matrix, also where eigenvalues are equal or zero. A derivative
takes the rotations for constant, and what they would add to first and second derivatives is added
at the end. Third derivatives of entropies lack it.

Source: Golub & Van Loan, Matrix Computations (2013), section 8.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Measurement, entropies_of
from hybridx.lowering.blocks.real_form import real_form_places
from hybridx.lowering.cost import Cost
from hybridx.program import Builder, Value

# By the number of wires. One fewer left 1e-14 in the worst of 40,000 matrices of 4 x 4, and 5e-10
# of 12,000 of 8 x 8, degenerate and singular ones among them; the next sweep squares that.
SWEEPS: Final = (0, 1, 5, 7)
_SMALL: Final = 1e-15  # its square is a float32 number, and no eigenvalue notices it
_FLOOR: Final = 1e-13  # of eigenvalues; the derivative of x log x has none at zero
_STEEPEST: Final = 1e8  # of quotients, which multiply the square of what float32 rounds to 1e-8
_EQUAL: Final = 1e-9  # the square of how far apart eigenvalues are that count as equal, relatively


def entropy(builder: Builder, rho: Value, wires: int) -> Value:
    """Return -Tr(rho log rho) in nats, shape `(batch or 1, 1)`.

    Args:
        builder: takes the steps.
        rho: shape `(batch or 1, 2 * 4**wires)`, real parts row by row, then imaginary ones.
        wires: at most `MAX_ENTROPY_WIRES`.
    """
    rows, size = rho.shape[0], 2**wires
    H = _embedded(builder, rho, size)
    V = _eigenvectors(builder, H, size)
    if V is not None:
        H = builder.matmul(builder.matmul(builder.transpose(V, (0, 2, 1)), H), V)
    flat = builder.reshape(H, (rows, 4 * size * size))
    values = builder.gather(flat, 1, [index * (2 * size + 1) for index in range(size)])
    positive = builder.maximum(values, builder.constant([[_FLOOR]]))
    log = builder.log(positive)
    # Below the floor, x log x goes on along its tangent.
    slope = builder.add(builder.hold(log), builder.constant([[1.0]]))
    below = builder.add(values, builder.multiply(positive, builder.constant([[-1.0]])))
    terms = builder.add(builder.multiply(positive, log), builder.multiply(below, slope))
    total = builder.reshape(builder.sum(terms, 1), (rows, 1))
    if V is not None:
        total = builder.add(total, _second_order(builder, H, positive, log, size))
    return builder.multiply(total, builder.constant([[-1.0]]))


def _eigenvectors(builder: Builder, H: Value, size: int) -> Value | None:
    """Return the columns V that make V^T H V diagonal, held; None if it is so already."""
    V: Value | None = None
    for _ in range(SWEEPS[size.bit_length() - 1]):
        for pairs in rounds(size):
            turn = _rotation(builder, H, pairs)
            H = builder.matmul(builder.matmul(builder.transpose(turn, (0, 2, 1)), H), turn)
            V = turn if V is None else builder.matmul(V, turn)
    return V and builder.hold(V)


def _second_order(builder: Builder, H: Value, a: Value, log: Value, size: int) -> Value:
    """Return zero, with the second derivatives that Tr(H log H) has off the diagonal of H.

    Where H = diag(a) gets entries off its diagonal, the trace changes in second order by the sum
    over i < j of

        |H_ij|^2 (log a_i - log a_j) / (a_i - a_j).

    With it, first and second derivatives are right although those of the eigenvectors, which do not
    exist where eigenvalues are equal, are left out. There the quotient is 1 / a_i; with
    m = (a_i + a_j) / 2,

        ((log a_i - log a_j) (a_i - a_j) + e m) / ((a_i - a_j)^2 + e m^2)

    is within e / 12 of it, relatively.

    Args:
        builder: takes the steps.
        H: the real form of a matrix that is diagonal, shape `(batch or 1, 2 size, 2 size)`.
        a: the entries of its diagonal, at least the floor, shape `(batch or 1, size)`.
        log: of them.
        size: of the matrix.
    """
    rows = a.shape[0]

    def pairs_of(x: Value, factor: float) -> Value:
        """Return x_i + factor x_j, shape `(batch or 1, size, size)`."""
        others = builder.multiply(builder.reshape(x, (rows, 1, size)), number(factor))
        return builder.add(builder.reshape(x, (rows, size, 1)), others)

    def number(value: float) -> Value:
        return builder.constant([[[value]]])

    a = builder.hold(a)
    apart, mean = pairs_of(a, -1.0), builder.multiply(pairs_of(a, 1.0), number(0.5))
    little = builder.multiply(mean, number(_EQUAL))
    upper = builder.add(builder.multiply(pairs_of(builder.hold(log), -1.0), apart), little)
    lower = builder.add(builder.multiply(apart, apart), builder.multiply(little, mean))
    # The smaller of the quotient and a bound, in the negative; only of i < j.
    negative = builder.multiply(builder.divide(upper, lower), number(-1.0))
    negative = builder.maximum(negative, number(-_STEEPEST))
    weights = builder.multiply(negative, builder.constant(-np.triu(np.ones((size, size)), 1)[None]))
    # The real parts of H are its first rows, the imaginary ones the others.
    H = builder.reshape(builder.gather(H, 2, range(size)), (rows, 2, size, size))
    change = builder.add(H, builder.multiply(builder.hold(H), builder.constant([[[[-1.0]]]])))
    squares = builder.multiply(change, change)
    weighted = builder.multiply(squares, builder.reshape(weights, (rows, 1, size, size)))
    flat = builder.reshape(weighted, (rows, 2 * size * size))
    return builder.reshape(builder.sum(flat, 1), (rows, 1))


def information(builder: Builder, parts: Sequence[Value], base: float | None) -> Value:
    """Return one entropy, or that of two parts less that of both, in units of the base."""
    unit = 1.0 if base is None else 1 / float(np.log(base))
    if len(parts) == 1:
        return builder.multiply(parts[0], builder.constant([[unit]]))
    first, second, both = parts
    less = builder.multiply(both, builder.constant([[-1.0]]))
    total = builder.add(builder.add(first, second), less)
    return builder.multiply(total, builder.constant([[unit]]))


def count(measurement: Measurement) -> Cost:
    """Return the cost of the entropies in a measurement, those of state vectors overestimated."""
    total = Cost(0.0, 0.0, 0, 0.0)
    for wires in entropies_of(measurement):
        used = min(len(wires), len(SWEEPS) - 1)
        size = 2**used
        rotations = SWEEPS[used] * (size - 1)
        total += Cost(
            multiply_adds=rotations * (3 * (2 * size) ** 3 + 12 * size**3),
            elements=rotations * (4 * size * size + 12 * size),
            steps=31 * rotations + 60,
            constant_bytes=rotations * 4 * 12 * size**3,
            numbers=rotations * (12 * size * size + 12 * size),
        )
    return total


def rounds(size: int) -> list[list[tuple[int, int]]]:
    """Return all pairs of `size` indices, an even number, in rounds of disjoint pairs.

    Example:
        >>> rounds(4)
        [[(0, 3), (1, 2)], [(0, 2), (1, 3)], [(0, 1), (2, 3)]]
    """
    circle = list(range(1, size))
    found = []
    for _ in circle:
        order = [0, *circle]
        pairs = [sorted((order[i], order[size - 1 - i])) for i in range(size // 2)]
        found.append([(pair[0], pair[1]) for pair in pairs])
        circle = circle[-1:] + circle[:-1]
    return found


def _embedded(builder: Builder, rho: Value, size: int) -> Value:
    """Return the real form of a matrix, shape `(batch or 1, 2 size, 2 size)`."""
    places, signs = real_form_places(size)
    taken = builder.gather(rho, 1, places.reshape(-1).tolist())
    signed = builder.multiply(taken, builder.constant(signs.reshape(1, -1)))
    return builder.reshape(signed, (rho.shape[0], 2 * size, 2 * size))


def _rotation(builder: Builder, matrix: Value, pairs: Sequence[tuple[int, int]]) -> Value:
    """Return V such that in V^T H V the entries at `pairs` vanish.

    With delta = (H_pp - H_qq) / 2, b = H_pq, d = |delta| and r = sqrt(d^2 + |b|^2), the columns of
    V are (c, sign(delta) s*) and (-sign(delta) s, c), where

        c = (r + d) / n,    s = b / n,    n = sqrt(2 r (r + d)).
    """
    rows, count, size = matrix.shape[0], len(pairs), 2 * len(pairs)
    reading, writing = _maps(pairs, size)
    flat = builder.reshape(matrix, (rows, 1, 4 * size * size))
    read = builder.matmul(flat, builder.constant(reading))
    read = builder.reshape(read, (rows, 3, count))
    delta, b = builder.gather(read, 1, (0,)), builder.gather(read, 1, (1, 2))
    half = builder.add(builder.sign(delta), builder.constant([[[0.5]]]))
    sign = builder.sign(half)  # 1 for zero
    # A small number is added so that nothing is divided by zero; c^2 + |s|^2 stays 1.
    d = builder.add(builder.multiply(delta, sign), builder.constant([[[_SMALL]]]))
    length = builder.reshape(builder.sum(builder.multiply(b, b), 1), (rows, 1, count))
    r = builder.sqrt(builder.add(builder.multiply(d, d), length))
    sum_ = builder.add(r, d)
    twice = builder.multiply(builder.multiply(r, sum_), builder.constant([[[2.0]]]))
    n = builder.sqrt(twice)
    c = builder.divide(sum_, n)
    s = builder.multiply(b, builder.divide(sign, n))
    both = builder.reshape(builder.concatenate([c, s], 1), (rows, 1, 3 * count))
    V = builder.matmul(both, builder.constant(writing))
    return builder.reshape(V, (rows, 2 * size, 2 * size))


def _maps(
    pairs: Sequence[tuple[int, int]], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what reads (delta, Re b, Im b) of all pairs, and writes (c, Re s, Im s) as V."""
    count, wide = len(pairs), 2 * size
    reading = np.zeros((wide, wide, 3, count))
    writing = np.zeros((3, count, wide, wide))
    for pair, (p, q) in enumerate(pairs):
        reading[p, p, 0, pair], reading[q, q, 0, pair] = 0.5, -0.5
        reading[p, q, 1, pair] = reading[size + p, q, 2, pair] = 1
        for half in (0, size):  # real parts
            writing[0, pair, half + p, half + p] = writing[0, pair, half + q, half + q] = 1
            writing[1, pair, half + q, half + p] = 1
            writing[1, pair, half + p, half + q] = -1
        for row, column in ((p, q), (q, p)):  # imaginary parts: -s and s* both have -Im s
            writing[2, pair, size + row, column] = -1
            writing[2, pair, row, size + column] = 1
    return reading.reshape(wide * wide, 3 * count), writing.reshape(3 * count, wide * wide)
