"""The rule of each primitive: what the cotangent of its value adds to those of its operands.

Where a primitive has no derivative, the rules say what torch says: that of a maximum of equals is
one half for each, that of a sign is zero, that of a square root at zero is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Final, Literal, TypeAlias, assert_never

import numpy as np

from hybridx.program.builder import Builder
from hybridx.program.cotangents import (
    Placed,
    Product,
    Term,
    Whole,
    full,
    full_along,
    scaled,
    zeros,
)
from hybridx.program.program import (
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
)
from hybridx.program.shapes import row_size

_SMALL_MATRIX: Final = 2**14  # numbers of a constant matrix that may be kept a second time
_LONG: Final = 4  # neighbours that are added at once

Part: TypeAlias = tuple[Value, Callable[[], Term]]
"""A value of the differentiated program, and what makes a term of its cotangent."""


def pull(
    builder: Builder, program: Program, values: Sequence[Value], index: int, g: Value
) -> Iterable[Part]:
    """Yield the operands of a step, each with what makes a term of its cotangent.

    Args:
        builder: takes the steps.
        program: the differentiated one.
        values: of all steps of that program, in the builder.
        index: of the step.
        g: the cotangent of its value, of a shape that broadcasts to that of the value.
    """
    made = values[index]
    match step := program.steps[index]:
        case Parameters() | Constant():
            pass
        case Unary(function, x):
            yield x, lambda: _of_function(builder, function, values[x.index], made, g)
        case Binary("matmul", x, y):
            left, right = values[x.index], values[y.index]
            yield x, lambda: _of_left(builder, left, right, program.steps[y.index], made, g)
            yield y, lambda: _of_right(builder, left, right, made, g)
        case Binary(_, x, y):
            for place, operand in enumerate((x, y)):
                yield (
                    operand,
                    partial(
                        _of_operation,
                        builder,
                        step,
                        place,
                        values[x.index],
                        values[y.index],
                        made,
                        g,
                    ),
                )
        case Gather(x, axis, indices):
            yield (
                x,
                lambda: Placed(full_along(builder, g, axis, len(indices)), axis, indices),
            )
        case Reshape(x):
            yield x, lambda: Whole(builder.reshape(full(builder, g, made.shape), x.shape))
        case Transpose(x, order):
            yield x, lambda: Whole(builder.transpose(g, np.argsort(order).tolist()))
        case Concatenate(xs, axis):
            yield from _of_joined(builder, xs, axis, g)
        case Sum(x, axis):
            yield x, lambda: Whole(builder.reshape(g, (*g.shape[:axis], 1, *g.shape[axis:])))
        case Wrap(x, columns):
            yield x, lambda: Placed(g, 1, tuple(column for column, _ in columns))
        case _:
            assert_never(step)


def _of_function(
    builder: Builder,
    kind: Literal["cos", "sin", "sqrt", "log", "sign", "hold"],
    x: Value,
    made: Value,
    g: Value,
) -> Whole:
    match kind:
        case "cos":
            return Whole(builder.multiply(g, builder.sin(x)), -1.0)
        case "sin":
            return Whole(builder.multiply(g, builder.cos(x)))
        case "sqrt":
            return Whole(builder.divide(g, made), 0.5)
        case "log":
            return Whole(builder.divide(g, x))
        case "sign" | "hold":
            return Whole(zeros(builder, x.shape))
        case _:
            assert_never(kind)


def _of_operation(
    builder: Builder, step: Binary, place: int, x: Value, y: Value, made: Value, g: Value
) -> Whole:
    """Return the term of the first operand or the second one of an elementwise operation."""
    wanted, other = (x, y) if place == 0 else (y, x)
    times = 1.0
    match step.kind:
        case "add":
            term = g
        case "multiply":
            term = builder.multiply(g, other)
        case "divide":
            term = builder.divide(g, y)
            if place == 1:
                term, times = builder.multiply(term, made), -1.0
        case "maximum":
            term, times = builder.multiply(g, _twice_larger(builder, wanted, other)), 0.5
        case "matmul":
            raise AssertionError("a matrix product is not elementwise")
        case _:
            assert_never(step.kind)
    return fit(builder, Whole(term, times), made.shape, wanted.shape)


def _of_left(builder: Builder, x: Value, y: Value, of_y: Step, made: Value, g: Value) -> Term:
    """Return g y^T, summed where x was broadcast."""
    g = full_along(builder, g, len(g.shape) - 1, made.shape[-1] or 0)
    match of_y:
        case Constant(array) if len(x.shape) == len(y.shape) == 2 and array.size <= _SMALL_MATRIX:
            return Product(g, array.T)
        case _:
            term = _product(builder, g, _swapped(builder, y))
            return fit(builder, Whole(term), (*made.shape[:-2], *x.shape[-2:]), x.shape)


def _of_right(builder: Builder, x: Value, y: Value, made: Value, g: Value) -> Whole:
    """Return x^T g, summed where y was broadcast."""
    rows, columns = made.shape[-2:]
    g = full_along(builder, g, len(g.shape) - 2, rows or 0)
    times = prod(length or 1 for length in made.shape[1:-2])
    if times > 1 and x.shape[:-2] == made.shape[:-2] and row_size(y.shape[:-2]) == 1:
        # A product over the axes along which y was broadcast has their sum.
        g = full(builder, g, made.shape)
        g = builder.reshape(g, (None, times * (rows or 0), columns))
        x = builder.reshape(x, (None, times * (rows or 0), x.shape[-1]))
        return Whole(builder.reshape(_product(builder, _swapped(builder, x), g), y.shape))
    term = _product(builder, _swapped(builder, x), g)
    return fit(builder, Whole(term), (*made.shape[:-2], *y.shape[-2:]), y.shape)


def _product(builder: Builder, x: Value, y: Value) -> Value:
    """Return x y; a sum of one product is that product, without a matrix product a row."""
    return builder.multiply(x, y) if x.shape[-1] == 1 else builder.matmul(x, y)


def _swapped(builder: Builder, x: Value) -> Value:
    """Return x with its last two axes swapped."""
    *rest, last, other = x.shape
    if rest and 1 in (last, other):
        return builder.reshape(x, (*rest, other, last))
    rank = len(x.shape)
    return builder.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


def _twice_larger(builder: Builder, x: Value, y: Value) -> Value:
    """Return 2 where x > y, 1 where they are equal, and 0 elsewhere."""
    sign = builder.sign(builder.add(x, scaled(builder, y, -1.0)))
    return builder.add(sign, builder.constant(np.ones((1,) * len(sign.shape))))


def _of_joined(builder: Builder, xs: Sequence[Value], axis: int, g: Value) -> Iterator[Part]:
    """Yield joined tensors, each with its part of the cotangent."""
    start = 0
    for x in xs:
        stop = start + (x.shape[axis] or 0)
        yield x, partial(_sliced, builder, g, axis, range(start, stop))
        start = stop


def _sliced(builder: Builder, g: Value, axis: int, indices: range) -> Whole:
    return Whole(g if g.shape[axis] == 1 else builder.gather(g, axis, indices))


def fit(builder: Builder, term: Whole, shape: Shape, wanted: Shape) -> Whole:
    """Return a term that broadcasts to `shape`, summed over the axes that `wanted` has as 1."""
    value, times = term.value, term.times
    kept = list(value.shape)
    for axis in reversed(range(1, len(shape))):
        length = shape[axis]
        if wanted[axis] != 1 or length == 1:
            continue
        if value.shape[axis] == 1:
            times *= length or 0
            continue
        value = _summed(builder, value, axis)
        kept[axis] = 1
    return Whole(builder.reshape(value, tuple(kept)), times)


def _summed(builder: Builder, x: Value, axis: int) -> Value:
    """Return the sum over an axis, with the axis or without it.

    ONNX Runtime adds two halves three times as fast as it sums over an axis of length two.
    """
    if x.shape[axis] != 2 or row_size((None, *x.shape[axis + 1 :])) < _LONG:
        return builder.sum(x, axis)
    return builder.add(builder.gather(x, axis, (0,)), builder.gather(x, axis, (1,)))
