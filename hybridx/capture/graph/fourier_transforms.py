"""Discrete Fourier transforms as products of real matrices.

    X_k = sum_j x_j exp(-2 pi i j k / n)       forward; backward with the other sign

A transform of fixed length n is a product with a constant matrix. For long composite n = a b it is
done in two steps, of lengths a and b with a phase between them (Cooley and Tukey, 1965). Where the
length is not known before the file runs, the graph computes the matrix.

ONNX's DFT is not used. On one core it took longer than a product with one matrix in nearly every
case up to n = 1024, much longer where n is no power of two. It was faster at batch 1 for n = 512
and 1024, and at n = 2048, which the two steps are for. Where n is no power of two it is a hundred
times less accurate (1e-4 of the largest value at n = 1000, where the products have 4e-7).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridx.capture.graph.complex_arithmetic import Complex, pair, parts, product
from hybridx.capture.torch_internals import untraced

_LONG = 128
"""Above this length a transform is done in two steps, if its length is a product."""

_NORMS = {0: 0.0, 1: -0.5, 2: -1.0}
"""By torch's number of a norm, the power of the length that multiplies a transform."""


def transform(z: Any, axes: Sequence[int], norm: int, *, forward: bool) -> Complex:
    """Return the transform of complex numbers along some axes: torch's `_fft_c2c`."""
    for axis in axes:
        z = _along(z, axis, -1 if forward else 1)
    return _normalised(z, [_length(z, axis) for axis in axes], norm)


def transform_real(x: Tensor, axes: Sequence[int], norm: int, *, onesided: bool) -> Complex:
    """Return the transform of real numbers, all or half of the last axis: torch's `_fft_r2c`."""
    *others, last = axes
    lengths = [x.shape[axis] for axis in axes]
    z = _of_real(x.movedim(last, -1), onesided=onesided)
    z = Complex(*(None if part is None else part.movedim(-1, last) for part in parts(z)))
    for axis in others:
        z = _along(z, axis, -1)
    return _normalised(z, lengths, norm)


def _of_real(x: Tensor, *, onesided: bool) -> Complex:
    """Return the transform of real numbers along the last axis, all of it or the first half."""
    length, dtype = x.shape[-1], x.dtype
    kept, paired = length // 2 + 1, (length - 1) // 2
    split = _split(length)
    if split is not None:
        real, imaginary = _in_two_steps(Complex(x, None), *split, -1).filled()
        real, imaginary = real[..., :kept], imaginary[..., 1 : paired + 1]
    else:
        turns = _matrix(length, kept, length, -1, dtype).filled()
        real, imaginary = x @ turns[0], x @ turns[1][:, 1 : paired + 1]
    # The other imaginary parts are 0 and not -0 or 1e-8: the angle of a negative number is pi.
    imaginary = nn.functional.pad(imaginary, (1, kept - 1 - paired))
    if not onesided:
        mirrored = [part[..., 1 : paired + 1].flip(-1) for part in (real, imaginary)]
        real = torch.cat([real, mirrored[0]], -1)
        imaginary = torch.cat([imaginary, -mirrored[1]], -1)
    return Complex(real, imaginary)


def transform_to_real(z: Any, axes: Sequence[int], norm: int, length: Any) -> Tensor:
    """Return real numbers from the half of their spectrum: torch's `_fft_c2r`.

    Args:
        z: the spectrum; of the last of the axes it has the first `length // 2 + 1` elements.
        axes: those to transform.
        norm: torch's number of it.
        length: of the result along the last of the axes.
    """
    *others, last = axes
    lengths = [*(_length(z, axis) for axis in others), length]
    for axis in others:
        z = _along(z, axis, 1)
    real, imaginary = (None if p is None else p.movedim(last, -1) for p in parts(z))
    dtype = (imaginary if real is None else real).dtype  # type: ignore[union-attr]
    rows, columns = length // 2 + 1, length
    # Every frequency but 0 and, for an even length, the last stands for itself and its conjugate.
    turns = _matrix(rows, columns, length, 1, dtype, is_half=True)
    result: Any = None
    for part, of_turn, sign in ((real, turns.real, 1), (imaginary, turns.imaginary, -1)):
        if part is not None and of_turn is not None:
            term = part @ of_turn
            term = term if sign == 1 else -term
            result = term if result is None else result + term
    moved: Tensor = result.movedim(-1, last)
    return moved * factor if (factor := _factor(lengths, norm, dtype)) is not None else moved


def _length(z: Any, axis: int) -> Any:
    return next(part for part in parts(z) if part is not None).shape[axis]


def _along(z: Any, axis: int, sign: int) -> Complex:
    """Return the transform along one axis, without a norm."""
    moved = Complex(*(None if part is None else part.movedim(axis, -1) for part in parts(z)))
    length, dtype = moved.some_part.shape[-1], moved.some_part.dtype
    split = _split(length)
    if split is not None:
        done = _in_two_steps(moved, *split, sign)
    else:
        done = product(moved, _matrix(length, length, length, sign, dtype), torch.matmul)
    return Complex(*(None if part is None else part.movedim(-1, axis) for part in parts(done)))


def _split(length: Any) -> tuple[int, int] | None:
    """Return two factors of a long length that are as alike as they can be, or None."""
    if not isinstance(length, int) or length <= _LONG:
        return None
    small = next(d for d in range(math.isqrt(length), 0, -1) if length % d == 0)
    return (small, length // small) if small > 1 else None


def _in_two_steps(z: Complex, a: int, b: int, sign: int) -> Complex:
    """Return the transform of length a b along the last axis.

    With j = b u + v and k = q + a p: sum over u in a transform of length a to q, then the phase
    exp(+-2 pi i v q / n), then sum over v in a transform of length b to p.
    """
    dtype = z.some_part.dtype
    grid = Complex(*(None if p is None else p.unflatten(-1, (a, b)) for p in parts(z)))
    inner = _along(grid, -2, sign)  # (…, q, v)
    phases = _matrix(a, b, a * b, sign, dtype)
    outer = _along(product(inner, phases), -1, sign)  # (…, q, p)
    return Complex(*(None if p is None else p.transpose(-1, -2).flatten(-2) for p in parts(outer)))


def _matrix(
    rows: Any, columns: Any, length: Any, sign: int, dtype: torch.dtype, *, is_half: bool = False
) -> Complex:
    """Return exp(sign 2 pi i j k / length) for j below `rows` and k below `columns`.

    With `is_half` a row that stands for j and length - j alike is doubled.
    """
    if all(isinstance(one, int) for one in (rows, columns, length)):
        return Complex(*_constant_matrix(rows, columns, length, sign, dtype, is_half))
    # Whole numbers first: their remainder is exact, and small angles have small errors.
    whole = torch.arange(rows)[:, None] * torch.arange(columns)[None, :] % length
    angles = whole.to(dtype) * (2 * math.pi) / length
    row = torch.arange(rows)[:, None]
    weight = 2 - ((row == 0) | (2 * row == length)).to(dtype) if is_half else 1
    return pair(weight * torch.cos(angles), weight * sign * torch.sin(angles))


@functools.lru_cache(maxsize=64)
def _constant_matrix(
    rows: int, columns: int, length: int, sign: int, dtype: torch.dtype, is_half: bool
) -> tuple[Tensor, Tensor]:
    turns = np.outer(np.arange(rows), np.arange(columns)) % length * (2 * np.pi / length)
    row = np.arange(rows)[:, None]
    weight = np.where((row == 0) | (2 * row == length), 1, 2) if is_half else 1
    both = [weight * np.cos(turns), weight * sign * np.sin(turns)]
    with untraced():
        # Quarter turns have an exact 0: the rounding of pi gives 1e-16 there.
        real, imaginary = (
            torch.tensor(np.where(np.abs(part) < 1e-12, 0.0, part), dtype=dtype) for part in both
        )
    return real, imaginary


def _normalised(z: Complex, lengths: Sequence[Any], norm: int) -> Complex:
    factor = _factor(lengths, norm, z.some_part.dtype)
    return z if factor is None else product(z, factor)


def _factor(lengths: Sequence[Any], norm: int, dtype: torch.dtype) -> Any:
    """Return what multiplies a transform of these lengths, or None for 1."""
    power = _NORMS[norm]
    count = math.prod(lengths)
    if power == 0 or (isinstance(count, int) and count == 1):
        return None
    if isinstance(count, int):
        return float(count) ** power
    return torch.scalar_tensor(count, dtype=dtype) ** power
