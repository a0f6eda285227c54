"""A captured graph with its circuits put back in, as torch operators."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from keyword import iskeyword
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.artifact import OPERATORS
from hybridx.capture import CIRCUIT_OP, Capture, name_of_node, place_of_node
from hybridx.errors import UnlistedOperatorError

_CIRCUIT = "circuit_{}"


def splice(captured: Capture, circuits: Sequence[nn.Module]) -> fx.GraphModule:
    """Return the captured module with a call of a submodule in the place of each circuit.

    It takes the inputs of the capture by position or by name and returns a flat tuple of tensors.
    Tensors that the graph creates are created on the device of its first input. It holds copies of
    the tensors that it reads, as frozen parameters or buffers, and no others.

    Args:
        captured: the traced graph; left as it is.
        circuits: one module for each circuit, from `(batch, P)` to `(batch, M)`.

    Raises:
        UnlistedOperatorError: a reader of files would refuse an operator of the graph.
    """
    _check_operators(captured.module.graph)
    graph = _copied(captured.module.graph, captured.input_names)
    root = nn.Module()
    copies: dict[int, Tensor] = {}
    for node in list(graph.nodes):
        if node.op == "get_attr" and not node.users:
            graph.erase_node(node)
        elif node.op == "get_attr":
            tensor = operator.attrgetter(node.target)(captured.module)
            # Tied weights stay tied.
            _register(root, node.target, copies.setdefault(id(tensor), _copy(tensor)))
        elif node.target is CIRCUIT_OP:
            parameters, index, _ = node.args
            root.add_module(_CIRCUIT.format(index), circuits[index])
            with graph.inserting_before(node):
                call = graph.call_module(_CIRCUIT.format(index), (parameters,))
            node.replace_all_uses_with(call)
            graph.erase_node(node)
    _follow_device(graph)
    return fx.GraphModule(root, graph)


def index_of(submodule: str) -> int:
    """Return the index of the circuit whose module has a name."""
    return int(submodule.removeprefix(_CIRCUIT.format("")))


def _check_operators(graph: fx.Graph) -> None:
    for node in graph.nodes:
        namespace = getattr(node.target, "namespace", None)
        if node.op != "call_function" or namespace is None or node.target is CIRCUIT_OP:
            continue
        if namespace != "aten" or node.target.overloadpacket.__name__ not in OPERATORS:
            raise UnlistedOperatorError(name_of_node(node), place_of_node(node))


def _copied(graph: fx.Graph, input_names: Sequence[str]) -> fx.Graph:
    """Return a copy of a graph whose inputs have the given names, where Python allows them."""
    names = dict(zip(graph.find_nodes(op="placeholder"), input_names, strict=True))
    copy = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        name = names.get(node, "")
        is_allowed = name.isidentifier() and not iskeyword(name)
        copies[node] = (
            copy.placeholder(name) if is_allowed else copy.node_copy(node, copies.__getitem__)
        )
    return copy


def _copy(tensor: Tensor) -> Tensor:
    # A parameter shared with the user's model would move to another device with this module.
    copy = tensor.detach().clone()
    return nn.Parameter(copy, requires_grad=False) if isinstance(tensor, nn.Parameter) else copy


def _register(root: nn.Module, path: str, tensor: Tensor) -> None:
    """Give a module a tensor under a dotted name."""
    *parents, name = path.split(".")
    for parent in parents:
        if parent not in dict(root.named_children()):
            root.add_module(parent, nn.Module())
        root = root.get_submodule(parent)
    if isinstance(tensor, nn.Parameter):
        root.register_parameter(name, tensor)
    else:
        root.register_buffer(name, tensor)


def _follow_device(graph: fx.Graph) -> None:
    """Replace each device in a node's arguments by the device of the first input."""
    named = [node for node in graph.nodes if _names_device(node)]
    if not named:
        return
    inputs = graph.find_nodes(op="placeholder")
    with graph.inserting_after(inputs[-1]):
        device = graph.call_function(getattr, (inputs[0], "device"))

    def replaced(argument: Any) -> Any:
        return device if isinstance(argument, torch.device) else argument

    for node in named:
        # torch also takes a string for the argument `device`.
        node.kwargs = {
            key: device if key == "device" and isinstance(value, str) else value
            for key, value in node.kwargs.items()
        }
        node.args = fx.node.map_aggregate(node.args, replaced)
        node.kwargs = fx.node.map_aggregate(node.kwargs, replaced)


def _names_device(node: fx.Node) -> bool:
    arguments: list[Any] = []
    fx.node.map_aggregate((node.args, node.kwargs), arguments.append)
    is_named = any(isinstance(one, torch.device) for one in arguments)
    return is_named or isinstance(node.kwargs.get("device"), str)
