"""Tensors of another size than their bytes are refused before anything takes memory for them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hybridx.artifact import check_model
from hybridx.errors import BeyondReadingError, BrokenArtifactError, TooLargeError


def tensor(dims, raw=None, kind=TensorProto.FLOAT, **fields):
    made = TensorProto(name="w", data_type=kind, dims=dims)
    if raw is not None:
        made.raw_data = raw
    for name, numbers in fields.items():
        getattr(made, name).extend(numbers)
    return made


def as_weight(one):
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    return helper.make_model(helper.make_graph(nodes, "g", [], [], [one]))


def as_constant(one):
    nodes = [helper.make_node("Constant", [], ["w"], value=one)]
    return helper.make_model(helper.make_graph(nodes, "g", [], []))


def in_a_branch(one):
    inner = helper.make_graph([], "i", [], [], [one])
    nodes = [helper.make_node("If", ["t"], ["y"], then_branch=inner, else_branch=inner)]
    return helper.make_model(helper.make_graph(nodes, "g", [], []))


def in_a_function(one):
    nodes = [helper.make_node("Constant", [], ["y"], value=one)]
    made = helper.make_function("d", "F", ["x"], ["y"], nodes, [helper.make_opsetid("", 20)])
    call = helper.make_node("F", ["x"], ["y"], domain="d")
    return helper.make_model(helper.make_graph([call], "g", [], []), functions=[made])


BAD = {
    "too short": tensor([1000], bytes(12)),
    "too long": tensor([3], bytes(16)),
    "lengths that multiply to more than 2^64": tensor([2**33, 2**33], bytes(12)),
    "lengths that overflow to nothing": tensor([2**62, 4], b""),
    "no numbers": tensor([2**40]),
    "a negative length": tensor([-3], bytes(12)),
    "two negative lengths": tensor([-1, -3], bytes(12)),
    "no type": tensor([3], bytes(12), 0),
    "a type of the future": tensor([3], bytes(12), 99),
    "texts as bytes": tensor([3], bytes(24), TensorProto.STRING),
    "numbers twice": tensor([3], bytes(12), float_data=[1, 2, 3]),
    "numbers of another type": tensor([3], int64_data=[1, 2, 3]),
    "half a byte too little": tensor([3], bytes(1), TensorProto.INT4),
}
GOOD = {
    "raw": tensor([3], bytes(12)),
    "a list": tensor([3], float_data=[1, 2, 3]),
    "nothing": tensor([0, 5], b""),
    "one number": tensor([], bytes(8), TensorProto.INT64),
    "texts": tensor([2], kind=TensorProto.STRING, string_data=[b"a", b"b"]),
    "complex": tensor([2], kind=TensorProto.COMPLEX64, float_data=[1, 2, 3, 4]),
    "half bytes": tensor([3], bytes(2), TensorProto.INT4),
    "half precision in a list": tensor([2], kind=TensorProto.FLOAT16, int32_data=[1, 2]),
}
PLACES = (as_weight, as_constant, in_a_branch, in_a_function)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", BAD)
def test_a_tensor_that_lies_is_refused(name, place):
    with pytest.raises(BrokenArtifactError, match="tensor 'w'"):
        check_model(place(BAD[name]), "m.onnx")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", GOOD)
def test_a_sound_tensor_passes(name, place):
    check_model(place(GOOD[name]), "m.onnx")


def test_axes_are_counted():
    with pytest.raises(BeyondReadingError, match="axes of tensor"):
        check_model(as_weight(tensor([1] * 65, bytes(4))), "m.onnx")


def sparse(dims, indices, values=(1.0,)):
    return helper.make_sparse_tensor(
        numpy_helper.from_array(np.float32(values), "w"),
        numpy_helper.from_array(np.int64(indices), "i"),
        dims,
    )


def sparse_model(one):
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", [], [], sparse_initializer=[one]
    )
    return helper.make_model(graph)


def test_a_sparse_tensor_is_inside_its_lengths():
    check_model(sparse_model(sparse([3], [2])), "m.onnx")
    check_model(sparse_model(sparse([3, 2], [[2, 1]])), "m.onnx")
    for dims, indices in (([3], [3]), ([3], [-1]), ([3, 2], [[1, 2]]), ([3], [[[0]]])):
        with pytest.raises(BrokenArtifactError, match="lead out of it"):
            check_model(sparse_model(sparse(dims, indices)), "m.onnx")
    with pytest.raises(TooLargeError, match="the sparse tensor"):
        check_model(sparse_model(sparse([2**33], [0])), "m.onnx")
