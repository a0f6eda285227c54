"""A tape run on arrays: values, and the gradients of what they are used for."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.kernels.compiled import backward, forward
from hybridx.kernels.tape import Tape

Rows: TypeAlias = NDArray[np.floating]

_VECTOR: Final = 64  # bytes that one instruction computes at most
_CHUNK: Final = 4096  # amplitudes of all rows at once: four arrays of float32 in 64 KB
_WIDE: Final = 11  # from here on, rows are taken one by one: a state fills the vectors
_KEPT: Final = 2**23  # numbers of final states that are kept for the way back: 32 MB in float32


def values(tape: Tape, data: Rows, shared: Rows) -> tuple[Rows, Rows]:
    """Return the results of a circuit, and what `gradients` can use of this run.

    Args:
        tape: of the circuit.
        data: `(batch, P)`, float32 or float64, contiguous.
        shared: `(W,)`, of the same dtype.

    Returns:
        results `(batch, M)`, and the final states, or nothing where they are too large.
    """
    return _forward(tape, data, shared, len(data) << (tape.wires + 1) <= _KEPT)


def _forward(tape: Tape, data: Rows, shared: Rows, keep: bool) -> tuple[Rows, Rows]:
    rows = _rows(tape, data)
    results, kept = forward(
        tape.wires, tape.results, tape.product, tape.widest, tape.table, tape.steps, tape.angles,
        tape.terms, tape.places, tape.phases, tape.modes, tape.mode_numbers, tape.start,
        tape.start_numbers, tape.diagonal_words, tape.words, tape.coefficients, tape.probabilities,
        tape.states, _padded(data, rows), shared, rows, keep,
    )  # fmt: skip
    return results[: len(data)], kept


def gradients(
    tape: Tape, data: Rows, shared: Rows, kept: Rows, cotangent: Rows, *, of_data: bool = True
) -> tuple[Rows, Rows]:
    """Return the vector-Jacobian product of a circuit.

    Args:
        tape: of the circuit.
        data: as in `values`.
        shared: as in `values`.
        kept: what `values` returned of that run.
        cotangent: of the results, `(batch, M)`, contiguous.
        of_data: the gradient of the data is asked for; without it, it is incomplete.

    Returns:
        of data, `(batch, P)`, and of the shared columns, `(W,)`, summed over the batch.
    """
    last = 0 if of_data else tape.first_shared
    if len(kept) or not len(data):
        return _backward(tape, data, shared, kept, cotangent, last)
    found, total = [], np.zeros(len(shared))
    size = max(1, _KEPT >> (tape.wires + 1))
    for first in range(0, len(data), size):
        part = data[first : first + size]
        kept = _forward(tape, part, shared, True)[1]
        one, of_shared = _backward(tape, part, shared, kept, cotangent[first : first + size], last)
        found.append(one)
        total += of_shared
    return np.concatenate(found), total.astype(data.dtype)


def _backward(
    tape: Tape, data: Rows, shared: Rows, kept: Rows, cotangent: Rows, last: int
) -> tuple[Rows, Rows]:
    rows = _rows(tape, data)
    found, of_shared = backward(
        tape.wires, tape.results, tape.product, tape.widest, tape.table, tape.steps, tape.angles,
        tape.terms, tape.generators, tape.places, tape.phases, tape.modes, tape.mode_numbers,
        tape.start, tape.start_numbers, tape.diagonal_words, tape.words, tape.coefficients,
        tape.probabilities, tape.states, _padded(data, rows), shared, rows, kept,
        _padded(cotangent, rows), last,
    )  # fmt: skip
    return found[: len(data)], of_shared.astype(data.dtype)


def _rows(tape: Tape, data: Rows) -> int:
    """Return how many rows are taken at once: one, or a multiple of what a vector holds."""
    if len(data) <= 1 or tape.wires > _WIDE:
        return 1
    lanes = _VECTOR // data.itemsize
    whole = -(-len(data) // lanes) * lanes
    return min(whole, max(lanes, _CHUNK >> tape.wires))


def _padded(array: Rows, rows: int) -> Rows:
    """Return an array with rows of zeros at the end, so that the number of rows fills vectors."""
    lanes = _VECTOR // array.itemsize
    missing = -len(array) % lanes if rows > 1 else 0
    if not missing:
        return array
    return np.concatenate([array, np.zeros((missing, array.shape[1]), array.dtype)])
