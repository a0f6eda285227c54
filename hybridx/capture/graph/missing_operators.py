"""Operators that torch's ONNX exporter cannot translate, as formulas of operators that it can.

Each formula is one function with the signature of the operator. What it does not cover it leaves to
torch, and returns `NotImplemented`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hybridx.capture.graph.formulas.linear_operators import LINEAR_OPERATORS
from hybridx.capture.graph.formulas.special_functions import (
    digamma,
    erfcx,
    erfinv,
    lgamma,
    log_ndtr,
    mvlgamma,
    ndtri,
    polygamma,
)
from hybridx.capture.torch_internals import depends_on_data

_aten = torch.ops.aten


# --- Means ---------------------------------------------------------------------------------------


def mean(
    x: Tensor,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """Return a mean over axes that may be empty, which is NaN then; ONNX Runtime's is 0."""
    axes = list(dim) if dim else list(range(x.dim()))
    if not _may_be_empty(x, axes):
        return NotImplemented
    return x.sum(axes, keepdim, dtype=dtype) / _count(x, axes)


def _may_be_empty(x: Tensor, axes: Sequence[int]) -> bool:
    """Return whether no element is on these axes, or as many as the data say."""
    lengths = [x.shape[axis] for axis in axes]
    return any(depends_on_data(n) or (type(n) is int and n == 0) for n in lengths)


def _count(x: Tensor, axes: Sequence[int]) -> int:
    return math.prod(x.shape[axis] for axis in axes)


def variance(
    x: Tensor,
    dim: Sequence[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Any:
    """Return a variance over axes that may be empty; see `mean`."""
    axes = list(dim) if dim else list(range(x.dim()))
    if not _may_be_empty(x, axes):
        return NotImplemented
    count = _count(x, axes)
    centred = x - x.sum(axes, keepdim=True) / count
    total = (centred * centred).sum(axes, keepdim)
    # Divided by the count first, an empty sum is NaN whatever the correction is.
    return total / count * count / (count - (1 if correction is None else correction))


def deviation(x: Tensor, dim: Sequence[int] | None = None, **options: Any) -> Any:
    """Return a standard deviation over axes that may be empty; see `mean`."""
    found = variance(x, dim, **options)
    return found if found is NotImplemented else torch.sqrt(found)


def _by_bias(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return a formula of a correction as one that is told whether there is any."""

    def found(
        x: Tensor, dim: Sequence[int] | None, unbiased: bool = True, keepdim: bool = False
    ) -> Any:
        return formula(x, dim, correction=int(unbiased), keepdim=keepdim)

    return found


def _by_bias_of_all(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same over all axes."""
    return lambda x, unbiased=True: formula(x, correction=int(unbiased))


# --- Extremes ------------------------------------------------------------------------------------


def _over_all_axes(reduce: Callable[..., Tensor]) -> Callable[..., Any]:
    """Return a reduction that may be given no axes, which torch takes for all of them."""

    def reduced(x: Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> Any:
        if dim:
            return NotImplemented
        return reduce(x, list(range(x.dim())), keepdim) if x.dim() else x.clone()

    return reduced


def aminmax(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest elements."""
    axes = range(x.dim()) if dim is None else [dim]
    return (
        torch.amin(x, list(axes), keepdim) if x.dim() else x.clone(),
        torch.amax(x, list(axes), keepdim) if x.dim() else x.clone(),
    )


def _ignoring_nan(extreme: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return the maximum or the minimum of two tensors, of which a NaN is not one."""

    def chosen(x: Tensor, y: Tensor) -> Tensor:
        dtype = torch.result_type(x, y)
        x, y = x.to(dtype), y.to(dtype)
        found = extreme(x, y)
        if not dtype.is_floating_point:
            return found
        return torch.where(torch.isnan(x), y, torch.where(torch.isnan(y), x, found))

    return chosen


# --- What is accumulated along an axis -----------------------------------------------------------


def _spread(x: Tensor, dim: int, neutral: Any) -> tuple[Tensor, Tensor]:
    """Return `(..., n, n)`: in row i the first i + 1 elements along an axis, then `neutral`.

    The second tensor is True where the elements are.
    """
    place = torch.arange(x.shape[dim], device=x.device)
    is_before = place <= place[:, None]
    return torch.where(is_before, x.movedim(dim, -1).unsqueeze(-2), neutral), is_before


def _accumulated(reduce: Callable[..., Tensor], *, is_largest: bool) -> Callable[..., Any]:
    def accumulated(x: Tensor, dim: int) -> Any:
        if not x.dim():
            return x.clone(), torch.zeros((), dtype=torch.int64, device=x.device)
        if x.dtype == torch.bool:  # ONNX Runtime has no Where for it
            values, indices = accumulated(x.to(torch.int32), dim)
            return values.to(torch.bool), indices
        if x.dtype.is_floating_point:
            neutral: Any = -math.inf if is_largest else math.inf
        else:
            bounds = torch.iinfo(x.dtype)
            neutral = bounds.min if is_largest else bounds.max
        spread, is_before = _spread(x, dim, torch.full((), neutral, dtype=x.dtype))
        values = reduce(spread, -1)
        # Of equal elements, the last one counts.
        place = torch.arange(x.shape[dim], device=x.device)
        indices = torch.where(is_before & (spread == values.unsqueeze(-1)), place, -1).amax(-1)
        return values.movedim(-1, dim), indices.movedim(-1, dim)

    return accumulated


def cumprod(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    """Return the products of the elements so far along an axis."""
    if x.is_complex():
        return NotImplemented
    if dtype is None:
        dtype = x.dtype if x.dtype.is_floating_point else torch.int64
    if not x.dim():
        return x.to(dtype).clone()
    spread, _ = _spread(x.to(dtype), dim, torch.ones((), dtype=dtype))
    return spread.prod(-1).movedim(-1, dim)


# --- Attention -----------------------------------------------------------------------------------


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return attention without heads, `(B, T, F)`, or with fewer heads of keys than of queries.

    Four axes and equal heads stay as they are: torch's exporter has that form.
    """
    if dropout_p or (query.dim() == key.dim() == value.dim() == 4 and not enable_gqa):
        return NotImplemented
    if enable_gqa:
        key, value = (
            one.repeat_interleave(query.shape[-3] // one.shape[-3], -3) for one in (key, value)
        )
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query @ key.transpose(-2, -1)) * factor
    if is_causal:
        rows, columns = (torch.arange(one.shape[-2], device=query.device) for one in (query, key))
        scores = scores.masked_fill(columns > rows.unsqueeze(-1), -math.inf)
    if attn_mask is None:
        return torch.softmax(scores, -1) @ value
    if attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    else:
        scores = scores + attn_mask
    is_empty = scores.amax(-1, keepdim=True) == -math.inf  # torch gives these rows no weight
    weights = torch.softmax(scores.masked_fill(is_empty, 0.0), -1).masked_fill(is_empty, 0.0)
    return weights @ value


# --- Order ---------------------------------------------------------------------------------------


def kthvalue(x: Tensor, k: Any, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the k-th smallest elements along an axis and their places; NaN if there is a NaN."""
    if x.dim() == 0:
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    ordered, places = torch.sort(x, dim)
    found = ordered.narrow(dim, k - 1, 1)
    if x.is_floating_point():
        found = found.masked_fill(torch.isnan(x).any(dim, keepdim=True), math.nan)
    place = places.narrow(dim, k - 1, 1)
    return (found, place) if keepdim else (found.squeeze(dim), place.squeeze(dim))


def median(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the lower median along an axis and its place."""
    length: Any = x.shape[dim] if x.dim() else 1
    return kthvalue(x, (length + 1) // 2, dim, keepdim)


def nanmedian(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the lower median of the elements that are no NaN, and its place."""
    if not x.is_floating_point() or x.dim() == 0:
        return median(x, dim, keepdim)
    is_missing = torch.isnan(x)
    ordered, places = torch.sort(x.masked_fill(is_missing, math.inf), dim)
    count = (~is_missing).sum(dim, keepdim=True)
    middle = torch.clamp((count - 1) // 2, min=0)
    found = torch.gather(ordered, dim, middle).masked_fill(count == 0, math.nan)
    place = torch.gather(places, dim, middle)
    return (found, place) if keepdim else (found.squeeze(dim), place.squeeze(dim))


def mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the smallest of the most frequent elements along an axis and a place of it."""
    if x.dim() == 0:
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    dim = dim % x.dim()
    ordered, places = torch.sort(x, dim)
    count = (ordered.unsqueeze(dim) == ordered.unsqueeze(dim + 1)).sum(dim)
    first = count.argmax(dim, keepdim=True)
    last = first + torch.gather(count, dim, first) - 1
    found, place = torch.gather(ordered, dim, first), torch.gather(places, dim, last)
    return (found, place) if keepdim else (found.squeeze(dim), place.squeeze(dim))


def _of_all(formula: Callable[..., tuple[Tensor, Tensor]]) -> Callable[[Tensor], Tensor]:
    """Return the function of all elements that a function along an axis gives."""
    return lambda x: formula(x.reshape(-1), 0)[0]


def searchsorted(
    sorted_sequence: Tensor,
    values: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return how many elements of a sorted sequence, `(..., n)`, are below each value.

    NaN is above all numbers, as in torch.
    """
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    if sorted_sequence.dim() > 1:
        sorted_sequence = sorted_sequence.unsqueeze(-2)
    value = values.unsqueeze(-1)
    is_above = sorted_sequence > value if right or side == "right" else sorted_sequence >= value
    count = is_above.logical_not().to(torch.int64).sum(-1)
    return count.to(torch.int32) if out_int32 else count


def bucketize(
    values: Tensor, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Return the number of the interval in which each value lies."""
    return searchsorted(boundaries, values, out_int32=out_int32, right=right)


# --- Single elements -----------------------------------------------------------------------------


def _whole(x: Tensor, *_: Any, **__: Any) -> Any:
    """Return integers as they are: torch's exporter rounds them by operators for floats."""
    return NotImplemented if x.dtype.is_floating_point or x.is_complex() else x.clone()


def angle(x: Tensor) -> Any:
    """Return pi for negative integers and 0 for others."""
    if x.dtype.is_floating_point or x.is_complex():
        return NotImplemented
    return (x < 0).to(torch.get_default_dtype()) * math.pi


def addmm(x: Tensor, left: Tensor, right: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return `beta x + alpha left @ right` of integers: ONNX Runtime has no Gemm for them."""
    if x.dtype.is_floating_point or x.is_complex():
        return NotImplemented
    return beta * x + alpha * (left @ right)


def rsub(x: Tensor, number: Any, alpha: Any = 1) -> Any:
    """Return `number - alpha * x` of integers, as floats: torch's exporter cannot."""
    dtype = torch.result_type(x, number)
    return NotImplemented if x.dtype == dtype else torch.rsub(x.to(dtype), number, alpha=alpha)


def hypot(x: Tensor, y: Tensor) -> Tensor:
    """Return sqrt(x^2 + y^2) without overflow."""
    x, y = x.abs(), y.abs()
    larger, smaller = torch.maximum(x, y), torch.minimum(x, y)
    ratio = torch.where(larger == 0, larger, smaller / larger)
    finite = larger * torch.sqrt(1 + ratio * ratio)
    return torch.where((x == math.inf) | (y == math.inf), math.inf, finite)


def signbit(x: Tensor) -> Tensor:
    """Return whether the sign is minus; that of -0.0 is."""
    if x.dtype == torch.bool:
        return torch.zeros_like(x)
    if not x.dtype.is_floating_point:
        return x < 0
    return torch.where(x == 0, 1 / x, x) < 0


def copysign(x: Tensor, y: Tensor | float) -> Tensor:
    """Return x with the sign of y."""
    dtype = torch.result_type(x, y)
    dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
    size = x.to(dtype).abs()
    if not isinstance(y, Tensor):
        return math.copysign(1.0, y) * size
    return torch.where(signbit(y), -size, size)


def _negative(x: Tensor) -> Any:
    return NotImplemented if x.is_complex() else torch.neg(x)


def _frequencies(n: int, d: float = 1.0, **kwargs: Any) -> Tensor:
    half = torch.arange((n + 1) // 2, **kwargs)
    return torch.cat([half, torch.arange(-(n // 2), 0, **kwargs)]) / (n * d)


def _half_frequencies(n: int, d: float = 1.0, **kwargs: Any) -> Tensor:
    return torch.arange(n // 2 + 1, **kwargs) / (n * d)


# --- Parts of tensors ----------------------------------------------------------------------------


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """Return the elements at which the mask is True, in one row."""
    x, mask = torch.broadcast_tensors(x, mask)
    return x.reshape(-1)[mask.reshape(-1).nonzero().squeeze(-1)]


def diagonal_scatter(
    x: Tensor, source: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """Return a tensor whose diagonal between two axes is `source`."""
    matrices = x.movedim((dim1, dim2), (-2, -1))
    row = torch.arange(matrices.shape[-2], device=x.device)[:, None]
    column = torch.arange(matrices.shape[-1], device=x.device)
    place = (row if offset >= 0 else column).reshape(-1)
    filled = source.index_select(-1, place.clamp(max=source.shape[-1] - 1))
    filled = filled.unsqueeze(-1 if offset >= 0 else -2)
    written = torch.where(column - row == offset, filled, matrices)
    return written.movedim((-2, -1), (dim1, dim2))


def copy(x: Tensor, source: Tensor, non_blocking: bool = False) -> Any:
    """Return a tensor in the shape and dtype of `x`; torch's exporter leaves its own shape."""
    del non_blocking
    same = x.shape == source.shape
    return NotImplemented if same else source.to(x.dtype).expand(x.shape).clone()


def unfold_backward(
    windows: Tensor, shape: Sequence[Any], dim: int, size: int, step: int
) -> Tensor:
    """Return the sum of overlapping windows, `(…, windows, …, size)`, in their places on an axis.

    The windows are cut into pieces of `step` elements. Row `k` has piece `k` of every window, and
    rows with one more element each are laid end to end, so that each begins one place later.
    """
    rows = -(-size // step)
    frames = windows.movedim(dim, -2) if len(shape) else windows
    count = frames.shape[-2]
    pieces = torch.nn.functional.pad(frames, (0, rows * step - size))
    pieces = pieces.unflatten(-1, (rows, step)).movedim(-2, -3)  # (…, rows, windows, step)
    skewed = torch.nn.functional.pad(pieces, (0, 0, 0, rows)).flatten(-3, -2)
    skewed = skewed.narrow(-2, 0, rows * (count + rows - 1))
    placed = skewed.unflatten(-2, (rows, count + rows - 1)).sum(-3).flatten(-2)
    length = shape[dim] if len(shape) else size
    missing = length - (count + rows - 1) * step
    placed = torch.nn.functional.pad(placed, (0, missing))
    return placed.movedim(-1, dim)


def _window(*terms: float) -> Callable[..., Tensor]:
    """Return a window that is a sum of cosines: `terms[k] cos(2 pi k n / N)` over k."""

    def window(length: Any, periodic: bool = True, *numbers: float, **kwargs: Any) -> Tensor:
        kwargs.pop("layout", None)
        if isinstance(length, int) and length <= 1:
            return torch.ones(length, **kwargs)
        factors = [*terms]
        if numbers:  # the alpha and the beta of a Hamming window
            factors = [numbers[0], -(numbers[1] if len(numbers) > 1 else -terms[1])]
        turn = torch.arange(length, **kwargs) * (2 * math.pi / (length - (not periodic)))
        values: Any = factors[0]
        for order, factor in enumerate(factors[1:], 1):
            values = values + factor * torch.cos(order * turn)
        return values  # type: ignore[no-any-return]

    return window


def bartlett_window(length: Any, periodic: bool = True, **kwargs: Any) -> Tensor:
    """Return a triangle."""
    kwargs.pop("layout", None)
    if isinstance(length, int) and length <= 1:
        return torch.ones(length, **kwargs)
    place = torch.arange(length, **kwargs) * (2 / (length - (not periodic)))
    return 1 - torch.abs(place - 1)


def narrow_copy(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a copy of a part along an axis."""
    return x.narrow(dim, start, length).clone()


def permute_copy(x: Tensor, dims: Sequence[int]) -> Tensor:
    """Return a copy with the axes in another order."""
    return x.permute(list(dims)).clone()


def squeeze(x: Tensor, dim: int | Sequence[int]) -> Any:
    """Return a tensor none of whose named axes is 1 long; torch has an operator for that case."""
    axes = [dim] if isinstance(dim, int) else dim
    return NotImplemented if any(x.shape[axis] == 1 for axis in axes) else x.clone()


def _triangle(*, is_upper: bool) -> Callable[..., Tensor]:
    """Return the rows and the columns of the elements of a triangle of a matrix, `(2, n)`."""

    def indices(
        rows: int,
        columns: int,
        offset: int = 0,
        *,
        dtype: torch.dtype | None = torch.int64,
        device: torch.device | None = None,
        **_: Any,
    ) -> Tensor:
        parts = [torch.zeros((2, 0), dtype=dtype, device=device)]
        for row in range(rows):
            border = row + offset if is_upper else row + offset + 1
            border = min(max(border, 0), columns)
            span = (border, columns) if is_upper else (0, border)
            column = torch.arange(*span, dtype=dtype, device=device)
            parts.append(torch.stack([torch.full_like(column, row), column]))
        return torch.cat(parts, 1)

    return indices


def index_reduce(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return a tensor with slices of `source` reduced into the places that `index` names."""
    if not x.dim():
        reduced = index_reduce(
            x[None], 0, index, source.reshape(1), reduce, include_self=include_self
        )
        return reduced[0]
    shape = [1] * source.dim()
    shape[dim] = -1
    places = index.reshape(shape).expand_as(source)
    return x.scatter_reduce(dim, places, source, reduce, include_self=include_self)


def scatter_reduce(
    x: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Any:
    """Return a tensor with the means of what `source` holds for each place, as sums and counts.

    ONNX has the other reductions; torch's exporter writes the last element instead of the mean.
    """
    if reduce != "mean":
        return NotImplemented
    if not x.dim():
        x, index, source = x[None], index.reshape(1), source.reshape(1)
        mean: Tensor = scatter_reduce(x, 0, index, source, reduce, include_self=include_self)
        return mean[0]
    start, count = (x, torch.ones_like(x)) if include_self else (x * 0, torch.zeros_like(x))
    count = count.scatter_add(dim, index, torch.ones_like(source))
    total = start.scatter_add(dim, index, source)
    rounding = None if x.dtype.is_floating_point else "floor"
    mean = torch.div(total, count.clamp(min=1), rounding_mode=rounding)
    return torch.where(count == 0, x, mean)


def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return a tensor with elements replaced, at places that count through all axes."""
    flat = x.reshape(-1)
    places = index.reshape(-1)
    places = torch.where(places < 0, places + flat.shape[0], places)
    return flat.index_put((places,), source.reshape(-1), accumulate).reshape(x.shape)


# --- Pooling -------------------------------------------------------------------------------------


def _cells(length: int, count: int, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Return where the cells of adaptive pooling along an axis begin and end, and the widest."""
    cell = torch.arange(count, device=device)
    first = torch.div(cell * length, count, rounding_mode="floor")
    behind = torch.div((cell + 1) * length + count - 1, count, rounding_mode="floor")
    widest = max(-(-(i + 1) * length // count) - i * length // count for i in range(count))
    return first, behind, widest


def adaptive_max_pool(x: Tensor, counts: Sequence[int]) -> Any:
    """Return the largest element of each cell over the last axes, and its place among them all."""
    axes = len(counts)
    lengths = x.shape[-axes:]
    if not all(isinstance(length, int) for length in lengths):
        return NotImplemented
    places = torch.arange(math.prod(lengths), device=x.device).reshape(lengths)
    for axis, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        first, behind, widest = _cells(length, count, x.device)
        steps = first[:, None] + torch.arange(widest, device=x.device)
        # A shorter cell repeats its last place, which changes no maximum.
        steps = torch.minimum(steps, behind[:, None] - 1).reshape(-1)
        places = places.index_select(2 * axis, steps).unflatten(2 * axis, (count, widest))
    order = [*range(0, 2 * axes, 2), *range(1, 2 * axes, 2)]
    places = places.permute(order).flatten(axes)
    covered = x.flatten(-axes)[..., places]
    best = covered.argmax(-1, keepdim=True)
    values = covered.gather(-1, best).squeeze(-1)
    return values, places.expand_as(covered).gather(-1, best).squeeze(-1)


def adaptive_avg_pool(x: Tensor, counts: Sequence[int]) -> Any:
    """Return the mean of each cell over the last axes."""
    axes = len(counts)
    if not all(isinstance(length, int) for length in x.shape[-axes:]):
        return NotImplemented
    for axis, count in zip(range(-axes, 0), counts, strict=True):
        first, behind, _ = _cells(x.shape[axis], count, x.device)
        place = torch.arange(x.shape[axis], device=x.device)[:, None]
        is_inside = ((place >= first) & (place < behind)).to(x.dtype)
        x = (x.movedim(axis, -1) @ (is_inside / (behind - first))).movedim(-1, axis)
    return x


def _avg_pool(pool: Any, axes: int) -> Callable[..., Any]:
    """Return average pooling that takes `divisor_override`; torch's exporter ignores it."""

    def pooled(
        x: Tensor,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        if divisor_override is None:
            return NotImplemented
        kernel, pads = _each(kernel_size, axes), _each(padding, axes)
        steps = _each(stride, axes) if stride else kernel
        counts = pool(x, kernel, steps, pads, ceil_mode).shape[-axes:]
        around: list[int] = []
        for axis in reversed(range(axes)):
            reach = (counts[axis] - 1) * steps[axis] + kernel[axis]
            around += [pads[axis], reach - pads[axis] - x.shape[axis - axes]]
        padded = torch.nn.functional.pad(x, around)
        return pool(padded, kernel, steps) * (math.prod(kernel) / divisor_override)

    return pooled


def _each(numbers: Sequence[int], axes: int) -> list[int]:
    """Return one number for each axis; a single number counts for all."""
    return list(numbers) if len(numbers) > 1 else list(numbers) * axes


# --- Distance and powers ------------------------------------------------------------------------


def pdist(x: Tensor, p: float = 2.0) -> Any:
    """Return the p-norm distances of all pairs of rows."""
    if not isinstance(x.shape[0], int):
        return NotImplemented
    apart = torch.cat([x[row : row + 1] - x[row + 1 :] for row in range(x.shape[0])])
    return torch.linalg.vector_norm(apart, p, -1)


def cosine_embedding_loss(
    left: Tensor, right: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """Return 1 - cos of two vectors, or for a target of -1 what cos has above the margin.

    The small summand must be seen by `lift_numbers`.
    """
    product = (left * right).sum(-1)
    sizes = ((one * one).sum(-1) + 1e-12 for one in (left, right))
    cosine = product / torch.sqrt(next(sizes) * next(sizes))
    zero = torch.zeros_like(cosine)
    loss = torch.where(target == 1, 1 - cosine, zero)
    loss = loss + torch.where(target == -1, (cosine - margin).clamp(min=0.0), zero)
    return (loss, loss.mean(), loss.sum())[reduction]


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Return the powers of the elements in order from 0 to N - 1, along a new last axis."""
    if not x.dtype.is_floating_point and not x.is_complex():
        x = x.to(torch.int64)
    return torch.stack([x**power for power in range(x.shape[-1] if N is None else N)], -1)


# --- Normalisation -------------------------------------------------------------------------------


def batch_norm_functional(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    """Return x normalised by the mean and the variance of the batch, and what torch keeps of them.

    torch's exporter normalises by the running ones (seen in 2.13).
    """
    if not training:
        return NotImplemented
    axes = [axis for axis in range(x.dim()) if axis != 1]
    mean, variance = x.mean(axes), x.var(axes, correction=0)
    scale = torch.rsqrt(variance + eps)
    column = [-1, *(1 for _ in axes[1:])]
    normal = (x - mean.reshape(column)) * scale.reshape(column)
    if weight is not None:
        normal = normal * weight.reshape(column)
    if bias is not None:
        normal = normal + bias.reshape(column)
    count = x.numel() / x.shape[1]
    spread = variance * (count / (count - 1))
    return (
        normal,
        mean,
        scale,
        momentum * mean + (1 - momentum) * running_mean,
        momentum * spread + (1 - momentum) * running_var,
    )


# --- Comparisons ---------------------------------------------------------------------------------


def _of_one_dtype(compare: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """Return a comparison of tensors of different dtypes, which ONNX does not make."""

    def compared(x: Tensor, y: Tensor) -> Any:
        dtype = torch.result_type(x, y)
        return NotImplemented if x.dtype == y.dtype else compare(x.to(dtype), y.to(dtype))

    return compared


# --- Bits ----------------------------------------------------------------------------------------

_POWERS = torch.tensor([1 << bits for bits in range(63)] + [-(1 << 63)])
"""2 to the powers from 0 to 63 as int64; the last one is the same number modulo 2 to the 64."""


def left_shift(x: Any, bits: Any) -> Any:
    """Return whole numbers times a power of two; ONNX shifts unsigned numbers only."""
    return _shifted(x, bits, lambda wide, powers: wide * powers, lambda wide: wide * 0)


def right_shift(x: Any, bits: Any) -> Any:
    """Return whole numbers divided by a power of two, rounded down, also if they are negative."""

    def divided(wide: Tensor, powers: Tensor) -> Tensor:
        return torch.where(
            powers < 0, _sign_bits(wide), torch.div(wide, powers, rounding_mode="floor")
        )

    return _shifted(x, bits, divided, _sign_bits)


def _sign_bits(wide: Tensor) -> Tensor:
    return torch.where(wide < 0, -1, 0)


def _shifted(
    x: Any,
    bits: Any,
    shift: Callable[[Tensor, Tensor], Tensor],
    beyond: Callable[[Tensor], Tensor],
) -> Any:
    """Return a shift, computed as int64; `beyond` is for as many bits as a number has, or more."""
    if isinstance(x, float) or isinstance(bits, float):
        return NotImplemented
    dtype = torch.result_type(x, bits)
    if dtype.is_floating_point or dtype in (torch.bool, torch.uint64):
        return NotImplemented
    like = x if isinstance(x, Tensor) else bits
    wide = x.to(torch.int64) if isinstance(x, Tensor) else like.new_full((), x, dtype=torch.int64)
    if isinstance(bits, Tensor):
        width = torch.iinfo(dtype).bits
        count = bits.to(torch.int64)
        powers = torch.index_select(_POWERS.to(like.device), 0, count.clamp(0, 63).reshape(-1))
        shifted = shift(wide, powers.reshape(count.shape))
        return torch.where(count < width, shifted, beyond(wide)).to(dtype)
    if bits >= torch.iinfo(dtype).bits:
        return beyond(wide).to(dtype)
    power = -(1 << 63) if bits == 63 else 1 << bits
    return shift(wide, like.new_full((), power, dtype=torch.int64)).to(dtype)


MISSING_OPERATORS = {
    **{
        getattr(_aten, name).Tensor: _of_one_dtype(compare)
        for compare, names in (
            (torch.lt, ("lt", "less")),
            (torch.le, ("le", "less_equal")),
            (torch.gt, ("gt", "greater")),
            (torch.ge, ("ge", "greater_equal")),
            (torch.eq, ("eq",)),
            (torch.ne, ("ne", "not_equal")),
        )
        for name in names
    },
    **{
        target: formula
        for formula, names in (
            (left_shift, ("__lshift__", "bitwise_left_shift")),
            (right_shift, ("__rshift__", "bitwise_right_shift")),
        )
        for name in names
        for overload in getattr(_aten, name).overloads()
        if not overload.endswith("out")
        for target in [getattr(getattr(_aten, name), overload)]
    },
    _aten.mean.dim: mean,
    _aten.mean.default: mean,
    **{
        getattr(overloads, overload): wrap(formula)
        for overloads, formula in ((_aten.var, variance), (_aten.std, deviation))
        for overload, wrap in (
            ("correction", lambda formula: formula),
            ("dim", _by_bias),
            ("default", _by_bias_of_all),
        )
    },
    _aten.amax.default: _over_all_axes(torch.amax),
    _aten.amin.default: _over_all_axes(torch.amin),
    _aten.aminmax.default: aminmax,
    _aten.fmax.default: _ignoring_nan(torch.maximum),
    _aten.fmin.default: _ignoring_nan(torch.minimum),
    _aten.cummax.default: _accumulated(torch.amax, is_largest=True),
    _aten.cummin.default: _accumulated(torch.amin, is_largest=False),
    _aten.cumprod.default: cumprod,
    **LINEAR_OPERATORS,
    _aten.scaled_dot_product_attention.default: attention,
    _aten.rsub.Scalar: rsub,
    _aten.kthvalue.default: kthvalue,
    _aten.median.dim: median,
    _aten.median.default: _of_all(median),
    _aten.nanmedian.dim: nanmedian,
    _aten.nanmedian.default: _of_all(nanmedian),
    _aten.mode.default: mode,
    _aten._neg_view.default: _negative,
    _aten.fft_fftfreq.default: _frequencies,
    _aten.fft_rfftfreq.default: _half_frequencies,
    _aten.searchsorted.Tensor: searchsorted,
    _aten.bucketize.Tensor: bucketize,
    **dict.fromkeys(
        (_aten.ceil.default, _aten.floor.default, _aten.trunc.default, _aten.round.default), _whole
    ),
    _aten.angle.default: angle,
    _aten.addmm.default: addmm,
    _aten.hypot.default: hypot,
    _aten.signbit.default: signbit,
    _aten.copysign.Tensor: copysign,
    _aten.copysign.Scalar: copysign,
    _aten.masked_select.default: masked_select,
    _aten.diagonal_scatter.default: diagonal_scatter,
    _aten.copy.default: copy,
    _aten.unfold_backward.default: unfold_backward,
    **{
        getattr(packet, overload): window
        for packet, window in (
            (_aten.bartlett_window, bartlett_window),
            (_aten.blackman_window, _window(0.42, -0.5, 0.08)),
            (_aten.hamming_window, _window(0.54, -0.46)),
            (_aten.hann_window, _window(0.5, -0.5)),
        )
        for overload in packet.overloads()
        if not overload.endswith("out")
    },
    _aten.narrow_copy.default: narrow_copy,
    _aten.permute_copy.default: permute_copy,
    _aten.squeeze.dim: squeeze,
    _aten.squeeze.dims: squeeze,
    _aten.triu_indices.default: _triangle(is_upper=True),
    _aten.tril_indices.default: _triangle(is_upper=False),
    _aten.index_reduce.default: index_reduce,
    _aten.scatter_reduce.two: scatter_reduce,
    _aten.put.default: put,
    _aten.adaptive_max_pool2d.default: adaptive_max_pool,
    _aten.adaptive_max_pool3d.default: adaptive_max_pool,
    _aten.adaptive_avg_pool3d.default: adaptive_avg_pool,
    _aten._adaptive_avg_pool3d.default: adaptive_avg_pool,
    _aten.avg_pool2d.default: _avg_pool(_aten.avg_pool2d.default, 2),
    _aten.avg_pool3d.default: _avg_pool(_aten.avg_pool3d.default, 3),
    _aten.adaptive_max_pool1d.default: adaptive_max_pool,
    _aten._pdist_forward.default: pdist,
    _aten.pdist.default: pdist,
    _aten.cosine_embedding_loss.default: cosine_embedding_loss,
    _aten.linalg_vander.default: vander,
    _aten._native_batch_norm_legit_functional.default: batch_norm_functional,
    **dict.fromkeys((_aten.erfinv.default, _aten.special_erfinv.default), erfinv),
    **dict.fromkeys((_aten.lgamma.default, _aten.special_gammaln.default), lgamma),
    **dict.fromkeys(
        (_aten.digamma.default, _aten.special_digamma.default, _aten.special_psi.default), digamma
    ),
    **dict.fromkeys((_aten.polygamma.default, _aten.special_polygamma.default), polygamma),
    **dict.fromkeys((_aten.mvlgamma.default, _aten.special_multigammaln.default), mvlgamma),
    _aten.special_erfcx.default: erfcx,
    _aten.special_log_ndtr.default: log_ndtr,
    _aten.special_ndtri.default: ndtri,
}
"""For `ExportedProgram.run_decompositions`."""
