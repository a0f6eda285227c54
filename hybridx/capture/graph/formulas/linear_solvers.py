"""Solves, inverses, determinants and eigenvalues of small matrices, unrolled.

ONNX has Det and nothing else of these. The number of steps depends on the size alone, so that the
graph is the same for every input. What a singular matrix makes infinite or NaN here raises in
torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MOST_ROWS = 32
"""Larger matrices are refused: a solve has some 15 operations for each row."""

MOST_EIGENVALUES = 16
"""Larger matrices are refused: their eigenvalues take some 100 operations for each row."""


def is_small(A: Tensor, most: int = MOST_ROWS) -> bool:
    """Return whether a matrix has a fixed size of at most so many rows and columns."""
    return all(isinstance(length, int) and length <= most for length in A.shape[-2:])


def solve(A: Tensor, B: Tensor) -> Tensor:
    """Return X with A X = B, shapes `(…, n, n)` and `(…, n, m)`, also complex.

    Gauss-Jordan elimination with partial pivoting. Source: Golub, Van Loan, Matrix Computations
    (2013), section 3.4.
    """
    if A.is_complex() or B.is_complex():
        both = solve(_real_form(A), _real_column(B))
        n = A.shape[-1]
        return torch.complex(both[..., :n, :], both[..., n:, :])
    return _eliminated(A, B)[0]


def inverse(A: Tensor) -> Tensor:
    """Return the inverse of square matrices, also complex ones."""
    n = A.shape[-1]
    identity = torch.eye(n, dtype=A.dtype, device=A.device)
    return solve(A, identity + torch.zeros_like(A))


def determinant(A: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pivots of real matrices, shape `(…, n)`, and the sign that goes with them.

    The determinant is the product of both.
    """
    _, pivots, sign = _eliminated(A, A[..., :1])
    return pivots, sign


def _eliminated(A: Tensor, B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the solution, the pivots and the sign of the permutation of rows."""
    n = A.shape[-1]
    # Sums with zeros, because the lengths of `expand` would be fixed in a graph.
    M = torch.cat([A + torch.zeros_like(B[..., :1]), B + torch.zeros_like(A[..., :1])], -1)
    rows = torch.arange(n, device=A.device)
    pivots = []
    sign = torch.ones_like(M[..., 0, 0])
    for k in range(n):
        best = M[..., k:, k].abs().argmax(-1, keepdim=True) + k  # (…, 1)
        here = rows == k
        there = (rows == best).unsqueeze(-1)  # (…, n, 1)
        row = M[..., k : k + 1, :]
        chosen = torch.where(there, M, torch.zeros_like(M)).sum(-2, keepdim=True)
        sign = torch.where(best[..., 0] == k, sign, -sign)
        pivots.append(chosen[..., 0, k])
        M = torch.where(there, row, M)
        chosen = chosen / chosen[..., k : k + 1]
        M = torch.where(here.unsqueeze(-1), chosen, M - M[..., k : k + 1] * chosen)
    return M[..., n:], torch.stack(pivots, -1), sign


def _real_form(A: Tensor) -> Tensor:
    """Return [[Re, -Im], [Im, Re]], shape `(…, 2n, 2n)`."""
    real, imaginary = _both(A)
    upper = torch.cat([real, -imaginary], -1)
    return torch.cat([upper, torch.cat([imaginary, real], -1)], -2)


def _real_column(B: Tensor) -> Tensor:
    return torch.cat(_both(B), -2)


def _both(A: Tensor) -> tuple[Tensor, Tensor]:
    return (A.real, A.imag) if A.is_complex() else (A, torch.zeros_like(A))


def cholesky(A: Tensor) -> Tensor:
    """Return the lower triangular L with L L^T = A, for real positive definite matrices."""
    n = A.shape[-1]
    columns: list[Tensor] = []
    for k in range(n):
        column = A[..., :, k]
        for earlier in columns:
            column = column - earlier * earlier[..., k : k + 1]
        column = column / torch.sqrt(column[..., k : k + 1])
        columns.append(torch.where(torch.arange(n) < k, torch.zeros_like(column), column))
    return torch.stack(columns, -1)


def qr(A: Tensor) -> tuple[Tensor, Tensor]:
    """Return Q, `(…, m, m)`, and R, `(…, m, n)`, of real matrices, with the signs of LAPACK.

    Householder reflections; each diagonal element of R has the sign that is opposite to that of the
    element it replaces, but in the last row. Source: Golub, Van Loan (2013), section 5.2.
    """
    m, n = A.shape[-2:]
    identity = torch.eye(m, dtype=A.dtype, device=A.device)
    Q, R = identity + torch.zeros_like(A[..., :1, :1]), A
    for k in range(min(m - 1, n)):
        column = torch.where(torch.arange(m) < k, torch.zeros_like(R[..., :, k]), R[..., :, k])
        length = torch.sqrt((column * column).sum(-1, keepdim=True))
        head = column[..., k : k + 1]
        normal = column + torch.where(head < 0, -length, length) * identity[k]
        square = (normal * normal).sum(-1, keepdim=True)
        normal = normal / torch.sqrt(torch.where(square == 0, torch.ones_like(square), square))
        across = normal.unsqueeze(-1)
        R = R - 2 * across @ (across.mT @ R)
        Q = Q - 2 * (Q @ across) @ across.mT
    return Q, R.triu()


def eigenvalues(A: Tensor) -> Tensor:
    """Return the eigenvalues of Hermitian matrices in ascending order, real, shape `(…, n)`.

    Jacobi's method: a round rotates row and column i with i + n/2, then the rows and columns move
    on like the players of a tournament, so that in n - 1 rounds every two have met. A complex
    matrix is done in its real form, which has each eigenvalue twice. Source: Golub, Van Loan,
    Matrix Computations (2013), section 8.5.
    """
    if A.is_complex():
        return eigenvalues(_real_form(A))[..., ::2]
    n = A.shape[-1]
    if n == 1:
        return A[..., 0]
    if n % 2:  # one more row, whose eigenvalue is the largest
        above = A.abs().sum((-2, -1), keepdim=True) + 1
        right = torch.zeros_like(A[..., :1])
        A = torch.cat([torch.cat([A, right], -1), torch.cat([right.mT, above], -1)], -2)
    size = A.shape[-1]
    for turn in range(_SWEEPS[A.dtype == torch.float64] * (size - 1) if size > 2 else 2):
        if turn and size > 2:
            A = _moved_on(_moved_on(A, -1), -2)
        A = _rotated(A)
    return torch.sort(torch.diagonal(A, dim1=-2, dim2=-1), -1).values[..., :n]


_SWEEPS = (5, 6)
"""How often every two rows meet, in float32 and in float64: enough for 16 rows."""


def _moved_on(A: Tensor, axis: int) -> Tensor:
    """Return the upper half of an axis moved on by one, through the lower half and back."""
    half, size = A.shape[axis] // 2, A.shape[axis]
    ends = ((0, 1), (half, half + 1), (1, half - 1), (half + 1, size), (half - 1, half))
    return torch.cat(
        [A.narrow(axis, start, end - start) for start, end in ends if end > start], axis
    )


def _rotated(A: Tensor) -> Tensor:
    """Return J^T A J, where J rotates i and i + n/2 so that the element of A between them is 0."""
    half = A.shape[-1] // 2
    upper, lower = A[..., :half, :], A[..., half:, :]
    pp, pq, qq = (
        torch.diagonal(block, dim1=-2, dim2=-1)
        for block in (upper[..., :half], upper[..., half:], lower[..., half:])
    )
    is_zero = pq == 0
    slope = (qq - pp) / (2 * torch.where(is_zero, torch.ones_like(pq), pq))
    size = 1 / (slope.abs() + torch.sqrt(slope * slope + 1))
    tangent = torch.where(is_zero, torch.zeros_like(pq), torch.where(slope < 0, -size, size))
    cosine = 1 / torch.sqrt(tangent * tangent + 1)
    sine = tangent * cosine
    c, s = cosine.unsqueeze(-1), sine.unsqueeze(-1)
    A = torch.cat([c * upper - s * lower, s * upper + c * lower], -2)
    left, right = A[..., :half], A[..., half:]
    c, s = cosine.unsqueeze(-2), sine.unsqueeze(-2)
    return torch.cat([c * left - s * right, s * left + c * right], -1)


def singular_values(A: Tensor) -> Tensor:
    """Return the singular values of matrices in descending order.

    They are the roots of the eigenvalues of A^H A. Squares halve the digits of small values, so
    these are computed in float64.
    """
    real = A.dtype.to_real() if A.is_complex() else A.dtype
    wide = A.to(torch.complex128 if A.is_complex() else torch.float64)
    product: Any = wide.mH @ wide if A.shape[-2] >= A.shape[-1] else wide @ wide.mH
    return torch.sqrt(torch.clamp(eigenvalues(product).flip(-1), min=0.0)).to(real)
