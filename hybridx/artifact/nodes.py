"""The nodes of an ONNX graph, and which of them stand for circuits."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from hybridx.artifact.contract import DOMAIN, FUNCTION_PREFIX
from hybridx.circuit import Circuit, result_count, show

_MOST_TEXT = 2000  # letters of a circuit in the text of its node


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
    node.doc_string = (
        f"quantum circuit: {circuit.wires} wires, {len(circuit.operations)} gates, "
        f"{circuit.parameters} parameters, {result_count(circuit)} results\n"
        f"{text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + ' …'}"
    )


def is_circuit_node(node: onnx.NodeProto) -> bool:
    """True if a node stands for a quantum circuit."""
    return node.domain == DOMAIN and node.op_type.startswith(FUNCTION_PREFIX)
