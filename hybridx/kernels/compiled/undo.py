"""Gates undone on a state and on its cotangent, with the slope of their angle."""

from __future__ import annotations

from hybridx.kernels.compiled.gates import NEAR, place_of, stretch_of
from hybridx.kernels.compiled.jit import DENSE, REAL, inner


@inner
def undo_real(p, q, f, g, amplitudes, count, steps, step, ure, generators):
    """Undo a real step; return the slope of its angle."""
    target, mask, value, run = steps[step, 3], steps[step, 4], steps[step, 5], steps[step, 6]
    e = steps[step, 7]
    u0, u1, u2, u3 = ure[e], ure[e + 2], ure[e + 1], ure[e + 3]
    width, far = run * count, target * count
    total = 0.0
    if width <= NEAR and target == run:
        stretch = stretch_of(amplitudes, mask)
        for a in range(0, amplitudes, stretch):
            if (a & mask) == value:
                begin, end = a * count, (a + stretch) * count
                total += _undo_real_near(
                    p[begin:end], q[begin:end], f[begin:end], g[begin:end], width, u0, u1, u2, u3
                )
        return generators[e + 2].real * total
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        begin = a * count
        end, other = begin + width, begin + far
        last = other + width
        p0, p1, q0, q1 = p[begin:end], p[other:last], q[begin:end], q[other:last]
        f0, f1, g0, g1 = f[begin:end], f[other:last], g[begin:end], g[other:last]
        part = p.dtype.type(0)
        for i in range(width):
            x, y, j, k = p0[i], p1[i], q0[i], q1[i]
            u, v, m, n = f0[i], f1[i], g0[i], g1[i]
            part += v * x - u * y + n * j - m * k
            p0[i], p1[i] = u0 * x + u1 * y, u2 * x + u3 * y
            q0[i], q1[i] = u0 * j + u1 * k, u2 * j + u3 * k
            f0[i], f1[i] = u0 * u + u1 * v, u2 * u + u3 * v
            g0[i], g1[i] = u0 * m + u1 * n, u2 * m + u3 * n
        total += part
    return generators[e + 2].real * total


@inner
def _undo_real_near(p, q, f, g, width, u0, u1, u2, u3):
    part = p.dtype.type(0)
    if width == 1:
        for k in range(p.shape[0] // 2):
            a, b = 2 * k, 2 * k + 1
            x, y, j, h = p[a], p[b], q[a], q[b]
            u, v, m, n = f[a], f[b], g[a], g[b]
            part += v * x - u * y + n * j - m * h
            p[a], p[b] = u0 * x + u1 * y, u2 * x + u3 * y
            q[a], q[b] = u0 * j + u1 * h, u2 * j + u3 * h
            f[a], f[b] = u0 * u + u1 * v, u2 * u + u3 * v
            g[a], g[b] = u0 * m + u1 * n, u2 * m + u3 * n
    elif width == 2:
        for k in range(p.shape[0] // 4):
            for i in range(2):
                a, b = 4 * k + i, 4 * k + 2 + i
                x, y, j, h = p[a], p[b], q[a], q[b]
                u, v, m, n = f[a], f[b], g[a], g[b]
                part += v * x - u * y + n * j - m * h
                p[a], p[b] = u0 * x + u1 * y, u2 * x + u3 * y
                q[a], q[b] = u0 * j + u1 * h, u2 * j + u3 * h
                f[a], f[b] = u0 * u + u1 * v, u2 * u + u3 * v
                g[a], g[b] = u0 * m + u1 * n, u2 * m + u3 * n
    else:
        for k in range(p.shape[0] // 8):
            for i in range(4):
                a, b = 8 * k + i, 8 * k + 4 + i
                x, y, j, h = p[a], p[b], q[a], q[b]
                u, v, m, n = f[a], f[b], g[a], g[b]
                part += v * x - u * y + n * j - m * h
                p[a], p[b] = u0 * x + u1 * y, u2 * x + u3 * y
                q[a], q[b] = u0 * j + u1 * h, u2 * j + u3 * h
                f[a], f[b] = u0 * u + u1 * v, u2 * u + u3 * v
                g[a], g[b] = u0 * m + u1 * n, u2 * m + u3 * n
    return part


@inner
def undo_cross(p, q, f, g, amplitudes, count, steps, step, ure, uim, generators):
    """Undo a step with imaginary mixing; return the slope of its angle."""
    target, mask, value, run = steps[step, 3], steps[step, 4], steps[step, 5], steps[step, 6]
    e = steps[step, 7]
    u0, u1, u2, u3 = ure[e], -uim[e + 2], -uim[e + 1], ure[e + 3]
    width, far = run * count, target * count
    total = 0.0
    if width <= NEAR and target == run:
        stretch = stretch_of(amplitudes, mask)
        for a in range(0, amplitudes, stretch):
            if (a & mask) == value:
                begin, end = a * count, (a + stretch) * count
                total += _undo_cross_near(
                    p[begin:end], q[begin:end], f[begin:end], g[begin:end], width, u0, u1, u2, u3
                )
        return generators[e + 2].imag * total
    for a in range(0, amplitudes, run):
        if a & target or (a & mask) != value:
            continue
        begin = a * count
        end, other = begin + width, begin + far
        last = other + width
        p0, p1, q0, q1 = p[begin:end], p[other:last], q[begin:end], q[other:last]
        f0, f1, g0, g1 = f[begin:end], f[other:last], g[begin:end], g[other:last]
        part = p.dtype.type(0)
        for i in range(width):
            x, y, j, k = p0[i], p1[i], q0[i], q1[i]
            u, v, m, n = f0[i], f1[i], g0[i], g1[i]
            part += m * y - u * k + n * x - v * j
            p0[i], q0[i] = u0 * x - u1 * k, u0 * j + u1 * y
            p1[i], q1[i] = u3 * y - u2 * j, u3 * k + u2 * x
            f0[i], g0[i] = u0 * u - u1 * n, u0 * m + u1 * v
            f1[i], g1[i] = u3 * v - u2 * m, u3 * n + u2 * u
        total += part
    return generators[e + 2].imag * total


@inner
def _undo_cross_near(p, q, f, g, width, u0, u1, u2, u3):
    part = p.dtype.type(0)
    blocks = p.shape[0] // (2 * width)
    for i in range(width):
        for k in range(blocks):
            a = 2 * width * k + i
            b = a + width
            x, y, j, h = p[a], p[b], q[a], q[b]
            u, v, m, n = f[a], f[b], g[a], g[b]
            part += m * y - u * h + n * x - v * j
            p[a], q[a] = u0 * x - u1 * h, u0 * j + u1 * y
            p[b], q[b] = u3 * y - u2 * j, u3 * h + u2 * x
            f[a], g[a] = u0 * u - u1 * n, u0 * m + u1 * v
            f[b], g[b] = u3 * v - u2 * m, u3 * n + u2 * u
    return part


@inner
def undo_rows(slopes, p, q, f, g, amplitudes, count, steps, step, rre, rim, generators):
    """Undo a step of pairs that is real or mixes by imaginary numbers, of each row."""
    kind, target, mask, value = steps[step, 0], steps[step, 3], steps[step, 4], steps[step, 5]
    e, far = steps[step, 7], target * count
    c0, c3 = rre[:count], rre[3 * count : 4 * count]
    if kind == REAL:
        c1, c2 = rre[2 * count : 3 * count], rre[count : 2 * count]
        rate = generators[e + 2].real
    else:
        c1, c2 = rim[2 * count : 3 * count], rim[count : 2 * count]
        rate = generators[e + 2].imag
    for a in range(amplitudes):
        if a & target or (a & mask) != value:
            continue
        begin = a * count
        end, other = begin + count, begin + far
        last = other + count
        p0, p1, q0, q1 = p[begin:end], p[other:last], q[begin:end], q[other:last]
        f0, f1, g0, g1 = f[begin:end], f[other:last], g[begin:end], g[other:last]
        if kind == REAL:
            for r in range(count):
                slopes[r] += f1[r] * p0[r] - f0[r] * p1[r] + g1[r] * q0[r] - g0[r] * q1[r]
            _mix_back(p0, p1, c0, c1, c2, c3)
            _mix_back(q0, q1, c0, c1, c2, c3)
            _mix_back(f0, f1, c0, c1, c2, c3)
            _mix_back(g0, g1, c0, c1, c2, c3)
        else:
            for r in range(count):
                slopes[r] += g0[r] * p1[r] - f0[r] * q1[r] + g1[r] * p0[r] - f1[r] * q0[r]
            _cross_back(p0, q0, p1, q1, c0, c1, c2, c3)
            _cross_back(f0, g0, f1, g1, c0, c1, c2, c3)
    for r in range(count):
        slopes[r] *= rate


@inner
def _mix_back(x, y, u0, u1, u2, u3):
    for r in range(x.shape[0]):
        s, t = x[r], y[r]
        x[r], y[r] = u0[r] * s + u1[r] * t, u2[r] * s + u3[r] * t


@inner
def _cross_back(p0, q0, p1, q1, u0, u1, u2, u3):
    """Apply [[u0, -i u1], [-i u2, u3]]."""
    for r in range(p0.shape[0]):
        x, y, j, k = p0[r], p1[r], q0[r], q1[r]
        p0[r], q0[r] = u0[r] * x + u1[r] * k, u0[r] * j - u1[r] * y
        p1[r], q1[r] = u3[r] * y + u2[r] * j, u3[r] * k - u2[r] * x


@inner
def add_slopes(slopes, p, q, f, g, amplitudes, count, steps, step, places, generators):
    """Add for each row the real part of <cotangent| K |state>."""
    kind, target, mask, value = steps[step, 0], steps[step, 3], steps[step, 4], steps[step, 5]
    e, wires, place = steps[step, 7], steps[step, 8], steps[step, 9]
    side = 1 << wires
    used = target if kind != DENSE else place_of(side - 1, wires, places, place)
    for a in range(amplitudes):
        if a & used or (a & mask) != value:
            continue
        for row in range(side):
            for sub in range(side):
                k = generators[e + row * side + sub]
                if k == 0:
                    continue
                to = (a | place_of(row, wires, places, place)) * count
                origin = (a | place_of(sub, wires, places, place)) * count
                x, y = p[origin : origin + count], q[origin : origin + count]
                u, v = f[to : to + count], g[to : to + count]
                c, s = p.dtype.type(k.real), p.dtype.type(k.imag)
                for r in range(count):
                    slopes[r] += u[r] * (c * x[r] - s * y[r]) + v[r] * (c * y[r] + s * x[r])
