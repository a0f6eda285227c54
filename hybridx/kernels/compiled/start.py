"""The first state: |0...0>, given amplitudes, or a product of states of single wires."""

from __future__ import annotations

import numpy as np

from hybridx.kernels.compiled.gates import row_matrices, same_matrices
from hybridx.kernels.compiled.jit import BACK, FORWARD, ROW, SHARED, inner, thin
from hybridx.kernels.compiled.phases import circle


@inner
def begin(p, q, amplitudes, count, start, numbers, data, shared, first):
    """Write |0...0>, or the amplitudes that are given."""
    for i in range(amplitudes * count):
        p[i] = q[i] = 0
    if start.shape[0] == 0:
        for r in range(count):
            p[r] = 1
        return
    for entry in range(start.shape[0]):
        place = start[entry, 0] * count
        for row in range(count):
            p[place + row] = _entry(start, numbers, data, shared, entry, np.int64(0), first + row)
            q[place + row] = _entry(start, numbers, data, shared, entry, np.int64(1), first + row)


@inner
def _entry(start, numbers, data, shared, entry, part, row):
    source, column = start[entry, 1 + 2 * part], start[entry, 2 + 2 * part]
    scale, offset = numbers[entry, 2 * part], numbers[entry, 2 * part + 1]
    if source == ROW:
        return scale * data[row, column] + offset
    if source == SHARED:
        return scale * shared[column] + offset
    return offset


@inner
def end(f, g, of_data, of_shared, count, start, numbers, first):
    """Add the gradients of the amplitudes that are given."""
    for entry in range(start.shape[0]):
        for part in range(2):
            source, column = start[entry, 1 + 2 * part], start[entry, 2 + 2 * part]
            scale, place = numbers[entry, 2 * part], start[entry, 0] * count
            for r in range(count):
                slope = scale * (f[place + r] if part == 0 else g[place + r])
                if source == ROW:
                    of_data[first + r, column] += slope
                elif source == SHARED:
                    of_shared[column] += slope


@thin
def load(
    rre, rim, steps, angles, terms, step, data, first, count, ure, uim, turns, cosines, sines
):  # fmt: skip
    """Write the matrix of a step for each of several rows."""
    if steps[step, 1] == ROW and count > 1:
        scale, offset, rate = angles[step, 0], angles[step, 1], angles[step, 2]
        for r in range(count):
            turns[r] = rate * (scale * data[first + r, steps[step, 2]] + offset)
        circle(turns[:count], cosines, sines)
        row_matrices(rre, rim, steps, terms, step, count, cosines, sines)
    else:
        same_matrices(rre, rim, steps, step, count, ure, uim)


@inner
def _turned(vre, vim, base, count, rre, rim, way):
    """Apply a matrix, or its adjoint if `way` is BACK, to the state of one wire."""
    for r in range(count):
        x, y = vre[base + r], vim[base + r]
        u, v = vre[base + count + r], vim[base + count + r]
        r0, r1, r2, r3 = rre[r], rre[count + r], rre[2 * count + r], rre[3 * count + r]
        i0, i1, i2, i3 = rim[r], rim[count + r], rim[2 * count + r], rim[3 * count + r]
        if way == BACK:
            r1, r2, i0, i1, i2, i3 = r2, r1, -i0, -i2, -i1, -i3
        vre[base + r] = r0 * x - i0 * y + r1 * u - i1 * v
        vim[base + r] = r0 * y + i0 * x + r1 * v + i1 * u
        vre[base + count + r] = r2 * x - i2 * y + r3 * u - i3 * v
        vim[base + count + r] = r2 * y + i2 * x + r3 * v + i3 * u


@thin
def factors(
    vre, vim, wires, product, steps, angles, terms, data, first, count, ure, uim, rre, rim, turns,
    cosines, sines,
):  # fmt: skip
    """Write the state of each wire, `(wire, 2, count)`, after the first `product` steps."""
    for i in range(2 * wires * count):
        vre[i], vim[i] = 1 - i // count % 2, 0
    for step in range(product):
        load(
            rre, rim, steps, angles, terms, step, data, first, count, ure, uim, turns, cosines,
            sines,
        )  # fmt: skip
        _turned(vre, vim, 2 * steps[step, 9] * count, count, rre, rim, np.int64(FORWARD))


@inner
def multiply(p, q, wires, count, vre, vim, levels):
    """Write the product of the states of the wires, the last wire in the lowest bit.

    With `levels`, write instead at each 2**k the product of the last k wires, for all k < wires.
    """
    place = count if levels else 0
    for r in range(place, place + count):
        p[r], q[r] = 1, 0
    for k in range(wires - 1 if levels else wires):
        size = count << k
        base = 2 * (wires - 1 - k) * count
        source = size if levels else 0
        goal = 2 * size if levels else 0
        x, y = p[source : source + size], q[source : source + size]
        # The upper half first: where both are in one place, the lower half is the source.
        for b in range(1, -1, -1):
            at = base + b * count
            begin = goal + b * size
            u, v = p[begin : begin + size], q[begin : begin + size]
            if count == 1:
                one, other = vre[at], vim[at]
                for i in range(size):
                    j, h = x[i], y[i]
                    u[i], v[i] = one * j - other * h, one * h + other * j
                continue
            c, s = vre[at : at + count], vim[at : at + count]
            for a in range(0, size, count):
                xx, yy = x[a : a + count], y[a : a + count]
                uu, vv = u[a : a + count], v[a : a + count]
                for r in range(count):
                    j, h = xx[r], yy[r]
                    uu[r], vv[r] = c[r] * j - s[r] * h, c[r] * h + s[r] * j


@inner
def _contract(f, g, p, q, wires, count, vre, vim, wre, wim):
    """Write the cotangent of the state of each wire; `p` and `q` hold the levels."""
    for i in range(2 * wires * count):
        wre[i] = wim[i] = 0
    for k in range(wires - 1, -1, -1):
        size = count << k
        base = 2 * (wires - 1 - k) * count
        x, y = p[size : 2 * size], q[size : 2 * size]
        f0, g0, f1, g1 = f[:size], g[:size], f[size : 2 * size], g[size : 2 * size]
        for b in range(2):
            at = base + b * count
            _overlap(
                x,
                y,
                f[b * size : (b + 1) * size],
                g[b * size : (b + 1) * size],
                count,
                wre[at : at + count],
                wim[at : at + count],
            )
        other = base + count
        if count == 1:
            r0, i0, r1, i1 = vre[base], vim[base], vre[other], vim[other]
            for i in range(size):
                j, h, m, n = f0[i], g0[i], f1[i], g1[i]
                f0[i] = r0 * j + i0 * h + r1 * m + i1 * n
                g0[i] = r0 * h - i0 * j + r1 * n - i1 * m
            continue
        c0, s0 = vre[base:other], vim[base:other]
        c1, s1 = vre[other : other + count], vim[other : other + count]
        for at in range(0, size, count):
            ff, gg = f0[at : at + count], g0[at : at + count]
            hh, kk = f1[at : at + count], g1[at : at + count]
            for r in range(count):
                j, h, m, n = ff[r], gg[r], hh[r], kk[r]
                ff[r] = c0[r] * j + s0[r] * h + c1[r] * m + s1[r] * n
                gg[r] = c0[r] * h - s0[r] * j + c1[r] * n - s1[r] * m


@inner
def _overlap(x, y, f, g, count, real, imaginary):
    """Add for each row the inner product of a state and a cotangent."""
    if count == 1:
        a = b = x.dtype.type(0)
        for i in range(x.shape[0]):
            a += x[i] * f[i] + y[i] * g[i]
            b += x[i] * g[i] - y[i] * f[i]
        real[0] += a
        imaginary[0] += b
        return
    for at in range(0, x.shape[0], count):
        xx, yy = x[at : at + count], y[at : at + count]
        ff, gg = f[at : at + count], g[at : at + count]
        for r in range(count):
            real[r] += xx[r] * ff[r] + yy[r] * gg[r]
            imaginary[r] += xx[r] * gg[r] - yy[r] * ff[r]


@thin
def undo_product(
    f, g, p, q, of_data, of_shared, wires, product, steps, angles, terms, generators, data, first,
    count, ure, uim, rre, rim, turns, cosines, sines, vre, vim, wre, wim,
):  # fmt: skip
    """Add the gradients of the first `product` steps; states and cotangents are used up."""
    factors(
        vre, vim, wires, product, steps, angles, terms, data, first, count, ure, uim, rre, rim,
        turns, cosines, sines,
    )  # fmt: skip
    if wires:
        multiply(p, q, wires, count, vre, vim, np.int64(1))
    _contract(f, g, p, q, wires, count, vre, vim, wre, wim)
    for step in range(product - 1, -1, -1):
        source, column, e = steps[step, 1], steps[step, 2], steps[step, 7]
        base = 2 * steps[step, 9] * count
        for r in range(count if source else 0):
            x, y = vre[base + r], vim[base + r]
            u, v = vre[base + count + r], vim[base + count + r]
            slope = 0.0
            for row in range(2):
                k, h = generators[e + 2 * row], generators[e + 2 * row + 1]
                a = k.real * x - k.imag * y + h.real * u - h.imag * v
                b = k.real * y + k.imag * x + h.real * v + h.imag * u
                slope += wre[base + row * count + r] * a + wim[base + row * count + r] * b
            if source == ROW:
                of_data[first + r, column] += angles[step, 0] * slope
            else:
                of_shared[column] += angles[step, 0] * slope
        load(
            rre, rim, steps, angles, terms, step, data, first, count, ure, uim, turns, cosines,
            sines,
        )  # fmt: skip
        _turned(vre, vim, base, count, rre, rim, np.int64(BACK))
        _turned(wre, wim, base, count, rre, rim, np.int64(BACK))
