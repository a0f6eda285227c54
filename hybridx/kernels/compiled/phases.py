"""Phases: cosines and sines of many angles at once, and their products with a state."""

from __future__ import annotations

import numpy as np

from hybridx.kernels.compiled.gates import real
from hybridx.kernels.compiled.jit import PHASES, ROW, exact, inner

# Up to here a multiple of a quarter turn times _FIRST is exact; further angles go another way.
_LARGE = 1e6
# A quarter turn as a sum of three numbers, the first two of 33 bits.
_FIRST, _SECOND = 1.57079632673412561417e00, 6.07710050630396597660e-11
_THIRD = 2.02226624879595063154e-21


@exact
def circle(angles, cosines, sines):
    """Write cosine and sine of each angle, `(N,)` in float64, right to 2e-16.

    The polynomials are those of fdlibm, by Sun Microsystems; without a branch, so that the loop
    computes several angles at once.
    """
    are_small = True
    for i in range(angles.shape[0]):
        are_small &= abs(angles[i]) < _LARGE
    if not are_small:
        for i in range(angles.shape[0]):
            cosines[i], sines[i] = np.cos(angles[i]), np.sin(angles[i])
        return
    for i in range(angles.shape[0]):
        turns = np.floor(angles[i] * 0.6366197723675814 + 0.5)
        x = ((angles[i] - turns * _FIRST) - turns * _SECOND) - turns * _THIRD
        z = x * x
        s = -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10
        s = 2.75573137070700676789e-06 + z * s
        s = -1.98412698298579493134e-04 + z * s
        s = 8.33333333332248946124e-03 + z * s
        s = x + x * z * (-1.66666666666666324348e-01 + z * s)
        c = 2.08757232129817482790e-09 - z * 1.13596475577881948265e-11
        c = -2.75573143513906633035e-07 + z * c
        c = 2.48015872894767294178e-05 + z * c
        c = -1.38888888888741095749e-03 + z * c
        c = 1.0 - (0.5 * z - z * z * (4.16666666666666019037e-02 + z * c))
        quarter = turns - 4.0 * np.floor(turns * 0.25)
        odd = quarter == 1.0 or quarter == 3.0
        cosine, sine = (s, c) if odd else (c, s)
        cosines[i] = -cosine if quarter == 1.0 or quarter == 2.0 else cosine
        sines[i] = -sine if quarter >= 2.0 else sine


@inner
def sums(t, amplitudes, count):
    """Replace t[a] by the sum over b of (-1)^(parity of a & b) t[b]: a Walsh-Hadamard transform."""
    one, none, stride = t.dtype.type(1), np.int64(0), np.int64(1)
    while stride < amplitudes:
        real(t, amplitudes, count, stride, none, none, stride, one, one, one, -one)
        stride *= 2


@inner
def shared_phases(amplitudes, steps, phases, modes, mode_numbers, shared, data):
    """Return cosine and sine of every phase that is the same in every row, `(F, A)`."""
    cosines, sines = np.empty(phases.shape, data.dtype), np.empty(phases.shape, data.dtype)
    angle = np.empty(amplitudes, np.float64)
    for step in range(steps.shape[0]):
        if steps[step, 0] == PHASES and steps[step, 1] != ROW:
            one = steps[step, 7]
            if steps[step, 8]:
                for a in range(amplitudes):
                    angle[a] = 0
                for mode in range(steps[step, 9], steps[step, 9] + steps[step, 8]):
                    turn = mode_numbers[mode, 0] * shared[modes[mode, 1]] + mode_numbers[mode, 1]
                    angle[modes[mode, 0]] += turn
                sums(angle, amplitudes, np.int64(1))
                for a in range(amplitudes):
                    angle[a] += phases[one, a]
                circle(angle, cosines[one], sines[one])
            else:
                circle(phases[one], cosines[one], sines[one])
    return cosines, sines


@inner
def turn_each(p, q, cosines, sines, sign):
    """Multiply each number by a phase of its own, or by the opposite one."""
    for i in range(cosines.shape[0]):
        x, y, c, s = p[i], q[i], cosines[i], sign * sines[i]
        p[i], q[i] = c * x - s * y, c * y + s * x


@inner
def turn(p, q, amplitudes, count, cosines, sines):
    """Multiply each amplitude by a phase, the same in every row."""
    if count == 1:
        turn_each(p, q, cosines, sines, p.dtype.type(1))
        return
    for a in range(amplitudes):
        c, s, begin = cosines[a], sines[a], a * count
        x, y = p[begin : begin + count], q[begin : begin + count]
        for r in range(count):
            u, v = x[r], y[r]
            x[r], y[r] = c * u - s * v, c * v + s * u


@inner
def turn_back(p, q, f, g, amplitudes, count, cosines, sines, turned):
    """Undo phases on state and cotangent; add the slope of each phase."""
    if count == 1:
        for a in range(turned.shape[0]):
            turned[a] += g[a] * p[a] - f[a] * q[a]
        turn_each(p, q, cosines, sines, p.dtype.type(-1))
        turn_each(f, g, cosines, sines, p.dtype.type(-1))
        return
    for a in range(amplitudes):
        c, s, begin = cosines[a], sines[a], a * count
        end = begin + count
        x, y, u, v = p[begin:end], q[begin:end], f[begin:end], g[begin:end]
        total = p.dtype.type(0)
        for r in range(count):
            j, k, m, n = x[r], y[r], u[r], v[r]
            total += n * j - m * k
            x[r], y[r] = c * j + s * k, c * k - s * j
            u[r], v[r] = c * m + s * n, c * n - s * m
        turned[a] += total


@inner
def row_phases(steps, step, modes, mode_numbers, data, first, count, angles, cosines, sines):
    """Write cosine and sine of the phases of each row: a table over the wires that take part."""
    size = count << steps[step, 3]
    for i in range(size):
        angles[i] = 0
    for mode in range(steps[step, 9], steps[step, 9] + steps[step, 8]):
        scale, offset, column = mode_numbers[mode, 0], mode_numbers[mode, 1], modes[mode, 1]
        begin = modes[mode, 0] * count
        for r in range(count):
            angles[begin + r] += scale * data[first + r, column] + offset
    sums(angles[:size], 1 << steps[step, 3], count)
    circle(angles[:size], cosines[:size], sines[:size])


@inner
def turn_rows(p, q, amplitudes, count, steps, step, places, cosines, sines):
    """Multiply each amplitude of each row by its phase of the table."""
    if amplitudes == 1 << steps[step, 3]:
        turn_each(p, q, cosines[: amplitudes * count], sines, p.dtype.type(1))
        return
    for a in range(amplitudes):
        begin, table = a * count, places[steps[step, 7] + a] * count
        x, y = p[begin : begin + count], q[begin : begin + count]
        c, s = cosines[table : table + count], sines[table : table + count]
        for r in range(count):
            u, v = x[r], y[r]
            x[r], y[r] = c[r] * u - s[r] * v, c[r] * v + s[r] * u


@inner
def turn_rows_back(
    p, q, f, g, amplitudes, count, first, steps, step, places, modes, mode_numbers, cosines, sines,
    table, of_data,
):  # fmt: skip
    """Undo the phases of a table on state and cotangent; add the slopes of the data."""
    size = count << steps[step, 3]
    if size == amplitudes * count:
        slopes = table[:size]
        for i in range(size):
            slopes[i] = g[i] * p[i] - f[i] * q[i]
        turn_each(p, q, cosines[:size], sines, p.dtype.type(-1))
        turn_each(f, g, cosines[:size], sines, p.dtype.type(-1))
    else:
        for i in range(size):
            table[i] = 0
        for a in range(amplitudes):
            begin, place = a * count, places[steps[step, 7] + a] * count
            end = begin + count
            x, y, u, v = p[begin:end], q[begin:end], f[begin:end], g[begin:end]
            c, s = cosines[place : place + count], sines[place : place + count]
            slopes = table[place : place + count]
            for r in range(count):
                slopes[r] += v[r] * x[r] - u[r] * y[r]
            for r in range(count):
                j, k = x[r], y[r]
                x[r], y[r] = c[r] * j + s[r] * k, c[r] * k - s[r] * j
            for r in range(count):
                j, k = u[r], v[r]
                u[r], v[r] = c[r] * j + s[r] * k, c[r] * k - s[r] * j
    sums(table[:size], 1 << steps[step, 3], count)
    for mode in range(steps[step, 9], steps[step, 9] + steps[step, 8]):
        begin = modes[mode, 0] * count
        for r in range(count):
            of_data[first + r, modes[mode, 1]] += mode_numbers[mode, 0] * table[begin + r]
