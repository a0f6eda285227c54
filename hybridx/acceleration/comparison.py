"""A compiled call compared with PennyLane: values, and gradients of all its arguments."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Final, TypeAlias

import torch
from torch import Tensor

Function: TypeAlias = Callable[[Sequence[Tensor]], Sequence[Tensor]]

# Of the largest number: some roundings of the dtype for each of a thousand gates. A wrong rule is
# off by far more. PennyLane rounds constants to float32 in circuits of float64, hence the last.
_BOUNDS: Final = {
    torch.bfloat16: 1e-1,
    torch.float16: 1e-2,
    torch.float32: 1e-4,
    torch.float64: 1e-6,
}


def difference(
    eager: Function, exact: Function, compiled: Function, tensors: Sequence[Tensor]
) -> str | None:
    """Return in words how values or gradients differ from PennyLane's, or None.

    They are compared beside the example, as slopes at zero show little, or at the example where
    PennyLane takes nothing else. PennyLane computes in float64 if the quantum function can.

    Args:
        eager: runs the QNode as it is.
        exact: runs it in such a way that its gradients are exact.
        compiled: what is to take its place.
        tensors: the arguments of all three.
    """
    computed = _by_pennylane(eager, exact, tensors)
    if computed is None:
        return "PennyLane gives no finite gradients on the example to compare with"
    point, followed, values, slopes = computed
    with torch.no_grad():
        unfollowed, others = eager(tensors), compiled(tensors)
    if [one.dtype for one in unfollowed] != [one.dtype for one in others]:
        return "its results have another dtype than PennyLane's"
    with torch.enable_grad():
        found, their_slopes = _values_and_slopes(compiled, point, followed)
    dtypes = {_real(one.dtype) for one in (*tensors, *values) if has_slopes(one)}
    bound = max((_BOUNDS[dtype] for dtype in dtypes), default=_BOUNDS[torch.float64])
    for name, left, right in (
        ("values", values, found),
        ("gradients", slopes, their_slopes),
        ("values without gradients", unfollowed, others),
    ):
        for one, two in zip(left, right, strict=True):
            if one.shape != two.shape or not _is_close(one, two, bound):
                return f"its {name} differ from PennyLane's"
    return None


def _by_pennylane(
    eager: Function, exact: Function, tensors: Sequence[Tensor]
) -> tuple[list[Tensor], list[bool], list[Tensor], list[Tensor]] | None:
    """Return arguments, which have gradients, values and gradients, or None if none are finite."""
    every = [has_slopes(tensor) for tensor in tensors]
    trained = [tensor.requires_grad for tensor in tensors]  # PennyLane may take no others
    for followed, point, as_given in _ways(tensors, [every, trained]):
        try:
            with torch.enable_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values, _ = _values_and_slopes(eager, as_given, [False] * len(tensors))
                _, slopes = _values_and_slopes(exact, as_given, followed)
        except Exception:  # the user's own function and PennyLane may raise anything
            continue
        if all(bool(one.isfinite().all()) for one in (*values, *slopes)):
            return point, followed, values, slopes
    return None


def _ways(
    tensors: Sequence[Tensor], followed: Sequence[list[bool]]
) -> Iterator[tuple[list[bool], list[Tensor], list[Tensor]]]:
    """Yield which arguments have gradients, the arguments, and the same ones for PennyLane."""
    example = [tensor.detach() for tensor in tensors]
    points = [_beside(tensor) for tensor in example], example
    for some, point in product(followed, points):
        yield some, point, [_widened(tensor) for tensor in point]
        yield some, point, point


def _beside(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    steps = torch.cos(3 * torch.arange(tensor.numel(), dtype=torch.float64) + 1)
    return tensor + (0.3 * steps).reshape(tensor.shape).to(tensor)


def _widened(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.double() if tensor.is_floating_point() else tensor


def has_slopes(tensor: Tensor) -> bool:
    """Return whether torch can differentiate by a tensor of this dtype."""
    return tensor.is_floating_point() or tensor.is_complex()


def _real(dtype: torch.dtype) -> torch.dtype:
    return dtype.to_real() if dtype.is_complex else dtype


def _is_close(one: Tensor, two: Tensor, bound: float) -> bool:
    if not one.numel():
        return True
    two = two.to(one.dtype)
    if not torch.equal(one.isnan(), two.isnan()):
        return False
    one, two = one.nan_to_num(), two.nan_to_num()
    scale = max(1.0, float(one.abs().max()))
    return float((two - one).abs().max()) <= bound * scale


def _values_and_slopes(
    function: Function, tensors: Sequence[Tensor], followed: Sequence[bool]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the results, and the gradients of a sum of all of them with different weights."""
    given = [
        tensor.clone().requires_grad_(has) for tensor, has in zip(tensors, followed, strict=True)
    ]
    results = list(function(given))
    values = [result.detach() for result in results]
    floats = [one for one in given if one.requires_grad]
    total = torch.zeros((), dtype=torch.float64)
    for place, result in enumerate(results):
        real = torch.view_as_real(result) if result.is_complex() else result
        weights = torch.cos(torch.arange(real.numel(), dtype=torch.float64) + place)
        total = total + (real.reshape(-1).double() * weights.to(real.device)).sum().cpu()
    if not total.requires_grad:
        return values, [torch.zeros_like(one) for one in floats]
    return values, list(torch.autograd.grad(total, floats, materialize_grads=True))
