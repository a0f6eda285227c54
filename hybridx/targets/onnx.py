"""ONNX: torch translates the classical graph, and each circuit becomes a call of a function.

While torch translates, a circuit is a placeholder node. Names are changed in the graph of onnx_ir
that torch returns; what would differ between two runs is removed from its protobuf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeAlias

import onnx
import onnx_ir as ir
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
    describe,
    function_name,
    walk_nodes,
)
from hybridx.capture import (
    CIRCUIT_OP,
    Capture,
    free_name,
    name_of_node,
    place_of_node,
    quiet,
    uncollected,
)
from hybridx.errors import CaptureError, NoTranslationError, UntranslatableError
from hybridx.targets.exported_program import exported_program
from hybridx.targets.torch_internals import node_of_translation, untranslated_node

Origins: TypeAlias = Mapping[str, tuple[str, str]]
"""By the name of an ONNX node, the operator that the user calls, and the line of the call."""

_PLACEHOLDER = "CapturedCircuit"
_END = 2**63 - 1  # of an axis, however long it is
_FLOATS = ["tensor(float)", "tensor(double)"]


def to_onnx(
    captured: Capture,
    args: Sequence[Tensor],
    compiled: Sequence[Compiled],
    *,
    opset: int,
) -> tuple[onnx.ModelProto, Origins]:
    """Return the ONNX model of a captured module, and what its nodes come from.

    Args:
        captured: the traced graph; its circuit nodes hold an index into `compiled`.
        args: the example inputs it was traced with.
        compiled: one circuit for each index.
        opset: of the standard operators.

    Raises:
        NoTranslationError: torch has no ONNX translation of a classical operation.
        UntranslatableError: its exporter fails at another place.
    """
    translated = _translate(captured, args, opset)
    program, origins = translated.model, _origins(translated)
    functions = [circuit_function(one, opset) for one in compiled]
    names = [
        function_name(one.circuit, function)
        for one, function in zip(compiled, functions, strict=True)
    ]
    called = _call_functions(program.graph, names, compiled)
    _copy_returned_weights(program.graph)
    _name_values(program.graph, captured.input_names, captured.output_names)
    model = ir.to_proto(program)
    _strip(model)
    _describe_circuits(model.graph, called, captured)
    # A circuit used twice is one function; sorted, so that the order of calls does not matter.
    distinct = {function.name: function for function in functions if function is not None}
    model.functions.extend(distinct[name] for name in sorted(distinct))
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", opset))
    if compiled:
        model.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
    return model, origins


def _origins(translated: torch.onnx.ONNXProgram) -> Origins:
    """Return what each node of a translated graph comes from."""
    assert translated.exported_program is not None
    nodes = {node.name: node for node in translated.exported_program.graph.nodes}
    found = ((one.name, nodes.get(node_of_translation(one))) for one in translated.model.graph)
    return {
        str(name): (name_of_node(node), place_of_node(node))
        for name, node in found
        if node is not None
    }


def untranslated(captured: Capture, args: Sequence[Tensor], *, opset: int) -> list[CaptureError]:
    """Return an error for each operator of a captured module that torch cannot write as ONNX.

    Zeros take the place of one operator after the other, so the module is of no further use.
    """
    errors: list[CaptureError] = []
    graph = captured.module.graph
    for _ in range(len(graph.nodes)):
        try:
            _translate(captured, args, opset)
            break
        except NoTranslationError as error:
            errors.append(error)
            if not _zeroed(captured, error.operator):
                break
        except CaptureError as error:
            if not errors:
                errors.append(error)
            break
    return errors


def _zeroed(captured: Capture, operator: str) -> bool:
    """Put zeros in the place of an operator's results, and return whether it is there."""
    module = captured.module
    found = [
        node
        for node in module.graph.nodes
        if node.op == "call_function" and name_of_node(node) == operator
    ]
    for node in found:
        value = node.meta["val"]
        with module.graph.inserting_before(node):
            zeros = [
                module.graph.call_function(
                    torch.ops.aten.full.default, ([*one.shape], 0), {"dtype": one.dtype}
                )
                for one in (value if isinstance(value, list | tuple) else [value])
            ]
        for new, one in zip(zeros, [value] if isinstance(value, Tensor) else value, strict=True):
            new.meta["val"] = one
        if isinstance(value, Tensor):
            node.replace_all_uses_with(zeros[0])
        else:
            for user in list(node.users):
                user.replace_all_uses_with(zeros[user.args[1]])
        module.graph.eliminate_dead_code()
    module.recompile()
    return bool(found)


def _translate(captured: Capture, args: Sequence[Tensor], opset: int) -> torch.onnx.ONNXProgram:
    """Return the traced graph as torch translates it, with a placeholder for each circuit."""
    _register_placeholder()
    with quiet(), uncollected():
        try:
            program = torch.onnx.export(
                exported_program(captured.module, args, captured.shapes),
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=captured.shapes,
                custom_translation_table=_TRANSLATIONS,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            node = untranslated_node(error)
            if node is not None:
                raise NoTranslationError(name_of_node(node), place_of_node(node)) from error
            raise UntranslatableError from error
    assert program is not None
    return program


def _circuit_node(parameters: Any, index: int, width: int) -> Any:
    """Translate `hybridx::circuit` into the placeholder."""
    del width
    return Op(Opset(DOMAIN, DOMAIN_VERSION), _PLACEHOLDER)(parameters, index=index)


def _select_scatter(x: Any, source: Any, dim: int, index: int) -> Any:
    """Translate `select_scatter`: `x` with `source` in the place of one slice.

    It is what torch differentiates `x[..., 0]` to. torch's own translation scatters by indices
    that it makes when the file runs: more nodes, which some engines compute wrongly or not at all.
    """
    parts = [_standard("Unsqueeze", source, [dim])]
    if index != 0:
        parts.insert(0, _standard("Slice", x, [0], [index], [dim]))
    length = x.shape[dim]
    if index not in (-1, length - 1 if isinstance(length, int) else -1):
        parts.append(_standard("Slice", x, [index + 1], [_END], [dim]))
    return _standard("Concat", *parts, axis=dim)


def _standard(operator: str, *args: Any, **attributes: Any) -> Any:
    """Return a node of ONNX's own operators, which are those of opset 18 in each translation."""
    return Op(Opset("", 18), operator)(*args, **attributes)


_TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    CIRCUIT_OP: _circuit_node,
    torch.ops.aten.select_scatter.default: _select_scatter,
}


def _register_placeholder() -> None:
    """Register the placeholder with onnx, once in a process; a second registration is an error."""
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


def _call_functions(
    graph: ir.Graph, names: Sequence[str], compiled: Sequence[Compiled]
) -> dict[ir.Value, int]:
    """Turn each placeholder into a call of the function of its circuit.

    Returns:
        The index of the circuit by the value that its node gives.
    """
    called: dict[ir.Value, int] = {}
    for node in graph.all_nodes():
        if (node.domain, node.op_type) == (DOMAIN, _PLACEHOLDER):
            index = node.attributes["index"].as_int()
            node.op_type = names[index]
            node.attributes.clear()
            node.attributes.add(ir.AttrString(CIRCUIT_ATTRIBUTE, compiled[index].circuit))
            called[node.outputs[0]] = index
    return called


def _describe_circuits(
    graph: onnx.GraphProto, called: Mapping[ir.Value, int], captured: Capture
) -> None:
    """Name each circuit's node by where its QNode stands in the model, and say what it is."""
    indices = {str(value.name): index for value, index in called.items()}
    taken: set[str] = set()
    for node in walk_nodes(graph):
        if node.domain == DOMAIN:
            index = indices[node.output[0]]
            name = free_name(captured.layers[index].node, taken)
            taken.add(name)
            describe(node, name, captured.circuits[index])


def _copy_returned_weights(graph: ir.Graph) -> None:
    """Make an output that is a weight the result of a node, as torch makes all others."""
    for index, output in enumerate(graph.outputs):
        if output.is_initializer():
            copy = ir.val(f"{output.name}/output_{index}", type=output.type, shape=output.shape)
            graph.append(ir.node("Identity", [output], outputs=[copy], name=""))
            graph.outputs[index] = copy


def _name_values(graph: ir.Graph, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give inputs and outputs the names of the model's arguments and of what it returns."""
    ends = dict(zip((*graph.inputs, *graph.outputs), (*inputs, *outputs), strict=True))
    others = [value for value in _values(graph) if value not in ends]
    # A value inside that torch gave one of these names gets another.
    taken = {str(value.name) for value in others}.union(ends.values())
    initializers = list(graph.initializers.values())
    for value in sorted(others, key=lambda value: str(value.name)):
        if value.name in ends.values():
            value.name = next(
                free for number in count() if (free := f"{value.name}_{number}") not in taken
            )
            taken.add(value.name)
    for value, name in ends.items():
        value.name = name
    # An initializer with a new name went to the end.
    graph.initializers.clear()
    graph.initializers.update((str(value.name), value) for value in initializers)


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    """Yield all values that a graph and the graphs inside it define."""
    for one in (graph, *graph.subgraphs()):
        yield from one.inputs
        yield from one.initializers.values()
    for node in graph.all_nodes():
        yield from node.outputs


def _strip(model: onnx.ModelProto) -> None:
    """Remove names of folders, of source files and of functions, and stamps of the machine.

    An empty doc_string that is set takes two bytes, one that is not set takes none: files have had
    the empty ones from the start, so they are set here and not left out by onnx_ir.
    """
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = DOMAIN, ""
    model.doc_string = ""
    model.graph.name, model.graph.doc_string = "model", ""
    del model.metadata_props[:]
    _clear(model.graph)


def _clear(graph: onnx.GraphProto) -> None:
    """Empty the metadata and the doc_strings of a graph and of the graphs in it.

    What torch says twice of a weight goes as well: tools that write another tensor under its name,
    such as ONNX Runtime's quantization, do not change its shape among those of the values.
    """
    del graph.metadata_props[:]
    weights = {weight.name for weight in graph.initializer}
    for index in reversed(range(len(graph.value_info))):
        if graph.value_info[index].name in weights:
            del graph.value_info[index]
    for values in (graph.input, graph.output, graph.value_info, graph.initializer, graph.node):
        for value in values:
            if value.name:  # a copy of a returned weight has no name, and no doc_string either
                value.doc_string = ""
            del value.metadata_props[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _clear(attribute.g)
