"""Every translated operator computes what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from hybridx.rebuild.module import OPERATORS
from hybridx.rebuild.values import Node, Unrestorable, known

RNG = np.random.default_rng(3)
# Sums of some hundred float32 products, in another order.
TOLERANCE = 2e-5


def drawn(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, dtype=np.int64)


X = drawn(2, 4, 6, 6)
ROWS = drawn(3, 5)
UNIT = np.array([[-0.7, 0.2, 0.9]], np.float32)
LSTM = (drawn(5, 2, 3), drawn(1, 16, 3), drawn(1, 16, 4), drawn(1, 32))
GRU = (drawn(5, 2, 3), drawn(2, 12, 3), drawn(2, 12, 4), drawn(2, 24))
CASES = [
    ("Gemm", (ROWS, drawn(5, 4), drawn(4)), {"alpha": 0.5, "beta": 2.0}, 1),
    ("Gemm", (drawn(5, 3), drawn(4, 5), drawn(3, 4)), {"transA": 1, "transB": 1}, 1),
    ("Conv", (X, drawn(6, 2, 3, 3), drawn(6)), {"group": 2, "pads": [1, 0, 2, 1]}, 1),
    ("ConvTranspose", (X, drawn(4, 3, 2, 2)), {"strides": [2, 2], "output_padding": [1, 0]}, 1),
    ("MaxPool", (X,), {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]}, 1),
    ("AveragePool", (X,), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 1),
    ("AveragePool", (X,), {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, 1),
    ("GlobalAveragePool", (X,), {}, 1),
    ("GlobalMaxPool", (X,), {}, 1),
    ("BatchNormalization", (X, drawn(4), drawn(4), drawn(4), abs(drawn(4))), {"epsilon": 0.1}, 1),
    ("LayerNormalization", (X, drawn(6, 6), drawn(6, 6)), {"axis": 2}, 1),
    ("InstanceNormalization", (X, drawn(4), drawn(4)), {"epsilon": 0.1}, 1),
    ("GroupNormalization", (X, drawn(2), drawn(2)), {"num_groups": 2}, 1),
    ("LpNormalization", (ROWS,), {"p": 1}, 1),
    ("LSTM", LSTM, {"hidden_size": 4}, 3),
    ("LSTM", LSTM, {"hidden_size": 4, "direction": "reverse"}, 3),
    ("GRU", GRU, {"hidden_size": 4, "direction": "bidirectional", "linear_before_reset": 1}, 2),
    ("RNN", (LSTM[0], drawn(1, 4, 3), drawn(1, 4, 4)), {"hidden_size": 4}, 2),
    (
        "LSTM",
        (*LSTM, np.array([3, 5], np.int32), drawn(1, 2, 4), drawn(1, 2, 4)),
        {"hidden_size": 4},
        3,
    ),
    ("Einsum", (ROWS, drawn(5, 4)), {"equation": "ij,jk->ki"}, 1),
    ("Resize", (X, None, np.array([1, 1, 2, 2], np.float32)), {"mode": "linear"}, 1),
    ("Resize", (X, None, None, whole(2, 4, 3, 9)), {"mode": "cubic", "cubic_coeff_a": -0.75}, 1),
    (
        "Resize",
        (X, None, None, whole(2, 4, 9, 12)),
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        1,
    ),
    *(
        (name, (UNIT,), {}, 1)
        for name in (
            *("Abs", "Acos", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf"),
            *("Exp", "Floor", "HardSwish", "Mish", "Neg", "Reciprocal", "Relu", "Round"),
            *("Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Tan", "Tanh", "IsNaN"),
            *("Celu", "Elu", "Gelu", "HardSigmoid", "LeakyRelu", "Selu", "ThresholdedRelu"),
        )
    ),
    ("Acosh", (1 + abs(UNIT),), {}, 1),
    ("Log", (abs(UNIT),), {}, 1),
    ("Sqrt", (abs(UNIT),), {}, 1),
    ("Gelu", (UNIT,), {"approximate": "tanh"}, 1),
    ("Div", (whole(-7, 7, 9), whole(2, -2, 4)), {}, 1),
    ("Mod", (whole(-7, 7, 9), whole(2, -2, 4)), {}, 1),
    ("Mod", (drawn(3), drawn(3)), {"fmod": 1}, 1),
    ("Pow", (abs(UNIT), np.array([2.5, 0.5, -1.0])), {}, 1),
    ("Clip", (ROWS, np.float32(-0.5), np.float32(0.25)), {}, 1),
    ("PRelu", (ROWS, drawn(5)), {}, 1),
    ("Max", (ROWS, drawn(5), drawn(3, 1)), {}, 1),
    ("Where", (ROWS > 0, ROWS, drawn(5)), {}, 1),
    ("IsInf", (np.array([np.inf, -np.inf, 1], np.float32),), {"detect_negative": 0}, 1),
    ("BitShift", (np.uint8([1, 6]), np.uint8([2, 1])), {"direction": "LEFT"}, 1),
    ("Cast", (ROWS,), {"to": onnx.TensorProto.INT64}, 1),
    ("ArgMax", (np.array([[1, 3, 3]], np.float32),), {"axis": 1, "select_last_index": 1}, 1),
    ("CumSum", (ROWS, np.int64(1)), {"exclusive": 1, "reverse": 1}, 1),
    ("TopK", (ROWS, whole(2)), {"largest": 0}, 2),
    *(
        (f"Reduce{name}", (abs(X), whole(-1, 1)), {"keepdims": 0}, 1)
        for name in (
            *("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum"),
            "SumSquare",
        )
    ),
    ("ReduceSum", (ROWS, None), {}, 1),
    ("Softmax", (X,), {"axis": 1}, 1),
    ("LogSoftmax", (X,), {}, 1),
    ("Flatten", (X,), {"axis": 2}, 1),
    ("Reshape", (X, whole(0, -1, 3)), {}, 1),
    ("Expand", (drawn(3, 1), whole(2, 1, 4)), {}, 1),
    ("Squeeze", (drawn(1, 3, 1), whole(-1)), {}, 1),
    ("Unsqueeze", (ROWS, whole(0, -1)), {}, 1),
    ("Transpose", (X,), {}, 1),
    ("Split", (ROWS, whole(2, 3)), {"axis": 1}, 2),
    ("Slice", (X, whole(-1, 1), whole(-9, 5), whole(2, 3), whole(-2, 2)), {}, 1),
    ("Gather", (ROWS, np.array([[-1, 0], [2, 4]])), {"axis": 1}, 1),
    ("Gather", (ROWS, np.int64(-1)), {}, 1),
    ("GatherElements", (ROWS, np.array([[0, -1], [2, 1]])), {"axis": 1}, 1),
    ("GatherND", (X, np.array([[[0, 1]], [[3, -1]]])), {"batch_dims": 1}, 1),
    ("ScatterND", (ROWS, np.array([[0], [-1]]), drawn(2, 5)), {}, 1),
    ("ScatterND", (ROWS, np.array([[0], [0]]), drawn(2, 5)), {"reduction": "add"}, 1),
    ("ScatterElements", (ROWS, np.array([[0, -1]]), drawn(1, 2)), {"axis": 1}, 1),
    ("ScatterElements", (ROWS, whole([0, 0]), drawn(1, 2)), {"axis": 1, "reduction": "mul"}, 1),
    ("Pad", (X, whole(0, 0, 1, 2, 0, 0, 2, 1)), {"mode": "reflect"}, 1),
    ("Pad", (ROWS, whole(1, -1), np.float32(9), whole(1)), {}, 1),
    ("OneHot", (whole(1, -1), np.int64(3), np.array([0.5, 2], np.float32)), {}, 1),
    ("Trilu", (ROWS, np.int64(1)), {"upper": 0}, 1),
    ("EyeLike", (ROWS,), {"k": 1}, 1),
    ("NonZero", (np.eye(3, dtype=np.float32),), {}, 1),
    ("Range", (np.float32(1), np.float32(4), np.float32(0.5)), {}, 1),
    ("Tile", (ROWS, whole(2, 3)), {}, 1),
    ("DepthToSpace", (X,), {"blocksize": 2}, 1),
    ("DepthToSpace", (X,), {"blocksize": 2, "mode": "CRD"}, 1),
    ("Shape", (X,), {"start": 1, "end": -1}, 1),
    ("Size", (X,), {}, 1),
]  # fmt: skip


def by_onnx_runtime(operator, arrays, attributes, outputs):
    names = ["" if one is None else f"x{place}" for place, one in enumerate(arrays)]
    given = {name: np.asarray(one) for name, one in zip(names, arrays, strict=True) if name}
    kind = helper.np_dtype_to_tensor_dtype
    graph = helper.make_graph(
        [helper.make_node(operator, names, [f"y{n}" for n in range(outputs)], **attributes)],
        "one",
        [helper.make_tensor_value_info(n, kind(a.dtype), a.shape) for n, a in given.items()],
        [onnx.ValueInfoProto(name=f"y{n}") for n in range(outputs)],
    )
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(
        onnx.shape_inference.infer_shapes(model).SerializeToString()
    )
    return session.run(None, given)


def by_torch(operator, arrays, attributes, outputs, read):
    values = [None if one is None else read(np.asarray(one)) for one in arrays]
    result = OPERATORS[operator](Node(attributes, outputs), values)
    result = result if isinstance(result, tuple) else (result,)
    return [
        one.numpy() if isinstance(one, torch.Tensor) else one.astype(np.int64) for one in result
    ]


def as_in_a_file(array):
    """Integers that may be lengths are known in Python; everything else is a tensor."""
    is_length = array.dtype == np.int64 and array.ndim <= 1
    return known(array.tolist()) if is_length else torch.from_numpy(array)


@pytest.mark.parametrize("read", [as_in_a_file, torch.from_numpy], ids=["known", "tensors"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_operator_agrees_with_onnx_runtime(case, read):
    wanted, found = by_onnx_runtime(*case), by_torch(*case, read)
    for left, right in zip(wanted, found, strict=True):
        assert left.dtype == right.dtype
        assert left.shape == right.shape
        np.testing.assert_allclose(right, left, TOLERANCE, TOLERANCE)


@pytest.mark.parametrize(
    ("operator", "arrays", "attributes", "outputs"),
    [
        ("GRU", GRU, {"hidden_size": 4, "direction": "bidirectional"}, 2),
        ("LSTM", LSTM, {"hidden_size": 4, "clip": 1.0}, 3),
        ("LSTM", LSTM, {"hidden_size": 4, "activations": ["Relu", "Tanh", "Tanh"]}, 3),
        ("MaxPool", (X,), {"kernel_shape": [2, 2]}, 2),
        ("Conv", (X, drawn(6, 4, 3, 3)), {"auto_pad": "SAME_UPPER"}, 1),
        ("Resize", (X, None, None, whole(2, 4, 9, 9)), {"mode": "nearest"}, 1),
        ("BatchNormalization", (X, *[drawn(4)] * 4), {"training_mode": 1}, 1),
        ("ScatterND", (ROWS, np.array([[0]]), drawn(1, 5)), {"reduction": "max"}, 1),
    ],
)
def test_what_torch_does_not_have_is_refused(operator, arrays, attributes, outputs):
    with pytest.raises(Unrestorable):
        by_torch(operator, arrays, attributes, outputs, as_in_a_file)
