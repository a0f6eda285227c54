"""Special functions that ONNX lacks, in float64 inside: its rounding is far below float32's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hybridx.capture.graph.float64 import erfc, scaled_erfc

_SHIFTS = 10
"""Steps of a recurrence, after which an asymptotic series has 1e-15."""

# B(2k) / (2k (2k - 1)), of the series of log(gamma(x)): Abramowitz and Stegun, 6.1.41.
_STIRLING = (
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
)

# B(2k) / 2k, of the series of its derivative: ibid., 6.3.18.
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)

# Giles, Approximating the erfinv function (2011), table 5: powers of w - 2.5 and sqrt(w) - 3.
_ERFINV_CENTRE = (
    1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-06,
    -3.5233877e-06, 3.43273939e-07, 2.81022636e-08,
)  # fmt: skip
_ERFINV_TAIL = (
    2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844,
    0.00134934322, 0.000100950558, -0.000200214257,
)  # fmt: skip


def _in_double(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Any]:
    def computed(x: Tensor) -> Any:
        if x.is_complex():
            return NotImplemented
        dtype = x.dtype if x.dtype.is_floating_point else torch.get_default_dtype()
        return function(x.double()).to(dtype)

    return computed


@_in_double
def lgamma(x: Tensor) -> Tensor:
    """Return log|gamma(x)|: Stirling's series after a recurrence, below 1/2 the reflection."""
    z = torch.where(x < 0.5, 1 - x, x)
    product = z
    for step in range(1, _SHIFTS):
        product = product * (z + step)
    far = z + _SHIFTS
    series = _powers(1 / (far * far), _STIRLING) / far
    stirling = (far - 0.5) * torch.log(far) - far + 0.5 * math.log(2 * math.pi) + series
    positive = torch.where(z > 1e10, z * (torch.log(z) - 1), stirling - torch.log(product))
    reflected = math.log(math.pi) - torch.log(_sin_pi(x).abs()) - positive
    return torch.where(torch.isinf(x), math.inf, torch.where(x < 0.5, reflected, positive))


@_in_double
def digamma(x: Tensor) -> Tensor:
    """Return the derivative of log(gamma(x)), by a recurrence and a series."""
    z = torch.where(x < 0.5, 1 - x, x)
    steps = 1 / z
    for step in range(1, _SHIFTS):
        steps = steps + 1 / (z + step)
    far = z + _SHIFTS
    inverse = 1 / (far * far)
    positive = torch.log(far) - 0.5 / far - inverse * _powers(inverse, _DIGAMMA) - steps
    turned = x - torch.round(x)  # cot(pi x) has period 1
    cotangent = torch.cos(math.pi * turned) / torch.sin(math.pi * turned)
    below = torch.where(turned == 0, math.nan, positive - math.pi * cotangent)
    found = torch.where(x < 0.5, below, positive)
    return torch.where(x == 0, -1 / x, torch.where(torch.isinf(x) & (x > 0), x, found))


@_in_double
def erfinv(y: Tensor) -> Tensor:
    """Return the inverse of the error function; infinite at -1 and 1, NaN beyond."""
    return torch.sign(y) * _inverse_erfc(1 - y.abs())


@_in_double
def ndtri(p: Tensor) -> Tensor:
    """Return the inverse of the normal distribution function; NaN outside of [0, 1]."""
    tail = torch.where(p < 0.5, p, 1 - p)
    return math.sqrt(2) * torch.sign(p - 0.5) * _inverse_erfc(2 * tail)


@_in_double
def erfcx(x: Tensor) -> Tensor:
    """Return exp(x^2) erfc(x), whose factors would overflow and vanish."""
    positive = scaled_erfc(x.abs())
    return torch.where(x < 0, 2 * torch.exp(x * x) - positive, positive)


@_in_double
def log_ndtr(x: Tensor) -> Tensor:
    """Return the logarithm of the normal distribution function."""
    z = x.abs() / math.sqrt(2)
    scaled = scaled_erfc(z)
    below = torch.log(scaled / 2) - z * z
    above = torch.log1p(-scaled * torch.exp(-z * z) / 2)
    return torch.where(x < 0, below, above)


def mvlgamma(x: Tensor, p: int) -> Any:
    """Return the logarithm of the multivariate gamma function of dimension p."""
    if x.is_complex():
        return NotImplemented
    constant = p * (p - 1) / 4 * math.log(math.pi)
    total = lgamma(x)
    for step in range(1, p):
        total = total + lgamma(x - step / 2)
    return total + constant


def polygamma(n: int, x: Tensor) -> Any:
    """Return the n-th derivative of `digamma`, for n = 0."""
    return NotImplemented if n else digamma(x)


def _inverse_erfc(t: Tensor) -> Tensor:
    """Return the x of erfc(x) = t for t in [0, 1]: a polynomial, then two of Newton's steps."""
    w = -torch.log(t * (2 - t))
    x = (1 - t) * torch.where(
        w < 5, _powers(w - 2.5, _ERFINV_CENTRE), _powers(torch.sqrt(w) - 3, _ERFINV_TAIL)
    )
    for _ in range(2):
        x = x + (erfc(x) - t) * (math.sqrt(math.pi) / 2) * torch.exp(x * x)
    return torch.where(t == 0, math.inf, x)


def _sin_pi(x: Tensor) -> Tensor:
    """Return sin(pi x), exactly 0 at integers."""
    turned = x - 2 * torch.round(x / 2)
    return torch.where(turned.abs() == 1, 0.0, torch.sin(math.pi * turned))


def _powers(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Return the sum of the coefficients times x^0, x^1 and so on."""
    *lower, second, last = coefficients
    result = x * last + second
    for coefficient in reversed(lower):
        result = result * x + coefficient
    return result
