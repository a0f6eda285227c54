"""ONNX: the classical graph translated by torch, each circuit an attached function.

While torch translates, a circuit is an opaque placeholder node. Afterwards it becomes a call of
the circuit's function, and everything that would differ between two runs is stripped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import onnx
import torch
from onnx import helper
from onnxscript.values import Op, Opset
from torch import Tensor

from hybridx.artifact import (
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    IR_VERSION,
    Compiled,
    circuit_function,
    function_name,
    walk_nodes,
)
from hybridx.capture import CIRCUIT_OP, Capture, first_line, quiet, uncollected
from hybridx.errors import UntranslatableError

_PLACEHOLDER = "CapturedCircuit"
_FLOATS = ["tensor(float)", "tensor(double)"]


def to_onnx(
    captured: Capture,
    args: Sequence[Tensor],
    compiled: Sequence[Compiled],
    *,
    opset: int,
) -> onnx.ModelProto:
    """Return the ONNX model of a captured module.

    Args:
        captured: the traced graph; its circuit nodes count into `compiled`.
        args: the example inputs it was traced with.
        compiled: one circuit for each index.
        opset: of the standard operators.

    Raises:
        UntranslatableError: torch has no ONNX translation of a classical operation.
    """
    model = _translate(captured, args, opset)
    functions = [circuit_function(one, opset) for one in compiled]
    for node in walk_nodes(model.graph):
        if node.domain == DOMAIN and node.op_type == _PLACEHOLDER:
            index = next(a.i for a in node.attribute if a.name == "index")
            node.op_type = function_name(compiled[index].circuit, functions[index])
            del node.attribute[:]
            node.attribute.append(helper.make_attribute(CIRCUIT_ATTRIBUTE, compiled[index].circuit))
    _strip(model)
    _name_values(model.graph, captured)
    # A circuit used twice is one function; sorted, so that the order of calls does not matter.
    distinct = {function.name: function for function in functions if function is not None}
    model.functions.extend(distinct[name] for name in sorted(distinct))
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", opset))
    if compiled:
        model.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
    return model


def _translate(captured: Capture, args: Sequence[Tensor], opset: int) -> onnx.ModelProto:
    _register_placeholder()
    with quiet(), uncollected():
        try:
            program = torch.onnx.export(
                captured.module,
                tuple(args),
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=captured.shapes,
                custom_translation_table={CIRCUIT_OP: _circuit_node},
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason: BaseException = error
            while reason.__cause__ is not None:
                reason = reason.__cause__
            raise UntranslatableError(first_line(reason)) from error
    assert program is not None
    return program.model_proto


def _circuit_node(parameters: Any, index: int, width: int) -> Any:
    """Translate `hybridx::circuit` into one opaque node."""
    del width
    return Op(Opset(DOMAIN, DOMAIN_VERSION), _PLACEHOLDER)(parameters, index=index)


def _register_placeholder() -> None:
    """Tell onnx of the placeholder; the registry is the process's and refuses a second time."""
    if onnx.defs.has(_PLACEHOLDER, DOMAIN):
        return
    schema = onnx.defs.OpSchema
    onnx.defs.register_schema(
        schema(
            _PLACEHOLDER,
            DOMAIN,
            DOMAIN_VERSION,
            inputs=[schema.FormalParameter("parameters", "T")],
            outputs=[schema.FormalParameter("results", "T")],
            type_constraints=[("T", _FLOATS, "")],
            attributes=[schema.Attribute("index", schema.AttrType.INT, required=True)],
        )
    )


def _strip(model: onnx.ModelProto) -> None:
    """Remove names of places and people's code, and stamps that differ between machines."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = DOMAIN, ""
    model.doc_string = ""
    model.graph.name, model.graph.doc_string = "model", ""
    del model.metadata_props[:]
    _clear(model.graph)


def _clear(graph: onnx.GraphProto) -> None:
    del graph.metadata_props[:]
    for values in (graph.input, graph.output, graph.value_info, graph.initializer):
        for value in values:
            value.doc_string = ""
            del value.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
        for inner in _inner_graphs(node):
            _clear(inner)


def _name_values(graph: onnx.GraphProto, captured: Capture) -> None:
    """Give inputs and outputs the names of the model's arguments and of what it returns."""
    _part_outputs(graph)
    ends = [value.name for value in (*graph.input, *graph.output)]
    names = dict(zip(ends, (*captured.input_names, *captured.output_names), strict=True))
    # What torch called so by chance makes room.
    used = {value for value in _values(graph) if value not in names}
    for value in sorted(used & set(names.values())):
        names[value] = next(
            free
            for number in count()
            if (free := f"{value}_{number}") not in used and free not in names.values()
        )
    _rename(graph, names)


def _part_outputs(graph: onnx.GraphProto) -> None:
    """Make every output the result of a node, and no two of them the same."""
    taken = {value.name for value in (*graph.input, *graph.initializer)}
    for index, output in enumerate(graph.output):
        if output.name in taken:
            copy = f"{output.name}/output_{index}"
            graph.node.append(helper.make_node("Identity", [output.name], [copy]))
            output.name = copy
        taken.add(output.name)


def _values(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the names of all values in a graph and in the graphs inside it."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        yield value.name
    for node in walk_nodes(graph):
        yield from (*node.input, *node.output)
        for inner in _inner_graphs(node):
            yield from (value.name for value in (*inner.input, *inner.output, *inner.initializer))


def _inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for inner in _inner_graphs(node):
            _rename(inner, names)
