"""What Python calls: a whole tape forward, and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridx.kernels.compiled.gates import apply, apply_rows, matrices, permute
from hybridx.kernels.compiled.jit import (
    BACK,
    CROSS,
    FORWARD,
    NONE,
    PERMUTE,
    PHASES,
    REAL,
    ROW,
    SHARED,
    STAMP,
    entry,
    thin,
)
from hybridx.kernels.compiled.measure import measure, observe
from hybridx.kernels.compiled.phases import (
    row_phases,
    shared_phases,
    sums,
    turn,
    turn_back,
    turn_rows,
    turn_rows_back,
)
from hybridx.kernels.compiled.start import begin, end, factors, load, multiply, undo_product
from hybridx.kernels.compiled.undo import add_slopes, undo_cross, undo_real, undo_rows

_BUFFER = 1 << 13  # numbers of a group of amplitudes, real and imaginary; at least 2 * 2**6 a row


def _forward_of(stamp: int) -> Any:
    @entry
    def forward(
        wires, product, widest, table, steps, angles, terms, places, phases, modes, mode_numbers,
        start, start_numbers, diagonal_words, words, coefficients, probabilities, states, data,
        shared, rows, out, kept,
    ):  # fmt: skip
        """Add results to `out`, `(batch, M)`; write the final states to `kept` if it has room."""
        _ = stamp
        batch, amplitudes = data.shape[0], 1 << wires
        size = amplitudes * rows
        p, q, t = np.empty(size, data.dtype), np.empty(size, data.dtype), np.empty(size, data.dtype)
        ure, uim = np.empty(terms.shape[1], data.dtype), np.empty(terms.shape[1], data.dtype)
        matrices(ure, uim, steps, angles, terms, shared, data, np.int64(-1))
        cosines, sines = shared_phases(amplitudes, steps, phases, modes, mode_numbers, shared, data)
        rre, rim = np.empty(widest * rows, data.dtype), np.empty(widest * rows, data.dtype)
        turns = np.empty(table * rows, np.float64)
        tre, tim = np.empty(table * rows, data.dtype), np.empty(table * rows, data.dtype)
        vre, vim = np.empty(2 * wires * rows, data.dtype), np.empty(2 * wires * rows, data.dtype)
        buffer = np.empty(max(_BUFFER, 128 * rows), data.dtype)
        for first in range(0, batch, rows):
            count = min(rows, batch - first)
            p, q, t = _evolve(
                p, q, t, wires, count, first, product, steps, angles, terms, places, modes,
                mode_numbers, start, start_numbers, data, shared, ure, uim, cosines, sines, rre,
                rim, turns, tre, tim, vre, vim, buffer,
            )  # fmt: skip
            if kept.shape[0]:
                place, length = first * 2 * amplitudes, amplitudes * count
                for i in range(length):
                    kept[place + i], kept[place + length + i] = p[i], q[i]
            measure(
                out, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients,
                probabilities, states,
            )  # fmt: skip

    return forward


@thin
def _evolve(
    p, q, t, wires, count, first, product, steps, angles, terms, places, modes, mode_numbers, start,
    start_numbers, data, shared, ure, uim, cosines, sines, rre, rim, turns, tre, tim, vre, vim,
    buffer,
):  # fmt: skip
    """Apply all steps; return the state and the spare array, which may have changed places."""
    amplitudes = 1 << wires
    if count == 1:
        matrices(ure, uim, steps, angles, terms, shared, data, first)
    if product:
        factors(
            vre, vim, wires, product, steps, angles, terms, data, first, count, ure, uim, rre, rim,
            turns, tre, tim,
        )  # fmt: skip
        multiply(p, q, wires, count, vre, vim, np.int64(0))
    else:
        begin(p, q, amplitudes, count, start, start_numbers, data, shared, first)
    for step in range(product, steps.shape[0]):
        kind, source = steps[step, 0], steps[step, 1]
        if kind == PERMUTE:
            place = steps[step, 9]
            permute(p, t, amplitudes, count, places, place)
            p, t = t, p
            permute(q, t, amplitudes, count, places, place)
            q, t = t, q
        elif kind == PHASES and source == ROW:
            row_phases(steps, step, modes, mode_numbers, data, first, count, turns, tre, tim)
            turn_rows(p, q, amplitudes, count, steps, step, places, tre, tim)
        elif kind == PHASES:
            turn(p, q, amplitudes, count, cosines[steps[step, 7]], sines[steps[step, 7]])
        elif source == ROW and count > 1:
            load(
                rre, rim, steps, angles, terms, step, data, first, count, ure, uim, turns, tre, tim,
            )  # fmt: skip
            apply_rows(
                p, q, amplitudes, count, steps, step, places, rre, rim, buffer, np.int64(FORWARD)
            )
        else:
            apply(p, q, amplitudes, count, steps, step, places, ure, uim, buffer, np.int64(FORWARD))
    return p, q, t


def _backward_of(stamp: int) -> Any:
    @entry
    def backward(
        wires, product, widest, table, steps, angles, terms, generators, places, phases, modes,
        mode_numbers, start, start_numbers, diagonal_words, words, coefficients, probabilities,
        states, data, shared, rows, kept, cotangent, last, of_data,
    ):  # fmt: skip
        """Add the gradient of data to `of_data`, `(batch, P)`; return that of the shared columns.

        `kept` are the final states, as `forward` writes them.

        Steps before the step `last` are not undone: nothing that is asked for depends on them.
        """
        _ = stamp
        batch, amplitudes = data.shape[0], 1 << wires
        of_shared = np.zeros(shared.shape, np.float64)
        size = amplitudes * rows
        p, q, t = np.empty(size, data.dtype), np.empty(size, data.dtype), np.empty(size, data.dtype)
        f, g = np.empty(size, data.dtype), np.empty(size, data.dtype)
        ure, uim = np.empty(terms.shape[1], data.dtype), np.empty(terms.shape[1], data.dtype)
        matrices(ure, uim, steps, angles, terms, shared, data, np.int64(-1))
        cosines, sines = shared_phases(amplitudes, steps, phases, modes, mode_numbers, shared, data)
        rre, rim = np.empty(widest * rows, data.dtype), np.empty(widest * rows, data.dtype)
        turns = np.empty(table * rows, np.float64)
        tre, tim = np.empty(table * rows, data.dtype), np.empty(table * rows, data.dtype)
        vre, vim = np.empty(2 * wires * rows, data.dtype), np.empty(2 * wires * rows, data.dtype)
        wre, wim = np.empty(2 * wires * rows, data.dtype), np.empty(2 * wires * rows, data.dtype)
        buffer = np.empty(max(_BUFFER, 128 * rows), data.dtype)
        slopes = np.empty(rows, data.dtype)
        turned = np.zeros(phases.shape, np.float64)
        for first in range(0, batch, rows):
            count = min(rows, batch - first)
            length = amplitudes * count
            begun = first * 2 * amplitudes
            for i in range(length):
                p[i], q[i] = kept[begun + i], kept[begun + length + i]
            if count == 1:
                matrices(ure, uim, steps, angles, terms, shared, data, first)
            observe(
                f, g, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients,
                probabilities, states, cotangent,
            )  # fmt: skip
            for step in range(steps.shape[0] - 1, max(last, product) - 1, -1):
                kind, source, column = steps[step, 0], steps[step, 1], steps[step, 2]
                if kind == PERMUTE:
                    place = steps[step, 9] + amplitudes
                    permute(p, t, amplitudes, count, places, place)
                    p, t = t, p
                    permute(q, t, amplitudes, count, places, place)
                    q, t = t, q
                    permute(f, t, amplitudes, count, places, place)
                    f, t = t, f
                    permute(g, t, amplitudes, count, places, place)
                    g, t = t, g
                    continue
                if kind == PHASES:
                    one = steps[step, 7]
                    if source == ROW:
                        row_phases(
                            steps, step, modes, mode_numbers, data, first, count, turns, tre, tim
                        )
                        turn_rows_back(
                            p, q, f, g, amplitudes, count, first, steps, step, places, modes,
                            mode_numbers, tre, tim, t, of_data,
                        )  # fmt: skip
                    else:
                        turn_back(
                            p, q, f, g, amplitudes, count, cosines[one], sines[one], turned[one]
                        )
                    continue
                by_row = source == ROW and count > 1
                if by_row:
                    load(
                        rre, rim, steps, angles, terms, step, data, first, count, ure, uim, turns,
                        tre, tim,
                    )  # fmt: skip
                for r in range(count):
                    slopes[r] = 0
                if source != NONE and (kind in (REAL, CROSS)):
                    if by_row:
                        undo_rows(
                            slopes, p, q, f, g, amplitudes, count, steps, step, rre, rim, generators
                        )
                    elif kind == REAL:
                        slopes[0] = undo_real(
                            p, q, f, g, amplitudes, count, steps, step, ure, generators
                        )
                    else:
                        slopes[0] = undo_cross(
                            p, q, f, g, amplitudes, count, steps, step, ure, uim, generators
                        )
                else:
                    if source != NONE:
                        add_slopes(
                            slopes, p, q, f, g, amplitudes, count, steps, step, places, generators
                        )
                    if by_row:
                        apply_rows(
                            p, q, amplitudes, count, steps, step, places, rre, rim, buffer,
                            np.int64(BACK),
                        )  # fmt: skip
                        apply_rows(
                            f, g, amplitudes, count, steps, step, places, rre, rim, buffer,
                            np.int64(BACK),
                        )  # fmt: skip
                    else:
                        apply(
                            p, q, amplitudes, count, steps, step, places, ure, uim, buffer,
                            np.int64(BACK),
                        )  # fmt: skip
                        apply(
                            f, g, amplitudes, count, steps, step, places, ure, uim, buffer,
                            np.int64(BACK),
                        )  # fmt: skip
                if source == ROW:
                    for r in range(count):
                        of_data[first + r, column] += angles[step, 0] * slopes[r]
                elif source == SHARED:
                    for r in range(count):
                        of_shared[column] += angles[step, 0] * slopes[r]
            if last < product:
                undo_product(
                    f, g, p, q, of_data, of_shared, wires, product, steps, angles, terms,
                    generators, data, first, count, ure, uim, rre, rim, turns, tre, tim, vre, vim,
                    wre, wim,
                )  # fmt: skip
            elif last == 0:
                end(f, g, of_data, of_shared, count, start, start_numbers, first)
        for step in range(steps.shape[0]):
            if steps[step, 0] == PHASES and steps[step, 1] == SHARED:
                slope = turned[steps[step, 7]]
                sums(slope, amplitudes, np.int64(1))
                for mode in range(steps[step, 9], steps[step, 9] + steps[step, 8]):
                    of_shared[modes[mode, 1]] += mode_numbers[mode, 0] * slope[modes[mode, 0]]
        return of_shared

    return backward


forward, backward = _forward_of(STAMP), _backward_of(STAMP)
