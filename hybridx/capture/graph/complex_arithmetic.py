"""Complex numbers as pairs of real tensors: their arithmetic, formula by formula."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hybridx.capture.graph.matrix_functions import real_matrix_exp

Real: TypeAlias = Any
"""A real tensor, a real number, or None for zero everywhere."""


@dataclass(frozen=True)
class Complex:
    """The tensor `real + i imaginary`; both parts have its shape, and at least one is not None.

    Attributes:
        real: None if it is zero everywhere.
        imaginary: None if it is zero everywhere.
    """

    real: Tensor | None
    imaginary: Tensor | None

    @property
    def some_part(self) -> Tensor:
        """A part that is not None, to read shape, dtype and device from."""
        part = self.imaginary if self.real is None else self.real
        assert part is not None
        return part

    def filled(self) -> tuple[Tensor, Tensor]:
        """Return both parts, with a tensor of zeros in place of None."""
        return (
            torch.zeros_like(self.some_part) if self.real is None else self.real,
            torch.zeros_like(self.some_part) if self.imaginary is None else self.imaginary,
        )


def pair(real: Real, imaginary: Real) -> Complex:
    """Return the complex tensor of two parts, broadcast to one shape."""
    if real is not None and imaginary is not None and real.shape != imaginary.shape:
        real, imaginary = torch.broadcast_tensors(real, imaginary)
    return Complex(real, imaginary)


def parts(value: Any) -> tuple[Real, Real]:
    """Return the real and the imaginary part of a tensor or a number of either kind."""
    if isinstance(value, Complex):
        return value.real, value.imaginary
    if isinstance(value, complex):
        return (value.real or None, value.imag) if value.imag else (value.real, None)
    return value, None


# --- parts; None stands for zero -----------------------------------------------------------------


def plus(left: Real, right: Real) -> Real:
    """Return the sum."""
    if left is None or right is None:
        return right if left is None else left
    return left + right


def minus(left: Real, right: Real) -> Real:
    """Return the difference."""
    if right is None:
        return left
    return -right if left is None else left - right


def times(left: Real, right: Real) -> Real:
    """Return the product."""
    if left is None or right is None:
        return None
    if isinstance(left, int | float) and left == 1:
        return right
    if isinstance(right, int | float) and right == 1:
        return left
    return left * right


# --- arithmetic ----------------------------------------------------------------------------------


def product(left: Any, right: Any, multiply: Any = times) -> Complex:
    """Return the product; `multiply` multiplies two real parts, as matmul does for example."""

    def of(a: Real, b: Real) -> Real:
        return None if a is None or b is None else multiply(a, b)

    (a, b), (c, d) = parts(left), parts(right)
    return pair(minus(of(a, c), of(b, d)), plus(of(a, d), of(b, c)))


def total(left: Any, right: Any) -> Complex:
    """Return the sum."""
    (a, b), (c, d) = parts(left), parts(right)
    return pair(plus(a, c), plus(b, d))


def negative(z: Any) -> Complex:
    """Return -z."""
    return Complex(*(None if part is None else -part for part in parts(z)))


def conjugate(z: Any) -> Complex:
    """Return the complex conjugate."""
    real, imaginary = parts(z)
    return Complex(real, None if imaginary is None else -imaginary)


def squared_modulus(z: Any) -> Tensor:
    """Return |z|^2."""
    real, imaginary = parts(z)
    result: Tensor = plus(times(real, real), times(imaginary, imaginary))
    return result


def modulus(z: Any) -> Tensor:
    """Return |z|."""
    real, imaginary = parts(z)
    if real is None or imaginary is None:
        return torch.abs(imaginary if real is None else real)
    return torch.sqrt(squared_modulus(z))


def quotient(left: Any, right: Any) -> Complex:
    """Return left / right."""
    real, imaginary = parts(right)
    if isinstance(right, complex):
        return product(left, 1 / right)
    if imaginary is None:
        return Complex(*(None if part is None else part / real for part in parts(left)))
    over = product(left, conjugate(right))
    length = squared_modulus(right)
    return pair(*(None if part is None else part / length for part in parts(over)))


def angle(z: Complex) -> Tensor:
    """Return the argument in (-pi, pi]; that of 0 is 0.

    2 atan(y / (r + x)), or 2 atan((r - x) / y) left of the imaginary axis: no cancellation, and
    no arc tangent of two arguments, which ONNX lacks.
    """
    if z.imaginary is None:
        assert z.real is not None
        return (z.real < 0).to(z.real.dtype) * math.pi
    x, y = z.filled()
    r = modulus(z)
    is_left = x < 0
    below = torch.where(is_left, y, r + x)
    below = torch.where(r == 0, torch.ones_like(r), below)
    return 2 * torch.atan(torch.where(is_left, r - x, y) / below)


def exp(z: Any) -> Complex:
    """Return e^x (cos y + i sin y)."""
    real, imaginary = parts(z)
    scale: Real = 1 if real is None else torch.exp(real)
    if imaginary is None:
        return Complex(scale, None)
    return pair(times(scale, torch.cos(imaginary)), times(scale, torch.sin(imaginary)))


def log(z: Complex) -> Complex:
    """Return log |z| + i arg z."""
    return pair(torch.log(modulus(z)), angle(z))


def sqrt(z: Complex) -> Complex:
    """Return the root with a real part of 0 or more.

    With t = sqrt((|z| + |x|) / 2) and u = y / 2t it is t + iu, or |u| + i sign(y) t if x < 0.
    """
    x, y = z.filled()
    t = torch.sqrt((modulus(z) + torch.abs(x)) / 2)
    u = y / torch.where(t == 0, torch.ones_like(t), 2 * t)
    is_left = x < 0
    return pair(
        torch.where(is_left, torch.abs(u), t),
        torch.where(is_left, torch.where(y < 0, -t, t), u),
    )


def power(base: Any, exponent: Any) -> Complex:
    """Return base^exponent: whole numbers by products, anything else as exp(exponent log base)."""
    if isinstance(exponent, float) and exponent.is_integer():
        exponent = int(exponent)
    if isinstance(exponent, int):
        return _whole_power(base, exponent)
    if exponent == 0.5:
        return sqrt(base)
    if isinstance(base, int | float) and base > 0:
        return exp(product(exponent, math.log(base)))
    if isinstance(base, Tensor):
        base = Complex(base, None)
    return exp(product(exponent, log(base)))


def _whole_power(base: Any, exponent: int) -> Complex:
    if exponent < 0:
        return quotient(1.0, _whole_power(base, -exponent))
    if exponent == 0:
        return Complex(torch.ones_like(base.some_part), None)
    half = _whole_power(base, exponent // 2) if exponent > 1 else None
    square = base if half is None else product(half, half)
    return product(square, base) if half is not None and exponent % 2 else square


def sgn(z: Any) -> Complex:
    """Return z / |z|; that of 0 is 0."""
    length = modulus(z)
    return quotient(z, torch.where(length == 0, torch.ones_like(length), length))


def cosh(z: Any) -> Complex:
    """Return (e^z + e^-z) / 2."""
    return product(total(exp(z), exp(negative(z))), 0.5)


def sinh(z: Any) -> Complex:
    """Return (e^z - e^-z) / 2."""
    return product(total(exp(z), negative(exp(negative(z)))), 0.5)


def cos(z: Any) -> Complex:
    """Return cosh(iz)."""
    return cosh(product(z, 1j))


def sin(z: Any) -> Complex:
    """Return -i sinh(iz)."""
    return product(sinh(product(z, 1j)), -1j)


def matrix_exp(A: Complex) -> Complex:
    """Return the exponential of square matrices, as that of the real [[Re, -Im], [Im, Re]]."""
    real, imaginary = A.filled()
    if A.imaginary is None:
        return Complex(real_matrix_exp(real), None)
    size = real.shape[-1]
    upper = torch.cat([real, -imaginary], -1)
    lower = torch.cat([imaginary, real], -1)
    left = real_matrix_exp(torch.cat([upper, lower], -2))[..., :size]
    return pair(left[..., :size, :], left[..., size:, :])
