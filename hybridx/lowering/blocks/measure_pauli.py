"""Measurements of a density matrix that is a vector over Pauli words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TypeAlias, assert_never

import numpy as np

from hybridx.circuit import (
    Circuit,
    DensityMatrix,
    Entropy,
    Expectation,
    Measurement,
    MutualInformation,
    PauliTerm,
    Probabilities,
    Purity,
    State,
    Variance,
    entropies_of,
)
from hybridx.lowering.blocks.channel_matrices import LETTERS
from hybridx.lowering.blocks.entropy import entropy, information
from hybridx.lowering.blocks.measure_state import square, with_batch
from hybridx.lowering.blocks.real_form import real_matrix
from hybridx.lowering.blocks.state import COMPLEX, Amplitudes, apply_matrix, bring_last
from hybridx.program import Builder, Value

Column: TypeAlias = dict[int, float]
"""A sum of components r_P, by the number of P in base 4."""

_NUMBERS = {"X": 1, "Y": 2, "Z": 3}


def measure_words(builder: Builder, words: Value, circuit: Circuit) -> Value:
    """Return the results of all measurements of a circuit, shape `(batch, M)`.

    Args:
        builder: takes the steps.
        words: r_P of all words P, shape `(batch or 1, 4**wires)`.
        circuit: what to measure, and how many wires there are.
    """
    columns: list[Column] = []
    places: list[range] = []
    for measurement in circuit.measurements:
        added = _columns(measurement, circuit.wires)
        places.append(range(len(columns), len(columns) + len(added)))
        columns += added
    sums = _sums(builder, words, columns) if columns else words
    if all(isinstance(m, Expectation | Probabilities) for m in circuit.measurements):
        return with_batch(builder, sums)
    results = [
        with_batch(builder, _result(builder, words, sums, place, measurement, circuit.wires))
        for place, measurement in zip(places, circuit.measurements, strict=True)
    ]
    return builder.concatenate(results, 1)


def _columns(measurement: Measurement, wires: int) -> list[Column]:
    """Return the sums of components that a measurement is made of."""
    match measurement:
        case Expectation(terms):
            return [_mean(terms, wires)]
        case Variance(terms):
            return [_mean(terms, wires), _mean(square(terms), wires)]
        case Probabilities(on):
            return _probabilities(on, wires)
        case DensityMatrix() | Purity() | Entropy() | MutualInformation():
            return []
        case State():
            raise AssertionError("law I14: a density matrix is no state")
        case _:
            assert_never(measurement)


def _result(
    builder: Builder,
    words: Value,
    sums: Value,
    place: range,
    measurement: Measurement,
    wires: int,
) -> Value:
    """Return the columns of one measurement, shape `(batch or 1, width)`."""
    match measurement:
        case Expectation() | Probabilities():
            return builder.gather(sums, 1, place)
        case Variance():
            mean = builder.gather(sums, 1, place[:1])
            minus = builder.constant(np.array([[-1.0]]))
            squared = builder.multiply(builder.multiply(mean, mean), minus)
            return builder.add(builder.gather(sums, 1, place[1:]), squared)
        case DensityMatrix(on):
            return _density(builder, words, on, wires)
        case Purity(on):
            chosen = builder.gather(words, 1, words_on(on, wires))
            total = builder.sum(builder.multiply(chosen, chosen), 1)
            share = builder.constant(np.array([[0.5 ** len(on)]]))
            return builder.multiply(builder.reshape(total, (total.shape[0], 1)), share)
        case Entropy(base=base) | MutualInformation(base=base):
            parts = [
                entropy(builder, _density(builder, words, on, wires), len(on))
                for on in entropies_of(measurement)
            ]
            return information(builder, parts, base)
        case State():
            raise AssertionError("law I14: a density matrix is no state")
        case _:
            assert_never(measurement)


def words_on(on: Sequence[int], wires: int, letters: Sequence[int] = range(4)) -> list[int]:
    """Return the numbers of all words of some letters on some wires, I elsewhere."""
    return [
        sum(letter * 4 ** (wires - 1 - wire) for letter, wire in zip(word, on, strict=True))
        for word in product(letters, repeat=len(on))
    ]


def _mean(terms: Sequence[PauliTerm], wires: int) -> Column:
    column: Column = {0: 0.0}
    for term in terms:
        pairs = zip(term.letters, term.wires, strict=True)
        word = sum(_NUMBERS[letter] * 4 ** (wires - 1 - wire) for letter, wire in pairs)
        column[word] = column.get(word, 0.0) + term.coefficient
    return column


def _probabilities(on: Sequence[int], wires: int) -> list[Column]:
    """p_b = sum over the words of I and Z of (-1)^(b.z) r_P / 2^k, z where P has a Z."""
    words = words_on(on, wires, letters=(0, 3))
    signs = np.ones((1, 1))
    for _ in on:
        signs = np.kron(signs, np.array([[1.0, 1.0], [1.0, -1.0]]))
    return [dict(zip(words, row.tolist(), strict=True)) for row in signs / len(words)]


def _sums(builder: Builder, words: Value, columns: Sequence[Column]) -> Value:
    """Return all columns, shape `(batch or 1, len(columns))`."""
    used = sorted(set().union(*columns))
    places = {word: place for place, word in enumerate(used)}
    matrix = np.zeros((len(used), len(columns)))
    for index, column in enumerate(columns):
        matrix[[places[word] for word in column], index] = list(column.values())
    return builder.matmul(builder.gather(words, 1, used), builder.constant(matrix))


def _density(builder: Builder, words: Value, on: Sequence[int], wires: int) -> Value:
    """Return rho of some of all wires, shape `(batch or 1, 2 * 4**k)`: real, then imaginary.

    rho_xy = sum of P_xy r_P / 2^k, wire by wire.
    """
    rows, count = words.shape[0], len(on)
    real = builder.gather(words, 1, words_on(on, wires))
    zeros = builder.multiply(real, builder.constant(np.zeros((1, 1))))
    axes = (COMPLEX, *range(2 * count))
    tensor = Amplitudes(builder.concatenate([real, zeros], 1), axes)
    letters = LETTERS.transpose(1, 2, 0).reshape(4, 4) / 2
    matrix = builder.constant(real_matrix(letters).T[None])
    for wire in range(count):
        tensor = apply_matrix(builder, tensor, matrix, (2 * wire, 2 * wire + 1), is_real=False)
    order = (COMPLEX, *range(0, 2 * count, 2), *range(1, 2 * count, 2))
    value = bring_last(builder, tensor, order).value
    return builder.reshape(value, (rows, 2 * 4**count))
