"""Follow the derivatives that a model takes in its forward.

torch.export follows neither `torch.autograd.grad` nor `torch.func.grad`. So the model is traced
below autograd first: what autograd computes is then operations like all others, and torch.export
follows the module that runs them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture.torch_export import FixedBatch, Shapes, core_table
from hybridx.capture.torch_internals import (
    Retracing,
    dotted,
    fake_inputs,
    length_of,
    lengths_assumed,
    modules_of,
    registered_in,
    traced_below_autograd,
)

_aten = torch.ops.aten


class WithoutAutograd(nn.Module):
    """A module for torch.export that computes what another one does, without autograd.

    Args:
        module: takes any number of tensors; this one has its weights, under their names.
        args: example inputs.
        shapes: their open axes.

    Raises:
        FixedBatch: an open axis has to have the length of the example.
    """

    def __init__(self, module: nn.Module, args: Sequence[Tensor], shapes: Shapes) -> None:
        super().__init__()
        for own, theirs in zip(registered_in(self), registered_in(module), strict=True):
            own.update(theirs)
        self._non_persistent_buffers_set = module._non_persistent_buffers_set
        self._graph = _graph_without_autograd(module, self, args, shapes)

    def forward(self, *tensors: Tensor) -> Any:
        """Run the traced operations."""
        return Retracing(self, graph=self._graph).run(*tensors)


def _graph_without_autograd(
    module: nn.Module, root: nn.Module, args: Sequence[Tensor], shapes: Shapes
) -> fx.Graph:
    """Trace a module; weights and constants are attributes of `root` in the graph."""
    places = [
        (held, name, dotted(path, name))
        for path, part in modules_of(module)
        for held in registered_in(part)[:2]
        for name, tensor in held.items()
        if isinstance(tensor, Tensor)
    ]
    weights = [held[name] for held, name, _ in places]
    given = fake_inputs([*weights, *args], [*[()] * len(weights), *shapes])

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        try:
            for (held, name, _), tensor in zip(places, tensors, strict=False):
                held[name] = tensor
            outputs: tuple[Tensor, ...] = module(*tensors[len(places) :])
            return tuple(output.detach() for output in outputs)
        finally:
            for (held, name, _), weight in zip(places, weights, strict=True):
                held[name] = weight

    lengths = [
        (length_of(tensor, axis), dim.__name__)
        for tensor, opened in zip(given[len(places) :], shapes, strict=True)
        for axis, dim in opened.items()
    ]
    table = {one: rule for one, rule in core_table().items() if one not in _WHOLE}
    traced = traced_below_autograd(run, given, table | DECOMPOSITIONS)
    _refuse_assumptions(lengths_assumed(given[-1]), dict(lengths))
    inputs = traced.graph.find_nodes(op="placeholder")
    for node, (_, _, path) in zip(inputs, places, strict=False):
        with traced.graph.inserting_before(node):
            attribute = traced.graph.get_attr(path) if node.users else None
        if attribute is not None:
            attribute.meta = dict(node.meta)
            node.replace_all_uses_with(attribute)
        traced.graph.erase_node(node)
    for node in traced.graph.find_nodes(op="get_attr"):
        if node.target not in {path for _, _, path in places}:
            root.register_buffer(
                f"traced_{node.target}", getattr(traced, node.target).detach(), persistent=False
            )
            node.target = f"traced_{node.target}"
    _put_linear_back(traced.graph)
    return traced.graph


def _zeros_like_rows(rows: Tensor, other: Tensor, *, self_num_batch_dims: int = 0) -> Tensor:
    """Return zeros like `other`, one for each row: where forward mode begins."""
    return other.new_zeros((*rows.shape[:self_num_batch_dims], *other.shape))


def _derivatives_of_convolution(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the derivatives of a convolution as convolutions."""
    kernel = weight.shape[2:]
    none = [0] * len(kernel)
    if transposed:
        missing = none
    else:
        # The lengths of an input beyond the last place of the kernel.
        missing = [
            length - ((out - 1) * step - 2 * pad + wide * (size - 1) + 1)
            for length, out, step, pad, wide, size in zip(
                x.shape[2:], grad.shape[2:], stride, padding, dilation, kernel, strict=True
            )
        ]
    by_input = _aten.convolution(
        grad, weight, None, stride, padding, dilation, not transposed, missing, groups
    )
    by_weight = None
    if output_mask[1]:
        slides, stays = (grad, x) if transposed else (x, grad)
        parts = [
            _aten.convolution(
                one.transpose(0, 1), other.transpose(0, 1), None,
                dilation, padding, stride, False, none, 1,
            ).transpose(0, 1)
            for one, other in zip(slides.chunk(groups, 1), stays.chunk(groups, 1), strict=True)
        ]  # fmt: skip
        by_weight = torch.cat(parts)
        for axis, size in enumerate(kernel, 2):
            by_weight = by_weight.narrow(axis, 0, size)
    by_bias = grad.sum([0, *range(2, grad.dim())]) if output_mask[2] else None
    return (by_input if output_mask[0] else None), by_weight, by_bias


DECOMPOSITIONS = {
    _aten._new_zeros_with_same_feature_meta.default: _zeros_like_rows,
    _aten.convolution_backward.default: _derivatives_of_convolution,
}


# Constants, whose parts may be empty tensors, which ONNX cannot join.
_WHOLE = frozenset({_aten.triu_indices.default, _aten.tril_indices.default})


def _refuse_assumptions(assumed: Sequence[str], names: Mapping[str, str]) -> None:
    """Refuse a trace that holds at some lengths of the open axes only.

    Args:
        assumed: of `lengths_assumed`.
        names: of the axes, by their lengths in these expressions.

    Raises:
        FixedBatch: it assumes more than that axes of one name are equally long.
    """
    for one in assumed:
        equal = re.fullmatch(r"Eq\((\w+), (\w+)\)", one)
        called = [names.get(side) for side in equal.groups()] if equal else [None]
        if None in called or len({*called}) > 1:
            raise FixedBatch("forward depends on its length, and takes derivatives")


def _put_linear_back(graph: fx.Graph) -> None:
    """Make linear layers of the products that they are below autograd, whose weights keep names."""
    for node in graph.find_nodes(op="call_function", target=_aten.permute.default):
        inner, order = node.args
        if inner.target is _aten.permute.default and list(order) == list(inner.args[1]) == [1, 0]:
            node.replace_all_uses_with(inner.args[0])
    for node in graph.find_nodes(op="call_function", target=_aten.addmm.default):
        bias, x, turned = node.args
        if not node.kwargs and _is_turned_weight(turned) and bias.op == "get_attr":
            _replace(node, _aten.linear.default, (x, turned.args[0], bias))
    for node in graph.find_nodes(op="call_function", target=_aten.mm.default):
        x, turned = node.args
        if _is_turned_weight(turned):
            _replace(node, _aten.linear.default, (x, turned.args[0]))


def _is_turned_weight(node: fx.Node) -> bool:
    inner: Any = node.args[0] if node.args else None
    return node.target is _aten.permute.default and inner.op == "get_attr"


def _replace(node: fx.Node, target: Any, args: tuple[Any, ...]) -> None:
    """Let a node call another operator."""
    node.target, node.args = target, args
