"""Graphs with circuits in them, put together by hand: no torch, and every shape of graph."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from hybridx.artifact import (
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    DOMAIN_VERSION,
    IR_VERSION,
    OPSET,
    PARAMETERS,
    RESULTS,
    Compiled,
    Metadata,
    circuit_function,
    decode_artifact,
    function_name,
    write_metadata,
)
from hybridx.circuit import encode, has_channel, parse
from hybridx.lowering import choose
from hybridx.program.to_onnx import emit_body

TURN = "RX 0 p[0]; RY 1 p[1]; CNOT 0 1; RZ 1 0.4; RX 1 p[0]; expval Z0; expval X0@Y1"
MIX = "Hadamard 0; RY 0 p[0]; CRX 0 1 p[1]; expval Z1; expval 0.5*X0 + -1.0*Z1"
FIXED = "RX 0 0.7; CNOT 0 1; expval Z0; expval Z1"  # takes no data


def build(nodes, outputs, weights=(), *, dtype="float32", body=True, metadata=None):
    """An artifact from `x` `(batch, 2)` to the named outputs.

    Args:
        nodes: `(operator or circuit text, inputs, output)`, or a node, in order.
        outputs: name and shape of each.
        weights: name and array of each.
        dtype: of everything.
        body: compile the circuits.
        metadata: what the file says of itself.
    """
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    functions, made, typed = {}, [], []
    for node in nodes:
        if not isinstance(node, tuple):
            made.append(node)
            continue
        kind, inputs, output = node
        if " " not in kind:
            made.append(helper.make_node(kind, list(inputs), [output]))
            continue
        circuit = parse(kind)
        function = None
        if body:
            nodes_of_body = emit_body(
                choose(circuit, None if has_channel(circuit) else "statevector").plan.build(),
                dtype=np.dtype(dtype),
                parameters=PARAMETERS,
                results=RESULTS,
            )
            function = circuit_function(Compiled(encode(circuit), nodes_of_body), OPSET)
            functions[function.name] = function
        name = function_name(encode(circuit), function)
        call = helper.make_node(name, list(inputs), [output], domain=DOMAIN)
        call.attribute.append(helper.make_attribute(CIRCUIT_ATTRIBUTE, encode(circuit)))
        made.append(call)
        # Results of circuits have to be typed, as torch types them in an export.
        if output not in dict(outputs):
            rows = "batch" if "p[" in kind else 1
            typed.append(helper.make_tensor_value_info(output, element, [rows, 2]))
    graph = helper.make_graph(
        made,
        "model",
        [helper.make_tensor_value_info("x", element, ["batch", 2])],
        [helper.make_tensor_value_info(name, element, shape) for name, shape in outputs],
        [
            numpy_helper.from_array(value.astype(dtype) if value.dtype.kind == "f" else value, name)
            for name, value in weights
        ],
    )
    graph.value_info.extend(typed)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)]
    model = helper.make_model(
        graph, functions=list(functions.values()), opset_imports=opsets, ir_version=IR_VERSION
    )
    content = write_metadata(model, metadata or Metadata("0"))
    return decode_artifact(content, "hand-made.onnx")


WIDE = ["batch", 2]
EMPTY = [("nothing", np.zeros((1, 0), np.float32))]

GRAPHS = {
    "a circuit and no more": lambda **options: build(
        [(TURN, ["x"], "y")], [("y", WIDE)], **options
    ),
    "between classical nodes": lambda **options: build(
        [("Tanh", ["x"], "a"), (TURN, ["a"], "b"), ("Exp", ["b"], "y")], [("y", WIDE)], **options
    ),
    "one behind another": lambda **options: build(
        [(TURN, ["x"], "a"), (MIX, ["a"], "b"), ("Sin", ["b"], "c"), (TURN, ["c"], "y")],
        [("y", WIDE)],
        **options,
    ),
    "side by side, unlike depths": lambda **options: build(
        [
            ("Tanh", ["x"], "a"),
            (TURN, ["a"], "b"),
            (MIX, ["b"], "c"),
            (MIX, ["x"], "d"),
            ("Add", ["c", "d"], "e"),
            ("Mul", ["e", "a"], "y"),
        ],
        [("y", WIDE)],
        **options,
    ),
    "one result read at two levels": lambda **options: build(
        [(TURN, ["x"], "a"), (MIX, ["a"], "b"), ("Add", ["a", "b"], "y")],
        [("y", WIDE), ("a", WIDE)],
        **options,
    ),
    "without data": lambda **options: build(
        [(FIXED, ["nothing"], "a"), ("Add", ["x", "a"], "b"), (TURN, ["b"], "y")],
        [("y", WIDE)],
        EMPTY,
        **options,
    ),
    "classical only beside it": lambda **options: build(
        [("Exp", ["x"], "side"), (MIX, ["x"], "y")], [("y", WIDE), ("side", WIDE)], **options
    ),
    "a weight read at two levels": lambda **options: build(
        [("Mul", ["x", "w"], "a"), (TURN, ["a"], "b"), ("Mul", ["b", "w"], "y")],
        [("y", WIDE)],
        [("w", np.array([0.5, -2.0]))],
        **options,
    ),
    "a weight among the outputs": lambda **options: build(
        [("Mul", ["x", "w"], "a"), (TURN, ["a"], "y")],
        [("y", WIDE), ("w", [2])],
        [("w", np.array([0.5, -2.0]))],
        **options,
    ),
}
