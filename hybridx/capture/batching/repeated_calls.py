"""Write out the calls that were recorded as repetitions of an earlier one.

A quantum function is traced at the first of several calls with the same circuit. The others are
`hybridx::again`, with the tensors that the QNode was called with. Here each becomes a call like the
first: the operations between these tensors and the angles are copied. Nothing is traced for it.
"""

from __future__ import annotations

from typing import Any

from torch import fx

from hybridx.capture.graph.ops import AGAIN_OP, QNODE_OP


class UnlikeCalls(Exception):  # noqa: N818
    """A quantum function reads data other than its arguments, so every call must be traced."""


def write_out_calls(module: fx.GraphModule) -> None:
    """Replace every `hybridx::again` of a graph by a `hybridx::qnode`, in place.

    Raises:
        UnlikeCalls: calls with equal keys may have different circuits.
    """
    first: dict[Any, fx.Node] = {}
    bodies: dict[Any, list[fx.Node]] = {}
    for node in list(module.graph.nodes):
        if node.target is QNODE_OP:
            first[node.args[2]] = node
        elif node.target is AGAIN_OP:
            leaves, _, index, *_ = node.args
            if index not in first:
                raise UnlikeCalls  # torch has removed the first call, as nothing uses its results
            if index not in bodies:
                bodies[index] = _between(first[index])
            with module.graph.inserting_before(node):
                _write_out(module.graph, node, leaves, first[index], bodies[index])
    for node in first.values():
        node.args = (node.args[0], [], *node.args[2:])


def _between(call: fx.Node) -> list[fx.Node]:
    """Return the operations between the arguments of a call and its angles, inputs first."""
    angles: Any = call.args[0]
    leaves: Any = call.args[1]
    needed: set[fx.Node] = set()
    pending = [angle for angle in angles if angle not in leaves]
    given = set(leaves)
    while pending:
        node = pending.pop()
        if node in needed or node in given:
            continue
        if node.op == "placeholder":
            raise UnlikeCalls
        needed.add(node)
        pending += node.all_input_nodes
    depends = set(leaves)
    ordered = []
    for node in call.graph.nodes:
        if node is call:
            break
        if node in needed and not depends.isdisjoint(node.all_input_nodes):
            depends.add(node)
            ordered.append(node)
    return ordered


def _write_out(
    graph: fx.Graph, again: fx.Node, leaves: Any, first: fx.Node, body: list[fx.Node]
) -> None:
    """Insert the call that `again` stands for, at the current insertion point."""
    given: Any = first.args[1]
    copies: dict[fx.Node, fx.Node] = dict(zip(given, leaves, strict=True))
    changed = {old for old, new in copies.items() if old is not new}
    for node in body:
        if changed.isdisjoint(node.all_input_nodes):
            continue  # it depends on arguments alone that both calls share
        changed.add(node)
        copies[node] = graph.node_copy(node, lambda n: copies.get(n, n))
    angles: Any = first.args[0]
    call = graph.call_function(
        QNODE_OP, ([copies.get(angle, angle) for angle in angles], [], *first.args[2:])
    )
    call.meta = dict(again.meta)
    again.replace_all_uses_with(call)
    graph.erase_node(again)
