"""Canaries: what ONNX Runtime and its extensions do behind names that they do not document.

A failure says which behaviour is gone; then `hybridx/runtime/onnxruntime_internals.py` is the one
file to change.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from hybridx.runtime import onnxruntime_internals as internals

CPU = ["CPUExecutionProvider"]


def model(nodes, element=TensorProto.FLOAT, inputs=("x",), ir_version=10):
    """The bytes of a model from `inputs` to `y`, all of any shape."""
    graph = helper.make_graph(
        nodes,
        "canary",
        [helper.make_tensor_value_info(name, element, None) for name in inputs],
        [helper.make_tensor_value_info("y", element, None)],
    )
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version).SerializeToString()


def start(content, providers=CPU):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return internals.new_session(content, options, providers)


def error_of(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def answers(error):
    return internals.lacks_kernel(error), internals.refuses_model(error), internals.stopped(error)


def test_not_implemented_is_an_operator_without_a_kernel():
    """`onnxruntime_pybind11_state.NotImplemented`"""
    start(model([helper.make_node("Erf", ["x"], ["y"])]))
    error = error_of(start, model([helper.make_node("Erf", ["x"], ["y"])], TensorProto.BFLOAT16))
    assert type(error).__name__ == "NotImplemented"
    assert answers(error)[0]


def test_invalid_graph_is_a_node_that_breaks_the_standard():
    """`InvalidGraph`"""
    error = error_of(start, model([helper.make_node("Add", ["x"], ["y"])]))
    assert type(error).__name__ == "InvalidGraph"
    assert answers(error)[:2] == (False, True)


def test_fail_is_a_model_of_a_later_version():
    """`Fail`"""
    error = error_of(start, model([helper.make_node("Neg", ["x"], ["y"])], ir_version=99))
    assert type(error).__name__ == "Fail"
    assert answers(error)[:2] == (False, True)


def test_invalid_protobuf_is_bytes_that_are_no_model():
    """`InvalidProtobuf`"""
    error = error_of(start, b"\x08\x0a\x3a\xff")
    assert type(error).__name__ == "InvalidProtobuf"
    assert answers(error)[:2] == (False, True)


def test_ep_fail_exists():
    """`EPFail`: of a provider that fails, which no CPU can show."""
    from onnxruntime.capi import onnxruntime_pybind11_state

    assert internals.refuses_model(onnxruntime_pybind11_state.EPFail("a provider"))


def test_invalid_argument_is_what_stops_on_an_index_out_of_range_or_a_wrong_input():
    """`InvalidArgument`"""
    session = start(model([helper.make_node("Neg", ["x"], ["y"])]))
    error = error_of(session.run, None, {"x": np.zeros(2, np.float64)})
    assert type(error).__name__ == "InvalidArgument"
    assert answers(error)[2]


def test_runtime_exception_exists():
    """`RuntimeException`: what earlier releases raise inside of a kernel, where 1.31 has `Fail`."""
    from onnxruntime.capi import onnxruntime_pybind11_state

    assert internals.stopped(onnxruntime_pybind11_state.RuntimeException("a kernel"))


def test_fail_is_also_what_stops_inside_of_a_kernel():
    """`Fail`, from a run"""
    session = start(model([helper.make_node("Add", ["x", "z"], ["y"])], inputs=("x", "z")))
    fed = {"x": np.zeros(2, np.float32), "z": np.zeros(3, np.float32)}
    error = error_of(session.run, None, fed)
    assert type(error).__name__ == "Fail"
    assert answers(error)[2]


def test_what_stops_names_its_node_and_its_reason():
    """The form of a message from a run: a node, an operator, a reason, sometimes a line of C++."""
    gather = helper.make_node("Gather", ["x", "i"], ["y"], name="/embedding/find it")
    graph = helper.make_graph(
        [gather],
        "canary",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [3]),
            helper.make_tensor_value_info("i", TensorProto.INT64, None),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 20)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    fed = {"x": np.zeros(3, np.float32), "i": np.array([7])}
    place, reason = internals.where_stopped(error_of(start(content).run, None, fed))
    assert place == "node '/embedding/find it' (Gather)"
    assert reason.startswith("indices element out of data bounds, idx=7 must be within")

    session = start(model([helper.make_node("Add", ["x", "z"], ["y"])], inputs=("x", "z")))
    fed = {"x": np.zeros(2, np.float32), "z": np.zeros(3, np.float32)}
    place, reason = internals.where_stopped(error_of(session.run, None, fed))
    assert place == "node '' (Add)"
    assert reason == "Attempting to broadcast an axis by a dimension other than 1. 2 by 3"

    assert internals.where_stopped(RuntimeError("[ONNXRuntimeError] : 1 : FAIL : no more.")) == (
        "a node that it does not name",
        "no more",
    )


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), MemoryError()], ids=repr)
def test_errors_of_others_are_none_of_these(error):
    assert answers(error) == (False, False, False)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_fails_is_an_error_and_prints_nothing(capsys):
    """`InferenceSession(enable_fallback=0)`: its own fallback prints to stdout."""
    content = model([helper.make_node("Neg", ["x"], ["y"])])
    error = error_of(start, content, ["NosuchExecutionProvider"])
    assert isinstance(error, RuntimeError)
    assert answers(error)[:2] == (False, True)
    assert capsys.readouterr().out == ""


# --- onnxruntime-extensions ----------------------------------------------------------------------

OPERATOR = """
import numpy as np, onnxruntime, sys
from onnx import TensorProto, helper
from hybridx.runtime import onnxruntime_internals as internals

seen = []
def double(values, number, place):
    seen.append((values.dtype.name, values.shape, number.tolist(), place))
    return 2 * values.astype(np.float64)

dtype, element = {dtype!r}, {element}
library = internals.register_operator(double, f"canary::Double_{{dtype}}", dtype, "place")
node = helper.make_node(f"Double_{{dtype}}", ["x", "n"], ["y"], domain="canary", place="here")
graph = helper.make_graph(
    [node], "g",
    [helper.make_tensor_value_info("x", element, ["a", 2]),
     helper.make_tensor_value_info("n", TensorProto.INT64, [1])],
    [helper.make_tensor_value_info("y", element, ["a", 2])])
opsets = [helper.make_opsetid("", 20), helper.make_opsetid("canary", 1)]
content = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
options = onnxruntime.SessionOptions()
options.register_custom_ops_library(library)
session = internals.new_session(content, options, ["CPUExecutionProvider"])
for x in (np.arange(6, dtype=dtype).reshape(3, 2), np.zeros((0, 2), dtype)):
    (y,) = session.run(None, {{"x": x, "n": np.array([7])}})
    assert (y.dtype, y.shape) == (x.dtype, x.shape), (y.dtype, y.shape)
    assert (y == 2 * x).all()
assert seen[0] == (dtype, (3, 2), [7], "here"), seen
print("called", len(seen))
"""


@pytest.mark.parametrize(
    ("dtype", "element"), [("float32", TensorProto.FLOAT), ("float64", TensorProto.DOUBLE)]
)
def test_a_python_function_is_an_operator(dtype, element):
    """`Opdef.create`, `PyCustomOpDef.dt_*`, `get_library_path`, and how a result is taken apart.

    In a process of its own, because an operator is there for good.
    """
    pytest.importorskip("onnxruntime_extensions", reason="there are no wheels for Python 3.14")
    code = OPERATOR.format(dtype=dtype, element=element)
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert finished.stdout == "called 2\n", finished.stderr


def test_a_result_is_taken_as_its_shape_and_a_flat_list():
    """`flatten().tolist()` of what the function returns, and `shape`."""
    array = np.arange(6.0).reshape(2, 3)
    taken = internals._Taken(array)
    assert (taken.shape, taken.flatten().tolist()) == ((2, 3), array.ravel().tolist())
