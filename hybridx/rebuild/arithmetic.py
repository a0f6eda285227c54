"""Operators of ONNX that compute element by element, or along axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from hybridx.rebuild.known import axes_of
from hybridx.rebuild.values import DTYPES, Node, Unrestorable, integer, is_known, tensor, tensors

Operator = Callable[[Node, Sequence[Any]], Any]


def unary(function: Callable[[Tensor], Tensor]) -> Operator:
    """Return the operator of a function of one tensor."""
    return lambda node, values: function(tensor(values[0]))


def binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """Return the operator of a function of two tensors."""
    return lambda node, values: function(*tensors(*values))


def _several(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda node, values: reduce(function, tensors(*values))


def _divide(left: Tensor, right: Tensor) -> Tensor:
    if left.is_floating_point():
        return left / right
    return torch.div(left, right, rounding_mode="trunc")


def _power(base: Tensor, exponent: Tensor) -> Tensor:
    return torch.pow(base, exponent).to(base.dtype)


def _modulo(node: Node, values: Sequence[Any]) -> Tensor:
    left, right = tensors(*values)
    return torch.fmod(left, right) if node.attribute("fmod", 0) else torch.remainder(left, right)


def _clip(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    low, high = (*values[1:], None, None)[:2]
    if low is not None:
        x = torch.maximum(x, tensor(low, x).to(x.dtype))
    return x if high is None else torch.minimum(x, tensor(high, x).to(x.dtype))


def _cast(node: Node, values: Sequence[Any]) -> Any:
    dtype = DTYPES.get(node.attribute("to"))
    if dtype is None:
        raise Unrestorable("a cast to a dtype that torch does not have")
    if is_known(values[0]) and dtype == torch.int64:
        return values[0]
    return tensor(values[0]).to(dtype)


def _where(node: Node, values: Sequence[Any]) -> Tensor:
    asked, left, right = tensors(*values)
    return torch.where(asked, left, right)


def _is_infinite(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    found = torch.zeros_like(x, dtype=torch.bool)
    if node.attribute("detect_positive", 1):
        found = found | torch.isposinf(x)
    return found | torch.isneginf(x) if node.attribute("detect_negative", 1) else found


def _bit_shift(node: Node, values: Sequence[Any]) -> Tensor:
    left, right = tensors(*values)
    return left << right if node.attribute("direction") == "LEFT" else left >> right


def _hard_sigmoid(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    return torch.clamp(node.attribute("alpha", 0.2) * x + node.attribute("beta", 0.5), 0, 1)


def _parametric(node: Node, values: Sequence[Any]) -> Tensor:
    x, slope = tensors(*values)
    return torch.where(x < 0, slope * x, x)


def _with_alpha(
    function: Callable[[Tensor, float], Tensor], default: float
) -> Callable[[Node, Sequence[Any]], Tensor]:
    return lambda node, values: function(tensor(values[0]), node.attribute("alpha", default))


def _softmax(function: Callable[..., Tensor]) -> Operator:
    return lambda node, values: function(tensor(values[0]), dim=node.attribute("axis", -1))


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def reduced(node: Node, values: Sequence[Any]) -> Tensor:
        x = tensor(values[0])
        axes = axes_of(node, values)
        if not axes:
            if node.attribute("noop_with_empty_axes", 0):
                return x
            axes = list(range(x.ndim))
        return function(x, axes, bool(node.attribute("keepdims", 1)))

    return reduced


def _product(x: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = torch.prod(x, dim=axis, keepdim=keepdim)
    return x


def _norm(x: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, dim=axes, keepdim=keepdim)
    return norm


def _sum(x: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    return torch.sum(x, dim=axes, keepdim=keepdim, dtype=x.dtype)


def _extreme(function: Callable[[Tensor, int, bool], Tensor]) -> Operator:
    def extreme(node: Node, values: Sequence[Any]) -> Tensor:
        x, axis = tensor(values[0]), int(node.attribute("axis", 0))
        keepdim = bool(node.attribute("keepdims", 1))
        if not node.attribute("select_last_index", 0):
            return function(x, axis, keepdim)
        return torch.rsub(function(torch.flip(x, [axis]), axis, keepdim), x.shape[axis] - 1)

    return extreme


def _cumulative_sum(node: Node, values: Sequence[Any]) -> Tensor:
    x, axis = tensor(values[0]), integer(values[1])
    if node.attribute("reverse", 0):
        x = torch.flip(x, [axis])
    total = torch.cumsum(x, axis, dtype=x.dtype)
    if node.attribute("exclusive", 0):
        total = total - x
    return torch.flip(total, [axis]) if node.attribute("reverse", 0) else total


def _top_k(node: Node, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
    largest = bool(node.attribute("largest", 1))
    found, places = torch.topk(
        tensor(values[0]), integer(values[1]), node.attribute("axis", -1), largest, True
    )
    return found, places


def _gelu(node: Node, values: Sequence[Any]) -> Tensor:
    return nn.functional.gelu(
        tensor(values[0]), approximate=str(node.attribute("approximate", "none"))
    )


def _swish(node: Node, values: Sequence[Any]) -> Tensor:
    x, alpha = tensor(values[0]), float(node.attribute("alpha", 1.0))
    return x * torch.sigmoid(alpha * x)


def _selu(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    alpha = float(node.attribute("alpha", 1.67326319))
    gamma = float(node.attribute("gamma", 1.05070102))
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


OPERATORS: Mapping[str, Operator] = {
    "Abs": unary(torch.abs),
    "Acos": unary(torch.acos),
    "Acosh": unary(torch.acosh),
    "Asin": unary(torch.asin),
    "Asinh": unary(torch.asinh),
    "Atan": unary(torch.atan),
    "Atanh": unary(torch.atanh),
    "BitwiseNot": unary(torch.bitwise_not),
    "Ceil": unary(torch.ceil),
    "Cos": unary(torch.cos),
    "Cosh": unary(torch.cosh),
    "Erf": unary(torch.erf),
    "Exp": unary(torch.exp),
    "Floor": unary(torch.floor),
    "HardSwish": unary(nn.functional.hardswish),
    "Identity": lambda node, values: values[0],
    "IsNaN": unary(torch.isnan),
    "Log": unary(torch.log),
    "Mish": unary(nn.functional.mish),
    "Neg": unary(torch.neg),
    "Not": unary(torch.logical_not),
    "Reciprocal": unary(torch.reciprocal),
    "Relu": unary(torch.relu),
    "Round": unary(torch.round),
    "Sigmoid": unary(torch.sigmoid),
    "Sign": unary(torch.sign),
    "Sin": unary(torch.sin),
    "Sinh": unary(torch.sinh),
    "Softplus": unary(nn.functional.softplus),
    "Softsign": unary(nn.functional.softsign),
    "Sqrt": unary(torch.sqrt),
    "Tan": unary(torch.tan),
    "Tanh": unary(torch.tanh),
    "Add": binary(torch.add),
    "And": binary(torch.logical_and),
    "BitwiseAnd": binary(torch.bitwise_and),
    "BitwiseOr": binary(torch.bitwise_or),
    "BitwiseXor": binary(torch.bitwise_xor),
    "Div": binary(_divide),
    "Equal": binary(torch.eq),
    "Greater": binary(torch.gt),
    "GreaterOrEqual": binary(torch.ge),
    "Less": binary(torch.lt),
    "LessOrEqual": binary(torch.le),
    "MatMul": binary(torch.matmul),
    "Mul": binary(torch.mul),
    "Or": binary(torch.logical_or),
    "Pow": binary(_power),
    "PRelu": _parametric,
    "Sub": binary(torch.sub),
    "Xor": binary(torch.logical_xor),
    "Max": _several(torch.maximum),
    "Min": _several(torch.minimum),
    "Sum": _several(torch.add),
    "BitShift": _bit_shift,
    "Cast": _cast,
    "Celu": _with_alpha(lambda x, alpha: nn.functional.celu(x, alpha), 1.0),
    "Clip": _clip,
    "CumSum": _cumulative_sum,
    "Elu": _with_alpha(lambda x, alpha: nn.functional.elu(x, alpha), 1.0),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "IsInf": _is_infinite,
    "LeakyRelu": _with_alpha(lambda x, alpha: nn.functional.leaky_relu(x, alpha), 0.01),
    "Mod": _modulo,
    "Selu": _selu,
    "Swish": _swish,
    "ThresholdedRelu": _with_alpha(lambda x, alpha: torch.where(x > alpha, x, 0), 1.0),
    "Where": _where,
    "LogSoftmax": _softmax(torch.log_softmax),
    "Softmax": _softmax(torch.softmax),
    "ArgMax": _extreme(torch.argmax),
    "ArgMin": _extreme(torch.argmin),
    "ReduceL1": _reduction(lambda x, axes, keep: _sum(torch.abs(x), axes, keep)),
    "ReduceL2": _reduction(_norm),
    "ReduceLogSum": _reduction(lambda x, axes, keep: torch.log(_sum(x, axes, keep))),
    "ReduceLogSumExp": _reduction(lambda x, axes, keep: torch.logsumexp(x, axes, keep)),
    "ReduceMax": _reduction(lambda x, axes, keep: torch.amax(x, axes, keep)),
    "ReduceMean": _reduction(lambda x, axes, keep: torch.mean(x, axes, keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: torch.amin(x, axes, keep)),
    "ReduceProd": _reduction(_product),
    "ReduceSum": _reduction(_sum),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: _sum(x * x, axes, keep)),
    "TopK": _top_k,
}
"""The torch operator of each operator of ONNX that computes."""
