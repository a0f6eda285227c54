"""Bounds on what is read: each broken once, by a small file."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from hybridx.artifact import DOMAIN, decode_artifact, limits
from hybridx.circuit import decode, encode, parse
from hybridx.errors import BrokenArtifactError, NotOnnxError, TooLargeError

OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("made", 1)]


def function(name, calls, domain="made"):
    """A function that hands its input through some calls."""
    nodes, value = [], "x"
    for index, called in enumerate(calls):
        nodes.append(helper.make_node(called, [value], [f"v{index}"], domain="made"))
        value = f"v{index}"
    nodes.append(helper.make_node("Identity", [value], ["y"]))
    return helper.make_function(domain, name, ["x"], ["y"], nodes, OPSETS, [])


def model(functions, call):
    graph = helper.make_graph(
        [helper.make_node(call, ["x"], ["y"], domain="made")],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )
    return helper.make_model(graph, functions=functions, opset_imports=OPSETS, ir_version=10)


def chain(depth):
    """Functions that each call the next one twice."""
    inner = [function(f"f{level}", [f"f{level + 1}"] * 2) for level in range(depth)]
    return model([*inner, function(f"f{depth}", [])], "f0")


def test_an_exponential_chain_is_counted_and_refused():
    # If anything expanded it, this test would never end.
    proto = chain(60)
    assert len(proto.SerializeToString()) < 20_000
    with pytest.raises(TooLargeError, match="expanded"):
        decode_artifact(proto.SerializeToString(), "m.onnx")


def test_a_short_chain_is_only_foreign():
    nodes, _ = limits.expanded_size(chain(3), "m.onnx")
    assert nodes >= 2**3
    with pytest.raises(NotOnnxError, match=r"hybridx\.format"):
        decode_artifact(chain(3).SerializeToString(), "m.onnx")


@pytest.mark.parametrize("calls", [["f0"], ["f1"]])
def test_functions_that_call_themselves_are_refused(calls):
    functions = [function("f0", calls), function("f1", ["f0"])]
    with pytest.raises(BrokenArtifactError, match="call themselves"):
        decode_artifact(model(functions, "f0").SerializeToString(), "m.onnx")


def test_a_body_of_ours_calls_no_function():
    functions = [function("inner", []), function("Circuit_0", ["inner"], domain=DOMAIN)]
    with pytest.raises(BrokenArtifactError):
        decode_artifact(model(functions, "inner").SerializeToString(), "m.onnx")


def test_external_data_are_refused():
    proto = model([function("f0", [])], "f0")
    weight = numpy_helper.from_array(np.zeros(3, dtype=np.float32), "w")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    proto.graph.initializer.append(weight)
    with pytest.raises(BrokenArtifactError):
        decode_artifact(proto.SerializeToString(), "m.onnx")


def test_a_large_file_is_refused_by_its_length():
    with pytest.raises(TooLargeError, match="the file"):
        limits.check_file_size(limits.FILE_BYTES + 1)
    limits.check_file_size(limits.FILE_BYTES)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: d["circuit"].update(wires=10**6), "wires"),
        (lambda d: d["circuit"].update(parameters=10**9), "parameters"),
        (lambda d: d["circuit"].update(operations=d["circuit"]["operations"] * 100_001), "gates"),
    ],
)
def test_circuits_are_bounded(change, what):
    document = json.loads(encode(parse("RX 0 p[0]; expval Z0")))
    change(document)
    with pytest.raises(TooLargeError, match=what):
        decode(json.dumps(document))
