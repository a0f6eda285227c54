"""Whole numbers divided by 1 instead of 0 on a way that a branch does not take.

A file computes both sides of a branch. Where the model's own condition keeps zero from a divisor,
as `if (k > 0).all(): y = x // k`, the file divides all the same, and a division of whole numbers by
zero ends ONNX Runtime, or the process.
"""

from __future__ import annotations

import torch
from torch import fx

_aten = torch.ops.aten

_DIVISIONS = frozenset(
    {
        _aten.floor_divide.default,
        _aten.div.Tensor_mode,
        _aten.remainder.Tensor,
        _aten.fmod.Tensor,
    }
)


def divide_by_one_instead_of_zero(module: fx.GraphModule) -> None:
    """Replace zeros among the divisors of whole numbers, in place."""
    graph = module.graph
    for node in list(graph.nodes):
        if node.target not in _DIVISIONS or _is_floating(node):
            continue
        divisor = node.args[1]
        if not isinstance(divisor, fx.Node) or divisor.op == "get_attr":
            continue
        value = divisor.meta["val"]
        with graph.inserting_before(node):
            is_zero = graph.call_function(_aten.eq.Scalar, (divisor, 0))
            is_zero.meta = {"val": value == 0}
            safe = graph.call_function(_aten.masked_fill.Scalar, (divisor, is_zero, 1))
            safe.meta = {"val": value}
        node.update_arg(1, safe)
    module.recompile()


def _is_floating(node: fx.Node) -> bool:
    values = [one.meta.get("val") for one in node.all_input_nodes]
    return any(isinstance(value, torch.Tensor) and value.is_floating_point() for value in values)
