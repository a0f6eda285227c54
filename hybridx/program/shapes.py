"""The shape that each step gives its value: one rule for a builder, a parser and a checker."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import assert_never

from hybridx.program.program import (
    Binary,
    Concatenate,
    Constant,
    Gather,
    Parameters,
    Reshape,
    Shape,
    Step,
    Sum,
    Transpose,
    Unary,
    Wrap,
)


def shape_of(step: Step) -> Shape:
    """Return the shape of a step's value, from the shapes of its operands.

    Raises:
        ValueError: the step does not fit its operands; the message says how.

    Example:
        >>> from hybridx.program.program import Value
        >>> shape_of(Binary("matmul", Value(0, (None, 1, 2)), Value(1, (2, 5))))
        (None, 1, 5)
    """
    match step:
        case Parameters(count):
            return (None, count)
        case Constant(array):
            return array.shape
        case Unary(_, x):
            return x.shape
        case Binary("matmul", x, y):
            return _product(x.shape, y.shape)
        case Binary(_, x, y):
            return _broadcast(x.shape, y.shape)
        case Gather(x, axis, indices):
            return _chosen(x.shape, axis, indices)
        case Reshape(x, shape):
            if x.shape[:1] != shape[:1] or row_size(x.shape) != row_size(shape):
                raise ValueError(f"shape {x.shape} cannot become {shape}")
            return shape
        case Transpose(x, order):
            if sorted(order) != list(range(len(x.shape))):
                raise ValueError(f"order {order} does not name each axis of {x.shape} once")
            return tuple(x.shape[axis] for axis in order)
        case Concatenate(xs, axis):
            return _joined([x.shape for x in xs], axis)
        case Sum(x, axis):
            _length(x.shape, axis)
            return (*x.shape[:axis], *x.shape[axis + 1 :])
        case Wrap(x, columns):
            if len(x.shape) != 2:
                raise ValueError(f"columns of {x.shape} cannot be wrapped")
            return _chosen(x.shape, 1, [index for index, _ in columns])
        case _:
            assert_never(step)


def row_size(shape: Shape) -> int:
    """Return how many numbers a value has for one row of the batch.

    Raises:
        ValueError: an axis other than the first is the batch.
    """
    return prod(_length(shape, axis) for axis in range(1, len(shape)))


def _chosen(shape: Shape, axis: int, indices: Sequence[int]) -> Shape:
    length = _length(shape, axis)
    if not indices or not all(0 <= index < length for index in indices):
        raise ValueError(f"indices {tuple(indices)} do not lie in axis {axis} of {shape}")
    return (*shape[:axis], len(indices), *shape[axis + 1 :])


def _product(x: Shape, y: Shape) -> Shape:
    if len(x) < 2 or len(y) < 2 or x[-1] is None or x[-1] != y[-2]:
        raise ValueError(f"shapes {x} and {y} cannot be multiplied")
    return (*_broadcast(x[:-2], y[:-2]), x[-2], y[-1])


def _broadcast(*shapes: Shape) -> Shape:
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result: list[int | None] = []
    for lengths in zip(*padded, strict=True):
        wide = {length for length in lengths if length != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {shapes} do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def _joined(shapes: list[Shape], axis: int) -> Shape:
    total = sum(_length(shape, axis) for shape in shapes)
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) != 1:
        raise ValueError(f"tensors of shapes {shapes} cannot be joined along axis {axis}")
    return (*shapes[0][:axis], total, *shapes[0][axis + 1 :])


def _length(shape: Shape, axis: int) -> int:
    """Return the length of an axis that is not the batch."""
    if not 0 <= axis < len(shape):
        raise ValueError(f"shape {shape} has no axis {axis}")
    length = shape[axis]
    if length is None:
        raise ValueError(f"axis {axis} of {shape} is the batch")
    return length
