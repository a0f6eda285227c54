"""A tape run on arrays: values, and the gradients of what they are used for."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.kernels.compiled import backward, forward
from hybridx.kernels.tape import Tape

Rows: TypeAlias = NDArray[np.floating]

_CHUNK: Final = 4096  # amplitudes of all rows at once: four arrays of float32 in 64 KB
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
    keep = data.shape[0] * 2 ** (tape.wires + 1) <= _KEPT
    results, kept = forward(
        tape.wires, tape.results, tape.steps, tape.angles, tape.terms, tape.places, tape.phases,
        tape.modes, tape.mode_numbers, tape.start, tape.start_numbers, tape.diagonal_words,
        tape.words, tape.coefficients, tape.probabilities, tape.states, data, shared,
        _rows(tape, data), keep,
    )  # fmt: skip
    return results, kept


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
    found, of_shared = backward(
        tape.wires, tape.results, tape.steps, tape.angles, tape.terms, tape.generators,
        tape.places, tape.phases, tape.modes, tape.mode_numbers, tape.start, tape.start_numbers,
        tape.diagonal_words, tape.words,
        tape.coefficients, tape.probabilities, tape.states, data, shared, _rows(tape, data), kept,
        cotangent, 0 if of_data else tape.first_shared,
    )  # fmt: skip
    return found, of_shared.astype(data.dtype)


def _rows(tape: Tape, data: Rows) -> int:
    """Return how many rows are taken at once."""
    least = 8 if tape.wires <= 12 else 1
    return max(1, min(len(data), max(least, _CHUNK >> tape.wires)))
