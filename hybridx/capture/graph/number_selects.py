"""Select by a number from the data as a gather: `table[int(word)]` as `table[word]`.

A number that Python has is a symbol of the graph, which no batch follows. A tensor is followed.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from hybridx.capture.graph.insert import call_node

_aten = torch.ops.aten

_ARITHMETIC: dict[Any, tuple[Any, dict[str, Any]]] = {
    operator.add: (_aten.add.Tensor, {}),
    operator.sub: (_aten.sub.Tensor, {}),
    operator.mul: (_aten.mul.Tensor, {}),
    operator.mod: (_aten.remainder.Tensor, {}),
    operator.floordiv: (_aten.div.Tensor_mode, {"rounding_mode": "floor"}),
}
"""For what Python computes with whole numbers, what torch computes with tensors of them."""


def gather_selected(module: fx.GraphModule) -> None:
    """Replace each select whose index is a number from the data, in place."""
    for node in module.graph.find_nodes(op="call_function", target=_aten.select.int):
        source, axis, index = node.args
        if not isinstance(index, fx.Node):
            continue
        with module.graph.inserting_before(node):
            number = _tensor(module, index)
            if number is None:
                continue
            place = axis % source.meta["val"].dim()
            vector = call_node(module, _aten.reshape.default, number, [1])
            found = call_node(module, _aten.index.Tensor, source, [None] * place + [vector])
            found = call_node(module, _aten.squeeze.dim, found, place)
        node.replace_all_uses_with(found)
        module.graph.erase_node(node)
    module.graph.eliminate_dead_code()


def _tensor(module: fx.GraphModule, number: Any) -> fx.Node | None:
    """Insert a tensor without axes that holds a number from the data, or return None."""
    if isinstance(number, int):
        return call_node(
            module, _aten.full.default, [], number, dtype=torch.int64, device=torch.device("cpu")
        )
    if not isinstance(number, fx.Node):
        return None
    if number.target in (_aten._local_scalar_dense.default, _aten.item.default):
        (source,) = number.args
        assert isinstance(source, fx.Node)
        return call_node(module, _aten.reshape.default, source, [])
    if number.target not in _ARITHMETIC:
        return None
    sides = [_tensor(module, side) for side in number.args]
    if None in sides:
        return None
    target, kwargs = _ARITHMETIC[number.target]
    return call_node(module, target, *sides, **kwargs)
