"""Bodies written in the place of their calls: a model of standard operators, without functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count

import onnx

from hybridx.artifact.contract import CIRCUIT_ATTRIBUTE, DOMAIN, KEY_STRATEGY
from hybridx.artifact.digest import circuit_hash, name_of
from hybridx.artifact.inlined.entry import Call, Inlined
from hybridx.artifact.inlined.names import (
    every_name,
    inner_graphs,
    own_names,
    renamed,
    taken,
)
from hybridx.artifact.limits import check_file_size
from hybridx.artifact.nodes import is_circuit_node, opset_of, walk_nodes
from hybridx.errors import BrokenArtifactError


def inline(model: onnx.ModelProto, path: str) -> Inlined:
    """Write the body of each circuit in the place of its calls, and return where they were.

    Nodes of a body of which no result follows are left out.

    Args:
        model: whose circuits all have bodies; changed in place.
        path: for messages.

    Raises:
        BrokenArtifactError: it has other functions, or bodies of another version of the operators.
        TooLargeError: the bodies, one for each call, exceed the size limit of a file.
    """
    _check(model, path)
    writer = _Writer(model)
    writer.write(model.graph)
    del model.functions[:]
    kept = [one for one in model.opset_import if one.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return Inlined(writer.circuits, tuple(writer.calls))


def _check(model: onnx.ModelProto, path: str) -> None:
    opset = opset_of(model)
    for function in model.functions:
        if function.domain != DOMAIN:
            raise BrokenArtifactError(path, f"it has a function {function.name} of another tool")
        for one in function.opset_import:
            if one.domain in ("", "ai.onnx") and one.version != opset:
                raise BrokenArtifactError(
                    path,
                    f"its operators are of version {opset}, and those of {function.name} of "
                    f"{one.version}",
                )
        for node in walk_nodes(function):
            if any(attribute.ref_attr_name for attribute in node.attribute):
                raise BrokenArtifactError(path, f"the body of {function.name} takes an attribute")


class _Writer:
    """Writes bodies into the graphs of a model.

    Attributes:
        circuits: the JSON of those met so far, by name.
        calls: those met so far.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.circuits: dict[str, str] = {}
        self.calls: list[Call] = []
        self._functions = {one.name: one for one in model.functions}
        self._given = Counter(_given(model.graph))
        self._folders: set[str] = set()
        self._note_folders(self._given)
        self._nodes: set[str] = set()
        self._size = model.graph.ByteSize()

    def write(self, graph: onnx.GraphProto) -> None:
        """Write bodies into a graph and the graphs inside it."""
        for node in graph.node:
            for inner in inner_graphs(node):
                self.write(inner)
        if not any(map(is_circuit_node, graph.node)):
            return
        written: list[onnx.NodeProto] = []
        others: dict[str, str] = {}
        for node in graph.node:
            if is_circuit_node(node):
                body, call = self._body(node)
                if call.results != node.output[0]:
                    others[node.output[0]] = call.results
                written += body
            else:
                written.append(node)
        copies = [_with_names(node, others) for node in written]
        for value in (*graph.output, *graph.value_info):
            value.name = others.get(value.name, value.name)
        del graph.node[:]
        graph.node.extend(copies)

    def _body(self, node: onnx.NodeProto) -> tuple[list[onnx.NodeProto], Call]:
        text = next(a.s for a in node.attribute if a.name == CIRCUIT_ATTRIBUTE).decode()
        circuit = name_of(circuit_hash(text.encode(), None))
        self.circuits[circuit] = text
        function = self._functions[node.op_type]
        prefix = self._free_prefix(node.name or node.op_type)
        results = node.output[0]
        if self._given[results] > 1:
            # In graphs beside each other, values may have one name.
            results = f"{prefix}{results}"
        ends = {function.input[0]: node.input[0], function.output[0]: results}
        body = [
            renamed(one, lambda name: ends.get(name, prefix + name), lambda name: prefix + name)
            for one in _needed(function)
        ]
        self._note_folders(every_name(body))
        self._size += sum(one.ByteSize() for one in body)
        check_file_size(self._size)
        entries = {one.key: one.value for one in function.metadata_props}
        call = Call(
            node=self._free_node(node.name),
            circuit=circuit,
            strategy=entries.get(KEY_STRATEGY, ""),
            parameters=node.input[0],
            results=results,
            prefix=prefix,
        )
        self.calls.append(call)
        return body, call

    def _free_prefix(self, name: str) -> str:
        """Return a prefix of names that no value has yet."""
        tries = (f"{name}{f'_{number}' if number else ''}/" for number in count())
        return next(prefix for prefix in tries if prefix not in self._folders)

    def _free_node(self, name: str) -> str:
        if not name:
            return ""
        tries = (f"{name}{f'_{number}' if number else ''}" for number in count())
        free = next(one for one in tries if one not in self._nodes)
        self._nodes.add(free)
        return free

    def _note_folders(self, names: Iterable[str]) -> None:
        for name in names:
            for place, letter in enumerate(name):
                if letter == "/":
                    self._folders.add(name[: place + 1])


def _given(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the values of a graph and of those inside it, as often as they occur."""
    found = [*own_names(graph)]
    for node in graph.node:
        for inner in inner_graphs(node):
            found += _given(inner)
    return found


def _needed(function: onnx.FunctionProto) -> list[onnx.NodeProto]:
    """Return the nodes of a function on which its result depends, in their order."""
    wanted, found = {*function.output}, []
    for node in reversed(function.node):
        if wanted & {*node.output}:
            wanted |= taken(node)
            found.append(node)
    return found[::-1]


def _with_names(node: onnx.NodeProto, others: Mapping[str, str]) -> onnx.NodeProto:
    if not others:
        return node
    return renamed(node, lambda name: others.get(name, name), lambda name: name)
