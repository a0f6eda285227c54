"""Which constants of a graph are weights, so that training goes on with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx
from torch import nn

# The inputs of a layer that are its weights.
_WEIGHTS: Mapping[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Einsum": (0, 1, 2),
    "Gather": (0,),
    "Gemm": (0, 1, 2),
    "GroupNormalization": (1, 2),
    "GRU": (1, 2, 3),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "LSTM": (1, 2, 3),
    "MatMul": (0, 1),
    "PRelu": (1,),
    "RMSNormalization": (1,),
    "RNN": (1, 2, 3),
}
# What is added to the result of these is a bias.
_PRODUCTS = ("Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul")
_MOVES = ("Concat", "Expand", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")


def weight_names(nodes: Sequence[onnx.NodeProto], constants: Iterable[str]) -> frozenset[str]:
    """Return which floating-point constants a layer has as its weights, maybe transposed.

    Args:
        nodes: of the graph, in order.
        constants: names of its floating-point constants.
    """
    # From a value that is a moved constant to the constants that it is made of.
    origins: dict[str, frozenset[str]] = {name: frozenset({name}) for name in constants}
    made_by: dict[str, str] = {}
    weights: set[str] = set()
    for node in nodes:
        made_by |= dict.fromkeys(node.output, node.op_type)
        places: Iterable[int] = _WEIGHTS.get(node.op_type, ())
        if node.op_type == "Add" and any(made_by.get(one) in _PRODUCTS for one in node.input):
            places = range(2)
        for place in places:
            if place < len(node.input):
                weights |= origins.get(node.input[place], frozenset())
        if node.op_type in _MOVES:
            read = node.input if node.op_type == "Concat" else node.input[:1]
            found = [origins.get(name) for name in read]
            if all(one is not None for one in found):
                origins[node.output[0]] = frozenset().union(*(one or () for one in found))
    return frozenset(weights)


class Tree(nn.Module):
    """Tensors under the dotted names that they have in the file, as in the model before it."""

    def place(self, name: str) -> tuple[nn.Module, str]:
        """Return the module and the attribute for a name; the modules between are made."""
        *path, last = [part or "_" for part in name.split(".")]
        owner: nn.Module = self
        for part in path:
            below = dict(owner.named_children()).get(part)
            if below is None:
                part = _free(owner, part)
                below = Tree()
                owner.add_module(part, below)
            owner = below
        return owner, _free(owner, last)


def _free(owner: nn.Module, name: str) -> str:
    while hasattr(owner, name):
        name += "_"
    return name
