"""A tape run on arrays: values, and the gradients of what they are used for."""

from __future__ import annotations

import functools
import itertools
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.kernels.compiled import backward, forward
from hybridx.kernels.tape import Tape
from hybridx.kernels.threads import run_all

Rows: TypeAlias = NDArray[np.floating]

_VECTOR: Final = 64  # bytes that one instruction computes at most
_CHUNK: Final = 2**17  # bytes of an array of all rows at once: five of them in 640 KB
_WIDE: Final = 11  # above, rows are taken one by one: a state fills the vectors
_KEPT: Final = 2**23  # numbers of final states that are kept for the way back: 32 MB in float32
_SHARE: Final = 2**20  # amplitudes times steps that are worth a thread: about 0.2 ms


def values(tape: Tape, data: Rows, shared: Rows, *, threads: int = 1) -> tuple[Rows, Rows]:
    """Return the results of a circuit, and what `gradients` can use of this run.

    Args:
        tape: of the circuit.
        data: `(batch, P)`, float32 or float64, contiguous.
        shared: `(W,)`, of the same dtype.
        threads: the most that may compute, where there is enough to do for them.

    Returns:
        results `(batch, M)`, and the final states, or nothing where they are too large.
    """
    keep = len(data) << (tape.wires + 1) <= _KEPT
    return _forward(tape, data, shared, keep=keep, threads=threads)


def gradients(
    tape: Tape,
    data: Rows,
    shared: Rows,
    kept: Rows,
    cotangent: Rows,
    *,
    of_data: bool = True,
    threads: int = 1,
) -> tuple[Rows, Rows]:
    """Return the vector-Jacobian product of a circuit.

    Memory does not grow with the batch: where no states were kept, rows are taken in slices.

    Args:
        tape: of the circuit.
        data: as in `values`.
        shared: as in `values`.
        kept: what `values` returned of that run.
        cotangent: of the results, `(batch, M)`, contiguous.
        of_data: the gradient of the data is asked for; without it, it is incomplete.
        threads: as in `values`.

    Returns:
        of data, `(batch, P)`, and of the shared columns, `(W,)`, summed over the batch.
    """
    last = 0 if of_data else tape.first_shared
    if len(kept) or not len(data):
        found, total = _backward(tape, data, shared, kept, cotangent, last, threads)
        return found, total.astype(data.dtype)
    found, total = np.empty(data.shape, data.dtype), np.zeros(len(shared))
    size = max(1, _KEPT >> (tape.wires + 1))
    for first in range(0, len(data), size):
        part = slice(first, first + size)
        _, kept = _forward(tape, data[part], shared, keep=True, threads=threads)
        found[part], of_shared = _backward(
            tape, data[part], shared, kept, cotangent[part], last, threads
        )
        total += of_shared
    return found, total.astype(data.dtype)


def _forward(
    tape: Tape, data: Rows, shared: Rows, *, keep: bool, threads: int
) -> tuple[Rows, Rows]:
    rows = _rows(tape, data)
    data, batch = _padded(data, rows), len(data)
    out = np.zeros((len(data), tape.results), data.dtype)
    kept = np.empty((len(data), 2 << tape.wires if keep else 0), data.dtype)

    def run(part: slice) -> None:
        forward(
            tape.wires, tape.product, tape.widest, tape.table, tape.steps, tape.angles, tape.terms,
            tape.places, tape.phases, tape.modes, tape.mode_numbers, tape.start,
            tape.start_numbers, tape.diagonal_words, tape.words, tape.coefficients,
            tape.probabilities, tape.states, data[part], shared, rows, out[part],
            kept[part].reshape(-1),
        )  # fmt: skip

    run_all([partial(run, part) for part in _shares(tape, len(data), rows, threads)])
    return out[:batch], kept.reshape(-1)


def _backward(
    tape: Tape,
    data: Rows,
    shared: Rows,
    kept: Rows,
    cotangent: Rows,
    last: int,
    threads: int,
) -> tuple[Rows, NDArray[np.float64]]:
    rows = _rows(tape, data)
    data, cotangent, batch = _padded(data, rows), _padded(cotangent, rows), len(data)
    kept = kept.reshape(len(data), 2 << tape.wires)
    found = np.zeros(data.shape, data.dtype)

    def run(part: slice) -> NDArray[np.float64]:
        of_shared: NDArray[np.float64] = backward(
            tape.wires, tape.product, tape.widest, tape.table, tape.steps, tape.angles, tape.terms,
            tape.generators, tape.places, tape.phases, tape.modes, tape.mode_numbers, tape.start,
            tape.start_numbers, tape.diagonal_words, tape.words, tape.coefficients,
            tape.probabilities, tape.states, data[part], shared, rows, kept[part].reshape(-1),
            cotangent[part], last, found[part],
        )  # fmt: skip
        return of_shared

    parts = _shares(tape, len(data), rows, threads)
    totals = run_all([partial(run, part) for part in parts])
    return found[:batch], functools.reduce(np.add, totals)


def _shares(tape: Tape, batch: int, rows: int, threads: int) -> list[slice]:
    """Return the rows of each thread: as few threads as have enough to do."""
    chunks = -(-batch // rows)
    work = (batch << tape.wires) * (len(tape.steps) + 1)
    count = max(1, min(threads, chunks, work // _SHARE))
    bounds = [rows * (chunks * share // count) for share in range(count)]
    return [slice(*pair) for pair in itertools.pairwise((*bounds, batch))]


def _rows(tape: Tape, data: Rows) -> int:
    """Return how many rows are taken at once: one, or a multiple of what a vector holds."""
    if len(data) <= 1 or tape.wires > _WIDE:
        return 1
    lanes = _VECTOR // data.itemsize
    whole = -(-len(data) // lanes) * lanes
    return min(whole, max(lanes, _CHUNK // data.itemsize >> tape.wires))


def _padded(array: Rows, rows: int) -> Rows:
    """Return an array with rows of zeros at the end, so that the number of rows fills vectors."""
    lanes = _VECTOR // array.itemsize
    missing = -len(array) % lanes if rows > 1 else 0
    if not missing:
        return array
    return np.concatenate([array, np.zeros((missing, array.shape[1]), array.dtype)])
