"""What a program means: each primitive in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.program.program import (
    Binary,
    Concatenate,
    Constant,
    Gather,
    Parameters,
    Program,
    Reshape,
    Step,
    Sum,
    Transpose,
    Unary,
    Wrap,
)
from hybridx.program.wrapping import wrapping_of

Numbers: TypeAlias = NDArray[np.floating[Any]]


def run(program: Program, parameters: Numbers) -> Numbers:
    """Execute a program in NumPy, in the dtype of `parameters`.

    Args:
        program: what to run.
        parameters: shape `(batch, P)`, float32 or float64.

    Returns:
        Shape `(batch, M)`, dtype of `parameters`.
    """
    values: list[Numbers] = []
    for step in program.steps:
        values.append(_execute(step, values, parameters))
    return values[-1]


def _execute(step: Step, values: list[Numbers], parameters: Numbers) -> Numbers:
    match step:
        case Parameters():
            return parameters
        case Constant(array):
            return array.astype(parameters.dtype)
        case Unary(kind, x):
            return _UNARY[kind](values[x.index])
        case Binary(kind, x, y):
            return _BINARY[kind](values[x.index], values[y.index])
        case Gather(x, axis, indices):
            return np.take(values[x.index], indices, axis)
        case Reshape(x, shape):
            return values[x.index].reshape([-1 if size is None else size for size in shape])
        case Transpose(x, order):
            return values[x.index].transpose(order)
        case Concatenate(xs, axis):
            return np.concatenate([values[x.index] for x in xs], axis)
        case Sum(x, axis):
            return np.asarray(values[x.index].sum(axis))
        case Wrap(x):
            return _wrapped(values[x.index], step)
        case _:
            assert_never(step)


def _wrapped(x: Numbers, step: Wrap) -> Numbers:
    wrapping = wrapping_of(step)
    wrapped = x if wrapping.indices is None else np.take(x, wrapping.indices, 1)
    if wrapping.inverse is None:
        return wrapped
    multiple = np.rint(wrapped * wrapping.inverse.astype(x.dtype))
    for part in wrapping.parts:
        wrapped = wrapped + multiple * part.astype(x.dtype)
    return wrapped


_UNARY: dict[str, Callable[[Numbers], Numbers]] = {
    "cos": np.cos,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "log": np.log,
    "sign": np.sign,
    "hold": np.positive,
}
_BINARY: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "add": np.add,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "matmul": np.matmul,
}
