"""Small model files put together by hand, whose inputs and outputs have axes of every kind."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from hybridx.artifact import IR_VERSION, OPSET, Metadata, write_metadata


def model_file(path, nodes, inputs, outputs, *, weights=(), metadata=None):
    """Write a model file and return its path.

    Args:
        path: of the file.
        nodes: `(operator, inputs, output, attributes)` of each.
        inputs: name and shape of each; a name for an open axis.
        outputs: likewise.
        weights: name and array of each.
        metadata: what the file says of itself.
    """

    def typed(values):
        return [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.dtype(*dtype or ("float32",))), shape
            )
            for name, shape, *dtype in values
        ]

    graph = helper.make_graph(
        [
            helper.make_node(operator, taken, [given], **dict(*attributes))
            for operator, taken, given, *attributes in nodes
        ],
        "model",
        typed(inputs),
        typed(outputs),
        [numpy_helper.from_array(array, name) for name, array in weights],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    path.write_bytes(write_metadata(model, metadata or Metadata("0")))
    return path


def log(path, **options):
    """`y = log(x)`, row by row: NaN below zero."""
    return model_file(
        path, [("Log", ["x"], "y")], [("x", ["batch", 2])], [("y", ["batch", 2])], **options
    )


def two_inputs(path):
    """`y = scale * a + b`: rows of two inputs, and an input that all rows share."""
    return model_file(
        path,
        [
            ("Mul", ["a", "scale"], "scaled"),
            ("Unsqueeze", ["b", "axis"], "column"),
            ("Add", ["scaled", "column"], "y"),
        ],
        [("a", ["batch", 3]), ("b", ["batch"]), ("scale", [3])],
        [("y", ["batch", 3])],
        weights=[("axis", np.array([1]))],
    )


def side_by_side(path):
    """`y = a + b`, with rows of two inputs and none that is shared."""
    return model_file(
        path,
        [("Unsqueeze", ["b", "axis"], "column"), ("Add", ["a", "column"], "y")],
        [("a", ["batch", 2]), ("b", ["batch"])],
        [("y", ["batch", 2])],
        weights=[("axis", np.array([1]))],
    )


def centred(path):
    """`y = x - mean of all rows`: every row of the output depends on every row of the input."""
    return model_file(
        path,
        [("ReduceMean", ["x", "axis"], "mean"), ("Sub", ["x", "mean"], "y")],
        [("x", ["batch", 2])],
        [("y", ["batch", 2])],
        weights=[("axis", np.array([0]))],
    )


def constant_beside(path):
    """`y = 2 x` by row, beside `z` of always 3 elements: the sum of all rows, and zeros."""
    return model_file(
        path,
        [
            ("Add", ["x", "x"], "y"),
            ("ReduceSum", ["x"], "sum", {"keepdims": 0}),
            ("Mul", ["sum", "ones"], "z"),
        ],
        [("x", ["batch", 2])],
        [("y", ["batch", 2]), ("z", [3])],
        weights=[("ones", np.array([1, 0, 0], np.float32))],
    )


def fixed_batch(path):
    """`y = x + x` for exactly four rows."""
    return model_file(path, [("Add", ["x", "x"], "y")], [("x", [4, 2])], [("y", [4, 2])])


def no_batch(path):
    """`y = x + x` for one sample without a batch axis."""
    return model_file(path, [("Add", ["x", "x"], "y")], [("x", [2])], [("y", [2])])


def whole_numbers(path):
    """`y = x + x` in int32."""
    return model_file(
        path,
        [("Add", ["x", "x"], "y")],
        [("x", ["batch", 2], "int32")],
        [("y", ["batch", 2], "int32")],
    )


def sequence(path):
    """`y = x + x` with another open axis: rows of any length."""
    return model_file(
        path, [("Add", ["x", "x"], "y")], [("x", ["batch", "T"])], [("y", ["batch", "T"])]
    )
