"""The structure of an ONNX graph: one node gives each value, and none waits for itself.

ONNX Runtime refuses some of the graphs that break it, and only when it loads them. ONNX also asks
that a value is given before it is taken, and what follows a graph relies on that. Tools that change
files do not always keep it, and ONNX Runtime runs what they write. So nodes in another order are
put into this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

import onnx

from hybridx.artifact.contract import DOMAIN
from hybridx.artifact.limits import graphs_of
from hybridx.artifact.nodes import is_circuit_node, opset_of
from hybridx.errors import BrokenArtifactError

# Whose operators ONNX Runtime has.
_DOMAINS: Final = frozenset(
    {
        *("", "ai.onnx", "ai.onnx.ml", "com.microsoft"),
        *("ai.onnx.training", "ai.onnx.preview.training"),
    }
)
# Operators that read what lies beside the file, or run what was compiled elsewhere.
_FOREIGN: Final = frozenset({"EPContext", "PythonOp", "PythonOpGrad"})


def check_structure(model: onnx.ModelProto, path: str) -> None:
    """Refuse a model that is no graph of ONNX, or has operators that nobody has.

    Args:
        model: the model; names in it are texts.
        path: for messages.

    Raises:
        BrokenArtifactError: the message says where.
    """
    _Structure(model, path).check()


def order_nodes(model: onnx.ModelProto, path: str) -> None:
    """Put nodes into an order in which every value is given before it is taken, in place.

    Nodes that are in such an order stay as they are.

    Args:
        model: that `check_structure` has passed.
        path: for messages.

    Raises:
        BrokenArtifactError: nodes wait for each other.
    """
    _order(model.graph, path)
    for function in model.functions:
        _order(function, path)


def _order(room: onnx.GraphProto | onnx.FunctionProto, path: str) -> None:
    nodes = room.node
    for node in nodes:
        for attribute in node.attribute:
            for graph in graphs_of(attribute):
                _order(graph, path)
    giver = {name: place for place, node in enumerate(nodes) for name in filter(None, node.output)}
    waits = [{giver[name] for name in taken_by(node) if name in giver} for node in nodes]
    if all(max(places, default=-1) < place for place, places in enumerate(waits)):
        return
    try:
        order = tuple(TopologicalSorter(dict(enumerate(waits))).static_order())
    except CycleError as error:
        waiting = nodes[error.args[1][0]]
        problem = f"a node of {waiting.op_type} waits for its own result"
        raise BrokenArtifactError(path, problem) from error
    copies = [onnx.NodeProto.FromString(nodes[place].SerializeToString()) for place in order]
    del nodes[:]
    nodes.extend(copies)


def taken_by(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node and the graphs inside it take."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in graphs_of(attribute):
            for inner in graph.node:
                yield from taken_by(inner)
            yield from (value.name for value in graph.output)


class _Structure:
    def __init__(self, model: onnx.ModelProto, path: str) -> None:
        self._model = model
        self._path = path
        self._functions = {(one.domain, one.name, one.overload) for one in model.functions}

    def check(self) -> None:
        model = self._model
        newest, opset = onnx.defs.onnx_opset_version(), opset_of(model)
        if not opset:
            raise self._broken("it does not say which version of ONNX's operators it has")
        if not 1 <= opset <= newest:
            raise self._broken(
                f"its operators are of version {opset}; the installed onnx has 1 to {newest}"
            )
        if not 1 <= model.ir_version <= onnx.IR_VERSION:
            raise self._broken(
                f"it is of ONNX's format {model.ir_version}; the installed onnx has 1 to "
                f"{onnx.IR_VERSION}"
            )
        for value in (*model.graph.input, *model.graph.output):
            if any(dim.dim_value < 0 for dim in value.type.tensor_type.shape.dim):
                raise self._broken(f"an axis of {value.name!r} has a negative length")
        self._check_graph(model.graph, [])
        for function in model.functions:
            own = self._unique(function.input)
            self._check_nodes(function.node, [own])
            self._check_given(function.output, [own])

    def _check_graph(self, graph: onnx.GraphProto, around: list[set[str]]) -> None:
        own = self._unique(value.name for value in graph.input)
        own.update(weight.name for weight in graph.initializer)
        own.update(weight.values.name for weight in graph.sparse_initializer)
        scopes = [*around, own]
        self._check_nodes(graph.node, scopes)
        self._check_given((value.name for value in graph.output), scopes)

    def _check_nodes(self, nodes: Sequence[onnx.NodeProto], scopes: list[set[str]]) -> None:
        own = scopes[-1]
        for name in (name for node in nodes for name in filter(None, node.output)):
            if name in own:
                raise self._broken(f"{name!r} is given twice")
            own.add(name)
        for node in nodes:
            self._check_operator(node)
            self._check_given(filter(None, node.input), scopes)
            for attribute in node.attribute:
                for graph in graphs_of(attribute):
                    self._check_graph(graph, scopes)

    def _check_operator(self, node: onnx.NodeProto) -> None:
        key = (node.domain, node.op_type, node.overload)
        if not any(node.output) or (node.input and not any(node.input)):
            raise self._broken(f"a node of {node.op_type} takes or gives nothing")
        if is_circuit_node(node) and (len(node.input), len(node.output)) != (1, 1):
            raise self._broken(f"{node.op_type} does not take one value and give one")
        if key in self._functions or is_circuit_node(node):
            return
        if node.domain == DOMAIN or node.domain not in _DOMAINS or node.op_type in _FOREIGN:
            domain = node.domain or "ONNX"
            raise self._broken(f"it has {node.op_type} of {domain}, which hybridx does not run")

    def _check_given(self, names: Iterable[str], scopes: list[set[str]]) -> None:
        for name in names:
            if not any(name in scope for scope in reversed(scopes)):
                raise self._broken(f"nothing gives {name!r}, which it takes")

    def _unique(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for name in names:
            if name in found:
                raise self._broken(f"two of its inputs are called {name!r}")
            found.add(name)
        return found

    def _broken(self, problem: str) -> BrokenArtifactError:
        return BrokenArtifactError(self._path, problem)
