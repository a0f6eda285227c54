"""Measurements of a state: how the columns of `results` are computed.

Whatever is a signed sum of the probabilities (words of Z, probabilities of wires) is one matrix
product for all measurements together; any other Pauli word is applied to the state as a gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    PAULIS,
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
from hybridx.lowering.blocks.entropy import entropy, information
from hybridx.lowering.blocks.real_form import real_matrix
from hybridx.lowering.blocks.state import COMPLEX, Amplitudes, apply_matrix, bring_last
from hybridx.program import Builder, Value

Eigenvalues = NDArray[np.float64]

_LETTERS = {
    # Transposed; X and Z are real, Y mixes real and imaginary parts. Adding zero makes -0.0 to 0.0.
    "X": (PAULIS["X"].real.T[None], True),
    "Z": (PAULIS["Z"].real.T[None], True),
    "Y": (real_matrix(PAULIS["Y"]).T[None] + 0.0, False),
}


def measure(builder: Builder, state: Amplitudes, circuit: Circuit) -> Value:
    """Return the results of all measurements of a circuit, shape `(batch, M)`."""
    wires = tuple(range(circuit.wires))
    ordered = bring_last(builder, state, (COMPLEX, *wires))
    means = _Means(builder, ordered, circuit.wires)
    # Two rounds, so that the means of all measurements are computed together.
    columns = [_add_means(means, measurement) for measurement in circuit.measurements]
    together = all(isinstance(m, Expectation | Probabilities) for m in circuit.measurements)
    if together and all(columns):
        return with_batch(builder, means.value())
    results = [
        with_batch(builder, _result(builder, ordered, means, chosen, measurement))
        for chosen, measurement in zip(columns, circuit.measurements, strict=True)
    ]
    return builder.concatenate(results, 1)


MOST_TOGETHER = 64
"""Probabilities that are columns of the matrix product; more are summed without a matrix."""


_SLOW_SUM = 10
"""Wires from which on a transpose takes less than what ONNX Runtime takes to sum over the first
axis of one row: ten times what it takes for an axis in between."""


def product_columns(measurement: Measurement) -> int:
    """Return how many columns of the matrix product a measurement takes."""
    match measurement:
        case Expectation():
            return 1
        case Variance():
            return 2
        case Probabilities(wires) if 2 ** len(wires) <= MOST_TOGETHER:
            return int(2 ** len(wires))
        case _:
            return 0


def square(terms: Sequence[PauliTerm]) -> tuple[PauliTerm, ...]:
    """Return the square of a sum of Pauli words, as a sum of Pauli words.

    Two words that anticommute cancel, so all coefficients stay real.
    """
    total: dict[tuple[tuple[int, str], ...], complex] = {}
    for left in terms:
        for right in terms:
            phase, word = _multiply(left, right)
            total[word] = total.get(word, 0) + phase * left.coefficient * right.coefficient
    return tuple(
        PauliTerm(value.real, "".join(letter for _, letter in word), tuple(w for w, _ in word))
        for word, value in total.items()
        if value.real
    )


# P Q = phase * R for two different Pauli letters.
_PRODUCTS = {
    ("X", "Y"): (1j, "Z"), ("Y", "X"): (-1j, "Z"),
    ("Y", "Z"): (1j, "X"), ("Z", "Y"): (-1j, "X"),
    ("Z", "X"): (1j, "Y"), ("X", "Z"): (-1j, "Y"),
}  # fmt: skip


def _multiply(left: PauliTerm, right: PauliTerm) -> tuple[complex, tuple[tuple[int, str], ...]]:
    phase: complex = 1
    letters = dict(zip(left.wires, left.letters, strict=True))
    for wire, letter in zip(right.wires, right.letters, strict=True):
        before = letters.pop(wire, None)
        if before is None:
            letters[wire] = letter
        elif before != letter:
            factor, letters[wire] = _PRODUCTS[before, letter]
            phase *= factor
    return phase, tuple(sorted(letters.items()))


class _Means:
    """Mean values as columns of one matrix, computed together when the first is needed."""

    def __init__(self, builder: Builder, state: Amplitudes, wires: int) -> None:
        self._builder = builder
        self._state = state
        self._wires = wires
        self._diagonal: list[Eigenvalues] = []
        self._others: dict[tuple[str, tuple[int, ...]], dict[int, float]] = {}
        self._value: Value | None = None

    def add_sum(self, terms: Sequence[PauliTerm]) -> list[int]:
        """Add the mean value of a sum of Pauli words; return its column."""
        column = len(self._diagonal)
        signs = np.zeros(2**self._wires)
        for term in terms:
            if set(term.letters) <= {"Z"}:
                signs += term.coefficient * _parities(term, self._wires)
            else:
                weights = self._others.setdefault((term.letters, term.wires), {})
                weights[column] = weights.get(column, 0.0) + term.coefficient
        self._diagonal.append(signs)
        return [column]

    def add_probabilities(self, wires: Sequence[int]) -> list[int]:
        """Add the probability of each basis state of some wires; return their columns."""
        states = np.arange(2**self._wires)
        index = np.zeros_like(states)
        for wire in wires:
            index = 2 * index + ((states >> (self._wires - 1 - wire)) & 1)
        first = len(self._diagonal)
        self._diagonal += [(index == value).astype(np.float64) for value in range(2 ** len(wires))]
        return list(range(first, len(self._diagonal)))

    def value(self) -> Value:
        """Return all columns that were added, shape `(batch or 1, columns)`."""
        if self._value is None:
            self._value = self._compute()
        return self._value

    def _compute(self) -> Value:
        builder, state = self._builder, self._state
        rows, count = state.value.shape[0], len(self._diagonal)
        signs = np.stack(self._diagonal, axis=1)
        parts: list[Value] = []
        if signs.any() or not self._others:
            squared = builder.multiply(state.value, state.value)
            # Real and imaginary parts carry the same sign, so one product sums both.
            parts.append(builder.matmul(squared, builder.constant(np.concatenate([signs, signs]))))
        for (letters, wires), weights in self._others.items():
            mean = builder.reshape(_mean(builder, state, letters, wires), (rows, 1))
            row = np.zeros((1, count))
            row[0, list(weights)] = list(weights.values())
            parts.append(builder.multiply(mean, builder.constant(row)))
        total = parts[0]
        for part in parts[1:]:
            total = builder.add(total, part)
        return total


def _add_means(means: _Means, measurement: Measurement) -> list[int]:
    match measurement:
        case Expectation(terms):
            return means.add_sum(terms)
        case Variance(terms):
            return means.add_sum(terms) + means.add_sum(square(terms))
        case Probabilities(wires):
            return means.add_probabilities(wires) if product_columns(measurement) else []
        case State() | DensityMatrix() | Purity() | Entropy() | MutualInformation():
            return []
        case _:
            assert_never(measurement)


def _result(
    builder: Builder,
    state: Amplitudes,
    means: _Means,
    columns: list[int],
    measurement: Measurement,
) -> Value:
    """Return the columns of one measurement, shape `(batch or 1, width)`."""
    match measurement:
        case Probabilities(wires) if not columns:
            return _probabilities(builder, state, wires)
        case Expectation() | Probabilities():
            return builder.gather(means.value(), 1, columns)
        case Variance():
            mean = builder.gather(means.value(), 1, columns[:1])
            minus = builder.constant(np.array([[-1.0]]))
            squared = builder.multiply(builder.multiply(mean, mean), minus)
            return builder.add(builder.gather(means.value(), 1, columns[1:]), squared)
        case State():
            return state.value
        case DensityMatrix(wires):
            real, imaginary = _density(builder, state, wires)
            return builder.concatenate([real, imaginary], 1)
        case Purity(wires):
            parts = builder.concatenate(list(_density(builder, state, wires)), 1)
            total = builder.sum(builder.multiply(parts, parts), 1)
            return builder.reshape(total, (total.shape[0], 1))
        case Entropy(base=base) | MutualInformation(base=base):
            entropies = [_entropy(builder, state, on) for on in entropies_of(measurement)]
            return information(builder, entropies, base)
        case _:
            assert_never(measurement)


def _probabilities(builder: Builder, state: Amplitudes, wires: tuple[int, ...]) -> Value:
    """Return the probabilities of all basis states of some wires, `(batch or 1, 2**k)`."""
    others = tuple(axis for axis in state.axes if axis != COMPLEX and axis not in wires)
    rest, size = 2 ** (len(others) + 1), 2 ** len(wires)
    front = 1 if len(wires) >= _SLOW_SUM else 0  # wires in front of the axes that are summed
    moved = bring_last(builder, state, (*wires[:front], COMPLEX, *others, *wires[front:]))
    squared = builder.multiply(moved.value, moved.value)
    rows = squared.shape[0]
    split = builder.reshape(squared, (rows, *[2] * front, rest, size >> front))
    return builder.reshape(builder.sum(split, 1 + front), (rows, size))


def _density(builder: Builder, state: Amplitudes, wires: tuple[int, ...]) -> tuple[Value, Value]:
    """Return real and imaginary parts of a reduced density matrix, `(batch or 1, 4**k)` each.

    With psi = R + iI as matrices `(rest, 2**k)`:
    Re rho_ij = sum R_i R_j + I_i I_j,  Im rho_ij = sum I_i R_j - R_i I_j.
    """
    size = 2 ** len(wires)
    others = tuple(axis for axis in state.axes if axis != COMPLEX and axis not in wires)
    moved = bring_last(builder, state, (COMPLEX, *others, *wires))
    rows, rest = moved.value.shape[0], 2 ** len(others)
    parts = builder.reshape(moved.value, (rows, 2, rest * size))
    swapped = builder.gather(parts, 1, (1, 0))
    minus_i_times = builder.multiply(swapped, builder.constant(np.array([[[1.0], [-1.0]]])))
    right = builder.reshape(parts, (rows, 2 * rest, size))
    real, imaginary = (
        builder.matmul(
            builder.transpose(builder.reshape(left, (rows, 2 * rest, size)), (0, 2, 1)), right
        )
        for left in (parts, minus_i_times)
    )
    return (
        builder.reshape(real, (rows, size * size)),
        builder.reshape(imaginary, (rows, size * size)),
    )


def _entropy(builder: Builder, state: Amplitudes, wires: tuple[int, ...]) -> Value:
    """Return the entropy of some wires in nats: that of all others, if those are fewer."""
    others = tuple(axis for axis in state.axes if axis != COMPLEX and axis not in wires)
    fewer = min(wires, others, key=len)
    if not fewer:
        return builder.constant([[0.0]])
    return entropy(builder, builder.concatenate(_density(builder, state, fewer), 1), len(fewer))


def _mean(builder: Builder, state: Amplitudes, letters: str, wires: tuple[int, ...]) -> Value:
    """Return <psi| P |psi> of one Pauli word, shape `(batch or 1,)`."""
    changed = state
    for letter, wire in zip(letters, wires, strict=True):
        matrix, is_real = _LETTERS[letter]
        changed = apply_matrix(builder, changed, builder.constant(matrix), (wire,), is_real)
    changed = bring_last(builder, changed, state.axes)
    return builder.sum(builder.multiply(state.value, changed.value), 1)


def _parities(term: PauliTerm, wires: int) -> Eigenvalues:
    """Return the eigenvalue of a word of Z for each basis state, wire 0 most significant."""
    states = np.arange(2**wires)
    signs = np.ones(2**wires)
    for wire in term.wires:
        signs *= 1.0 - 2.0 * ((states >> (wires - 1 - wire)) & 1)
    return signs


def with_batch(builder: Builder, results: Value) -> Value:
    """Return `(batch, k)` also where no result depends on a parameter."""
    if results.shape[0] is None:
        return results
    zeros = builder.multiply(builder.sum(builder.parameters, 1), builder.constant(np.zeros(1)))
    return builder.add(builder.reshape(zeros, (None, 1)), results)
