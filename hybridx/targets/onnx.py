"""ONNX: the classical graph translated by torch, each circuit an attached function.

While torch translates, a circuit is an opaque placeholder node. Afterwards it becomes a call of
the circuit's function, and everything that would differ between two runs is stripped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from hybridx.capture import CIRCUIT_OP, Capture, dynamic_shapes, first_line, quiet
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
    _name_outputs(model)
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
    with quiet():
        try:
            program = torch.onnx.export(
                captured.module,
                tuple(args),
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=dynamic_shapes(args, dynamic=captured.is_dynamic),
                input_names=list(captured.input_names),
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
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _clear(attribute.g)


def _name_outputs(model: onnx.ModelProto) -> None:
    """Call the outputs `output`, or `output_0`, `output_1`, … where there are several."""
    outputs = [value.name for value in model.graph.output]
    names = ["output"] if len(outputs) == 1 else [f"output_{i}" for i in range(len(outputs))]
    _rename(model.graph, dict(zip(outputs, names, strict=True)))


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for value in (*graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
