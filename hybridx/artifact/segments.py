"""A model cut at its circuits into classical segments.

A node's level is the largest number of circuits on a path that leads to it. All classical nodes
of level k are one segment. The circuits between levels k and k + 1 run after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from hybridx.artifact.contract import DOMAIN
from hybridx.artifact.limits import graphs_of
from hybridx.artifact.nodes import is_circuit_node, opset_of, walk_nodes
from hybridx.artifact.signature import signature_of
from hybridx.errors import BrokenArtifactError, first_line


@dataclass(frozen=True)
class Segment:
    """A classical part of the model, as an ONNX model.

    Attributes:
        content: its bytes, or empty if it has no nodes.
        inputs: values it takes from the user or from earlier parts.
        outputs: values that later parts or the user take.
    """

    content: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class CircuitCall:
    """One circuit node: its name, its function, its input and output value, and their dtype."""

    node: str
    function: str
    parameters: str
    results: str
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Stage:
    """A classical segment, then circuits that do not depend on each other."""

    segment: Segment
    circuits: tuple[CircuitCall, ...]


def refuse_inner_circuits(model: onnx.ModelProto, path: str) -> None:
    """Refuse a circuit in a graph inside a node, where nothing can be cut out.

    Raises:
        BrokenArtifactError: it names the quantum layer.
    """
    for node in model.graph.node:
        for attribute in node.attribute:
            for inner in (one for graph in graphs_of(attribute) for one in walk_nodes(graph)):
                if is_circuit_node(inner):
                    layer = inner.name or inner.op_type
                    raise BrokenArtifactError(
                        path,
                        f"its quantum layer {layer} stands inside a node of {node.op_type}, where "
                        "only ONNX Runtime runs it",
                    )


def split(model: onnx.ModelProto, path: str) -> tuple[Stage, ...]:
    """Cut a model at its circuit nodes; `path` is for messages.

    Raises:
        BrokenArtifactError: it has sparse weights, or of a value between the parts nobody can
            tell the type.
    """
    if model.graph.sparse_initializer:
        raise BrokenArtifactError(path, "it has sparse weights, and cannot be cut at its circuits")
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError, MemoryError) as error:
        # Its C++ raises the last three at lengths that no tensor has.
        raise BrokenArtifactError(path, f"its types do not fit: {first_line(error)}") from error
    typed = _with_constants_as_nodes(inferred)
    graph = typed.graph
    levels = levels_of(graph)
    types = _Types(path, {v.name: v for v in (*graph.input, *graph.output, *graph.value_info)})
    weights = {weight.name: (place, weight) for place, weight in enumerate(graph.initializer)}
    # The level in which a value is read last; a circuit reads behind the segment of its level.
    last: dict[str, int] = {}
    of_level: list[list[onnx.NodeProto]] = [[] for _ in range(max(levels, default=0) + 1)]
    for node, level in zip(graph.node, levels, strict=True):
        of_level[level].append(node)
        for name in reads(node):
            last[name] = max(last.get(name, 0), level + is_circuit_node(node))
    last.update(dict.fromkeys((value.name for value in graph.output), len(of_level)))
    stages = []
    for level, here in enumerate(of_level):
        classical = [node for node in here if not is_circuit_node(node)]
        made = {name for node in classical for name in node.output if name}
        wanted = {name for name in made if last.get(name, 0) > level}
        circuits = tuple(
            CircuitCall(
                node.name,
                node.op_type,
                node.input[0],
                node.output[0],
                types.dtype(node.input[0]),
            )
            for node in here
            if is_circuit_node(node)
        )
        stages.append(Stage(_segment(typed, classical, wanted, types, weights), circuits))
    return tuple(stages)


@dataclass(frozen=True)
class _Types:
    """What is known of the types of values.

    Attributes:
        path: of the model, for messages.
        known: the values whose type is known, by name.
    """

    path: str
    known: Mapping[str, onnx.ValueInfoProto]

    def __getitem__(self, name: str) -> onnx.ValueInfoProto:
        if name not in self.known:
            raise BrokenArtifactError(self.path, f"the type of its value {name!r} is not known")
        return self.known[name]

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype of a tensor."""
        try:
            return signature_of(self[name]).dtype
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenArtifactError(self.path, f"its value {name!r} is no tensor") from error


def _with_constants_as_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Make each weight that a circuit or the user takes the result of a node of a segment.

    The (empty) parameters of a circuit without data are such a weight.
    """
    graph = model.graph
    taken = {node.input[0] for node in graph.node if is_circuit_node(node)}
    taken |= {value.name for value in graph.output}
    known = {value.name for value in graph.value_info}
    copies = []
    for weight in graph.initializer:
        if weight.name in taken:
            value = helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
            graph.value_info.extend([] if weight.name in known else [value])
            copies.append(helper.make_node("Identity", [f"{weight.name}/value"], [weight.name]))
            weight.name = f"{weight.name}/value"
    for node in reversed(copies):
        graph.node.insert(0, node)
    return model


def levels_of(graph: onnx.GraphProto) -> list[int]:
    """Return the level of each node; a circuit has the level of the segment it runs after."""
    of_value: dict[str, int] = {}
    levels = []
    for node in graph.node:
        level = max((of_value.get(name, 0) for name in reads(node)), default=0)
        levels.append(level)
        for name in node.output:
            of_value[name] = level + is_circuit_node(node)
    return levels


def _segment(
    model: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    wanted: set[str],
    types: _Types,
    weights: Mapping[str, tuple[int, onnx.TensorProto]],
) -> Segment:
    if not nodes:
        return Segment(b"", (), ())
    made = {name for node in nodes for name in node.output if name}
    read = {name for node in nodes for name in reads(node)}
    own = [weight for _, weight in sorted((weights[n] for n in read & weights.keys()), key=_place)]
    inputs = sorted(read - made - weights.keys())
    outputs = sorted(made & wanted)
    graph = helper.make_graph(
        nodes,
        "segment",
        [types[name] for name in inputs],
        [types[name] for name in outputs],
        own,
    )
    used = {node.domain for node in nodes} - {"", "ai.onnx", DOMAIN}
    opsets = [
        helper.make_opsetid("", opset_of(model)),
        *(one for one in model.opset_import if one.domain in used),
    ]
    part = helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version)
    return Segment(part.SerializeToString(deterministic=True), tuple(inputs), tuple(outputs))


def _place(found: tuple[int, onnx.TensorProto]) -> int:
    return found[0]


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the values that a node reads, including those that its inner graphs capture."""
    yield from filter(None, node.input)  # an optional input that is left out has an empty name
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            inner = attribute.g
            own = {v.name for v in (*inner.input, *inner.initializer)}
            own |= {name for n in inner.node for name in n.output}
            for inside in inner.node:
                yield from (name for name in reads(inside) if name not in own)
