"""Rules of operations that compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hybridx.capture.batching.batched import (
    Rows,
    argument_leaves,
    in_dtype,
    is_rows,
    pad_rank,
    value_of,
)
from hybridx.capture.batching.rule import OperatorCall, Rule, axis_at, table
from hybridx.capture.graph.float64 import DECOMPOSITIONS
from hybridx.capture.graph.ops import CIRCUIT_OP, QNODE_OP, call_on_rows
from hybridx.capture.torch_internals import flatten, map_leaves, overload_of, unflatten


def pointwise(call: OperatorCall) -> Any:
    """The rule of elementwise operations."""
    leaves = argument_leaves((call.args, call.kwargs))
    rank = max(
        leaf.rank if isinstance(leaf, Rows) else leaf.dim()
        for leaf in leaves
        if isinstance(leaf, Rows | Tensor)
    )

    def aligned(leaf: Any) -> Any:
        return pad_rank(leaf, rank) if isinstance(leaf, Rows) else leaf

    args, kwargs = map_leaves(aligned, (call.args, call.kwargs), is_leaf=is_rows)
    result = call.target(*args, **kwargs)
    # torch lets a tensor without axes widen no dtype; with a row axis it would widen one.
    traced = call.node.meta["val"]
    return in_dtype(result, traced.dtype) if isinstance(traced, Tensor) else result


def _every_matrix(call: OperatorCall) -> Any:
    """The rule of operations on the last two axes."""
    return call.target(call.args[0].value, *call.args[1:], **call.kwargs)


def _over_everything(packet: Any) -> Callable[[OperatorCall], Tensor]:
    """Return the rule of a reduction to a number: `packet` reduces the last axis instead."""

    def rule(call: OperatorCall) -> Tensor:
        flat = call.args[0].value.reshape(call.rows, -1)
        result: Tensor = packet(flat, 1, **call.kwargs)
        return result

    return rule


def _reduction(over_all: Any, position: int = 1, default: Any = None) -> Rule:
    """Return the rule of an operation that has a form with axes and one without."""
    with_axes, without = axis_at(position, default), _over_everything(over_all)

    def rule(call: OperatorCall) -> Any:
        name = overload_of(call.target)
        return without(call) if name == "default" and len(call.args) == 1 else with_axes(call)

    return rule


def _product(left: Rows | Tensor, right: Rows | Tensor) -> Tensor:
    """Return `left @ right` of two matrices, stacks of matrices, or a matrix and a vector."""
    left_rank = left.rank if isinstance(left, Rows) else left.dim()
    right_rank = right.rank if isinstance(right, Rows) else right.dim()
    # One matrix for all rows: a single product of two matrices. `torch.matmul` of a stack and a
    # matrix may be decomposed by a rule that holds for more than one row only.
    if isinstance(left, Rows) and not isinstance(right, Rows) and left_rank == 2:
        rows, count, width = left.value.shape
        flat = left.value.reshape(-1, width)
        if right_rank == 1:
            return (flat @ right.unsqueeze(-1)).reshape(rows, count)
        if right_rank == 2:
            return (flat @ right).reshape(rows, count, right.shape[1])
    if isinstance(right, Rows) and not isinstance(left, Rows) and left_rank == 2:
        if right_rank == 1:
            return right.value @ left.T
        if right_rank == 2:
            rows, width, count = right.value.shape
            flat = right.value.transpose(1, 2).reshape(-1, width)
            return (flat @ left.T).reshape(rows, count, left.shape[0]).transpose(1, 2)
    if right_rank == 1:
        column = right.value if isinstance(right, Rows) else right
        return (value_of(left) @ column.unsqueeze(-1)).squeeze(-1)
    return value_of(left) @ value_of(right)


def _matmul(call: OperatorCall) -> Tensor:
    return _product(call.args[0], call.args[1])


def _addmm(call: OperatorCall) -> Tensor:
    bias, left, right = call.args[:3]
    scaled = call.kwargs.get("beta", 1) != 1 or call.kwargs.get("alpha", 1) != 1
    shared = not isinstance(bias, Rows) and not isinstance(right, Rows) and isinstance(left, Rows)
    if shared and not scaled:
        rows, count, width = left.value.shape
        flat = torch.addmm(bias, left.value.reshape(-1, width), right)
        return flat.reshape(rows, count, right.shape[1])
    product = _product(left, right) * call.kwargs.get("alpha", 1)
    added = pad_rank(bias, 2) if isinstance(bias, Rows) else bias
    result: Tensor = product + added * call.kwargs.get("beta", 1)
    return result


def _linear(call: OperatorCall) -> Tensor:
    call.alone(1, 2)
    return torch.nn.functional.linear(call.args[0].value, *call.args[1:])


def _dot(call: OperatorCall) -> Tensor:
    return (value_of(call.args[0]) * value_of(call.args[1])).sum(-1)


def _folded(core: int) -> Rule:
    """Return the rule of an operation on the last `core` axes that takes one batch axis."""

    def rule(call: OperatorCall) -> Any:
        call.alone(*range(1, len(call.args)))
        value = call.args[0].value
        lead = call.rank(0) - core
        flat = value.reshape(-1, *value.shape[1 + lead :])
        result = call.target(flat, *call.args[1:], **call.kwargs)
        inner = call.args[0].value.shape[1 : 1 + lead]
        return map_leaves(lambda leaf: leaf.reshape(call.rows, *inner, *leaf.shape[1:]), result)

    return rule


def _convolution(call: OperatorCall) -> Tensor:
    stride = call.arg(3, [1])
    return _folded(1 + len(stride))(call)  # type: ignore[no-any-return]


def _batch_norm(call: OperatorCall) -> Any:
    call.alone(1, 2, 3, 4)
    value = call.args[0].value
    output, *saved = call.target(value.flatten(0, 1), *call.args[1:], **call.kwargs)
    return output.reshape(value.shape), *saved


def _layer_norm(call: OperatorCall) -> Any:
    call.alone(1, 2, 3)
    return call.target(call.args[0].value, *call.args[1:], **call.kwargs)


def _group_norm(call: OperatorCall) -> Any:
    call.alone(1, 2)
    value = call.args[0].value
    flat = value.reshape(-1, *value.shape[2:])
    output, mean, spread = call.target(flat, *call.args[1:3], flat.shape[0], *call.args[4:])
    return output.reshape(value.shape), mean, spread


def _attention(call: OperatorCall) -> Tensor:
    leaves = [call.spread(a) if isinstance(a, Tensor | Rows) else a for a in call.args]
    return call.target(*leaves, **call.kwargs)  # type: ignore[no-any-return]


def _circuit(call: OperatorCall) -> Tensor:
    parameters, index, width = call.args
    flat: Tensor = CIRCUIT_OP(parameters.value.flatten(0, 1), index, width)
    return flat.reshape(call.rows, *call.shape)


def _qnode(call: OperatorCall) -> Tensor:
    angles, _, *rest = call.args
    return call_on_rows([value_of(a) for a in angles], [isinstance(a, Rows) for a in angles], *rest)


def by_vmap(call: OperatorCall) -> Any:
    """Ask torch itself for a rule."""
    leaves, structure = flatten((call.args, call.kwargs), is_leaf=is_rows)
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, Rows)]

    def one(*values: Tensor) -> Any:
        filled = list(leaves)
        for place, value in zip(places, values, strict=True):
            filled[place] = value
        args, kwargs = unflatten(filled, structure)
        return call.target(*args, **kwargs)

    return torch.vmap(one)(*(leaves[place].value for place in places))


ARITHMETIC: dict[Any, Rule] = {
    QNODE_OP.overloadpacket: _qnode,
    CIRCUIT_OP.overloadpacket: _circuit,
    # `graph/float64.py` does not decompose these in float32; not all have torch's pointwise tag.
    **{target.overloadpacket: pointwise for target in DECOMPOSITIONS},
    **table(
        (_every_matrix, "linalg_matrix_exp linalg_inv_ex linalg_eigh"),
        (axis_at(1), "cumsum cumprod _softmax _log_softmax softmax log_softmax logsumexp"),
        (axis_at(2, -1), "topk"),
        (axis_at(1, -1), "sort"),
        (axis_at(2, None), "linalg_vector_norm"),
        (_reduction(torch.sum), "sum"),
        (_reduction(torch.mean), "mean"),
        (_reduction(torch.prod), "prod"),
        (_reduction(torch.amax), "amax max"),
        (_reduction(torch.amin), "amin min"),
        (_reduction(torch.var), "var"),
        (_reduction(torch.any), "any"),
        (_reduction(torch.all), "all"),
        (_reduction(torch.argmax), "argmax"),
        (_reduction(torch.argmin), "argmin"),
        (_matmul, "mm bmm mv matmul"),
        (_addmm, "addmm"),
        (_linear, "linear"),
        (_dot, "dot"),
        (_convolution, "convolution"),
        (_batch_norm, "_native_batch_norm_legit_no_training"),
        (_layer_norm, "native_layer_norm layer_norm"),
        (_group_norm, "native_group_norm"),
        (_folded(2), "avg_pool1d adaptive_avg_pool1d"),
        (
            _folded(3),
            "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d "
            "upsample_nearest2d upsample_bilinear2d",
        ),
        (_folded(4), "max_pool3d_with_indices avg_pool3d _adaptive_avg_pool3d"),
        (_attention, "scaled_dot_product_attention"),
    ),
}
