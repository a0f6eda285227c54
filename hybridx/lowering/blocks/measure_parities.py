"""Expectation values of Pauli words in a state, as signed sums of products of amplitudes.

With x the wires of a word that have an X or a Y, z those that have a Z or a Y, and y how many Y,

    <P> = Re i^y sum_s (-1)^(z.s) psi(s) conj(psi(s ^ x)).

All words with the same x take the same products, squares where x is empty, and differ only in their
signs. The products are contracted a few wires at a time, beginning with the last axes, with the
signs of only those parities that a result asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Expectation, Measurement, PauliTerm, Probabilities
from hybridx.lowering.analysis.phase_polynomial import Mask, mask_of
from hybridx.lowering.analysis.real_factors import Affine
from hybridx.program import Builder, Value

_AT_ONCE = 5  # wires; 32 products by the signs of some parities
_ALL_AT_ONCE = 8  # wires; further steps would cost more than the larger matrix of signs
_MOST_PROBABILITIES = 6  # wires; of more, the squares are summed without a matrix
_LAST = 4  # wires that are flipped by a product with a matrix: a Gather copies 16 numbers at least


@dataclass(frozen=True, eq=False)
class Parities:
    """Results as sums of parities of products of one kind.

    Attributes:
        flipped: the wires x in which the two factors differ.
        is_imaginary: the imaginary parts of the products are meant.
        masks: the distinct z, as sets of wires.
        weights: shape `(len(masks), M)`.
    """

    flipped: Mask
    is_imaginary: bool
    masks: tuple[Mask, ...]
    weights: NDArray[np.float64]

    def before(self, permutation: Affine) -> Parities:
        """Return the parities to measure before a permutation of basis states; x is empty."""
        moved = [permutation.back(mask) for mask in self.masks]
        signs = np.array([[sign] for _, sign in moved])
        masks = tuple(mask for mask, _ in moved)
        return Parities(self.flipped, self.is_imaginary, masks, signs * self.weights)


_Kind: TypeAlias = tuple[Mask, bool]


def parities_of(measurements: Sequence[Measurement]) -> tuple[Parities, ...] | None:
    """Return all results as sums of parities, or None if some are none."""
    columns: list[dict[_Kind, dict[Mask, float]]] = []
    for measurement in measurements:
        match measurement:
            case Expectation(terms):
                columns.append(_sum(terms))
            case Probabilities(wires) if len(wires) <= _MOST_PROBABILITIES:
                columns += [{(0, False): column} for column in _probabilities(wires)]
            case _:
                return None
    kinds = dict.fromkeys(kind for column in columns for kind in column)
    return tuple(_together(kind, [column.get(kind, {}) for column in columns]) for kind in kinds)


def are_diagonal(measurements: Sequence[Measurement]) -> bool:
    """Return whether phases of the state make no difference to any result."""
    return all(
        isinstance(measurement, Probabilities)
        or (
            isinstance(measurement, Expectation)
            and all(set(term.letters) <= {"Z"} for term in measurement.terms)
        )
        for measurement in measurements
    )


def describe_parities(parities: Sequence[Parities] | None) -> str:
    """Return how results are computed as a line for people."""
    if parities is None:
        return "results: measured on the state as a whole"
    return f"results: {sum(len(one.masks) for one in parities)} parities of products of amplitudes"


def _together(kind: _Kind, columns: Sequence[Mapping[Mask, float]]) -> Parities:
    masks = tuple(dict.fromkeys(mask for column in columns for mask in column))
    weights = np.array([[column.get(mask, 0.0) for column in columns] for mask in masks])
    return Parities(*kind, masks, weights)


def _sum(terms: Sequence[PauliTerm]) -> dict[_Kind, dict[Mask, float]]:
    total: dict[_Kind, dict[Mask, float]] = {}
    for term in terms:
        letters = list(zip(term.wires, term.letters, strict=True))
        flipped = mask_of(wire for wire, letter in letters if letter in "XY")
        signed = mask_of(wire for wire, letter in letters if letter in "ZY")
        count = term.letters.count("Y")
        # Re i^y q is Re q, -Im q, -Re q, Im q.
        sign = -1.0 if count % 4 in (1, 2) else 1.0
        own = total.setdefault((flipped, count % 2 == 1), {})
        own[signed] = own.get(signed, 0.0) + sign * term.coefficient
    return total


def _probabilities(wires: Sequence[int]) -> list[dict[Mask, float]]:
    """p_b = 2^-k sum over the parities m of (-1)^(b.m) <Z_m>."""
    count = len(wires)
    states = range(2**count)
    masks = [mask_of(w for p, w in enumerate(wires) if s >> (count - 1 - p) & 1) for s in states]
    return [{masks[m]: (-1.0) ** (b & m).bit_count() / 2**count for m in states} for b in states]


def measure_parities(
    builder: Builder, state: Value, order: tuple[int, ...], parities: Sequence[Parities]
) -> Value:
    """Return the results, shape `(batch or 1, M)`.

    Args:
        builder: takes the steps.
        state: shape `(batch or 1, 2 * 2**wires)`: real parts, imaginary parts.
        order: of the wires' axes.
        parities: the results.
    """
    results = [
        _contract(builder, _products(builder, state, order, one), order, one) for one in parities
    ]
    total = results[0]
    for result in results[1:]:
        total = builder.add(total, result)
    return total


def _products(builder: Builder, state: Value, order: tuple[int, ...], wanted: Parities) -> Value:
    """Return what adds up, over real and imaginary parts, to parts of psi(s) conj(psi(s ^ x)).

    With psi = a + bi: a a' + b b', or b a' - a b'.
    """
    other = _flip(builder, state, order, wanted.flipped)
    if wanted.is_imaginary:
        parts = builder.reshape(other, (other.shape[0], 2, 2 ** len(order)))
        swapped = builder.gather(parts, 1, (1, 0))
        signs = builder.constant(np.array([[[-1.0], [1.0]]]))
        other = builder.reshape(builder.multiply(swapped, signs), state.shape)
    return builder.multiply(state, other)


def _flip(builder: Builder, state: Value, order: tuple[int, ...], flipped: Mask) -> Value:
    """Return the state with some wires flipped."""
    count, rows = len(order), state.shape[0]
    last = order[-_LAST:]
    if mask_of(last) & flipped:
        size = 2 ** len(last)
        flip = sum(1 << (len(last) - 1 - p) for p, wire in enumerate(last) if flipped >> wire & 1)
        matrix = np.eye(size)[:, np.arange(size) ^ flip]
        split = builder.reshape(state, (rows, 2 ** (count + 1) // size, size))
        state = builder.matmul(split, builder.constant(matrix))
    first = order[: count - len(last)]
    places = [place for place, wire in enumerate(first) if flipped >> wire & 1]
    if places:
        # One Gather over the axes from the first to the last that is flipped.
        start, stop = places[0], places[-1] + 1
        length = 2 ** (stop - start)
        flip = sum(1 << (stop - 1 - place) for place in places)
        split = builder.reshape(state, (rows, 2 ** (start + 1), length, 2 ** (count - stop)))
        state = builder.gather(split, 2, [index ^ flip for index in range(length)])
    return builder.reshape(state, (rows, 2 ** (count + 1)))


def _contract(builder: Builder, products: Value, order: tuple[int, ...], wanted: Parities) -> Value:
    """Return the results of products that are given, shape `(batch or 1, M)`."""
    rows, value = products.shape[0], products
    known: list[Mask] = [0]  # the parities, on the wires contracted so far, of each column
    inside: Mask = 0
    at_once = _AT_ONCE if len(order) > _ALL_AT_ONCE else _ALL_AT_ONCE
    bounds = [*range(len(order), 0, -at_once), 0]
    for stop, start in pairwise(bounds):
        taken = order[start:stop]
        inside |= mask_of(taken)
        needed = list(dict.fromkeys(mask & inside for mask in wanted.masks))
        signs = _signs(taken, known, needed)
        if start:
            value = builder.reshape(value, (rows, 2 ** (start + 1), len(signs)))
            value = builder.matmul(value, builder.constant(signs))
            known = needed
    # The last product also adds the two parts, and the words of each result.
    places = {mask: place for place, mask in enumerate(needed)}
    total = np.concatenate([signs, signs])[:, [places[mask] for mask in wanted.masks]]
    value = builder.reshape(value, (rows, len(total)))
    return builder.matmul(value, builder.constant(total @ wanted.weights))


def _signs(
    wires: Sequence[int], known: Sequence[Mask], wanted: Sequence[Mask]
) -> NDArray[np.float64]:
    """Return what makes parities of more wires, `(2**len(wires) * len(known), len(wanted))`."""
    count = len(wires)
    inside = mask_of(wires)
    states = np.arange(2**count)
    signs = np.zeros((2**count, len(known), len(wanted)))
    places = {mask: place for place, mask in enumerate(known)}
    for column, mask in enumerate(wanted):
        parity = np.zeros_like(states)
        for position, wire in enumerate(wires):
            if mask >> wire & 1:
                parity ^= states >> (count - 1 - position) & 1
        signs[:, places[mask & ~inside], column] = 1.0 - 2.0 * parity
    return signs.reshape(-1, len(wanted))
