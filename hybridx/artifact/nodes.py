"""The nodes of an ONNX graph, and which of them stand for circuits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import onnx

from hybridx.artifact.contract import DOMAIN, FUNCTION_PREFIX
from hybridx.circuit import Circuit, column_count, name_derivative, result_count, show

_MOST_STEPS = 3  # elementwise functions between a circuit and the module that its angles come from
# Operators that give numbers of their first input, none computed.
_MOVING = frozenset({
    "Cast", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
})  # fmt: skip
_MOST_TEXT = 2000  # letters of a circuit in the text of its node


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators, or 0 if a model does not say one."""
    # The domain of these operators has two names.
    return next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)


def walk_nodes(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from walk_nodes(attribute.g)


def describe(node: onnx.NodeProto, name: str, circuit: Circuit) -> None:
    """Give a circuit's node its name and a text for people, such as viewers of graphs show.

    Args:
        node: changed in place.
        name: where the circuit stands in the model.
        circuit: what it is.
    """
    node.name = name
    text = show(circuit)
    kind = name_derivative(circuit)
    node.doc_string = (
        f"{f'{kind} of a ' if kind else ''}quantum circuit: {circuit.wires} wires, "
        f"{len(circuit.operations)} gates, {column_count(circuit)} parameters, "
        f"{result_count(circuit)} results\n"
        f"{text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + ' …'}"
    )


def module_of(node: onnx.NodeProto, weights: AbstractSet[str]) -> str:
    """Return the path of the module whose weights a node takes; empty if it takes none.

    Args:
        node: of a graph.
        weights: the names of the weights that count.
    """
    # The exporter calls constants of no module val_0 and so on.
    own = [name for name in node.input if name in weights and not re.fullmatch(r"val_\d+", name)]
    return own[0].rpartition(".")[0] or own[0] if own else ""


def parameters_from(graph: onnx.GraphProto) -> dict[str, tuple[str, ...]]:
    """Return where the parameters of each circuit come from, in words, by its name.

    A circuit that stands at several places of the graph has as many texts, if they differ.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    weights = {weight.name for weight in graph.initializer}

    def origin(name: str, steps: int) -> str:
        node = made_by.get(name)
        if node is None:
            return "" if name in weights else f"input {name}"
        if node.op_type in _MOVING:
            return origin(node.input[0], steps)
        if node.op_type == "Concat":
            parts = dict.fromkeys(origin(part, steps) for part in node.input)
            return ", ".join(filter(None, parts))
        if is_circuit_node(node):
            return str(node.name or node.op_type)
        module = module_of(node, weights)
        given = [one for one in node.input if one and one not in weights]
        if module or len(given) != 1 or not steps:
            return f"{node.op_type} {module}".rstrip()
        return f"{node.op_type} of {origin(given[0], steps - 1)}"

    found: dict[str, dict[str, None]] = {}
    for node in filter(is_circuit_node, graph.node):
        found.setdefault(node.op_type, {})[origin(node.input[0], _MOST_STEPS)] = None
    return {name: tuple(filter(None, texts)) for name, texts in found.items()}


def is_circuit_node(node: onnx.NodeProto) -> bool:
    """True if a node stands for a quantum circuit."""
    return node.domain == DOMAIN and node.op_type.startswith(FUNCTION_PREFIX)
