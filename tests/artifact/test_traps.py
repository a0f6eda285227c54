"""Nodes that end the process of ONNX Runtime: each is refused, and does so where nobody refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hybridx.artifact.traps import refuse_traps
from hybridx.errors import BrokenArtifactError


def constant(name, value, dtype):
    return numpy_helper.from_array(np.array(value, dtype), name)


def model(nodes, constants, functions=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [onnx.ValueInfoProto(name="y")],
        constants,
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("d", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=[*functions])


def division(operator, smallest, dtype):
    pair = [constant("a", [7, smallest], dtype), constant("b", [-1], dtype)]
    return model([helper.make_node(operator, ["a", "b"], ["y"])], pair)


def image(operator, *more, **attributes):
    pixels = [constant("i", np.ones((1, 4, 4, 4)), "float32")]
    kernel = [constant("k", np.ones((4, 4, 1, 1)), "float32")] if more else []
    return model([helper.make_node(operator, ["i", *more], ["y"], **attributes)], pixels + kernel)


def through_nodes():
    """The numbers come from nodes of constants, and a cast of a number that no integer holds."""
    nodes = [
        helper.make_node("Constant", [], ["f"], value=constant("", 1e30, "float32")),
        helper.make_node("Cast", ["f"], ["a"], to=TensorProto.INT64),
        helper.make_node("Constant", [], ["one"], value_int=1),
        helper.make_node("Neg", ["one"], ["m"]),
        helper.make_node("Identity", ["m"], ["b"]),
        helper.make_node("Div", ["a", "b"], ["y"]),
    ]
    return model(nodes, [])


def in_a_function():
    nodes = [
        helper.make_node("Constant", [], ["a"], value_ints=[-(2**63)]),
        helper.make_node("Constant", [], ["b"], value_ints=[-1]),
        helper.make_node("Mod", ["a", "b"], ["y"]),
    ]
    made = helper.make_function("d", "F", ["x"], ["y"], nodes, [helper.make_opsetid("", 20)])
    return model([helper.make_node("F", ["x"], ["y"], domain="d")], [], [made])


def in_a_branch():
    inner = helper.make_graph(
        [helper.make_node("Div", ["a", "b"], ["z"])], "i", [], [onnx.ValueInfoProto(name="z")]
    )
    pair = [constant("a", -(2**31), "int32"), constant("b", -1, "int32")]
    node = helper.make_node("If", ["t"], ["y"], then_branch=inner, else_branch=inner)
    return model([node], [*pair, constant("t", True, bool)])


def normalization(*bias):
    ones = [constant(name, np.ones(3), "float32") for name in ("s", "b")]
    return model([helper.make_node("LayerNormalization", ["x", "s", *bias], ["y"])], ones)


TRAPS = {
    "Div int32": lambda: division("Div", -(2**31), "int32"),
    "Div int64": lambda: division("Div", -(2**63), "int64"),
    "Mod int32": lambda: division("Mod", -(2**31), "int32"),
    "Mod int64": lambda: division("Mod", -(2**63), "int64"),
    "through nodes": through_nodes,
    "in a function": in_a_function,
    "in a branch": in_a_branch,
    "groups": lambda: image("ConvTranspose", "k", group=0),
    "no bias": lambda: normalization(""),
    "blocks": lambda: image("DepthToSpace", blocksize=2**62),
}
SOUND = {
    "another divisor": lambda: division("Div", -(2**63) + 1, "int64"),
    "one group": lambda: image("ConvTranspose", "k", group=1),
    "a bias": lambda: normalization("b"),
    "a bias left out": lambda: normalization(),
    "blocks of 2": lambda: image("DepthToSpace", blocksize=2),
}
RUN = """
import resource, sys, numpy, onnxruntime
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
content = sys.stdin.buffer.read()
session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
session.run(None, {"x": numpy.ones((2, 3), "float32")})
"""


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_is_refused(name):
    with pytest.raises(BrokenArtifactError, match="breaks the file contract: a "):
        refuse_traps(TRAPS[name](), "model.onnx")


@pytest.mark.parametrize("name", SOUND)
def test_what_runs_is_not(name):
    refuse_traps(SOUND[name](), "model.onnx")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are of Unix")
@pytest.mark.parametrize("name", [*TRAPS, *SOUND])
def test_onnx_runtime_alone_ends_the_process(name):
    made = {**TRAPS, **SOUND}[name]().SerializeToString()
    run = subprocess.run([sys.executable, "-c", RUN], input=made, capture_output=True, check=False)
    assert (run.returncode < 0) == (name in TRAPS)
