"""Operations that may stay as they are: the row axis takes the place of the batch axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hybridx.capture.batching.batched import Rows, argument_leaves, is_rows
from hybridx.capture.batching.rule import OperatorCall, table
from hybridx.capture.graph.ops import CIRCUIT_OP
from hybridx.capture.torch_internals import map_leaves

_Test: TypeAlias = Callable[[OperatorCall, int], bool]
"""Takes the call and the greatest rank among its tensors."""


def may_stay(call: OperatorCall) -> bool:
    """Return whether an operation may stay as it is, with the row axis as its batch axis."""
    packet = getattr(call.target, "overloadpacket", call.target)
    is_pointwise = torch.Tag.pointwise in getattr(call.target, "tags", ())
    if packet not in _MAY_STAY and not is_pointwise:
        return False
    leaves = argument_leaves((call.args, call.kwargs))
    if not all(leaf.is_batch for leaf in leaves if isinstance(leaf, Rows)):
        return False
    ranks = {leaf.rank for leaf in leaves if isinstance(leaf, Rows)}
    rank = max(ranks)
    others = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if is_pointwise:
        fits = all(other.dim() < rank or other.shape[0] == 1 for other in others)
        return len(ranks) == 1 and rank > 0 and fits
    return _MAY_STAY[packet](call, rank)


def stay(call: OperatorCall) -> Any:
    """Run an operation for which `may_stay` is true, with the row axis as its batch axis."""

    def plain(leaf: Any) -> Any:
        return leaf.stored if isinstance(leaf, Rows) else leaf

    args, kwargs = map_leaves(plain, (call.args, call.kwargs), is_leaf=is_rows)
    result = call.target(*args, **kwargs)
    return map_leaves(
        lambda leaf: Rows(leaf, is_batch=True) if isinstance(leaf, Tensor) else leaf, result
    )


def _off_axis(position: int) -> _Test:
    """Return a test that the axes argument at `position` leaves out axis 0; no axes means all."""

    def spares(call: OperatorCall, rank: int) -> bool:
        axes = call.kwargs.get("dim", call.arg(position))
        several = axes if isinstance(axes, list | tuple) else [axes]
        return bool(several) and all(axis is not None and axis % rank for axis in several)

    return spares


def _data_first(call: OperatorCall, rank: int) -> bool:
    """Return whether only the first argument comes from the data."""
    return not any(isinstance(leaf, Rows) for leaf in argument_leaves((call.args[1:], call.kwargs)))


def _with_batch(core: int) -> _Test:
    """Return a test that the input has a batch axis before the `core` axes of the operation."""
    return lambda call, rank: rank == core + 1 and _data_first(call, rank)


def _always(call: OperatorCall, rank: int) -> bool:
    return True


def _keeps_first_axis(call: OperatorCall, rank: int) -> bool:
    return bool(call.args[1][0] == 0)


def _pads_other_axes(call: OperatorCall, rank: int) -> bool:
    return len(call.args[1]) < 2 * rank


def _normalises_other_axes(call: OperatorCall, rank: int) -> bool:
    return len(call.args[1]) < rank and _data_first(call, rank)


def _times_constant(call: OperatorCall, rank: int) -> bool:
    return rank == 2 and not isinstance(call.args[1], Rows)


def _times_constant_plus_vector(call: OperatorCall, rank: int) -> bool:
    bias, _, matrix = call.args[:3]
    return not isinstance(bias, Rows) and not isinstance(matrix, Rows) and bias.dim() == 1


def _has_rows_of_features(call: OperatorCall, rank: int) -> bool:
    return rank > 1 and _data_first(call, rank)


def _convolves_batch(call: OperatorCall, rank: int) -> bool:
    return _with_batch(1 + len(call.args[3]))(call, rank)


def _looks_up_constant(call: OperatorCall, rank: int) -> bool:
    return not isinstance(call.args[0], Rows)


_MAY_STAY: dict[Any, _Test] = {
    CIRCUIT_OP.overloadpacket: lambda call, rank: rank == 2,
    **table(
        (
            _off_axis(1),
            "select slice unbind cumsum _softmax _log_softmax softmax log_softmax flip sum mean "
            "amax amin argmax argmin logsumexp",
        ),
        (_off_axis(2), "split split_with_sizes linalg_vector_norm"),
        (_always, "_to_copy clone alias detach"),
        (_pads_other_axes, "constant_pad_nd"),
        (_normalises_other_axes, "native_layer_norm layer_norm"),
        (_keeps_first_axis, "permute"),
        (_times_constant, "mm"),
        (_times_constant_plus_vector, "addmm"),
        (_has_rows_of_features, "linear"),
        (_data_first, "_native_batch_norm_legit_no_training"),
        (_convolves_batch, "convolution"),
        (
            _with_batch(3),
            "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d "
            "upsample_nearest2d upsample_bilinear2d",
        ),
        (_looks_up_constant, "embedding"),
    ),
}
