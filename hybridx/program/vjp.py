"""The vector-Jacobian product of a program, as a program: reverse mode, a rule for each primitive.

For y = f(x) of one row and a cotangent v of y, the product is v^T df/dx: the gradient of v . y. The
steps of f come first, then for each of them, from the last one to the first, what its rule makes of
the cotangent of its value. Equal steps are one, so that the rules share the values of f.

Only values that depend on the parameters have a cotangent. These have the batch axis; what has
none is constant. So nothing is ever summed over the batch. A cotangent may have length 1 along an
axis of its value: it is then the same at every index of that axis.

Where a primitive has no derivative, the rules say what torch says: that of a maximum of equals is
one half for each, that of a sign is zero, that of a square root at zero is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, assert_never

import numpy as np

from hybridx.program.builder import Builder
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
    operands,
)
from hybridx.program.shapes import row_size

_SMALL = 64  # numbers of a constant that is compared with others


def vjp(program: Program) -> Program:
    """Return the program of the gradient of each row.

    Args:
        program: well-formed, from angles `(batch, P)` to results `(batch, M)`, P at least one.

    Returns:
        A well-formed program from columns `(batch, P + M)`, the angles and then the cotangents of
        the results, to `(batch, P)`. It can be differentiated in turn.

    Raises:
        ValueError: the program has no parameters.

    Example:
        >>> from hybridx.program import parse, show
        >>> square = parse("v0: (batch, 1) = parameters; v1: (batch, 1) = multiply v0 v0")
        >>> print(show(vjp(square)))
        v0: (batch, 2) = parameters
        v1: (batch, 1) = gather v0 axis 1 [0]
        v2: (batch, 1) = gather v0 axis 1 [1]
        v3: (batch, 1) = multiply v2 v1
        v4: (batch, 1) = add v3 v3
    """
    angles, results = row_size(program.shapes[0]), row_size(program.shapes[-1])
    if not angles:
        raise ValueError("a program without parameters has no gradient")
    builder = _Sharing(angles + results)
    given = builder.gather(builder.parameters, 1, range(angles))
    values = builder.include_all(program, given)
    depends = _dependent(program)
    cotangents = [_Cotangent() for _ in values]
    cotangents[-1].terms.append(
        builder.gather(builder.parameters, 1, range(angles, angles + results))
    )
    for index in range(len(values) - 1, 0, -1):
        total = cotangents[index].total(builder, values[index].shape)
        if total is None or not depends[index]:
            continue
        for operand, part in _pull(builder, program.steps[index], values, values[index], total):
            if not depends[operand.index]:
                continue
            match part():
                case _Placed() as placed:
                    cotangents[operand.index].placed.append(placed)
                case Value() as term:
                    cotangents[operand.index].terms.append(term)
    gradient = cotangents[0].total(builder, given.shape)
    if gradient is None:
        gradient = _zeros(builder, given.shape)
    return builder.build(_full(builder, gradient, given.shape), program.rows)


class _Sharing(Builder):
    """A builder of which equal steps are one, and slices of slices are slices."""

    def __init__(self, parameters: int) -> None:
        self._known: dict[Any, Value] = {}
        super().__init__(parameters)

    def gather(self, x: Value, axis: int, indices: Sequence[int]) -> Value:
        """Append slices, unless they are all in their order."""
        if tuple(indices) == tuple(range(x.shape[axis] or 0)):
            return x
        match self._steps[x.index]:
            case Gather(below, other, chosen) if other == axis:
                return self.gather(below, axis, [chosen[index] for index in indices])
            case _:
                return super().gather(x, axis, indices)

    def _append(self, step: Step) -> Value:
        key: Any = step
        if isinstance(step, Constant) and step.array.size <= _SMALL:
            key = step.array.shape, step.array.tobytes()
        if key not in self._known:
            self._known[key] = super()._append(step)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A cotangent of the slices of a value at `indices` of one axis; elsewhere it is zero."""

    axis: int
    indices: tuple[int, ...]
    cotangent: Value


@dataclass(frozen=True, slots=True)
class _Cotangent:
    """The terms of the cotangent of one value."""

    terms: list[Value] = field(default_factory=list)
    placed: list[_Placed] = field(default_factory=list)

    def total(self, builder: Builder, shape: Shape) -> Value | None:
        """Return the sum of the terms, of a shape that broadcasts to `shape`; None of no terms."""
        terms = list(self.terms)
        for axis in sorted({one.axis for one in self.placed}):
            some = [one for one in self.placed if one.axis == axis]
            terms.append(_place(builder, shape, axis, some))
        if not terms:
            return None
        total, *others = terms
        for other in others:
            total = builder.add(total, other)
        return total


_Part: TypeAlias = tuple[Value, Callable[[], Value | _Placed]]
"""A value of the differentiated program, and what makes a term of its cotangent."""


def _dependent(program: Program) -> list[bool]:
    """Return for each step whether its value may have a derivative, and is not empty."""
    depends: list[bool] = []
    for step, shape in zip(program.steps, program.shapes, strict=True):
        match step:
            case Parameters():
                found = True
            case Unary("sign", _):
                found = False
            case _:
                found = any(depends[x.index] for x in operands(step)) and row_size(shape) > 0
        depends.append(found)
    return depends


def _pull(
    builder: Builder, step: Step, values: Sequence[Value], made: Value, g: Value
) -> Iterable[_Part]:
    """Yield the operands of a step, each with a term of its cotangent.

    Args:
        builder: takes the steps.
        step: of the differentiated program.
        values: of all steps of that program, in the builder.
        made: the value of the step.
        g: the cotangent of that value.
    """
    match step:
        case Parameters() | Constant():
            pass
        case Unary(function, x):
            yield x, lambda: _of_function(builder, function, values[x.index], made, g)
        case Binary(operation, x, y):
            first, second = _of_operation(
                builder, operation, values[x.index], values[y.index], made, g
            )
            yield x, first
            yield y, second
        case Gather(x, axis, indices):
            yield x, lambda: _Placed(axis, indices, _full_along(builder, g, axis, len(indices)))
        case Reshape(x):
            yield x, lambda: builder.reshape(_full(builder, g, made.shape), x.shape)
        case Transpose(x, order):
            yield x, lambda: builder.transpose(g, np.argsort(order).tolist())
        case Concatenate(xs, axis):
            yield from _of_joined(builder, xs, axis, g)
        case Sum(x, axis):
            yield x, lambda: builder.reshape(g, (*g.shape[:axis], 1, *g.shape[axis:]))
        case Wrap(x, columns):
            yield x, lambda: _Placed(1, tuple(index for index, _ in columns), g)
        case _:
            assert_never(step)


def _of_function(
    builder: Builder,
    kind: Literal["cos", "sin", "sqrt", "log", "sign"],
    x: Value,
    made: Value,
    g: Value,
) -> Value:
    match kind:
        case "cos":
            return _negative(builder, builder.multiply(g, builder.sin(x)))
        case "sin":
            return builder.multiply(g, builder.cos(x))
        case "sqrt":
            return builder.divide(g, builder.add(made, made))
        case "log":
            return builder.divide(g, x)
        case "sign":
            return _zeros(builder, x.shape)
        case _:
            assert_never(kind)


def _of_operation(
    builder: Builder,
    kind: Literal["add", "multiply", "divide", "maximum", "matmul"],
    x: Value,
    y: Value,
    made: Value,
    g: Value,
) -> tuple[Callable[[], Value], Callable[[], Value]]:
    """Return what makes the terms of both operands."""

    def fit(term: Value, wanted: Shape) -> Value:
        return _fit(builder, term, made.shape, wanted)

    match kind:
        case "add":
            return lambda: fit(g, x.shape), lambda: fit(g, y.shape)
        case "multiply":
            return (
                lambda: fit(builder.multiply(g, y), x.shape),
                lambda: fit(builder.multiply(g, x), y.shape),
            )
        case "divide":
            return (
                lambda: fit(builder.divide(g, y), x.shape),
                lambda: fit(
                    _negative(builder, builder.multiply(builder.divide(g, y), made)), y.shape
                ),
            )
        case "maximum":
            return (
                lambda: fit(builder.multiply(g, _larger(builder, x, y)), x.shape),
                lambda: fit(builder.multiply(g, _larger(builder, y, x)), y.shape),
            )
        case "matmul":
            return (
                lambda: _of_left(builder, x, y, made, g),
                lambda: _of_right(builder, x, y, made, g),
            )
        case _:
            assert_never(kind)


def _of_left(builder: Builder, x: Value, y: Value, made: Value, g: Value) -> Value:
    """Return g y^T, summed where x was broadcast."""
    g = _full_along(builder, g, len(g.shape) - 1, made.shape[-1] or 0)
    term = _product(builder, g, _swapped(builder, y))
    return _fit(builder, term, (*made.shape[:-2], *x.shape[-2:]), x.shape)


def _of_right(builder: Builder, x: Value, y: Value, made: Value, g: Value) -> Value:
    """Return x^T g, summed where y was broadcast."""
    g = _full_along(builder, g, len(g.shape) - 2, made.shape[-2] or 0)
    term = _product(builder, _swapped(builder, x), g)
    return _fit(builder, term, (*made.shape[:-2], *y.shape[-2:]), y.shape)


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


def _larger(builder: Builder, x: Value, y: Value) -> Value:
    """Return 1 where x > y, 1/2 where they are equal, and 0 elsewhere."""
    half = builder.constant(np.full((1,) * max(len(x.shape), len(y.shape)), 0.5))
    sign = builder.sign(builder.add(x, _negative(builder, y)))
    return builder.add(builder.multiply(sign, half), half)


def _negative(builder: Builder, x: Value) -> Value:
    return builder.multiply(x, builder.constant(np.full((1,) * len(x.shape), -1.0)))


def _of_joined(builder: Builder, xs: Sequence[Value], axis: int, g: Value) -> Iterator[_Part]:
    """Yield joined tensors, each with its part of the cotangent."""
    start = 0
    for x in xs:
        stop = start + (x.shape[axis] or 0)
        yield x, _sliced(builder, g, axis, range(start, stop))
        start = stop


def _sliced(builder: Builder, g: Value, axis: int, indices: range) -> Callable[[], Value]:
    return lambda: g if g.shape[axis] == 1 else builder.gather(g, axis, indices)


def _fit(builder: Builder, term: Value, shape: Shape, wanted: Shape) -> Value:
    """Return a term that broadcasts to `shape`, summed over the axes that `wanted` has as 1."""
    times, axes = 1, []
    for axis, (length, least) in enumerate(zip(shape, wanted, strict=True)):
        if least == 1 and length != 1:
            if term.shape[axis] == 1:
                times *= length or 0
            else:
                axes.append(axis)
    kept = tuple(1 if axis in axes else length for axis, length in enumerate(term.shape))
    for axis in reversed(axes):
        term = builder.sum(term, axis)
    term = builder.reshape(term, kept)
    if times == 1:
        return term
    return builder.multiply(term, builder.constant(np.full((1,) * len(kept), float(times))))


def _full(builder: Builder, g: Value, shape: Shape) -> Value:
    """Return a cotangent with the whole shape of its value."""
    for axis in range(1, len(shape)):
        g = _full_along(builder, g, axis, shape[axis] or 0)
    return g


def _full_along(builder: Builder, g: Value, axis: int, length: int) -> Value:
    return g if g.shape[axis] in (None, length) else builder.gather(g, axis, (0,) * length)


def _zeros(builder: Builder, shape: Shape) -> Value:
    """Return zeros with a batch axis."""
    one = builder.sign(builder.gather(builder.parameters, 1, (0,)))  # finite
    zero = builder.multiply(one, builder.constant([[0.0]]))
    return _full(builder, builder.reshape(zero, (None,) + (1,) * (len(shape) - 1)), shape)


def _place(builder: Builder, shape: Shape, axis: int, placed: Sequence[_Placed]) -> Value:
    """Return the sum of cotangents of slices, as a cotangent of the whole value."""
    parts = [one.cotangent for one in placed]
    if len({(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}) > 1:
        parts = [
            _full(builder, part, (*shape[:axis], part.shape[axis], *shape[axis + 1 :]))
            for part in parts
        ]
    sources: list[list[int]] = [[] for _ in range(shape[axis] or 0)]
    for place, index in enumerate(index for one in placed for index in one.indices):
        sources[index].append(place)
    most = max(map(len, sources))
    if any(len(some) < most for some in sources):
        nothing = sum(len(one.indices) for one in placed)
        sources = [some + [nothing] * (most - len(some)) for some in sources]
        first = parts[0].shape
        parts.append(_zeros(builder, (*first[:axis], 1, *first[axis + 1 :])))
    joined = builder.concatenate(parts, axis)
    chosen = builder.gather(joined, axis, [place for some in sources for place in some])
    if most == 1:
        return chosen
    lengths = chosen.shape
    apart = (*lengths[:axis], len(sources), most, *lengths[axis + 1 :])
    return builder.sum(builder.reshape(chosen, apart), axis + 1)
