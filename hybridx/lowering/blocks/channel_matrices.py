"""Maps of density matrices as real matrices over Pauli words.

A density matrix is a real vector r_P = Tr(P rho) over the words P of I, X, Y, Z, and a map E of
density matrices a real matrix that acts on it:

    R_PQ = Tr(P E(Q)) / 2^wires,        E(Q) = sum of K Q K^dagger.

A word is a number in base 4, wire 0 most significant; I, X, Y, Z are 0, 1, 2, 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    PAULIS,
    Channel,
    Gate,
    Matrix,
    Operation,
    Prepare,
    Unitary,
    complex_entries,
)
from hybridx.lowering.analysis.trig_polynomial import constant_matrix
from hybridx.lowering.blocks.entries import combine
from hybridx.lowering.blocks.real_form import real_matrix
from hybridx.lowering.blocks.state import COMPLEX, Amplitudes, apply_matrix, bring_last
from hybridx.program import Builder, Value

Transfer: TypeAlias = NDArray[np.float64]

_ZERO = 1e-15  # below this an entry is a rounding of zero

LETTERS: Matrix = np.array([PAULIS[letter] for letter in "IXYZ"])
"""The Pauli matrices by their numbers."""


def pauli_words(wires: int) -> Matrix:
    """Return all Pauli words, shape `(4**wires, 2**wires, 2**wires)`."""

    def extend(words: Matrix, letters: Matrix) -> Matrix:
        size = 2 * words.shape[1]
        product = np.einsum("pij,qkl->pqikjl", words, letters)
        return np.asarray(product.reshape(-1, size, size))

    return reduce(extend, [LETTERS] * wires, np.ones((1, 1, 1), dtype=np.complex128))


def constant_transfer(operation: Operation) -> Transfer:
    """Return R of a channel or a gate without parameters."""
    if isinstance(operation, Channel):
        size = 2 ** len(operation.wires)
        kraus = complex_entries(operation.real, operation.imaginary)
        parts = [_between(K, K) for K in kraus.reshape(-1, size, size)]
        return np.asarray(np.sum(parts, axis=0))
    matrix = constant_matrix(operation)
    return _between(matrix, matrix)


def prepared(operation: Prepare) -> Transfer:
    """Return r of constant amplitudes, shape `(4**wires,)`."""
    column = constant_matrix(operation)[:, 0]
    words = pauli_words(len(operation.wires))
    return np.asarray(np.einsum("i,pij,j->p", column.conj(), words, column).real)


def transfer_modes(gate: Gate) -> tuple[Transfer, dict[int, tuple[Transfer, Transfer]]]:
    """Return R of U(theta) = C + cos(k theta) A + sin(k theta) B by Fourier modes.

    R = R_0 + sum over n of cos(n k theta) R_n + sin(n k theta) R'_n, with n = 1 and 2: the squares
    of cosine and sine are modes of twice the angle.

    Returns:
        R_0, and the pair (R_n, R'_n) by n where it is not zero.
    """
    C, A, B = gate.constant, gate.cosine, gate.sine
    assert A is not None
    assert B is not None
    AA, BB = _between(A, A), _between(B, B)
    pairs = {
        1: (_between(C, A) + _between(A, C), _between(C, B) + _between(B, C)),
        2: ((AA - BB) / 2, (_between(A, B) + _between(B, A)) / 2),
    }
    modes = {n: pair for n, pair in pairs.items() if np.abs(np.stack(pair)).max() > _ZERO}
    return _between(C, C) + (AA + BB) / 2, modes


def _between(left: Matrix, right: Matrix) -> Transfer:
    """Return Re Tr(P L Q R^dagger) / 2^wires for all words P and Q."""
    size = len(left)
    words = pauli_words(size.bit_length() - 1)
    images = left @ words @ right.conj().T
    traces = words.reshape(len(words), -1) @ images.transpose(0, 2, 1).reshape(len(words), -1).T
    return np.array(traces.real / size)


def parametrised_transfer(builder: Builder, operation: Unitary | Channel) -> Value:
    """Return R of entries that are parameters, transposed: `(batch, 4**wires, 4**wires)`.

    The products K_ij conj(K_kl), summed over the Kraus operators, are put into words wire by
    wire: the indices i and k become P, j and l become Q.
    """
    count = len(operation.wires)
    i, j, k, l = (range(n * count, (n + 1) * count) for n in range(4))
    products = _products(builder, operation, 2 * count)
    for wire in range(count):
        products = _into_word(builder, products, i[wire], k[wire], 0.5)
        products = _into_word(builder, products, l[wire], j[wire], 1.0)
    into = [axis for pair in zip(l, j, strict=True) for axis in pair]
    out = [axis for pair in zip(i, k, strict=True) for axis in pair]
    return builder.reshape(_real(builder, products, into + out), (None, 4**count, 4**count))


def parametrised_prepared(builder: Builder, operation: Prepare) -> Value:
    """Return r of amplitudes that are parameters, shape `(batch, 4**wires)`."""
    count = len(operation.wires)
    products = _products(builder, operation, count)
    for wire in range(count):
        products = _into_word(builder, products, wire, count + wire, 1.0)
    return _real(builder, products, [axis for n in range(count) for axis in (n, count + n)])


def _products(builder: Builder, operation: Unitary | Channel | Prepare, count: int) -> Amplitudes:
    """Return all a_x conj(a_y) of the entries a, summed over the Kraus operators.

    The index x is on the axes 0 to `count - 1`, y on the next `count`.
    """
    size, half = 2**count, len(operation.real) // 2**count
    entries = operation.real + (operation.imaginary or (0.0,) * len(operation.real))
    right = builder.reshape(combine(builder, entries), (None, 2 * half, size))
    # (R, I) becomes (I, -R), for the imaginary parts of (R + iI)_x (R - iI)_y.
    swapped = builder.gather(right, 1, [*range(half, 2 * half), *range(half)])
    signs = np.repeat([1.0, -1.0], half).reshape(1, -1, 1)
    minus_i_times = builder.multiply(swapped, builder.constant(signs))
    parts = [
        builder.reshape(
            builder.matmul(builder.transpose(left, (0, 2, 1)), right), (None, size * size)
        )
        for left in (right, minus_i_times)
    ]
    return Amplitudes(builder.concatenate(parts, 1), (COMPLEX, *range(2 * count)))


def _into_word(
    builder: Builder, tensor: Amplitudes, row: int, column: int, scale: float
) -> Amplitudes:
    """Return the tensor with the sum of P_yx T_xy in place of a row and a column index x, y."""
    letters = scale * LETTERS.transpose(0, 2, 1).reshape(4, 4)
    matrix = builder.constant(real_matrix(letters).T[None])
    return apply_matrix(builder, tensor, matrix, (row, column), is_real=False)


def _real(builder: Builder, tensor: Amplitudes, order: Sequence[int]) -> Value:
    """Return the real parts in an order of axes, flat: `(batch, 2**axes)`."""
    ordered = bring_last(builder, tensor, (COMPLEX, *order))
    size = 2 ** len(order)
    split = builder.reshape(ordered.value, (None, 2, size))
    return builder.reshape(builder.gather(split, 1, (0,)), (None, size))
