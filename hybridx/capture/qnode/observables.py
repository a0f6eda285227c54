"""Observables as sums of Pauli words, whose coefficients may be tensors."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import pennylane as qml
import torch
from torch import Tensor

PauliSum: TypeAlias = Mapping[Any, Any]
"""For each PennyLane `PauliWord` its real coefficient: a number, or a tensor `()` or `(batch,)`."""

MAX_MATRIX_WIRES = 6
"""The most wires of an operator given by its matrix only: 4^6 entries, or Pauli words."""


def is_computed(observable: PauliSum) -> bool:
    """Return whether a coefficient is a tensor."""
    return any(isinstance(coefficient, Tensor) for coefficient in observable.values())


def pauli_sum(observable: Any) -> PauliSum:
    """Return a PennyLane observable as a sum of Pauli words.

    Raises:
        ValueError: it is a matrix on too many wires, or holds tensors in a form without a rule.
    """
    if observable.pauli_rep is not None:
        return {word: _real(value) for word, value in observable.pauli_rep.items()}
    if len(observable.wires) > MAX_MATRIX_WIRES:
        raise ValueError(f"its observable is a matrix on more than {MAX_MATRIX_WIRES} wires")
    if not any(isinstance(datum, Tensor) for datum in observable.data):
        matrix = qml.math.toarray(qml.matrix(observable, wire_order=observable.wires))
        words = qml.pauli_decompose(matrix, wire_order=observable.wires, pauli=True)
        return {word: _real(value) for word, value in words.items()}
    match observable:
        case qml.Hermitian():
            return _of_matrix(observable.data[0], observable.wires)
        case qml.ops.SProd():
            return _scaled(_real(observable.scalar), pauli_sum(observable.base))
        case qml.ops.LinearCombination():
            terms = zip(*observable.terms(), strict=True)
            return _added(_scaled(_real(factor), pauli_sum(term)) for factor, term in terms)
        case qml.ops.Sum():
            return _added(map(pauli_sum, observable.operands))
        case qml.ops.Prod() if not _overlap(observable.operands):
            return reduce(symmetrized_product, map(pauli_sum, observable.operands))
        case _:
            raise ValueError(f"its {observable.name} is computed from data or weights")


def outcomes(value: Any) -> PauliSum:
    """Return a value computed from outcomes as an observable of the wires that hold them.

    f(b) = sum_s c_s (-1)^(b . s) with c_s = 2^-n sum_b f(b) (-1)^(b . s), and (-1)^b is Pauli Z.
    """
    wires = [measurement.wires[0] for measurement in value.measurements]
    branches = list(value.items())
    found = {}
    for subset in itertools.product((0, 1), repeat=len(wires)):
        total = 0.0
        for bits, result in branches:
            odd = sum(map(operator.mul, bits, subset)) % 2
            total = total - result if odd else total + result
        letters = {wire: "Z" for wire, chosen in zip(wires, subset, strict=True) if chosen}
        found[qml.pauli.PauliWord(letters)] = _real(total / len(branches))
    return found


def projector(kept: Sequence[tuple[Any, int]]) -> PauliSum:
    """Return the projector on given values of some wires: the product of (1 +- Z) / 2."""
    word = qml.pauli.PauliWord
    factors = [{word({}): 0.5, word({wire: "Z"}): 0.5 - value} for wire, value in kept]
    return reduce(symmetrized_product, factors)


def symmetrized_product(first: PauliSum, second: PauliSum) -> PauliSum:
    """Return (A B + B A) / 2: the product itself where A and B commute."""
    found: dict[Any, Any] = {}
    for (left, factor), (right, other) in itertools.product(first.items(), second.items()):
        # A Pauli word times another is a word times 1, -1, i or -i; with i they do not commute.
        ((word, phase),) = (left @ right).items()
        if phase.real:
            found[word] = found.get(word, 0.0) + phase.real * factor * other
    return found


def weighted(coefficients: Sequence[Any], means: Sequence[Tensor]) -> Tensor:
    """Return the sum of coefficients times mean values."""
    together = torch.stack(list(means), -1)
    factors = [torch.as_tensor(c, dtype=together.dtype) for c in coefficients]
    return (together * torch.stack(torch.broadcast_tensors(*factors), -1)).sum(-1)


def _of_matrix(matrix: Tensor, wires: Sequence[Any]) -> PauliSum:
    """Return a Hermitian matrix M by Tr(W M) / 2^n for every Pauli word W."""
    letters = list(itertools.product("IXYZ", repeat=len(wires)))
    words = [qml.pauli.PauliWord(dict(zip(wires, word, strict=True))) for word in letters]
    # Tr(W M) is the sum of conj(W) M, entry by entry.
    table = np.stack([word.to_mat(wire_order=wires).conj().ravel() for word in words], axis=-1)
    table = table / 2 ** len(wires)
    values = _times(matrix.real, table.real)
    if matrix.is_complex():
        values = values - _times(matrix.imag, table.imag)
    return {word: values[..., place] for place, word in enumerate(words)}


def _times(matrix: Tensor, table: Any) -> Tensor:
    flat = matrix.reshape(*matrix.shape[:-2], -1)
    return flat @ torch.tensor(table, dtype=flat.dtype)


def _added(sums: Any) -> PauliSum:
    found: dict[Any, Any] = {}
    for word, coefficient in itertools.chain.from_iterable(one.items() for one in sums):
        found[word] = found.get(word, 0.0) + coefficient
    return found


def _scaled(factor: Any, observable: PauliSum) -> PauliSum:
    return {word: factor * coefficient for word, coefficient in observable.items()}


def _overlap(operands: Sequence[Any]) -> bool:
    wires = [wire for operand in operands for wire in operand.wires]
    return len(wires) > len(set(wires))


def _real(value: Any) -> Any:
    """Return a coefficient without its imaginary part, which is zero for Hermitian operators."""
    if isinstance(value, Tensor):
        return value.real if value.is_complex() else value
    return float(np.real(value))
