"""Join calls of the same circuit: one node on a larger batch instead of one node per call.

A loop over patches, heads or time steps leaves many calls in the graph that differ only in their
inputs. Calls that do not depend on each other become one call. The operations of a quantum
function on its inputs were traced at the first call only, so here they are inserted for the others.
"""

from __future__ import annotations

import heapq
import operator
from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from hybridx.capture.batching import RowInterpreter, Rows
from hybridx.capture.batching.repeated_calls import UnlikeCalls
from hybridx.capture.graph.constants import Constants
from hybridx.capture.graph.insert import call_node
from hybridx.capture.graph.ops import AGAIN_OP, QNODE_OP

_aten = torch.ops.aten


def join_calls(module: fx.GraphModule) -> None:
    """Replace calls of `module` that differ in their inputs only by one `hybridx::qnode`, in place.

    Args:
        module: a graph in core operators, every size a number.

    Raises:
        UnlikeCalls: calls with equal keys may have different circuits.
    """
    repeated = {node.args[2] for node in module.graph.nodes if node.target is AGAIN_OP}
    constants = Constants(module)
    alike: dict[int, list[fx.Node]] = {}
    for node in module.graph.nodes:
        if node.target in (QNODE_OP, AGAIN_OP) and node.args[2] in repeated:
            alike.setdefault(node.args[2], []).append(node)
    if any(calls[0].target is AGAIN_OP for calls in alike.values()):
        raise UnlikeCalls  # torch has removed the first call, as nothing uses its results
    groups = [group for calls in alike.values() for group in _groups(calls, constants)]
    # Extract all bodies first: joining one group may remove nodes of the next group's body.
    bodies = [_body(group, constants) for group in groups]
    for group, body in zip(groups, bodies, strict=True):
        for independent in _levels(module, group.calls):
            _join(module, independent, group.free, body)
        _order(module.graph)
    for node in module.graph.nodes:
        if node.target is QNODE_OP:
            node.args = (node.args[0], [], *node.args[2:])
    module.graph.eliminate_dead_code()
    module.recompile()


MOST_VARIANTS = 8
"""The most circuits made of one for different constant inputs; beyond, constants are inputs."""


@dataclass(frozen=True)
class _Group:
    """Calls that become one wherever they do not depend on each other.

    Attributes:
        first: the call whose quantum function was traced.
        calls: the calls with the same circuit.
        fixed: the inputs, by position, that are the same constant in all calls.
        free: the other inputs, without those that repeat an earlier one.
    """

    first: fx.Node
    calls: list[fx.Node]
    fixed: dict[int, Tensor]
    free: list[int]


def _groups(calls: list[fx.Node], constants: Constants) -> list[_Group]:
    """Group the calls of one circuit by the constants among their inputs."""
    # A branch on data may have moved the call that was traced behind those that repeat it.
    first = next(call for call in calls if call.target is QNODE_OP)
    variants: dict[Hashable, list[fx.Node]] = {}
    for call in calls:
        key = tuple(_fingerprint(leaf, constants) for leaf in _inputs(call))
        variants.setdefault(key, []).append(call)
    if len(variants) > MOST_VARIANTS:
        return [_group(first, calls, list(variants), constants)]
    return [_group(first, some, [key], constants) for key, some in variants.items()]


def _group(first: fx.Node, calls: list[fx.Node], keys: list[Any], constants: Constants) -> _Group:
    leaves, example = _inputs(first), _inputs(calls[0])
    distinct = [position for position, leaf in enumerate(leaves) if leaf not in leaves[:position]]
    same = [
        keys[0][p] is not None and len({key[p] for key in keys}) == 1 for p in range(len(leaves))
    ]
    return _Group(
        first=first,
        calls=calls,
        fixed={p: constants.value(example[p]) for p in distinct if same[p]},
        free=[p for p in distinct if not same[p]],
    )


def _inputs(call: fx.Node) -> list[fx.Node]:
    """Return the tensors that the QNode was called with."""
    return call.args[1] if call.target is QNODE_OP else call.args[0]  # type: ignore[return-value]


def _fingerprint(leaf: fx.Node, constants: Constants) -> Hashable:
    """Return the numbers of a constant, or None for a node that depends on the data."""
    if not constants.has(leaf):
        return None
    value = constants.value(leaf)
    return value.dtype, value.numpy().tobytes()


def _body(group: _Group, constants: Constants) -> fx.GraphModule:
    """Return one call as a graph of its own, from its free inputs to its results."""
    leaves = _inputs(group.first)
    given = set(leaves)
    known: dict[fx.Node, Any] = {leaves[p]: value for p, value in group.fixed.items()}
    graph = fx.Graph()
    copied = {leaves[p]: graph.placeholder(leaves[p].name) for p in group.free}
    for leaf, copy in copied.items():
        copy.meta = dict(leaf.meta)
    root = torch.nn.Module()

    def lookup(node: fx.Node) -> fx.Node:
        if node not in copied:
            name = f"constant_{len(copied)}"
            root.register_buffer(name, known[node], persistent=False)
            copied[node] = graph.get_attr(name)
            copied[node].meta = dict(node.meta)
        return copied[node]

    for node in _ancestors(group.first.args[0], stop=given):
        if node in given:
            continue
        if not node.all_input_nodes and constants.has(node):
            known[node] = constants.value(node)
        elif node.op == "placeholder":
            raise UnlikeCalls
        elif all(parent in known for parent in node.all_input_nodes):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            with torch.no_grad():
                known[node] = node.target(*args, **kwargs)  # type: ignore[operator]
        else:
            copied[node] = graph.node_copy(node, lookup)
    angles = [lookup(angle) for angle in group.first.args[0]]  # type: ignore[union-attr, arg-type]
    result = graph.call_function(QNODE_OP, (angles, [], *group.first.args[2:]))
    result.meta = dict(group.first.meta)
    graph.output(result)
    return fx.GraphModule(root, graph)


def _ancestors(nodes: Any, stop: Container[fx.Node]) -> list[fx.Node]:
    """Return nodes and their ancestors, inputs first, without the ancestors of `stop`."""
    ordered: dict[fx.Node, None] = {}
    pending = [(node, False) for node in reversed(nodes)]
    while pending:
        node, is_done = pending.pop()
        if is_done:
            ordered[node] = None
        elif node not in ordered:
            pending.append((node, True))
            if node not in stop:
                pending += [(parent, False) for parent in node.all_input_nodes]
    return list(ordered)


def _levels(module: fx.GraphModule, calls: list[fx.Node]) -> Iterable[list[fx.Node]]:
    """Return groups of calls that do not depend on each other, in the order of dependence."""
    members = set(calls)
    depth: dict[fx.Node, int] = {}
    levels: dict[int, list[fx.Node]] = {}
    for node in module.graph.nodes:
        above = max((depth[parent] for parent in node.all_input_nodes), default=0)
        if node in members:
            levels.setdefault(above, []).append(node)
            above += 1
        depth[node] = above
    return [levels[level] for level in sorted(levels)]


def _join(
    module: fx.GraphModule, calls: list[fx.Node], free: list[int], body: fx.GraphModule
) -> None:
    """Replace independent calls by one; the caller must sort the graph afterwards."""
    inputs = [[_inputs(call)[position] for call in calls] for position in free]
    with module.graph.inserting_after(calls[-1]):
        anchor = module.graph.call_function(operator.not_, (False,))
    with module.graph.inserting_before(anchor):
        if _is_constant(body):
            results = _copy(module, body)
            pieces = [results] * len(calls)
        else:
            columns = [call_node(module, _aten.stack.default, list(c)) for c in inputs]
            traced = _on_rows(body, len(calls), [column.meta["val"] for column in columns])
            results = call_node(module, _aten.unbind.int, _inline(module, traced, columns))
            pieces = [
                call_node(module, operator.getitem, results, position)
                for position in range(len(calls))
            ]
        for call, piece in zip(calls, pieces, strict=True):
            call.replace_all_uses_with(piece)
    for node in (anchor, *calls):
        module.graph.erase_node(node)


def _is_constant(body: fx.GraphModule) -> bool:
    """Return whether all angles of a call are numbers; then all calls are equal."""
    (call,) = body.graph.find_nodes(op="call_function", target=QNODE_OP)
    return all(angle.op == "get_attr" for angle in call.all_input_nodes)


def _copy(module: fx.GraphModule, body: fx.GraphModule) -> fx.Node:
    """Insert a copy of a call whose angles are numbers, at the current insertion point.

    The call is not executed: the operator has no implementation for real tensors.
    """
    (call,) = body.graph.find_nodes(op="call_function", target=QNODE_OP)
    copied: dict[fx.Node, fx.Node] = {}
    for angle in call.all_input_nodes:
        copied[angle] = _number(module, getattr(body, str(angle.target)))
        copied[angle].meta = dict(angle.meta)
    return module.graph.node_copy(call, copied.__getitem__)


def _order(graph: fx.Graph) -> None:
    """Sort the graph so that every node follows its inputs; otherwise keep the order."""
    number = {node: position for position, node in enumerate(graph.nodes)}
    waiting = {node: len(node.all_input_nodes) for node in number}
    ready = [position for position, node in enumerate(number) if not waiting[node]]
    nodes = list(number)
    end = graph.output_node()
    while ready:
        node = nodes[heapq.heappop(ready)]
        if node is not end:
            end.prepend(node)
        for user in node.users:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, number[user])


def _on_rows(body: fx.GraphModule, count: int, examples: list[Tensor]) -> fx.GraphModule:
    """Return the graph of `count` calls at once, each input with a leading axis for them."""

    def together(*columns: Tensor) -> Tensor:
        result: Rows = RowInterpreter(body, count).run(*map(Rows, columns))
        return result.value

    traced = make_fx(together, _allow_non_fake_inputs=True)(*examples)
    assert isinstance(traced, fx.GraphModule)
    return traced


def _inline(module: fx.GraphModule, inner: fx.GraphModule, inputs: list[fx.Node]) -> fx.Node:
    """Copy a graph into another one at the current insertion point; return its output."""
    given = iter(inputs)
    copied: dict[fx.Node, Any] = {}
    for node in inner.graph.nodes:
        if node.op == "placeholder":
            copied[node] = next(given)
        elif node.op == "get_attr":
            copied[node] = _number(module, getattr(inner, node.target))
        elif node.op == "output":
            return copied[node.args[0]]  # type: ignore[no-any-return]
        else:
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), copied.__getitem__)
            copied[node] = call_node(module, node.target, *args, **kwargs)
    raise AssertionError


def _number(module: fx.GraphModule, value: Tensor) -> fx.Node:
    """Insert a constant."""
    # Buffers are never removed, so their number gives a new name.
    buffers = module.named_buffers(recurse=False, remove_duplicate=False)
    name = f"joined_{len(dict(buffers))}"
    module.register_buffer(name, value, persistent=False)
    node = module.graph.get_attr(name)
    node.meta["val"] = value
    return node
