"""Operators of ONNX that are layers: products, convolutions, pools, normalisations, recurrence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hybridx.rebuild.arithmetic import Operator
from hybridx.rebuild.values import Node, Unrestorable, integers, tensor, tensors

_CONVOLUTIONS = (nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d)
_TRANSPOSED = (
    nn.functional.conv_transpose1d,
    nn.functional.conv_transpose2d,
    nn.functional.conv_transpose3d,
)
_MAXIMA = (nn.functional.max_pool1d, nn.functional.max_pool2d, nn.functional.max_pool3d)
_MEANS = (nn.functional.avg_pool1d, nn.functional.avg_pool2d, nn.functional.avg_pool3d)

# Where torch's gates stand among those of ONNX, by the operator.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}


def _gemm(node: Node, values: Sequence[Any]) -> Tensor:
    left, right, *rest = tensors(*(value for value in values if value is not None))
    left = left.T if node.attribute("transA", 0) else left
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    bias = rest[0] if rest else None
    is_linear = (alpha, beta) == (1.0, 1.0) and node.attribute("transB", 0)
    if is_linear and (bias is None or bias.ndim == 1):
        return nn.functional.linear(left, right, bias)
    product = left @ (right.T if node.attribute("transB", 0) else right)
    product = product if alpha == 1.0 else alpha * product
    if bias is None:
        return product
    return product + (bias if beta == 1.0 else beta * bias)


def _einsum(node: Node, values: Sequence[Any]) -> Tensor:
    return torch.einsum(node.attribute("equation"), *tensors(*values))


def _check_padding(node: Node) -> None:
    if node.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Unrestorable(f"auto_pad={node.attribute('auto_pad')}")


def _padded(node: Node, x: Tensor, fill: float = 0.0) -> tuple[Tensor, list[int]]:
    """Return what is padded by hand, and the padding that torch can do itself."""
    _check_padding(node)
    axes = x.ndim - 2
    pads = node.attribute("pads") or [0] * (2 * axes)
    if pads[:axes] == pads[axes:]:
        return x, list(pads[:axes])
    both = [pads[side * axes + axis] for axis in reversed(range(axes)) for side in (0, 1)]
    return nn.functional.pad(x, both, value=fill), [0] * axes


def _convolution(node: Node, values: Sequence[Any]) -> Tensor:
    x, weight, *bias = tensors(*(value for value in values if value is not None))
    ones = [1] * (x.ndim - 2)
    x, padding = _padded(node, x)
    return _of_rank(_CONVOLUTIONS, x)(
        x,
        weight,
        bias[0] if bias else None,
        stride=node.attribute("strides", ones),
        padding=padding,
        dilation=node.attribute("dilations", ones),
        groups=node.attribute("group", 1),
    )


def _transposed_convolution(node: Node, values: Sequence[Any]) -> Tensor:
    x, weight, *bias = tensors(*(value for value in values if value is not None))
    axes = x.ndim - 2
    _check_padding(node)
    pads = node.attribute("pads") or [0] * (2 * axes)
    if pads[:axes] != pads[axes:] or node.attribute("output_shape"):
        raise Unrestorable("unequal pads or an output_shape")
    return _of_rank(_TRANSPOSED, x)(
        x,
        weight,
        bias[0] if bias else None,
        stride=node.attribute("strides", [1] * axes),
        padding=pads[:axes],
        output_padding=node.attribute("output_padding", [0] * axes),
        groups=node.attribute("group", 1),
        dilation=node.attribute("dilations", [1] * axes),
    )


def _of_rank(functions: tuple[Callable[..., Tensor], ...], x: Tensor) -> Callable[..., Tensor]:
    if not 3 <= x.ndim <= 5:
        raise Unrestorable(f"an input of {x.ndim} axes")
    return functions[x.ndim - 3]


def _max_pool(node: Node, values: Sequence[Any]) -> Tensor:
    if node.outputs > 1:
        raise Unrestorable("the places of the maxima")
    x, padding = _padded(node, tensor(values[0]), -torch.inf)
    kernel, ones = node.attribute("kernel_shape"), [1] * (x.ndim - 2)
    return _of_rank(_MAXIMA, x)(
        x,
        kernel,
        node.attribute("strides", ones),
        padding,
        node.attribute("dilations", ones),
        bool(node.attribute("ceil_mode", 0)),
    )


def _average_pool(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    axes = x.ndim - 2
    pads = node.attribute("pads") or [0] * (2 * axes)
    includes = bool(node.attribute("count_include_pad", 0))
    if node.attribute("dilations", [1] * axes) != [1] * axes:
        raise Unrestorable("dilations")
    if pads[:axes] != pads[axes:] and not includes:
        raise Unrestorable("unequal pads that do not count")
    x, padding = _padded(node, x)
    return _of_rank(_MEANS, x)(
        x,
        node.attribute("kernel_shape"),
        node.attribute("strides", [1] * axes),
        padding,
        bool(node.attribute("ceil_mode", 0)),
        includes,
    )


def _global_pool(function: Callable[..., Tensor]) -> Operator:
    def pooled(node: Node, values: Sequence[Any]) -> Tensor:
        x = tensor(values[0])
        return function(x, dim=[*range(2, x.ndim)], keepdim=True)

    return pooled


def _batch_norm(node: Node, values: Sequence[Any]) -> Tensor:
    if node.attribute("training_mode", 0):
        raise Unrestorable("training_mode=1")
    x, scale, bias, mean, variance = tensors(*values)
    epsilon = node.attribute("epsilon", 1e-5)
    return nn.functional.batch_norm(x, mean, variance, scale, bias, training=False, eps=epsilon)


def _layer_norm(node: Node, values: Sequence[Any]) -> Tensor:
    if node.outputs > 1:
        raise Unrestorable("the mean and the deviation")
    x, scale, *bias = tensors(*(value for value in values if value is not None))
    lengths = list(x.shape[node.attribute("axis", -1) :])
    normal = nn.functional.layer_norm(x, lengths, eps=node.attribute("epsilon", 1e-5))
    return normal * scale + bias[0] if bias else normal * scale


def _rms_norm(node: Node, values: Sequence[Any]) -> Tensor:
    x, scale = tensors(*values)
    lengths = list(x.shape[node.attribute("axis", -1) :])
    return nn.functional.rms_norm(x, lengths, eps=node.attribute("epsilon", 1e-5)) * scale


def _instance_norm(node: Node, values: Sequence[Any]) -> Tensor:
    x, scale, bias = tensors(*values)
    return nn.functional.instance_norm(
        x, weight=scale, bias=bias, eps=node.attribute("epsilon", 1e-5)
    )


def _group_norm(node: Node, values: Sequence[Any]) -> Tensor:
    x, scale, bias = tensors(*values)
    groups, epsilon = node.attribute("num_groups"), node.attribute("epsilon", 1e-5)
    if scale.shape[0] != x.shape[1]:  # before opset 21 there is one number for each group
        scale, bias = (one.repeat_interleave(x.shape[1] // groups) for one in (scale, bias))
    return nn.functional.group_norm(x, groups, scale, bias, epsilon)


def _lp_normalization(node: Node, values: Sequence[Any]) -> Tensor:
    x, axis = tensor(values[0]), node.attribute("axis", -1)
    return torch.div(x, torch.linalg.vector_norm(x, node.attribute("p", 2), dim=axis, keepdim=True))


def _resize(node: Node, values: Sequence[Any]) -> Tensor:
    x = tensor(values[0])
    asked = [*values, None, None, None][1:4]
    scales = None if asked[1] is None else tensor(asked[1]).reshape(-1).tolist()
    lengths = None if asked[2] is None else integers(asked[2])
    if node.attribute("axes") or node.attribute("antialias", 0) or x.ndim < 3:
        raise Unrestorable("axes, antialias or fewer than three axes")
    if lengths is None:
        if not scales or scales[:2] != [1.0, 1.0]:
            raise Unrestorable("other scales of the batch or the channels")
        lengths = [1, 1, *(int(n * s) for n, s in zip(x.shape[2:], scales[2:], strict=True))]
    mode = node.attribute("mode", "nearest")
    places = node.attribute("coordinate_transformation_mode", "half_pixel")
    rounding = node.attribute("nearest_mode", "round_prefer_floor")
    if mode == "nearest":
        names = {
            ("asymmetric", "floor"): "nearest",
            ("half_pixel", "round_prefer_ceil"): "nearest-exact",
        }
        found = names.get((places, rounding))
        if found is None:
            raise Unrestorable(f"{places} with {rounding}")
        return nn.functional.interpolate(x, size=lengths[2:], mode=found)
    kinds = {("linear", 3): "linear", ("linear", 4): "bilinear", ("linear", 5): "trilinear"}
    kinds |= {("cubic", 4): "bicubic"}
    found = kinds.get((mode, x.ndim))
    if found is None or places not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise Unrestorable(f"{mode} with {places}")
    if mode == "cubic" and node.attribute("cubic_coeff_a", -0.75) != -0.75:
        raise Unrestorable("another cubic_coeff_a")
    return nn.functional.interpolate(
        x, size=lengths[2:], mode=found, align_corners=places == "align_corners"
    )


def _recurrent(kind: str, node: Node, values: Sequence[Any]) -> tuple[Tensor, ...]:
    x, weight, recurrent, bias, lengths, *state = [*values, *[None] * (8 - len(values))][:8]
    _check_recurrent(kind, node, values)
    direction = node.attribute("direction", "forward")
    hidden = node.attribute("hidden_size")
    x = tensor(x)
    if node.attribute("layout", 0):
        x = x.transpose(0, 1)
    is_reversed = direction == "reverse"
    directions = 2 if direction == "bidirectional" else 1
    if is_reversed and lengths is not None:
        raise Unrestorable("a reversed sequence with lengths")
    x = torch.flip(x, [0]) if is_reversed else x
    zeros = x.new_zeros([directions, x.shape[1], hidden])
    start = [zeros if one is None else tensor(one) for one in state[: 2 if kind == "LSTM" else 1]]
    packed = None
    if lengths is not None:
        packed = pack_padded_sequence(x, tensor(lengths).long().cpu(), enforce_sorted=False)
    gates = len(_GATES[kind])
    sides = [None, None] if bias is None else tensor(bias).split(gates * hidden, 1)
    weights: list[Tensor] = []
    for side in range(directions):
        for one in (tensor(weight), tensor(recurrent), *sides):
            if one is not None:
                parts = one[side].split(hidden, 0)
                weights.append(torch.cat([parts[gate] for gate in _GATES[kind]]))
    functions: Any = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN": torch.rnn_tanh}
    function = functions[kind]
    if kind == "RNN" and (node.attribute("activations") or ["Tanh"])[0] == "Relu":
        function = torch.rnn_relu
    first = start if kind == "LSTM" else start[0]
    options = (weights, bias is not None, 1, 0.0, False, directions == 2)
    if packed is None:
        y, *last = function(x, first, *options, False)
    else:
        order, back = packed.sorted_indices, packed.unsorted_indices
        assert order is not None
        assert back is not None
        sorted_start = [one.index_select(1, order) for one in start]
        first = sorted_start if kind == "LSTM" else sorted_start[0]
        data, *last = function(packed.data, packed.batch_sizes, first, *options)
        whole = type(packed)(data, packed.batch_sizes, order, back)
        y, _ = pad_packed_sequence(whole, total_length=x.shape[0])
        last = [one.index_select(1, back) for one in last]
    y = torch.flip(y, [0]) if is_reversed else y
    # ONNX has the directions on an axis of their own, before the batch.
    y = y.reshape(y.shape[0], y.shape[1], directions, hidden).permute(0, 2, 1, 3)
    if node.attribute("layout", 0):
        y = y.permute(2, 0, 1, 3)
        last = [one.transpose(0, 1) for one in last]
    return (y, *last)


def _check_recurrent(kind: str, node: Node, values: Sequence[Any]) -> None:
    """Refuse forms of a recurrent layer that torch's does not have."""
    usual = {
        "LSTM": (["Sigmoid", "Tanh", "Tanh"],),
        "GRU": (["Sigmoid", "Tanh"],),
        "RNN": (["Tanh"], ["Relu"]),
    }[kind]
    given = node.attribute("activations")
    directions = 2 if node.attribute("direction") == "bidirectional" else 1
    if given and not any(given == one * directions for one in usual):
        raise Unrestorable("other activations")
    if node.attribute("clip") or node.attribute("input_forget", 0):
        raise Unrestorable("clip or input_forget")
    if kind == "GRU" and not node.attribute("linear_before_reset", 0):
        raise Unrestorable("linear_before_reset=0")
    if kind == "LSTM" and len(values) > 7 and values[7] is not None:
        raise Unrestorable("peepholes")


OPERATORS: Mapping[str, Operator] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool(torch.mean),
    "GlobalMaxPool": _global_pool(torch.amax),
    "GroupNormalization": _group_norm,
    "GRU": partial(_recurrent, "GRU"),
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_normalization,
    "LSTM": partial(_recurrent, "LSTM"),
    "MaxPool": _max_pool,
    "Resize": _resize,
    "RMSNormalization": _rms_norm,
    "RNN": partial(_recurrent, "RNN"),
}
"""The torch function of each operator of ONNX that is a layer."""
