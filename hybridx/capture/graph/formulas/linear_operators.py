"""Torch's operators of linear algebra by the solvers: rows of the table of missing operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.capture.graph.formulas import linear_solvers as solvers

_aten = torch.ops.aten


def _no_errors(A: Tensor) -> Tensor:
    return torch.zeros(A.shape[:-2], dtype=torch.int32, device=A.device)


def _inverse(A: Tensor, check_errors: bool = False) -> Any:
    del check_errors
    return (solvers.inverse(A), _no_errors(A)) if solvers.is_small(A) else NotImplemented


def _solve(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """Act as torch's `_linalg_solve_ex`: the solution, and three results for a backward pass."""
    del check_errors
    if not solvers.is_small(A):
        return NotImplemented
    is_vector = A.dim() == B.dim() + 1 and B.shape == A.shape[:-1]
    columns = B.unsqueeze(-1) if is_vector else B
    found = solvers.solve(A, columns) if left else solvers.solve(A.mT, columns.mT).mT
    found = found.squeeze(-1) if is_vector else found
    pivots = torch.zeros(A.shape[:-1], dtype=torch.int32, device=A.device)
    return found, A, pivots, _no_errors(A)


def _solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    if not solvers.is_small(A):
        return NotImplemented
    triangle = A.triu() if upper else A.tril()
    if unitriangular:
        identity = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
        triangle = torch.where(identity != 0, identity, triangle)
    return solvers.solve(triangle, B) if left else solvers.solve(triangle.mT, B.mT).mT


def _cholesky(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    del check_errors
    if A.is_complex() or not solvers.is_small(A, solvers.MOST_EIGENVALUES):
        return NotImplemented
    L = solvers.cholesky(A)
    return (L.mT if upper else L), _no_errors(A)


def _qr(A: Tensor, mode: str = "reduced") -> Any:
    if A.is_complex() or not solvers.is_small(A):
        return NotImplemented
    Q, R = solvers.qr(A)
    if mode == "r":
        return A.new_empty((0,)), R[..., : min(A.shape[-2:]), :]
    if mode == "reduced":
        least = min(A.shape[-2:])
        return Q[..., :least], R[..., :least, :]
    return Q, R


def _determinant(A: Tensor) -> Any:
    """Act as torch's `_linalg_det`: the determinant and two results that a backward pass needs."""
    if A.is_complex() or not solvers.is_small(A):
        return NotImplemented
    pivots, sign = solvers.determinant(A)
    return sign * pivots.prod(-1), A, torch.zeros(A.shape[:-1], dtype=torch.int32)


def _log_determinant(A: Tensor) -> Any:
    if A.is_complex() or not solvers.is_small(A):
        return NotImplemented
    pivots, sign = solvers.determinant(A)
    places = torch.zeros(A.shape[:-1], dtype=torch.int32)
    return sign * torch.sign(pivots).prod(-1), pivots.abs().log().sum(-1), A, places


def _sign_and_log(A: Tensor) -> Any:
    results = _log_determinant(A)
    return results if results is NotImplemented else results[:2]


def _logdet(A: Tensor) -> Any:
    results = _log_determinant(A)
    if results is NotImplemented:
        return NotImplemented
    sign, logarithm = results[:2]
    return logarithm.masked_fill(sign < 0, math.nan)


def _eigenvalues(A: Tensor, UPLO: str = "L") -> Any:
    if not solvers.is_small(A, solvers.MOST_EIGENVALUES):
        return NotImplemented
    triangle, rest = (A.triu(), A.triu(1)) if UPLO.upper() == "U" else (A.tril(), A.tril(-1))
    return solvers.eigenvalues(triangle + rest.mH)


def _eigh(A: Tensor, UPLO: str = "L", compute_v: bool = True) -> Any:
    """Act as torch's `_linalg_eigh` without vectors: the signs of these are not defined."""
    values = NotImplemented if compute_v else _eigenvalues(A, UPLO)
    return values if values is NotImplemented else (values, A.new_empty((0,)))


def _singular_values(A: Tensor, *, driver: str | None = None) -> Any:
    del driver
    is_small = solvers.is_small(A, solvers.MOST_EIGENVALUES)
    return solvers.singular_values(A) if is_small else NotImplemented


def _svd(
    A: Tensor, full_matrices: bool = False, compute_uv: bool = True, *, driver: str | None = None
) -> Any:
    """Act as torch's `_linalg_svd` without vectors: the signs of these are not defined."""
    del full_matrices, driver
    values = NotImplemented if compute_uv else _singular_values(A)
    return values if values is NotImplemented else (A.new_empty((0,)), values, A.new_empty((0,)))


def _first(formulas: Mapping[Any, Callable[..., Any]]) -> dict[Any, Callable[..., Any]]:
    """Return formulas for operators that give only the first result of another operator."""

    def first(formula: Callable[..., Any]) -> Callable[..., Any]:
        def decomposed(*args: Any, **kwargs: Any) -> Any:
            results = formula(*args, **kwargs)
            return results if results is NotImplemented else results[0]

        return decomposed

    return {operator: first(formula) for operator, formula in formulas.items()}


def forget_unused_vectors(graph: fx.Graph) -> None:
    """Replace decompositions of matrices, in place, by their values where nothing uses vectors."""
    for target, values, place in (
        (_aten.linalg_eigh.default, _aten.linalg_eigvalsh.default, 0),
        (_aten.linalg_svd.default, _aten.linalg_svdvals.default, 1),
    ):
        for node in graph.find_nodes(op="call_function", target=target):
            if {user.args[1] for user in node.users if user.users} != {place}:
                continue
            with graph.inserting_before(node):
                kept = node.args[:2] if place == 0 else node.args[:1]
                alone = graph.call_function(values, kept)
            for user in list(node.users):
                if user.args[1] == place:
                    alone.meta = dict(user.meta)
                    user.replace_all_uses_with(alone)
                graph.erase_node(user)
            graph.erase_node(node)


LINEAR_OPERATORS: Mapping[Any, Callable[..., Any]] = {
    **_first(
        {
            _aten.linalg_inv.default: _inverse,
            _aten.inverse.default: _inverse,
            _aten.linalg_solve.default: _solve,
            _aten.linalg_cholesky.default: _cholesky,
            _aten.linalg_det.default: _determinant,
            _aten.det.default: _determinant,
        }
    ),
    _aten.linalg_inv_ex.default: _inverse,
    _aten._linalg_solve_ex.default: _solve,
    _aten.linalg_solve_triangular.default: _solve_triangular,
    _aten.linalg_cholesky_ex.default: _cholesky,
    _aten.linalg_qr.default: _qr,
    _aten._linalg_det.default: _determinant,
    _aten._linalg_slogdet.default: _log_determinant,
    _aten.linalg_slogdet.default: _sign_and_log,
    _aten.slogdet.default: _sign_and_log,
    _aten.logdet.default: _logdet,
    _aten.linalg_eigvalsh.default: _eigenvalues,
    _aten._linalg_eigh.default: _eigh,
    _aten.linalg_svdvals.default: _singular_values,
    _aten._linalg_svd.default: _svd,
}
"""By operator, for `ExportedProgram.run_decompositions`."""
