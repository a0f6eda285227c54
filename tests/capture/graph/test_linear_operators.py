"""Formulas of linear algebra and of order, against torch."""

from __future__ import annotations

import math

import pytest
import torch

from hybridx.capture.graph.formulas import linear_solvers as solvers
from hybridx.capture.graph.missing_operators import (
    MISSING_OPERATORS,
    attention,
    median,
    mode,
    nanmedian,
)

# Of the largest result. Elimination and Jacobi's method lose a few units in the last place a row;
# random matrices have condition numbers up to some hundreds.
BOUND = {torch.float32: 1e-4, torch.float64: 1e-12, torch.complex64: 1e-4}


def worst(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_solvers_agree_with_lapack(size: int, dtype: torch.dtype) -> None:
    torch.manual_seed(size)
    A = torch.randn(9, size, size, dtype=dtype) + 2 * torch.eye(size)
    B = torch.randn(9, size, 3, dtype=dtype)
    wide = torch.complex128
    exact = torch.linalg.solve(A.to(wide), B.to(wide))
    assert worst(solvers.solve(A, B), exact) < BOUND[dtype]
    assert worst(solvers.inverse(A), torch.linalg.inv(A.to(wide))) < BOUND[dtype]
    hermitian = A + A.mH
    exact = torch.linalg.eigvalsh(hermitian.to(wide))
    assert worst(solvers.eigenvalues(hermitian), exact) < BOUND[dtype]
    exact = torch.linalg.svdvals(A.to(wide))
    # The roots of eigenvalues: half the digits of float64 are left.
    assert worst(solvers.singular_values(A), exact) < max(BOUND[dtype], 1e-8)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (1, 1)])
def test_factors_have_the_signs_of_lapack(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    A = torch.randn(7, *shape, dtype=torch.float64)
    for found, exact in zip(solvers.qr(A), torch.linalg.qr(A, mode="complete"), strict=True):
        assert torch.allclose(found, exact, atol=1e-12)
    if shape[0] == shape[1]:
        pivots, sign = solvers.determinant(A)
        assert torch.allclose(sign * pivots.prod(-1), torch.linalg.det(A))
        square = A @ A.mT + torch.eye(shape[0])
        assert torch.allclose(solvers.cholesky(square), torch.linalg.cholesky(square))


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_medians_are_torchs(dim: int, *, keeps: bool) -> None:
    torch.manual_seed(2)
    x = torch.randn(4, 5, 6)
    holed = x.clone()
    holed[0, 0, :3] = math.nan
    holed[1] = math.nan
    for formula, own, given in (
        (median, torch.median, x),
        (median, torch.median, holed),
        (nanmedian, torch.nanmedian, holed),
        (mode, torch.mode, torch.randint(0, 3, (4, 5, 6))),
    ):
        found, exact = formula(given, dim, keeps)[0], own(given, dim, keeps)[0]
        assert torch.equal(found.nan_to_num(99), exact.nan_to_num(99))


def test_attention_without_heads_is_torchs() -> None:
    torch.manual_seed(3)
    query, key, value = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 6)
    mask = torch.rand(3, 5) > 0.5
    mask[0] = False
    own = torch.nn.functional.scaled_dot_product_attention
    for options in (
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": mask},
        {"attn_mask": torch.randn(3, 5)},
    ):
        found = attention(query, key, value, **options)
        assert torch.allclose(found, own(query, key, value, **options), atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_frequencies_are_torchs(n: int) -> None:
    aten = torch.ops.aten
    for operator in (aten.fft_fftfreq.default, aten.fft_rfftfreq.default):
        assert torch.allclose(MISSING_OPERATORS[operator](n, 0.3), operator(n, 0.3))
