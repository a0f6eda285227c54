"""The interpreter of tapes, compiled by Numba once for each dtype and kept on disk.

A state is two arrays of shape `(A * R,)`, real and imaginary parts: amplitude a of row r stands at
`a * R + r`, so that the innermost loops run over neighbouring numbers. A few rows are taken at a
time, as many as the cache of a core holds. Backward, the state is not kept for every step: each
step is undone on the state and on its cotangent, so that memory does not grow with depth.

The cotangent of a complex amplitude is `dL/d(real part) + i dL/d(imaginary part)`.
"""

# Loops are what Numba compiles well; indices, shapes and their types are checked in `run.py`.

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# NaN and infinity must stay what they are, so not all of "fast math".
_FAST = {"reassoc", "contract", "arcp", "nsz"}
_kernel: Any = njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")

_DIAGONAL, _REAL, _CROSS, _PAIR, _DENSE, _PERMUTE, _PHASES = 0, 1, 2, 3, 4, 5, 6
_NONE, _SHARED, _ROW = 0, 1, 2


@_kernel
def forward(
    wires, results, steps, angles, terms, places, phases, modes, mode_numbers, start, start_numbers,
    diagonal_words, words, coefficients, probabilities, states, data, shared, rows, keep,
):  # fmt: skip
    """Return results `(batch, M)`, and the final states if `keep`."""
    batch, amplitudes = data.shape[0], 1 << wires
    out = np.zeros((batch, results), data.dtype)
    kept = np.empty(batch * 2 * amplitudes if keep else 0, data.dtype)
    size = amplitudes * rows
    p, q, t = np.empty(size, data.dtype), np.empty(size, data.dtype), np.empty(size, data.dtype)
    ure, uim = _matrices(steps, angles, terms, shared, data)
    cosines, sines = _turns(amplitudes, steps, phases, modes, mode_numbers, shared, data)
    rre, rim, buffer = _room(steps, rows, data)
    for first in range(0, batch, rows):
        count = min(rows, batch - first)
        _begin(p, q, amplitudes, count, start, start_numbers, data, shared, first)
        p, q, t = _evolve(
            p, q, t, amplitudes, count, first, steps, angles, terms, places, data, shared,
            ure, uim, cosines, sines, rre, rim, buffer,
        )  # fmt: skip
        if keep:
            begin, length = first * 2 * amplitudes, amplitudes * count
            kept[begin : begin + length] = p[:length]
            kept[begin + length : begin + 2 * length] = q[:length]
        _measure(
            out, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients,
            probabilities, states,
        )  # fmt: skip
    return out, kept


@_kernel
def _evolve(
    p, q, t, amplitudes, count, first, steps, angles, terms, places, data, shared,
    ure, uim, cosines, sines, rre, rim, buffer,
):  # fmt: skip
    """Apply all steps; return the state and the spare array, which may have changed places."""
    for step in range(steps.shape[0]):
        kind = steps[step, 0]
        if kind == _PERMUTE:
            place = steps[step, 9]
            _permute(p, t, amplitudes, count, places, place)
            p, t = t, p
            _permute(q, t, amplitudes, count, places, place)
            q, t = t, q
        elif kind == _PHASES:
            _turn(p, q, amplitudes, count, cosines[steps[step, 7]], sines[steps[step, 7]])
        elif steps[step, 1] == _ROW or kind == _DENSE:
            _row_matrices(rre, rim, steps, angles, terms, step, data, shared, first, count, False)
            _apply_rows(p, q, amplitudes, count, steps, step, places, rre, rim, buffer)
        else:
            _apply(p, q, amplitudes, count, steps, step, places, ure, uim)
    return p, q, t


_DENSE_BUFFER = 128  # two times 2**6 amplitudes


@_kernel
def _room(steps, rows, data):
    """Return room for the matrices of the rows of one step, and for a group of amplitudes."""
    widest = 4
    for step in range(steps.shape[0]):
        if steps[step, 0] == _DENSE:
            widest = max(widest, 1 << (2 * steps[step, 8]))
        elif steps[step, 0] == _DIAGONAL:
            widest = max(widest, 1 << steps[step, 8])
    return (
        np.empty(widest * rows, data.dtype),
        np.empty(widest * rows, data.dtype),
        np.empty(2 * _DENSE_BUFFER * rows, data.dtype),
    )


@_kernel
def _length(kind, wires):
    """Return how many numbers the matrices of a step have."""
    if kind == _DIAGONAL:
        return 1 << wires
    if kind == _DENSE:
        return 1 << (2 * wires)
    if kind in (_PERMUTE, _PHASES):
        return 0
    return 4


@_kernel
def _matrices(steps, angles, terms, shared, data):
    """Return the entries of all matrices that are the same in every row."""
    count = terms.shape[1]
    real, imaginary = np.empty(count, data.dtype), np.empty(count, data.dtype)
    for step in range(steps.shape[0]):
        kind, source = steps[step, 0], steps[step, 1]
        first, length = steps[step, 7], _length(kind, steps[step, 8])
        if source == _ROW:
            continue
        c, s = 0.0, 0.0
        if source == _SHARED:
            angle = angles[step, 2] * (angles[step, 0] * shared[steps[step, 2]] + angles[step, 1])
            c, s = np.cos(angle), np.sin(angle)
        for entry in range(first, first + length):
            value = terms[0, entry] + c * terms[1, entry] + s * terms[2, entry]
            real[entry], imaginary[entry] = value.real, value.imag
    return real, imaginary


@_kernel
def _row_matrices(rre, rim, steps, angles, terms, step, data, shared, first, count, adjoint):
    """Write the entries of a step's matrix for each row, entry after entry."""
    kind, source, column = steps[step, 0], steps[step, 1], steps[step, 2]
    begin, length = steps[step, 7], _length(kind, steps[step, 8])
    side = 1 << steps[step, 8] if kind != _DIAGONAL else 1
    if kind != _DIAGONAL and kind != _DENSE:
        side = 2
    for row in range(count):
        c, s = 0.0, 0.0
        if source != _NONE:
            value = data[first + row, column] if source == _ROW else shared[column]
            angle = angles[step, 2] * (angles[step, 0] * value + angles[step, 1])
            c, s = np.cos(angle), np.sin(angle)
        for entry in range(length):
            u = terms[0, begin + entry] + c * terms[1, begin + entry] + s * terms[2, begin + entry]
            place, sign = entry, 1.0
            if adjoint:
                sign = -1.0
                if kind != _DIAGONAL:
                    place = (entry % side) * side + entry // side
            rre[place * count + row], rim[place * count + row] = u.real, sign * u.imag


@_kernel
def _begin(p, q, amplitudes, count, start, numbers, data, shared, first):
    p[: amplitudes * count] = 0
    q[: amplitudes * count] = 0
    if start.shape[0] == 0:
        p[:count] = 1
        return
    for entry in range(start.shape[0]):
        place = start[entry, 0] * count
        for row in range(count):
            p[place + row] = _entry(start, numbers, data, shared, entry, 0, first + row)
            q[place + row] = _entry(start, numbers, data, shared, entry, 1, first + row)


@_kernel
def _entry(start, numbers, data, shared, entry, part, row):
    source, column = start[entry, 1 + 2 * part], start[entry, 2 + 2 * part]
    scale, offset = numbers[entry, 2 * part], numbers[entry, 2 * part + 1]
    if source == _ROW:
        return scale * data[row, column] + offset
    if source == _SHARED:
        return scale * shared[column] + offset
    return offset


@_kernel
def _permute(source, target, amplitudes, count, places, place):
    for a in range(amplitudes):
        begin, origin = a * count, places[place + a] * count
        for i in range(count):
            target[begin + i] = source[origin + i]


@_kernel
def _apply(p, q, amplitudes, count, steps, step, places, ure, uim):
    """Apply a step whose matrix is the same in every row."""
    kind, target, mask, value = steps[step, 0], steps[step, 3], steps[step, 4], steps[step, 5]
    run, e = steps[step, 6], steps[step, 7]
    if kind == _DIAGONAL:
        wires, place = steps[step, 8], steps[step, 9]
        _diagonal(p, q, amplitudes, count, mask, value, run, e, wires, places, place, ure, uim)
    elif kind == _REAL:
        u0, u1, u2, u3 = ure[e], ure[e + 1], ure[e + 2], ure[e + 3]
        _real(p, amplitudes, count, target, mask, value, run, u0, u1, u2, u3)
        _real(q, amplitudes, count, target, mask, value, run, u0, u1, u2, u3)
    elif kind == _CROSS:
        u0, u1, u2, u3 = ure[e], uim[e + 1], uim[e + 2], ure[e + 3]
        _cross(p, q, amplitudes, count, target, mask, value, run, u0, u1, u2, u3)
    else:
        _pair(p, q, amplitudes, count, target, mask, value, run, ure[e : e + 4], uim[e : e + 4])


@_kernel
def _sub(a, wires, places, place):
    """Return the number that the wires of a step hold in amplitude a."""
    chosen = 0
    for wire in range(wires):
        chosen = 2 * chosen + (1 if a & places[place + wire] else 0)
    return chosen


@_kernel
def _diagonal(p, q, amplitudes, count, mask, value, run, e, wires, places, place, ure, uim):
    for a in range(0, amplitudes, run):
        if (a & mask) != value:
            continue
        sub = e + _sub(a, wires, places, place)
        c, s = ure[sub], uim[sub]
        for i in range(a * count, (a + run) * count):
            x, y = p[i], q[i]
            p[i], q[i] = c * x - s * y, c * y + s * x


@_kernel
def _real(x, amplitudes, count, target, mask, value, run, u00, u01, u10, u11):
    far = target * count
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        for i in range(a * count, (a + run) * count):
            x0, x1 = x[i], x[i + far]
            x[i], x[i + far] = u00 * x0 + u01 * x1, u10 * x0 + u11 * x1


@_kernel
def _cross(p, q, amplitudes, count, target, mask, value, run, u00, u01, u10, u11):
    """Apply [[u00, i u01], [i u10, u11]]."""
    far = target * count
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        for i in range(a * count, (a + run) * count):
            p0, q0, p1, q1 = p[i], q[i], p[i + far], q[i + far]
            p[i], q[i] = u00 * p0 - u01 * q1, u00 * q0 + u01 * p1
            p[i + far], q[i + far] = u11 * p1 - u10 * q0, u11 * q1 + u10 * p0


@_kernel
def _pair(p, q, amplitudes, count, target, mask, value, run, re, im):
    far = target * count
    r0, r1, r2, r3 = re[0], re[1], re[2], re[3]
    i0, i1, i2, i3 = im[0], im[1], im[2], im[3]
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        for i in range(a * count, (a + run) * count):
            p0, q0, p1, q1 = p[i], q[i], p[i + far], q[i + far]
            p[i] = r0 * p0 - i0 * q0 + r1 * p1 - i1 * q1
            q[i] = r0 * q0 + i0 * p0 + r1 * q1 + i1 * p1
            p[i + far] = r2 * p0 - i2 * q0 + r3 * p1 - i3 * q1
            q[i + far] = r2 * q0 + i2 * p0 + r3 * q1 + i3 * p1


@_kernel
def _apply_rows(p, q, amplitudes, count, steps, step, places, rre, rim, buffer):
    """Apply a step with a matrix for each row."""
    kind, target, mask, value = steps[step, 0], steps[step, 3], steps[step, 4], steps[step, 5]
    wires, place = steps[step, 8], steps[step, 9]
    if kind == _DIAGONAL:
        for a in range(amplitudes):
            if (a & mask) != value:
                continue
            sub = _sub(a, wires, places, place) * count
            for r in range(count):
                i = a * count + r
                x, y, c, s = p[i], q[i], rre[sub + r], rim[sub + r]
                p[i], q[i] = c * x - s * y, c * y + s * x
    elif kind == _DENSE:
        _dense(p, q, amplitudes, count, mask, value, wires, places, place, rre, rim, buffer)
    elif kind == _REAL:
        far = target * count
        for a in range(amplitudes):
            if a & target or (a & mask) != value:
                continue
            for r in range(count):
                i = a * count + r
                u0, u1, u2, u3 = rre[r], rre[count + r], rre[2 * count + r], rre[3 * count + r]
                p0, q0, p1, q1 = p[i], q[i], p[i + far], q[i + far]
                p[i], q[i] = u0 * p0 + u1 * p1, u0 * q0 + u1 * q1
                p[i + far], q[i + far] = u2 * p0 + u3 * p1, u2 * q0 + u3 * q1
    else:
        far = target * count
        for a in range(amplitudes):
            if a & target or (a & mask) != value:
                continue
            for r in range(count):
                i = a * count + r
                r0, r1, r2, r3 = rre[r], rre[count + r], rre[2 * count + r], rre[3 * count + r]
                i0, i1, i2, i3 = rim[r], rim[count + r], rim[2 * count + r], rim[3 * count + r]
                p0, q0, p1, q1 = p[i], q[i], p[i + far], q[i + far]
                p[i] = r0 * p0 - i0 * q0 + r1 * p1 - i1 * q1
                q[i] = r0 * q0 + i0 * p0 + r1 * q1 + i1 * p1
                p[i + far] = r2 * p0 - i2 * q0 + r3 * p1 - i3 * q1
                q[i + far] = r2 * q0 + i2 * p0 + r3 * q1 + i3 * p1


@_kernel
def _place_of(sub, wires, places, place):
    """Return the bits of an index where the wires of a step hold the number `sub`."""
    bits = 0
    for wire in range(wires):
        if sub >> (wires - 1 - wire) & 1:
            bits |= places[place + wire]
    return bits


@_kernel
def _dense(p, q, amplitudes, count, mask, value, wires, places, place, rre, rim, buffer):
    side = 1 << wires
    used = _place_of(side - 1, wires, places, place)
    half = side * count
    for a in range(amplitudes):
        if a & used or (a & mask) != value:
            continue
        for sub in range(side):
            origin = (a | _place_of(sub, wires, places, place)) * count
            for r in range(count):
                buffer[sub * count + r] = p[origin + r]
                buffer[half + sub * count + r] = q[origin + r]
        for row in range(side):
            goal = (a | _place_of(row, wires, places, place)) * count
            for r in range(count):
                p[goal + r] = 0
                q[goal + r] = 0
            for sub in range(side):
                entry = (row * side + sub) * count
                for r in range(count):
                    c, s = rre[entry + r], rim[entry + r]
                    x, y = buffer[sub * count + r], buffer[half + sub * count + r]
                    p[goal + r] += c * x - s * y
                    q[goal + r] += c * y + s * x


@_kernel
def _sign(number):
    """Return 1 or -1: the parity of the bits of a number."""
    number ^= number >> 16
    number ^= number >> 8
    number ^= number >> 4
    number ^= number >> 2
    number ^= number >> 1
    return 1 - 2 * (number & 1)


@_kernel
def _sums(t, amplitudes, count):
    """Replace t[a] by the sum over b of (-1)^(parity of a & b) t[b]: a Walsh-Hadamard transform."""
    stride = 1
    while stride < amplitudes:
        far = stride * count
        for a in range(0, amplitudes, 2 * stride):
            for i in range(a * count, (a + stride) * count):
                x, y = t[i], t[i + far]
                t[i], t[i + far] = x + y, x - y
        stride *= 2


@_kernel
def _measure(
    out, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients, probabilities,
    states,
):  # fmt: skip
    if diagonal_words.shape[0] or probabilities.shape[0]:
        for i in range(amplitudes * count):
            t[i] = p[i] * p[i] + q[i] * q[i]
    for one in range(probabilities.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                out[first + r, probabilities[one, a]] += t[a * count + r]
    if diagonal_words.shape[0]:
        _sums(t, amplitudes, count)
        for word in range(diagonal_words.shape[0]):
            column, place = diagonal_words[word, 0], diagonal_words[word, 1] * count
            for r in range(count):
                out[first + r, column] += coefficients[word] * t[place + r]
    for word in range(words.shape[0]):
        column, x, z = words[word, 0], words[word, 1], words[word, 2]
        turns, coefficient = words[word, 3] % 4, coefficients[diagonal_words.shape[0] + word]
        for a in range(amplitudes):
            sign = coefficient * _sign(z & (a ^ x))
            for r in range(count):
                i, j = a * count + r, (a ^ x) * count + r
                # i**turns times the other amplitude
                if turns == 0:
                    value = p[i] * p[j] + q[i] * q[j]
                elif turns == 1:
                    value = q[i] * p[j] - p[i] * q[j]
                elif turns == 2:
                    value = -(p[i] * p[j] + q[i] * q[j])
                else:
                    value = p[i] * q[j] - q[i] * p[j]
                out[first + r, column] += sign * value
    for one in range(states.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                out[first + r, states[one] + a] = p[a * count + r]
                out[first + r, states[one] + amplitudes + a] = q[a * count + r]


@_kernel
def backward(
    wires, results, steps, angles, terms, generators, places, phases, modes, mode_numbers, start,
    start_numbers, diagonal_words, words, coefficients, probabilities, states, data, shared, rows,
    kept, cotangent, last,
):  # fmt: skip
    """Return the gradients of data `(batch, P)` and of the shared columns `(W,)`.

    Steps before the step `last` are not undone: nothing that is asked for depends on them.
    """
    batch, amplitudes = data.shape[0], 1 << wires
    of_data, of_shared = np.zeros(data.shape, data.dtype), np.zeros(shared.shape, np.float64)
    size = amplitudes * rows
    p, q, t = np.empty(size, data.dtype), np.empty(size, data.dtype), np.empty(size, data.dtype)
    f, g = np.empty(size, data.dtype), np.empty(size, data.dtype)
    ure, uim = _matrices(steps, angles, terms, shared, data)
    cosines, sines = _turns(amplitudes, steps, phases, modes, mode_numbers, shared, data)
    vre, vim = _adjoints(steps, ure, uim)
    rre, rim, buffer = _room(steps, rows, data)
    slopes = np.empty(rows, data.dtype)
    turned = np.zeros(phases.shape, np.float64)
    for first in range(0, batch, rows):
        count = min(rows, batch - first)
        length = amplitudes * count
        if kept.shape[0]:
            begin = first * 2 * amplitudes
            p[:length] = kept[begin : begin + length]
            q[:length] = kept[begin + length : begin + 2 * length]
        else:
            _begin(p, q, amplitudes, count, start, start_numbers, data, shared, first)
            p, q, t = _evolve(
                p, q, t, amplitudes, count, first, steps, angles, terms, places, data, shared,
                ure, uim, cosines, sines, rre, rim, buffer,
            )  # fmt: skip
        _observe(
            f, g, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients,
            probabilities, states, cotangent,
        )  # fmt: skip
        for step in range(steps.shape[0] - 1, last - 1, -1):
            kind, source, column = steps[step, 0], steps[step, 1], steps[step, 2]
            if kind == _PERMUTE:
                place = steps[step, 9] + amplitudes
                _permute(p, t, amplitudes, count, places, place)
                p, t = t, p
                _permute(q, t, amplitudes, count, places, place)
                q, t = t, q
                _permute(f, t, amplitudes, count, places, place)
                f, t = t, f
                _permute(g, t, amplitudes, count, places, place)
                g, t = t, g
                continue
            if kind == _PHASES:
                one = steps[step, 7]
                _turn_back(p, q, f, g, amplitudes, count, cosines[one], sines[one], turned[one])
                continue
            if source == _SHARED and kind == _REAL:
                of_shared[column] += angles[step, 0] * _undo_real(
                    p, q, f, g, amplitudes, count, steps, step, vre, generators
                )
                continue
            if source == _SHARED and kind == _CROSS:
                of_shared[column] += angles[step, 0] * _undo_cross(
                    p, q, f, g, amplitudes, count, steps, step, vre, vim, generators
                )
                continue
            if source != _NONE:
                slopes[:count] = 0
                _slopes(slopes, p, q, f, g, amplitudes, count, steps, step, places, generators)
                for r in range(count):
                    if source == _ROW:
                        of_data[first + r, column] += angles[step, 0] * slopes[r]
                    else:
                        of_shared[column] += angles[step, 0] * slopes[r]
            if source == _ROW or kind == _DENSE:
                _row_matrices(
                    rre, rim, steps, angles, terms, step, data, shared, first, count, True
                )
                _apply_rows(p, q, amplitudes, count, steps, step, places, rre, rim, buffer)
                _apply_rows(f, g, amplitudes, count, steps, step, places, rre, rim, buffer)
            else:
                _apply(p, q, amplitudes, count, steps, step, places, vre, vim)
                _apply(f, g, amplitudes, count, steps, step, places, vre, vim)
        for entry in range(start.shape[0] if last == 0 else 0):
            for part in range(2):
                source, column = start[entry, 1 + 2 * part], start[entry, 2 + 2 * part]
                scale, place = start_numbers[entry, 2 * part], start[entry, 0] * count
                for r in range(count):
                    slope = scale * (f[place + r] if part == 0 else g[place + r])
                    if source == _ROW:
                        of_data[first + r, column] += slope
                    elif source == _SHARED:
                        of_shared[column] += slope
    for step in range(steps.shape[0]):
        if steps[step, 0] == _PHASES:
            slope = turned[steps[step, 7]]
            _sums(slope, amplitudes, 1)
            for mode in range(steps[step, 9], steps[step, 9] + steps[step, 8]):
                of_shared[modes[mode, 1]] += mode_numbers[mode, 0] * slope[modes[mode, 0]]
    return of_data, of_shared


@_kernel
def _turns(amplitudes, steps, phases, modes, mode_numbers, shared, data):
    """Return cosine and sine of every phase, `(F, A)`."""
    cosines, sines = np.empty(phases.shape, data.dtype), np.empty(phases.shape, data.dtype)
    angle = np.empty(amplitudes, np.float64)
    for step in range(steps.shape[0]):
        if steps[step, 0] == _PHASES:
            one = steps[step, 7]
            angle[:] = 0
            for mode in range(steps[step, 9], steps[step, 9] + steps[step, 8]):
                turn = mode_numbers[mode, 0] * shared[modes[mode, 1]] + mode_numbers[mode, 1]
                angle[modes[mode, 0]] += turn
            _sums(angle, amplitudes, 1)
            for a in range(amplitudes):
                cosines[one, a] = np.cos(angle[a] + phases[one, a])
                sines[one, a] = np.sin(angle[a] + phases[one, a])
    return cosines, sines


@_kernel
def _turn(p, q, amplitudes, count, cosines, sines):
    for a in range(amplitudes):
        c, s = cosines[a], sines[a]
        for i in range(a * count, (a + 1) * count):
            x, y = p[i], q[i]
            p[i], q[i] = c * x - s * y, c * y + s * x


@_kernel
def _turn_back(p, q, f, g, amplitudes, count, cosines, sines, turned):
    """Undo phases on state and cotangent; add the slope of each phase."""
    for a in range(amplitudes):
        c, s = cosines[a], sines[a]
        total = p.dtype.type(0)
        for i in range(a * count, (a + 1) * count):
            x, y, u, v = p[i], q[i], f[i], g[i]
            total += v * x - u * y
            p[i], q[i] = c * x + s * y, c * y - s * x
            f[i], g[i] = c * u + s * v, c * v - s * u
        turned[a] += total


@_kernel
def _adjoints(steps, ure, uim):
    """Return the entries of the conjugate transposes."""
    vre, vim = ure.copy(), -uim
    for step in range(steps.shape[0]):
        if steps[step, 0] in (_REAL, _CROSS, _PAIR):
            e = steps[step, 7]
            vre[e + 1], vre[e + 2] = ure[e + 2], ure[e + 1]
            vim[e + 1], vim[e + 2] = -uim[e + 2], -uim[e + 1]
    return vre, vim


@_kernel
def _observe(
    f, g, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients, probabilities,
    states, cotangent,
):  # fmt: skip
    """Write the cotangent of the final state."""
    length = amplitudes * count
    t[:length] = 0
    if diagonal_words.shape[0]:
        for word in range(diagonal_words.shape[0]):
            column, place = diagonal_words[word, 0], diagonal_words[word, 1] * count
            for r in range(count):
                t[place + r] += coefficients[word] * cotangent[first + r, column]
        _sums(t, amplitudes, count)
    for one in range(probabilities.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                t[a * count + r] += cotangent[first + r, probabilities[one, a]]
    for i in range(length):
        f[i], g[i] = 2 * t[i] * p[i], 2 * t[i] * q[i]
    for word in range(words.shape[0]):
        column, x, z = words[word, 0], words[word, 1], words[word, 2]
        turns, coefficient = words[word, 3] % 4, coefficients[diagonal_words.shape[0] + word]
        for a in range(amplitudes):
            sign = 2 * coefficient * _sign(z & (a ^ x))
            for r in range(count):
                i, j = a * count + r, (a ^ x) * count + r
                factor = sign * cotangent[first + r, column]
                if turns == 0:
                    f[i] += factor * p[j]
                    g[i] += factor * q[j]
                elif turns == 1:
                    f[i] -= factor * q[j]
                    g[i] += factor * p[j]
                elif turns == 2:
                    f[i] -= factor * p[j]
                    g[i] -= factor * q[j]
                else:
                    f[i] += factor * q[j]
                    g[i] -= factor * p[j]
    for one in range(states.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                f[a * count + r] += cotangent[first + r, states[one] + a]
                g[a * count + r] += cotangent[first + r, states[one] + amplitudes + a]


@_kernel
def _undo_real(p, q, f, g, amplitudes, count, steps, step, vre, generators):
    """Undo a real step on state and cotangent; return the slope of its angle."""
    target, mask, value, run = steps[step, 3], steps[step, 4], steps[step, 5], steps[step, 6]
    e = steps[step, 7]
    u0, u1, u2, u3 = vre[e], vre[e + 1], vre[e + 2], vre[e + 3]
    far = target * count
    total = 0.0
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        part = p.dtype.type(0)
        for i in range(a * count, (a + run) * count):
            p0, q0, p1, q1 = p[i], q[i], p[i + far], q[i + far]
            f0, g0, f1, g1 = f[i], g[i], f[i + far], g[i + far]
            part += f1 * p0 - f0 * p1 + g1 * q0 - g0 * q1
            p[i], p[i + far] = u0 * p0 + u1 * p1, u2 * p0 + u3 * p1
            q[i], q[i + far] = u0 * q0 + u1 * q1, u2 * q0 + u3 * q1
            f[i], f[i + far] = u0 * f0 + u1 * f1, u2 * f0 + u3 * f1
            g[i], g[i + far] = u0 * g0 + u1 * g1, u2 * g0 + u3 * g1
        total += part
    return generators[e + 2].real * total


@_kernel
def _undo_cross(p, q, f, g, amplitudes, count, steps, step, vre, vim, generators):
    """Undo a step with imaginary mixing on state and cotangent; return the slope of its angle."""
    target, mask, value, run = steps[step, 3], steps[step, 4], steps[step, 5], steps[step, 6]
    e = steps[step, 7]
    u0, u1, u2, u3 = vre[e], vim[e + 1], vim[e + 2], vre[e + 3]
    far = target * count
    total = 0.0
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        part = p.dtype.type(0)
        for i in range(a * count, (a + run) * count):
            p0, q0, p1, q1 = p[i], q[i], p[i + far], q[i + far]
            f0, g0, f1, g1 = f[i], g[i], f[i + far], g[i + far]
            part += g0 * p1 - f0 * q1 + g1 * p0 - f1 * q0
            p[i], q[i] = u0 * p0 - u1 * q1, u0 * q0 + u1 * p1
            p[i + far], q[i + far] = u3 * p1 - u2 * q0, u3 * q1 + u2 * p0
            f[i], g[i] = u0 * f0 - u1 * g1, u0 * g0 + u1 * f1
            f[i + far], g[i + far] = u3 * f1 - u2 * g0, u3 * g1 + u2 * f0
        total += part
    return generators[e + 2].imag * total


@_kernel
def _slopes(slopes, p, q, f, g, amplitudes, count, steps, step, places, generators):
    """Add for each row the real part of <cotangent| K |state>."""
    kind, target, mask, value = steps[step, 0], steps[step, 3], steps[step, 4], steps[step, 5]
    e, wires, place = steps[step, 7], steps[step, 8], steps[step, 9]
    if kind == _DIAGONAL:
        for a in range(amplitudes):
            if (a & mask) != value:
                continue
            k = generators[e + _sub(a, wires, places, place)].imag
            if k != 0:
                for r in range(count):
                    i = a * count + r
                    slopes[r] += k * (g[i] * p[i] - f[i] * q[i])
        return
    if kind != _DENSE:
        wires = 1
    side = 1 << wires
    used = target if kind != _DENSE else _place_of(side - 1, wires, places, place)
    for a in range(amplitudes):
        if a & used or (a & mask) != value:
            continue
        for row in range(side):
            for sub in range(side):
                k = generators[e + row * side + sub]
                if k == 0:
                    continue
                to, origin = a, a
                if kind == _DENSE:
                    to |= _place_of(row, wires, places, place)
                    origin |= _place_of(sub, wires, places, place)
                else:
                    to |= target * row
                    origin |= target * sub
                for r in range(count):
                    i, j = to * count + r, origin * count + r
                    x = k.real * p[j] - k.imag * q[j]
                    y = k.real * q[j] + k.imag * p[j]
                    slopes[r] += f[i] * x + g[i] * y
