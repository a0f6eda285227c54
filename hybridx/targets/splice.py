"""A captured graph with its circuits put back in, as torch operators."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from keyword import iskeyword
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture import CIRCUIT_OP, Capture

_CIRCUIT = "circuit_{}"


def splice(captured: Capture, circuits: Sequence[nn.Module]) -> fx.GraphModule:
    """Return the captured module with a call of a submodule wherever a circuit stands.

    It takes the inputs of the capture by position or by name and returns a flat tuple of tensors.
    It names no device: what is made anew in it is made where its first input is. Every tensor that
    it needs is a frozen parameter or a buffer of its own, a copy, and it has no others.

    Args:
        captured: the traced graph; left as it is.
        circuits: one module for each circuit, from `(batch, P)` to `(batch, M)`.
    """
    graph = fx.Graph()
    graph.output(graph.graph_copy(captured.module.graph, {}))
    root = nn.Module()
    copies: dict[int, Tensor] = {}
    for node in list(graph.nodes):
        if node.op == "get_attr" and not node.users:
            graph.erase_node(node)
        elif node.op == "get_attr":
            tensor = operator.attrgetter(node.target)(captured.module)
            # Tied weights stay tied.
            _hang(root, node.target, copies.setdefault(id(tensor), _copy(tensor)))
        elif node.target is CIRCUIT_OP:
            parameters, index, _ = node.args
            root.add_module(_CIRCUIT.format(index), circuits[index])
            with graph.inserting_before(node):
                call = graph.call_module(_CIRCUIT.format(index), (parameters,))
            node.replace_all_uses_with(call)
            graph.erase_node(node)
    _float(graph)
    _name_inputs(graph, captured.input_names)
    return fx.GraphModule(root, graph)


def _copy(tensor: Tensor) -> Tensor:
    # The model stays the user's: a shared parameter would move with this one.
    copy = tensor.detach().clone()
    return nn.Parameter(copy, requires_grad=False) if isinstance(tensor, nn.Parameter) else copy


def _hang(root: nn.Module, path: str, tensor: Tensor) -> None:
    """Hang a tensor under its dotted name."""
    *rooms, name = path.split(".")
    for room in rooms:
        if room not in root._modules:
            root.add_module(room, nn.Module())
        root = root.get_submodule(room)
    if isinstance(tensor, nn.Parameter):
        root.register_parameter(name, tensor)
    else:
        root.register_buffer(name, tensor)


def _float(graph: fx.Graph) -> None:
    """Let every node that names a device name that of the first input instead."""
    inputs = list(graph.find_nodes(op="placeholder"))
    named = [node for node in graph.nodes if _names_device(node)]
    if not named:
        return
    with graph.inserting_after(inputs[-1]):
        where = graph.call_function(getattr, (inputs[0], "device"))

    def moved(leaf: Any) -> Any:
        return where if isinstance(leaf, torch.device) else leaf

    for node in named:
        # torch takes a text for a device too.
        node.kwargs = {
            key: where if key == "device" and isinstance(value, str) else value
            for key, value in node.kwargs.items()
        }
        node.args = fx.node.map_aggregate(node.args, moved)
        node.kwargs = fx.node.map_aggregate(node.kwargs, moved)


def _names_device(node: fx.Node) -> bool:
    found: list[Any] = []
    fx.node.map_aggregate((node.args, node.kwargs), found.append)
    is_named = any(isinstance(leaf, torch.device) for leaf in found)
    return is_named or isinstance(node.kwargs.get("device"), str)


def _name_inputs(graph: fx.Graph, names: Sequence[str]) -> None:
    for node, name in zip(graph.find_nodes(op="placeholder"), names, strict=True):
        if name.isidentifier() and not iskeyword(name):
            node.target = name
            node._rename(name)
