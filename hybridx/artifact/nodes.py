"""The nodes of an ONNX graph, and which of them stand for circuits."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from hybridx.artifact.contract import DOMAIN, FUNCTION_PREFIX


def walk_nodes(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from walk_nodes(attribute.g)


def is_circuit_node(node: onnx.NodeProto) -> bool:
    """True if a node stands for a quantum circuit."""
    return node.domain == DOMAIN and node.op_type.startswith(FUNCTION_PREFIX)
