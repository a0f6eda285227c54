"""Operators of torch whose kernels trust their arguments, with a look at these before each call.

A kernel that computes an address from a length without comparing it with the tensor reads the
memory of the process, or ends it. The operators here were found by calling every operator that a
file may hold with lengths and numbers that do not fit. A program that holds none of them runs as it
is. What torch leaves unwritten, the numbers of `empty`, is filled with zeros, so that no memory of
the process is in a result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor


class UnfitArgumentsError(RuntimeError):
    """An operator is called with arguments that its kernel does not check."""


def called(name: str, given: Mapping[str, Any], call: Callable[[], Any]) -> Any:
    """Call an operator of `TRUSTING` if its arguments fit, and return its result.

    Args:
        name: of the operator, with its overload.
        given: its arguments, by name.
        call: calls it with them.

    Raises:
        UnfitArgumentsError: they do not fit.
    """
    check = TRUSTING[name]
    if check is None:
        return call().zero_()
    if not check(given):
        raise UnfitArgumentsError(f"{name.partition('::')[2]} is called with what does not fit it")
    return call()


def _fit_batch_norm(given: Mapping[str, Any]) -> bool:
    x = given["input"]
    per_channel = [given.get(one) for one in ("weight", "bias", "running_mean", "running_var")]
    # Outside of training it takes mean and variance from memory, also if there are none.
    is_whole = given.get("training", False) or None not in per_channel[2:]
    if x.dim() < 2 or not is_whole:
        return False
    return all(one is None or one.shape == x.shape[1:2] for one in per_channel)


def _fit_distances(given: Mapping[str, Any]) -> bool:
    return bool(given["self"].dim() == 2 and given["p"] >= 0)


def _fit_attention(given: Mapping[str, Any]) -> bool:
    query, key, value = given["query"], given["key"], given["value"]
    if min(query.dim(), key.dim(), value.dim()) < 2:
        return False
    return bool(key.shape[:-1] == value.shape[:-1] and query.shape[-1] == key.shape[-1])


def _fit_flash_attention(given: Mapping[str, Any]) -> bool:
    query, key, value, mask = (given[one] for one in ("query", "key", "value", "attn_mask"))
    if not query.dim() == key.dim() == value.dim() == 4 or key.shape != value.shape:
        return False
    if query.shape[:2] != key.shape[:2] or query.shape[3] != key.shape[3]:
        return False
    if mask is None:
        return True
    whole = (*query.shape[:3], key.shape[2])
    sizes = [1] * (4 - mask.dim()) + list(mask.shape)
    return mask.dim() in (2, 4) and all(
        size in (1, full) for size, full in zip(sizes, whole, strict=True)
    )


def _fit_lstm(given: Mapping[str, Any]) -> bool:
    """Whether states and weights of an LSTM have the sizes that its other arguments say."""
    x, states, weights = given.get("input", given.get("data")), given["hx"], given["params"]
    layers = given["num_layers"]
    directions = 2 if given["bidirectional"] else 1
    if len(states) != 2 or layers < 1 or any(state.dim() != 3 for state in states):
        return False
    batch = _rows_of_lstm(x, given)
    hidden, out = states[1].shape[2], states[0].shape[2]
    if batch is None or hidden < 1:
        return False
    for state, size in ((states[0], out), (states[1], hidden)):
        if state.shape != (layers * directions, batch, size):
            return False
    expected: list[tuple[int, ...]] = []
    for layer in range(layers):
        width = x.shape[-1] if layer == 0 else directions * out
        one: list[tuple[int, ...]] = [(4 * hidden, width), (4 * hidden, out)]
        if given["has_biases"]:
            one += [(4 * hidden,), (4 * hidden,)]
        if out != hidden:
            one += [(out, hidden)]
        expected += one * directions
    tensors = [*states, *weights]
    return [tuple(weight.shape) for weight in weights] == expected and all(
        tensor.dtype == x.dtype for tensor in tensors
    )


def _rows_of_lstm(x: Tensor, given: Mapping[str, Any]) -> int | None:
    sizes = given.get("batch_sizes")
    if sizes is None:
        return x.shape[0 if given["batch_first"] else 1] if x.dim() == 3 else None
    if x.dim() != 2 or sizes.dim() != 1 or sizes.dtype != torch.int64 or len(sizes) == 0:
        return None
    is_falling = bool((sizes[1:] <= sizes[:-1]).all()) and int(sizes[-1]) >= 1
    return int(sizes[0]) if is_falling and int(sizes.sum()) == len(x) else None


def _fit_weight_norm(given: Mapping[str, Any]) -> bool:
    v, g, dim = given["v"], given["g"], given["dim"]
    if not -v.dim() <= dim < v.dim():
        return False
    expected = [1] * v.dim()
    expected[dim] = v.shape[dim]
    return list(g.shape) == expected


def _fit_scales(given: Mapping[str, Any]) -> bool:
    scales = [given.get("scales_h"), given.get("scales_w"), *(given.get("scale_factors") or ())]
    return all(one is None or 1e-3 <= one <= 1e3 for one in scales)


def _fit_division(given: Mapping[str, Any]) -> bool:
    """Whether no number is the smallest one, divided by -1: the processor has a trap for it."""
    dividend, divisor = given["self"], given["other"]
    numbers = [one for one in (dividend, divisor) if isinstance(one, Tensor)]
    kind = torch.result_type(dividend, divisor)
    if given["rounding_mode"] != "trunc" or kind.is_floating_point or kind.is_complex:
        return True
    if kind == torch.bool or not numbers:
        return True
    smallest = torch.iinfo(kind).min
    has_smallest = bool((torch.as_tensor(dividend) == smallest).any())
    return not (has_smallest and bool((torch.as_tensor(divisor) == -1).any()))


_Check = Callable[[Mapping[str, Any]], bool]


def _named(check: _Check | None, *names: str) -> Mapping[str, _Check | None]:
    return {f"aten::{name}": check for name in names}


TRUSTING: Final[Mapping[str, _Check | None]] = {
    **_named(None, "empty.memory_format", "empty_like", "empty_strided"),
    **_named(None, "new_empty", "new_empty_strided"),
    **_named(_fit_attention, "scaled_dot_product_attention", "_scaled_dot_product_attention_math"),
    **_named(_fit_flash_attention, "_scaled_dot_product_flash_attention_for_cpu"),
    **_named(_fit_batch_norm, "native_batch_norm", "_native_batch_norm_legit.no_stats"),
    **_named(_fit_batch_norm, "_native_batch_norm_legit_no_training"),
    **_named(_fit_distances, "_pdist_forward"),
    **_named(_fit_lstm, "lstm.input", "lstm.data"),
    **_named(_fit_weight_norm, "_weight_norm"),
    **_named(_fit_scales, "_upsample_bilinear2d_aa", "_upsample_bilinear2d_aa.vec"),
    **_named(_fit_division, "div.Tensor_mode", "div.Scalar_mode"),
    **_named(_fit_division, "divide.Tensor_mode", "divide.Scalar_mode"),
}
"""The checks by the name of the operator; None for those whose results are filled with zeros."""


def trusting(names: Sequence[str]) -> frozenset[str]:
    """Return those of the operators of a program that are called with a look at their arguments."""
    return frozenset(names) & TRUSTING.keys()
