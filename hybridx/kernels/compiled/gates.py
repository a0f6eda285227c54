"""Matrices on the amplitudes of a state, forward: pairs and groups."""

from __future__ import annotations

import numpy as np

from hybridx.kernels.compiled.jit import BACK, CROSS, DENSE, PAIR, REAL, ROW, SHARED, inner, thin

# Blocks of so few numbers are nearer to each other than a vector is long.
NEAR = 4


@inner
def length(kind, wires):
    """Return how many numbers the matrix of a step has."""
    return 1 << (2 * wires) if kind == DENSE else 4


@inner
def matrices(real, imaginary, steps, angles, terms, shared, data, row):
    """Write the entries of all matrices that are the same in every row; of a row, if it is one."""
    for step in range(steps.shape[0]):
        kind, source = steps[step, 0], steps[step, 1]
        if kind > DENSE or (source == ROW) != (row >= 0):
            continue
        first, count = steps[step, 7], length(kind, steps[step, 8])
        c, s = 0.0, 0.0
        if source == ROW:
            value = np.float64(data[row, steps[step, 2]])
            angle = angles[step, 2] * (angles[step, 0] * value + angles[step, 1])
            c, s = np.cos(angle), np.sin(angle)
        elif source == SHARED:
            angle = angles[step, 2] * (angles[step, 0] * shared[steps[step, 2]] + angles[step, 1])
            c, s = np.cos(angle), np.sin(angle)
        for place in range(first, first + count):
            value = terms[0, place] + c * terms[1, place] + s * terms[2, place]
            real[place], imaginary[place] = value.real, value.imag


@inner
def row_matrices(rre, rim, steps, terms, step, count, cosines, sines):
    """Write the entries of a step's matrix for each row, entry after entry."""
    first = steps[step, 7]
    for place in range(length(steps[step, 0], steps[step, 8])):
        constant, by_cosine, by_sine = (
            terms[0, first + place],
            terms[1, first + place],
            terms[2, first + place],
        )
        to = rre[place * count : (place + 1) * count]
        too = rim[place * count : (place + 1) * count]
        for r in range(count):
            to[r] = constant.real + cosines[r] * by_cosine.real + sines[r] * by_sine.real
            too[r] = constant.imag + cosines[r] * by_cosine.imag + sines[r] * by_sine.imag


@inner
def same_matrices(rre, rim, steps, step, count, ure, uim):
    """Write the entries of a matrix that is the same in every row for each row."""
    first = steps[step, 7]
    for place in range(length(steps[step, 0], steps[step, 8])):
        one, other = ure[first + place], uim[first + place]
        for r in range(place * count, (place + 1) * count):
            rre[r], rim[r] = one, other


@inner
def stretch_of(amplitudes, mask):
    """Return how many neighbouring amplitudes have the same controls."""
    return mask & -mask if mask else amplitudes


@thin
def apply(p, q, amplitudes, count, steps, step, places, ure, uim, buffer, way):
    """Apply a step whose matrix is the same in every row, or its adjoint if `way` is BACK."""
    kind, target, mask, value = steps[step, 0], steps[step, 3], steps[step, 4], steps[step, 5]
    run, e = steps[step, 6], steps[step, 7]
    adjoint = way == BACK
    if kind == REAL:
        u1, u2 = (ure[e + 2], ure[e + 1]) if adjoint else (ure[e + 1], ure[e + 2])
        real(p, amplitudes, count, target, mask, value, run, ure[e], u1, u2, ure[e + 3])
        real(q, amplitudes, count, target, mask, value, run, ure[e], u1, u2, ure[e + 3])
    elif kind == CROSS:
        u1, u2 = (-uim[e + 2], -uim[e + 1]) if adjoint else (uim[e + 1], uim[e + 2])
        cross(p, q, amplitudes, count, target, mask, value, run, ure[e], u1, u2, ure[e + 3])
    elif kind == PAIR:
        pair(p, q, amplitudes, count, steps, step, ure[e : e + 4], uim[e : e + 4], way)
    else:
        dense(p, q, amplitudes, count, steps, step, places, ure, uim, e, buffer, way)


@inner
def real(x, amplitudes, count, target, mask, value, run, u0, u1, u2, u3):
    """Apply a real 2 x 2 matrix to pairs of numbers."""
    width, far = run * count, target * count
    if width <= NEAR and target == run:
        stretch = stretch_of(amplitudes, mask)
        for a in range(0, amplitudes, stretch):
            if (a & mask) == value:
                _real_near(x[a * count : (a + stretch) * count], width, u0, u1, u2, u3)
        return
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        begin = a * count
        x0, x1 = x[begin : begin + width], x[begin + far : begin + far + width]
        for i in range(width):
            s, t = x0[i], x1[i]
            x0[i], x1[i] = u0 * s + u1 * t, u2 * s + u3 * t


@inner
def _real_near(x, width, u0, u1, u2, u3):
    """Apply a real matrix to neighbouring blocks of one, two or four numbers."""
    if width == 1:
        for k in range(x.shape[0] // 2):
            s, t = x[2 * k], x[2 * k + 1]
            x[2 * k], x[2 * k + 1] = u0 * s + u1 * t, u2 * s + u3 * t
    elif width == 2:
        for k in range(x.shape[0] // 4):
            for i in range(2):
                s, t = x[4 * k + i], x[4 * k + 2 + i]
                x[4 * k + i], x[4 * k + 2 + i] = u0 * s + u1 * t, u2 * s + u3 * t
    else:
        for k in range(x.shape[0] // 8):
            for i in range(4):
                s, t = x[8 * k + i], x[8 * k + 4 + i]
                x[8 * k + i], x[8 * k + 4 + i] = u0 * s + u1 * t, u2 * s + u3 * t


@inner
def cross(p, q, amplitudes, count, target, mask, value, run, u00, u01, u10, u11):
    """Apply [[u00, i u01], [i u10, u11]]."""
    width, far = run * count, target * count
    if width <= NEAR and target == run:
        stretch = stretch_of(amplitudes, mask)
        for a in range(0, amplitudes, stretch):
            if (a & mask) == value:
                begin, end = a * count, (a + stretch) * count
                _cross_near(p[begin:end], q[begin:end], width, u00, u01, u10, u11)
        return
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        begin = a * count
        p0, p1 = p[begin : begin + width], p[begin + far : begin + far + width]
        q0, q1 = q[begin : begin + width], q[begin + far : begin + far + width]
        for i in range(width):
            x, y, u, v = p0[i], q0[i], p1[i], q1[i]
            p0[i], q0[i] = u00 * x - u01 * v, u00 * y + u01 * u
            p1[i], q1[i] = u11 * u - u10 * y, u11 * v + u10 * x


@inner
def _cross_near(p, q, width, u00, u01, u10, u11):
    if width == 1:
        for k in range(p.shape[0] // 2):
            a, b = 2 * k, 2 * k + 1
            x, y, u, v = p[a], q[a], p[b], q[b]
            p[a], q[a] = u00 * x - u01 * v, u00 * y + u01 * u
            p[b], q[b] = u11 * u - u10 * y, u11 * v + u10 * x
    elif width == 2:
        for k in range(p.shape[0] // 4):
            for i in range(2):
                a, b = 4 * k + i, 4 * k + 2 + i
                x, y, u, v = p[a], q[a], p[b], q[b]
                p[a], q[a] = u00 * x - u01 * v, u00 * y + u01 * u
                p[b], q[b] = u11 * u - u10 * y, u11 * v + u10 * x
    else:
        for k in range(p.shape[0] // 8):
            for i in range(4):
                a, b = 8 * k + i, 8 * k + 4 + i
                x, y, u, v = p[a], q[a], p[b], q[b]
                p[a], q[a] = u00 * x - u01 * v, u00 * y + u01 * u
                p[b], q[b] = u11 * u - u10 * y, u11 * v + u10 * x


@inner
def pair(p, q, amplitudes, count, steps, step, re, im, way):
    """Apply any 2 x 2 matrix."""
    target, mask, value, run = steps[step, 3], steps[step, 4], steps[step, 5], steps[step, 6]
    width, far = run * count, target * count
    r0, r1, r2, r3, i0, i1, i2, i3 = re[0], re[1], re[2], re[3], im[0], im[1], im[2], im[3]
    if way == BACK:
        r1, r2, i0, i1, i2, i3 = r2, r1, -i0, -i2, -i1, -i3
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        begin = a * count
        p0, p1 = p[begin : begin + width], p[begin + far : begin + far + width]
        q0, q1 = q[begin : begin + width], q[begin + far : begin + far + width]
        for i in range(width):
            x, y, u, v = p0[i], q0[i], p1[i], q1[i]
            p0[i] = r0 * x - i0 * y + r1 * u - i1 * v
            q0[i] = r0 * y + i0 * x + r1 * v + i1 * u
            p1[i] = r2 * x - i2 * y + r3 * u - i3 * v
            q1[i] = r2 * y + i2 * x + r3 * v + i3 * u


@inner
def apply_rows(p, q, amplitudes, count, steps, step, places, rre, rim, buffer, way):
    """Apply a step with a matrix for each row, or its adjoint if `way` is BACK."""
    kind, target, mask, value = steps[step, 0], steps[step, 3], steps[step, 4], steps[step, 5]
    if kind == DENSE:
        dense(p, q, amplitudes, count, steps, step, places, rre, rim, np.int64(-1), buffer, way)
        return
    far = target * count
    one, two = (2, 1) if way == BACK else (1, 2)
    sign = p.dtype.type(way)
    r0, r1 = rre[:count], rre[one * count : (one + 1) * count]
    r2, r3 = rre[two * count : (two + 1) * count], rre[3 * count : 4 * count]
    i0, i1 = rim[:count], rim[one * count : (one + 1) * count]
    i2, i3 = rim[two * count : (two + 1) * count], rim[3 * count : 4 * count]
    for a in range(amplitudes):
        if a & target or (a & mask) != value:
            continue
        begin = a * count
        p0, p1 = p[begin : begin + count], p[begin + far : begin + far + count]
        q0, q1 = q[begin : begin + count], q[begin + far : begin + far + count]
        if kind == REAL:
            for r in range(count):
                s, t = p0[r], p1[r]
                p0[r], p1[r] = r0[r] * s + r1[r] * t, r2[r] * s + r3[r] * t
            for r in range(count):
                s, t = q0[r], q1[r]
                q0[r], q1[r] = r0[r] * s + r1[r] * t, r2[r] * s + r3[r] * t
        elif kind == CROSS:
            for r in range(count):
                x, v = p0[r], q1[r]
                p0[r], q1[r] = r0[r] * x - sign * i1[r] * v, r3[r] * v + sign * i2[r] * x
            for r in range(count):
                y, u = q0[r], p1[r]
                q0[r], p1[r] = r0[r] * y + sign * i1[r] * u, r3[r] * u - sign * i2[r] * y
        else:
            for r in range(count):
                x, y, u, v = p0[r], q0[r], p1[r], q1[r]
                j0, j1, j2, j3 = sign * i0[r], sign * i1[r], sign * i2[r], sign * i3[r]
                p0[r] = r0[r] * x - j0 * y + r1[r] * u - j1 * v
                q0[r] = r0[r] * y + j0 * x + r1[r] * v + j1 * u
                p1[r] = r2[r] * x - j2 * y + r3[r] * u - j3 * v
                q1[r] = r2[r] * y + j2 * x + r3[r] * v + j3 * u


@inner
def place_of(sub, wires, places, place):
    """Return the bits of an index where the wires of a step hold the number `sub`."""
    bits = 0
    for wire in range(wires):
        if sub >> (wires - 1 - wire) & 1:
            bits |= places[place + wire]
    return bits


@inner
def dense(p, q, amplitudes, count, steps, step, places, re, im, first, buffer, way):
    """Apply a matrix on several wires: from entry `first` on, or one for each row if it is -1."""
    mask, value, run = steps[step, 4], steps[step, 5], steps[step, 6]
    wires, place = steps[step, 8], steps[step, 9]
    side = 1 << wires
    used = place_of(side - 1, wires, places, place)
    by_row = first < 0
    if by_row or (run * count) << wires > buffer.shape[0] // 2:
        run = 1
    width = run * count
    half = side * width
    sign = p.dtype.type(way)
    for a in range(0, amplitudes, run):
        if a & used or (a & mask) != value:
            continue
        for sub in range(side):
            origin = (a | place_of(sub, wires, places, place)) * count
            x, y = p[origin : origin + width], q[origin : origin + width]
            u, v = buffer[sub * width : half], buffer[half + sub * width : 2 * half]
            for r in range(width):
                u[r], v[r] = x[r], y[r]
        for row in range(side):
            goal = (a | place_of(row, wires, places, place)) * count
            x, y = p[goal : goal + width], q[goal : goal + width]
            for r in range(width):
                x[r] = y[r] = 0
            for sub in range(side):
                entry = sub * side + row if way == BACK else row * side + sub
                u = buffer[sub * width : (sub + 1) * width]
                v = buffer[half + sub * width : half + (sub + 1) * width]
                if by_row:
                    c = re[entry * count : (entry + 1) * count]
                    s = im[entry * count : (entry + 1) * count]
                    for r in range(width):
                        x[r] += c[r] * u[r] - sign * s[r] * v[r]
                        y[r] += c[r] * v[r] + sign * s[r] * u[r]
                else:
                    one, other = re[first + entry], sign * im[first + entry]
                    if one == 0 and other == 0:
                        continue
                    for r in range(width):
                        x[r] += one * u[r] - other * v[r]
                        y[r] += one * v[r] + other * u[r]


@inner
def permute(source, target, amplitudes, count, places, place):
    """Write amplitudes in another order."""
    if count == 1:
        for a in range(amplitudes):
            target[a] = source[places[place + a]]
        return
    for a in range(amplitudes):
        to, origin = target[a * count : (a + 1) * count], places[place + a] * count
        came = source[origin : origin + count]
        for r in range(count):
            to[r] = came[r]
