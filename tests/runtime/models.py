"""Graphs with circuits in them, put together by hand: no torch, and every shape of graph."""

from __future__ import annotations

import numpy as np
import onnx
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
    Statement,
    circuit_function,
    decode_artifact,
    seal,
)
from hybridx.circuit import encode, parse
from hybridx.emit import emit_body
from hybridx.lowering import lower

TURN = "RX 0 p[0]; RY 1 p[1]; CNOT 0 1; RZ 1 0.4; RX 1 p[0]; expval Z0; expval X0@Y1"
MIX = "Hadamard 0; RY 0 p[0]; CRX 0 1 p[1]; expval Z1; expval 0.5*X0 + -1.0*Z1"
FIXED = "RX 0 0.7; CNOT 0 1; expval Z0; expval Z1"  # takes no data

FLOAT = onnx.TensorProto.FLOAT


def build(nodes, outputs, weights=()):
    """An artifact from `x` `(batch, 2)` to the named outputs.

    Args:
        nodes: `(operator or circuit text, inputs, output)`, in order.
        outputs: name and shape of each.
        weights: name and array of each.
    """
    functions, made = {}, []
    for kind, inputs, output in nodes:
        if " " not in kind:
            made.append(helper.make_node(kind, list(inputs), [output]))
            continue
        circuit = parse(kind)
        body = emit_body(
            lower(circuit), dtype=np.dtype("float32"), parameters=PARAMETERS, results=RESULTS
        )
        function = circuit_function(Compiled(encode(circuit), body), OPSET)
        functions[function.name] = function
        call = helper.make_node(function.name, list(inputs), [output], domain=DOMAIN)
        call.attribute.append(helper.make_attribute(CIRCUIT_ATTRIBUTE, encode(circuit)))
        made.append(call)
    graph = helper.make_graph(
        made,
        "model",
        [helper.make_tensor_value_info("x", FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights],
    )
    # Results of circuits have to be typed, as torch types them in an export.
    for kind, _, output in nodes:
        if " " in kind and output not in dict(outputs):
            rows = "batch" if "p[" in kind else 1
            graph.value_info.append(helper.make_tensor_value_info(output, FLOAT, [rows, 2]))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)]
    model = helper.make_model(
        graph, functions=list(functions.values()), opset_imports=opsets, ir_version=IR_VERSION
    )
    content = seal(model, Statement("0"))
    return decode_artifact(content, "hand-made.onnx")


WIDE = ["batch", 2]
EMPTY = [("nothing", np.zeros((1, 0), np.float32))]

GRAPHS = {
    "a circuit and no more": lambda: build([(TURN, ["x"], "y")], [("y", WIDE)]),
    "between classical nodes": lambda: build(
        [("Tanh", ["x"], "a"), (TURN, ["a"], "b"), ("Exp", ["b"], "y")], [("y", WIDE)]
    ),
    "one behind another": lambda: build(
        [(TURN, ["x"], "a"), (MIX, ["a"], "b"), ("Sin", ["b"], "c"), (TURN, ["c"], "y")],
        [("y", WIDE)],
    ),
    "side by side, unlike depths": lambda: build(
        [
            ("Tanh", ["x"], "a"),
            (TURN, ["a"], "b"),
            (MIX, ["b"], "c"),
            (MIX, ["x"], "d"),
            ("Add", ["c", "d"], "e"),
            ("Mul", ["e", "a"], "y"),
        ],
        [("y", WIDE)],
    ),
    "one result read at two levels": lambda: build(
        [(TURN, ["x"], "a"), (MIX, ["a"], "b"), ("Add", ["a", "b"], "y")],
        [("y", WIDE), ("a", WIDE)],
    ),
    "without data": lambda: build(
        [(FIXED, ["nothing"], "a"), ("Add", ["x", "a"], "b"), (TURN, ["b"], "y")],
        [("y", WIDE)],
        EMPTY,
    ),
    "classical only beside it": lambda: build(
        [("Exp", ["x"], "side"), (MIX, ["x"], "y")], [("y", WIDE), ("side", WIDE)]
    ),
}
