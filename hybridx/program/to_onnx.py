"""A tensor program as the body of an ONNX function, in standard operators only."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, assert_never

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hybridx.program import (
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
    Wrap,
    check,
    row_size,
)
from hybridx.program.wrapping import wrapping_of

_UNARY = {
    "cos": "Cos",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "log": "Log",
    "sign": "Sign",
    "hold": "Identity",
}
_BINARY = {
    "add": "Add",
    "multiply": "Mul",
    "divide": "Div",
    "maximum": "Max",
    "matmul": "MatMul",
}

_ROWS, _ROWS_RESULTS = "row_parameters", "row_results"  # of one iteration of the loop


def emit_body(
    program: Program,
    *,
    dtype: np.dtype[Any],
    parameters: str,
    results: str,
    rows: int | None = None,
    without: AbstractSet[str] = frozenset(),
    may_be_empty: bool = False,
) -> list[onnx.NodeProto]:
    """Return the nodes of a function body.

    Args:
        program: what to compute.
        dtype: float32 or float64, of every tensor.
        parameters: name of the input, `(batch, P)`.
        results: name of the output, `(batch, M)`.
        rows: compute so many at once, in a loop over the batch; None for all, without a loop.
        without: operators that an engine lacks; others take the place of `Max`, `Sign` and
            `Round`.
        may_be_empty: without a loop, write a node for each product whose left factor is constant,
            so that ONNX Runtime computes it for no rows, too. In a loop there is always one.

    Raises:
        IllFormedProgramError: the program breaks a law.
    """
    check(program)
    if rows is None:
        guarded = _left_constants(program) if may_be_empty else frozenset()
        return _emit_steps(program, dtype, parameters, results, without, guarded)
    inside = _emit_steps(program, dtype, _ROWS, _ROWS_RESULTS, without)
    kind, width = helper.np_dtype_to_tensor_dtype(dtype), row_size(program.shapes[-1])
    each = helper.make_tensor_value_info(_ROWS_RESULTS, kind, [None, width])
    return _loop(inside, rows, each, parameters, results)


def _emit_steps(
    program: Program,
    dtype: np.dtype[Any],
    parameters: str,
    results: str,
    without: AbstractSet[str],
    guarded: AbstractSet[int] = frozenset(),
) -> list[onnx.NodeProto]:
    nodes: list[onnx.NodeProto] = []
    names: list[str] = []
    if guarded:
        nodes += [
            _constant(np.array([0]), "nothing"),
            helper.make_node("Shape", [parameters], ["rows"], start=0, end=1),
        ]
    for index, step in enumerate(program.steps):
        last = index == len(program.steps) - 1
        if isinstance(step, Unary) and step.kind == "hold" and not last:
            names.append(names[step.x.index])  # the same numbers
            continue
        name = parameters if isinstance(step, Parameters) else results if last else f"v{index}"
        made = _emit(step, name, names, dtype)
        if index in guarded:
            # One matrix for all rows, none for no rows: ONNX Runtime does not broadcast to none.
            node, few = made[-1], f"{name}_left"
            cut = helper.make_node("Slice", [node.input[0], "nothing", "rows", "nothing"], [few])
            node.input[0] = few
            made.insert(-1, cut)
        for each in made:
            nodes += _written_otherwise(each, dtype) if each.op_type in without else [each]
        names.append(name)
    return nodes


def _left_constants(program: Program) -> frozenset[int]:
    """Return the products of a factor that is the same in every row and one that is not."""
    return frozenset(
        index
        for index, step in enumerate(program.steps)
        if isinstance(step, Binary)
        and step.kind == "matmul"
        and step.x.shape[:1] == (1,)
        and step.y.shape[:1] == (None,)
        and len(step.x.shape) == len(step.y.shape)
    )


def _loop(
    inside: list[onnx.NodeProto],
    rows: int,
    each: onnx.ValueInfoProto,
    parameters: str,
    results: str,
) -> list[onnx.NodeProto]:
    """Return a loop that takes a few rows at a time and concatenates their results.

    A scan output of a Loop has the same shape in every iteration, so all iterations take the same
    number of rows. The last one takes some rows again, and their results are cut off at the end.
    An empty batch is zero iterations.

    Args:
        inside: the nodes that compute some rows, the body of an iteration.
        rows: how many an iteration takes at most.
        each: the results of some rows, `(rows, M)`.
        parameters: name of the input.
        results: name of the output.
    """
    info, node = helper.make_tensor_value_info, helper.make_node
    body = helper.make_graph(
        [
            node("Mul", ["turn", "take"], ["first"]),
            node("Add", ["first", "places"], ["wanted"]),
            node("Min", ["wanted", "last"], ["chosen"]),
            node("Gather", [parameters, "chosen"], [_ROWS], axis=0),
            *inside,
            _constant(np.array(True), "on"),
        ],
        "rows",
        [info("turn", TensorProto.INT64, []), info("goes", TensorProto.BOOL, [])],
        [info("on", TensorProto.BOOL, []), each],
    )
    width = each.type.tensor_type.shape.dim[1].dim_value
    return [
        _constant(np.array(rows - 1), "rest"),
        _constant(np.array(rows), "rows"),
        _constant(np.array(0), "zero"),
        _constant(np.array(1), "one"),
        _constant(np.array([0]), "axis"),
        _constant(np.array([-1, width]), "flat"),
        node("Shape", [parameters], ["size"], start=0, end=1),
        node("Squeeze", ["size"], ["batch"]),
        node("Sub", ["batch", "one"], ["last"]),
        # turns = ceil(batch / rows); take = ceil(batch / turns)
        node("Add", ["batch", "rest"], ["padded"]),
        node("Div", ["padded", "rows"], ["turns"]),
        node("Max", ["turns", "one"], ["divisor"]),
        node("Add", ["last", "divisor"], ["shared"]),
        node("Div", ["shared", "divisor"], ["take"]),
        node("Range", ["zero", "take", "one"], ["places"]),
        _constant(np.array(True), "always"),  # readers other than ONNX Runtime need one
        node("Loop", ["turns", "always"], ["blocks"], body=body),
        node("Reshape", ["blocks", "flat"], ["below"]),
        node("Slice", ["below", "axis", "size", "axis"], [results]),
    ]


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
            return _gather(of(x), axis, indices, name, f"{name}_indices")
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
        case Wrap(x):
            return _wrap(step, of(x), name, dtype)
        case _:
            assert_never(step)


def _written_otherwise(one: onnx.NodeProto, dtype: np.dtype[Any]) -> list[onnx.NodeProto]:
    """Return a node by other operators.

    The larger of two values and a sign are found by comparisons; NaN of the first stays NaN. The
    nearest integer of a half is the one above, not the even one.
    """
    node, (x, *others), (name,) = helper.make_node, one.input, one.output
    if one.op_type == "Max":
        (y,) = others
        return [
            node("Less", [x, y], [f"{name}_less"]),
            node("Where", [f"{name}_less", y, x], [name]),
        ]
    if one.op_type == "Round":
        return [
            _constant(np.array(0.5, dtype), f"{name}_half"),
            node("Add", [x, f"{name}_half"], [f"{name}_up"]),
            node("Floor", [f"{name}_up"], [name]),
        ]
    zero, above, below = f"{name}_zero", f"{name}_above", f"{name}_below"
    return [
        _constant(np.array(0, dtype), zero),
        _constant(np.array(1, dtype), f"{name}_plus"),
        _constant(np.array(-1, dtype), f"{name}_minus"),
        node("Less", [zero, x], [above]),
        node("Less", [x, zero], [below]),
        node("Where", [above, f"{name}_plus", x], [f"{name}_half"]),
        node("Where", [below, f"{name}_minus", f"{name}_half"], [name]),
    ]


def _wrap(step: Wrap, x: str, name: str, dtype: np.dtype[Any]) -> list[onnx.NodeProto]:
    """Return the nodes that wrap columns of `x`, eight and perhaps one that chooses them."""
    node, nodes = helper.make_node, []
    wrapping = wrapping_of(step)
    if wrapping.indices is not None:
        chosen = name if wrapping.inverse is None else f"{name}_columns"
        nodes += _gather(x, 1, wrapping.indices, chosen, f"{name}_indices")
        x = chosen
    if wrapping.inverse is None:
        return nodes
    inverse, turns, multiple = f"{name}_inverse", f"{name}_turns", f"{name}_multiple"
    nodes += [
        _constant(wrapping.inverse.astype(dtype), inverse),
        node("Mul", [x, inverse], [turns]),
        node("Round", [turns], [multiple]),
    ]
    last = len(wrapping.parts) - 1
    for place, part in enumerate(wrapping.parts):
        period, product = f"{name}_period{place}", f"{name}_product{place}"
        less = name if place == last else f"{name}_less{place}"
        nodes += [
            _constant(part.astype(dtype), period),
            node("Mul", [multiple, period], [product]),
            node("Add", [x, product], [less]),
        ]
        x = less
    return nodes


def _gather(
    x: str, axis: int, indices: Sequence[int], name: str, index: str
) -> list[onnx.NodeProto]:
    # ONNX Runtime up to 1.21 gives one name to all that it makes of single slices without names.
    own_name = name if len(indices) == 1 else None
    return [
        _constant(np.array(indices, dtype=np.int64), index),
        helper.make_node("Gather", [x, index], [name], name=own_name, axis=axis),
    ]


def _constant(array: NDArray[Any], name: str) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def _onnx_shape(shape: Shape) -> NDArray[np.int64]:
    # Zero copies the length from the input. The batch is the first axis of both, and may be empty.
    return np.array([0 if size is None else size for size in shape], dtype=np.int64)
