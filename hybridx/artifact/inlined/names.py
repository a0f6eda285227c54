"""Names in the nodes of a body: what a node takes from outside, and names written anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import onnx

from hybridx.artifact.limits import graphs_of


def inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs of a node, not those inside them."""
    for attribute in node.attribute:
        yield from graphs_of(attribute)


def taken(node: onnx.NodeProto) -> set[str]:
    """Return the values that a node takes: its inputs, and what its graphs take from outside."""
    found = {*filter(None, node.input)}
    for graph in inner_graphs(node):
        found |= taken_by_graph(graph)
    return found


def taken_by_graph(graph: onnx.GraphProto) -> set[str]:
    """Return the values that a graph inside a node takes from around it."""
    found = {value.name for value in graph.output}
    for node in graph.node:
        found |= taken(node)
    return found - own_names(graph)


def own_names(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the values that a graph has: inputs, weights, results of nodes."""
    found = {value.name for value in (*graph.input, *graph.initializer)}
    found |= {sparse.values.name for sparse in graph.sparse_initializer}
    for node in graph.node:
        found.update(filter(None, node.output))
    return found


def every_name(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Yield the names of all values in nodes and in the graphs inside them."""
    for node in nodes:
        yield from filter(None, (*node.input, *node.output))
        for graph in inner_graphs(node):
            yield from (value.name for value in (*graph.input, *graph.output, *graph.initializer))
            yield from every_name(graph.node)


def renamed(
    node: onnx.NodeProto, value: Callable[[str], str], name: Callable[[str], str]
) -> onnx.NodeProto:
    """Return a copy of a node with other names, also in the graphs inside it.

    Args:
        node: left as it is.
        value: returns the new name of a value.
        name: returns the new name of a node.
    """
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    _rename(copy, value, name)
    return copy


def _rename(node: onnx.NodeProto, value: Callable[[str], str], name: Callable[[str], str]) -> None:
    for names in (node.input, node.output):
        for place, old in enumerate(names):
            names[place] = value(old) if old else ""
    if node.name:
        node.name = name(node.name)
    for graph in inner_graphs(node):
        for one in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            one.name = value(one.name)
        for sparse in graph.sparse_initializer:
            sparse.values.name = value(sparse.values.name)
        for inner in graph.node:
            _rename(inner, value, name)
