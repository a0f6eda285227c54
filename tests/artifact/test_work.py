"""What a graph computes, estimated; what computes too much or without an end is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hybridx
from hybridx.artifact import check_work
from hybridx.errors import TooMuchMemoryError, TooMuchWorkError, UnboundedWorkError

OPSET = [helper.make_opsetid("", 20), helper.make_opsetid("d", 1)]


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def model(*nodes, functions=(), **weights):
    """A model of x (batch, 3) that gives y, with weights by name."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(one), name) for name, one in weights.items()],
    )
    return helper.make_model(graph, opset_imports=OPSET, functions=list(functions))


def loop(*, turns=None, grows=False):
    """A loop over a value, which may be twice as long after each turn."""
    change = node("Concat", "v v", "w", axis=0) if grows else node("Neg", "v", "w")
    body = helper.make_graph(
        [node("Identity", "goes", "on"), change],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    count = "turns" if turns is not None else ""
    made = helper.make_node("Loop", [count, "true", "x"], ["y"], body=body)
    return model(made, true=np.array(True), turns=np.int64(turns or 0))


def products(count, size):
    chain = [node("MatMul", f"t{i} w", f"t{i + 1}") for i in range(count)]
    return model(
        node("Tile", "x times", "t0"),
        *chain,
        node("ReduceMax", f"t{count}", "y", keepdims=0),
        times=np.array([size, size // 3]),
        w=np.zeros((size // 3 * 3, size // 3 * 3), np.float32),
    )


def of_size(*nodes, **weights):
    return model(*nodes, node("ReduceMax", "b", "y", keepdims=0), **weights)


LARGE = {
    "Expand": of_size(node("Expand", "x s", "b"), s=np.array([2**40, 1, 1])),
    "Tile": of_size(node("Tile", "x s", "b"), s=np.array([2**40, 1])),
    "ConstantOfShape": of_size(node("ConstantOfShape", "s", "b"), s=np.array([2**20, 2**20])),
    "Range": of_size(node("Range", "a s d", "b"), a=np.int64(0), s=np.int64(2**62), d=np.int64(1)),
    "Range of tiny steps": of_size(
        node("Range", "a s d", "b"), a=np.float32(0), s=np.float32(1e30), d=np.float32(1e-30)
    ),
    "Pad": of_size(node("Pad", "x p", "b"), p=np.array([0, 0, 2**40, 0])),
    "OneHot": of_size(
        *(node("Cast", "x", "i", to=7), node("OneHot", "i n v", "b")),
        n=np.int64(2**40),
        v=np.float32([0, 1]),
    ),
    "RandomNormal": of_size(helper.make_node("RandomNormal", [], ["b"], shape=[2**40])),
    "Resize": of_size(helper.make_node("Resize", ["x", "", "s"], ["b"]), s=np.float32([1e12, 1])),
    "doubled 60 times": of_size(
        node("Identity", "x", "t0"),
        *(node("Concat", f"t{i} t{i}", f"t{i + 1}", axis=0) for i in range(60)),
        node("Identity", "t60", "b"),
    ),
    "sequences doubled 60 times": of_size(
        node("Identity", "x", "t0"),
        *(
            one
            for i in range(60)
            for one in (
                node("SequenceConstruct", f"t{i} t{i}", f"s{i}"),
                node("ConcatFromSequence", f"s{i}", f"t{i + 1}", axis=0),
            )
        ),
        node("Identity", "t60", "b"),
    ),
    "texts doubled 60 times": model(
        node("Cast", "x", "t0", to=8),
        *(node("StringConcat", f"t{i} t{i}", f"t{i + 1}") for i in range(60)),
        node("Cast", "t60", "y", to=1),
    ),
    "an outer product": of_size(
        node("ConstantOfShape", "s", "a"),
        node("ConstantOfShape", "t", "c"),
        node("Mul", "a c", "b"),
        s=np.array([2**18, 1]),
        t=np.array([1, 2**18]),
    ),
    "a size from other sizes": of_size(
        node("Shape", "w", "n"),
        node("Mul", "n n", "nn"),
        node("ConstantOfShape", "nn", "b"),
        w=np.zeros((1024, 1024), np.float32),
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_tensor_that_is_not_in_the_file_is_bounded(name):
    with pytest.raises((TooMuchMemoryError, TooMuchWorkError)):
        check_work(LARGE[name], {"x": np.ones((2, 3), np.float32)}, "m.onnx")


def test_work_is_bounded():
    check_work(products(10, 300), {}, "m.onnx")
    with pytest.raises(TooMuchWorkError) as caught:
        check_work(products(2_000, 3_000), {}, "m.onnx")
    needed = int(caught.value.needed)
    assert "--isolated --time-limit" in type(caught.value).remedy
    with hybridx.limits(run_seconds=needed):
        check_work(products(2_000, 3_000), {}, "m.onnx")


def test_functions_are_counted_at_each_call():
    inside = [node("MatMul", "a a", "b"), node("MatMul", "b b", "c")]
    opset = [helper.make_opsetid("", 20), helper.make_opsetid("d", 1)]
    functions = [helper.make_function("d", "F0", ["a"], ["c"], inside, opset)]
    for level in range(1, 17):
        calls = [
            node(f"F{level - 1}", "a", "b", domain="d"),
            node(f"F{level - 1}", "b", "c", domain="d"),
        ]
        functions.append(helper.make_function("d", f"F{level}", ["a"], ["c"], calls, opset))
    nodes = [node("Tile", "x s", "a"), node("F16", "a", "y", domain="d")]
    large = model(*nodes, functions=functions, s=np.array([300, 100]))
    with pytest.raises(TooMuchWorkError):
        check_work(large, {}, "m.onnx")
    small = model(*nodes, functions=functions[:3] + functions[16:], s=np.array([300, 100]))
    small.graph.node[1].op_type = "F2"
    check_work(small, {}, "m.onnx")


UNBOUNDED = {
    "a loop without turns": loop(),
    "a size from the input": of_size(
        node("ReduceMax", "x", "m", keepdims=0),
        node("Cast", "m", "c", to=7),
        node("Unsqueeze", "c zero", "s"),
        node("ConstantOfShape", "s", "b"),
        zero=np.array([0]),
    ),
    "a loop that doubles a value": loop(turns=2**40, grows=True),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_what_nobody_can_bound_is_refused(name):
    with pytest.raises((UnboundedWorkError, TooMuchMemoryError)):
        check_work(UNBOUNDED[name], {}, "m.onnx")
    # Whoever trusts the file asks for no estimate.
    with hybridx.limits(run_seconds=100_000_000):
        check_work(UNBOUNDED[name], {}, "m.onnx")


def test_turns_of_a_loop_are_counted():
    check_work(loop(turns=100), {}, "m.onnx")
    with pytest.raises(TooMuchWorkError):
        check_work(loop(turns=2**62), {}, "m.onnx")


def test_open_axes_have_the_lengths_of_the_self_test():
    wide = model(node("Tile", "x s", "y"), s=np.array([1000, 1000]))
    check_work(wide, {"x": np.ones((1, 3), np.float32)}, "m.onnx")
    with pytest.raises(TooMuchMemoryError):
        check_work(wide, {"x": np.ones((1000, 3), np.float32)}, "m.onnx")
