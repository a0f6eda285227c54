"""A tensor program as the flat body of an ONNX function, in standard operators only."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hybridx.lowering import (
    Binary,
    Concatenate,
    Constant,
    Gather,
    Parameters,
    Program,
    Reshape,
    Shape,
    Step,
    Sum,
    Transpose,
    Unary,
    Value,
)

_UNARY = {"cos": "Cos", "sin": "Sin", "sqrt": "Sqrt", "log": "Log", "sign": "Sign"}
_BINARY = {
    "add": "Add",
    "multiply": "Mul",
    "divide": "Div",
    "maximum": "Max",
    "matmul": "MatMul",
}


def emit_body(
    program: Program, *, dtype: np.dtype[Any], parameters: str, results: str
) -> list[onnx.NodeProto]:
    """Return the nodes of a function body.

    Args:
        program: what to compute.
        dtype: float32 or float64, of every tensor.
        parameters: name of the input, `(batch, P)`.
        results: name of the output, `(batch, M)`.
    """
    nodes: list[onnx.NodeProto] = []
    names: list[str] = []
    for index, step in enumerate(program.steps):
        last = index == len(program.steps) - 1
        name = parameters if isinstance(step, Parameters) else results if last else f"v{index}"
        nodes += _emit(step, name, names, dtype)
        names.append(name)
    return nodes


def _emit(step: Step, name: str, names: list[str], dtype: np.dtype[Any]) -> list[onnx.NodeProto]:
    def of(value: Value) -> str:
        return names[value.index]

    match step:
        case Parameters():
            return []
        case Constant(array):
            return [_constant(array.astype(dtype), name)]
        case Unary(kind, x):
            return [helper.make_node(_UNARY[kind], [of(x)], [name])]
        case Binary(kind, x, y):
            return [helper.make_node(_BINARY[kind], [of(x), of(y)], [name])]
        case Gather(x, axis, indices):
            index = f"{name}_indices"
            return [
                _constant(np.array(indices, dtype=np.int64), index),
                helper.make_node("Gather", [of(x), index], [name], axis=axis),
            ]
        case Reshape(x, shape):
            size = f"{name}_shape"
            return [
                _constant(_onnx_shape(shape), size),
                helper.make_node("Reshape", [of(x), size], [name]),
            ]
        case Transpose(x, order):
            return [helper.make_node("Transpose", [of(x)], [name], perm=order)]
        case Concatenate(xs, axis):
            return [helper.make_node("Concat", [of(x) for x in xs], [name], axis=axis)]
        case Sum(x, axis):
            axes = f"{name}_axes"
            return [
                _constant(np.array([axis], dtype=np.int64), axes),
                helper.make_node("ReduceSum", [of(x), axes], [name], keepdims=0),
            ]
        case _:
            assert_never(step)


def _constant(array: NDArray[Any], name: str) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def _onnx_shape(shape: Shape) -> NDArray[np.int64]:
    # Zero copies the length from the input: the batch is the first axis of both, and may be empty.
    return np.array([0 if size is None else size for size in shape], dtype=np.int64)
