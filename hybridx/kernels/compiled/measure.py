"""What is measured of a final state, and the cotangent of that state."""

from __future__ import annotations

from hybridx.kernels.compiled.jit import inner
from hybridx.kernels.compiled.phases import sums


@inner
def _sign(number):
    """Return 1 or -1: the parity of the bits of a number."""
    number ^= number >> 16
    number ^= number >> 8
    number ^= number >> 4
    number ^= number >> 2
    number ^= number >> 1
    return 1 - 2 * (number & 1)


@inner
def measure(
    out, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients, probabilities,
    states,
):  # fmt: skip
    """Write the results of some rows."""
    if diagonal_words.shape[0] or probabilities.shape[0]:
        for i in range(amplitudes * count):
            t[i] = p[i] * p[i] + q[i] * q[i]
    for one in range(probabilities.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                out[first + r, probabilities[one, a]] += t[a * count + r]
    if diagonal_words.shape[0]:
        sums(t, amplitudes, count)
        for word in range(diagonal_words.shape[0]):
            column, place = diagonal_words[word, 0], diagonal_words[word, 1] * count
            for r in range(count):
                out[first + r, column] += coefficients[word] * t[place + r]
    for word in range(words.shape[0]):
        column, x, z = words[word, 0], words[word, 1], words[word, 2]
        turns, coefficient = words[word, 3] % 4, coefficients[diagonal_words.shape[0] + word]
        # i**turns times the other amplitude: its real part for an even number of turns.
        kind, half = turns % 2, 1 - 2 * (turns // 2)
        total = t[:count]
        for r in range(count):
            total[r] = 0
        for a in range(amplitudes):
            sign = p.dtype.type(half * coefficient * _sign(z & (a ^ x)))
            here, there = a * count, (a ^ x) * count
            j, k = p[here : here + count], q[here : here + count]
            m, n = p[there : there + count], q[there : there + count]
            if kind == 0:
                for r in range(count):
                    total[r] += sign * (j[r] * m[r] + k[r] * n[r])
            else:
                for r in range(count):
                    total[r] += sign * (k[r] * m[r] - j[r] * n[r])
        for r in range(count):
            out[first + r, column] += total[r]
    for one in range(states.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                out[first + r, states[one] + a] = p[a * count + r]
                out[first + r, states[one] + amplitudes + a] = q[a * count + r]


@inner
def observe(
    f, g, p, q, t, amplitudes, count, first, diagonal_words, words, coefficients, probabilities,
    states, cotangent,
):  # fmt: skip
    """Write the cotangent of the final state."""
    length = amplitudes * count
    for i in range(length):
        t[i] = 0
    if diagonal_words.shape[0]:
        for word in range(diagonal_words.shape[0]):
            column, place = diagonal_words[word, 0], diagonal_words[word, 1] * count
            for r in range(count):
                t[place + r] += coefficients[word] * cotangent[first + r, column]
        sums(t, amplitudes, count)
    for one in range(probabilities.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                t[a * count + r] += cotangent[first + r, probabilities[one, a]]
    for i in range(length):
        f[i], g[i] = 2 * t[i] * p[i], 2 * t[i] * q[i]
    for word in range(words.shape[0]):
        column, x, z = words[word, 0], words[word, 1], words[word, 2]
        turns, coefficient = words[word, 3] % 4, coefficients[diagonal_words.shape[0] + word]
        kind, half = turns % 2, 1 - 2 * (turns // 2)
        given = t[:count]
        for r in range(count):
            given[r] = cotangent[first + r, column]
        for a in range(amplitudes):
            sign = p.dtype.type(2 * half * coefficient * _sign(z & (a ^ x)))
            here, there = a * count, (a ^ x) * count
            u, v = f[here : here + count], g[here : here + count]
            m, n = p[there : there + count], q[there : there + count]
            if kind == 0:
                for r in range(count):
                    u[r] += sign * given[r] * m[r]
                    v[r] += sign * given[r] * n[r]
            else:
                for r in range(count):
                    u[r] -= sign * given[r] * n[r]
                    v[r] += sign * given[r] * m[r]
    for one in range(states.shape[0]):
        for a in range(amplitudes):
            for r in range(count):
                f[a * count + r] += cotangent[first + r, states[one] + a]
                g[a * count + r] += cotangent[first + r, states[one] + amplitudes + a]
