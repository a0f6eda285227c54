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
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, Final, Literal, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

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

_SMALL: Final = 64  # numbers of a constant that is compared with others
_SMALL_MATRIX: Final = 2**14  # numbers of a constant matrix that may be kept a second time
_FEW: Final = 3  # values that are added one by one rather than summed over an axis
_LONG: Final = 4  # neighbours that are added at once
_MOST_NUMBERS: Final = 2**27  # of all values of the rows computed at once
_MANY_ROWS: Final = 4096  # of which a loop over rows is not worth its steps


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
        v4: (1, 1) = constant [[2.0]]
        v5: (batch, 1) = multiply v3 v4
    """
    angles, results = row_size(program.shapes[0]), row_size(program.shapes[-1])
    if not angles:
        raise ValueError("a program without parameters has no gradient")
    builder = _Sharing(angles + results)
    given = builder.gather(builder.parameters, 1, range(angles))
    values = builder.include_all(program, given)
    depends = _dependent(program)
    cotangents: list[list[_Term]] = [[] for _ in values]
    results_given = builder.gather(builder.parameters, 1, range(angles, angles + results))
    cotangents[-1].append(_Whole(results_given))
    for index in range(len(values) - 1, 0, -1):
        if not (cotangents[index] and depends[index]):
            continue
        total, times = _total(builder, values[index].shape, cotangents[index])
        for operand, make in _pull(builder, program, values, index, total):
            if depends[operand.index]:
                term = make()
                cotangents[operand.index].append(replace(term, times=times * term.times))
    gradient, times = _total(builder, given.shape, cotangents[0])
    gradient = _scaled(builder, _full(builder, gradient, given.shape), times)
    made = builder.build(gradient)
    return replace(made, rows=_rows_at_once(made, program.rows))


def _rows_at_once(program: Program, rows: int | None) -> int | None:
    """Return how many rows keep the values of a program within bounds of memory; None for all."""
    sizes = [
        row_size(shape)
        for step, shape in zip(program.steps, program.shapes, strict=True)
        if shape[:1] == (None,) and not isinstance(step, Reshape)
    ]
    most = _MOST_NUMBERS // sum(sizes)
    return rows if most >= _MANY_ROWS else min(max(most, 1), rows or most)


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
class _Whole:
    """A term of a cotangent: `value`, so many times."""

    value: Value
    times: float = 1.0


@dataclass(frozen=True, slots=True)
class _Placed:
    """A term that is `value` at `indices` of one axis, so many times, and zero elsewhere."""

    value: Value
    axis: int
    indices: tuple[int, ...]
    times: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """A term that is `rows`, `(batch, K)`, times a small constant matrix `(K, N)`."""

    rows: Value
    matrix: NDArray[np.float64]
    times: float = 1.0


_Term: TypeAlias = _Whole | _Placed | _Product
_Part: TypeAlias = tuple[Value, Callable[[], _Term]]
"""A value of the differentiated program, and what makes a term of its cotangent."""


def _total(builder: Builder, shape: Shape, terms: Sequence[_Term]) -> tuple[Value, float]:
    """Return the sum of the terms of a cotangent, as a value and how many times it is taken.

    Args:
        builder: takes the steps.
        shape: of the value whose cotangent it is; the sum broadcasts to it.
        terms: of the sum.
    """
    placed: dict[int, list[_Placed]] = {}
    products: list[_Product] = []
    wholes: list[_Whole] = []
    for term in terms:
        match term:
            case _Whole():
                wholes.append(term)
            case _Placed():
                placed.setdefault(term.axis, []).append(term)
            case _Product():
                products.append(term)
            case _:
                assert_never(term)
    if products:
        wholes.append(_joined_product(builder, products))
    wholes += [_place(builder, shape, axis, some) for axis, some in sorted(placed.items())]
    multiples: dict[Value, float] = {}
    for whole in wholes:
        multiples[whole.value] = multiples.get(whole.value, 0.0) + whole.times
    sums: dict[float, Value] = {}
    for value, times in multiples.items():
        if times:
            sums[times] = builder.add(sums[times], value) if times in sums else value
    if not sums:
        return _zeros(builder, shape), 1.0
    (times, total), *others = sums.items()
    for other, value in others:
        total = builder.add(total, _scaled(builder, value, other / times))
    return total, times


def _joined_product(builder: Builder, products: Sequence[_Product]) -> _Whole:
    """Return a sum of products as one product, which takes fewer steps."""
    if len(products) == 1:
        (one,) = products
        return _Whole(builder.matmul(one.rows, builder.constant(one.matrix)), one.times)
    matrices = [one.times * one.matrix for one in products]
    rows = builder.concatenate([one.rows for one in products], 1)
    return _Whole(builder.matmul(rows, builder.constant(np.concatenate(matrices))))


def _dependent(program: Program) -> list[bool]:
    """Return for each step whether its value may have a derivative, and is not empty."""
    depends: list[bool] = []
    for step, shape in zip(program.steps, program.shapes, strict=True):
        match step:
            case Parameters():
                found = True
            case Unary("sign" | "hold", _):
                found = False
            case _:
                found = any(depends[x.index] for x in operands(step)) and row_size(shape) > 0
        depends.append(found)
    return depends


def _pull(
    builder: Builder, program: Program, values: Sequence[Value], index: int, g: Value
) -> Iterable[_Part]:
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
                lambda: _Placed(_full_along(builder, g, axis, len(indices)), axis, indices),
            )
        case Reshape(x):
            yield x, lambda: _Whole(builder.reshape(_full(builder, g, made.shape), x.shape))
        case Transpose(x, order):
            yield x, lambda: _Whole(builder.transpose(g, np.argsort(order).tolist()))
        case Concatenate(xs, axis):
            yield from _of_joined(builder, xs, axis, g)
        case Sum(x, axis):
            yield x, lambda: _Whole(builder.reshape(g, (*g.shape[:axis], 1, *g.shape[axis:])))
        case Wrap(x, columns):
            yield x, lambda: _Placed(g, 1, tuple(column for column, _ in columns))
        case _:
            assert_never(step)


def _of_function(
    builder: Builder,
    kind: Literal["cos", "sin", "sqrt", "log", "sign", "hold"],
    x: Value,
    made: Value,
    g: Value,
) -> _Whole:
    match kind:
        case "cos":
            return _Whole(builder.multiply(g, builder.sin(x)), -1.0)
        case "sin":
            return _Whole(builder.multiply(g, builder.cos(x)))
        case "sqrt":
            return _Whole(builder.divide(g, made), 0.5)
        case "log":
            return _Whole(builder.divide(g, x))
        case "sign" | "hold":
            return _Whole(_zeros(builder, x.shape))
        case _:
            assert_never(kind)


def _of_operation(
    builder: Builder, step: Binary, place: int, x: Value, y: Value, made: Value, g: Value
) -> _Whole:
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
    return _fit(builder, _Whole(term, times), made.shape, wanted.shape)


def _of_left(builder: Builder, x: Value, y: Value, of_y: Step, made: Value, g: Value) -> _Term:
    """Return g y^T, summed where x was broadcast."""
    g = _full_along(builder, g, len(g.shape) - 1, made.shape[-1] or 0)
    match of_y:
        case Constant(array) if len(x.shape) == len(y.shape) == 2 and array.size <= _SMALL_MATRIX:
            return _Product(g, array.T)
        case _:
            term = _product(builder, g, _swapped(builder, y))
            return _fit(builder, _Whole(term), (*made.shape[:-2], *x.shape[-2:]), x.shape)


def _of_right(builder: Builder, x: Value, y: Value, made: Value, g: Value) -> _Whole:
    """Return x^T g, summed where y was broadcast."""
    rows, columns = made.shape[-2:]
    g = _full_along(builder, g, len(g.shape) - 2, rows or 0)
    times = prod(length or 1 for length in made.shape[1:-2])
    if times > 1 and x.shape[:-2] == made.shape[:-2] and row_size(y.shape[:-2]) == 1:
        # A product over the axes along which y was broadcast has their sum.
        g = _full(builder, g, made.shape)
        g = builder.reshape(g, (None, times * (rows or 0), columns))
        x = builder.reshape(x, (None, times * (rows or 0), x.shape[-1]))
        return _Whole(builder.reshape(_product(builder, _swapped(builder, x), g), y.shape))
    term = _product(builder, _swapped(builder, x), g)
    return _fit(builder, _Whole(term), (*made.shape[:-2], *y.shape[-2:]), y.shape)


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
    sign = builder.sign(builder.add(x, _scaled(builder, y, -1.0)))
    return builder.add(sign, builder.constant(np.ones((1,) * len(sign.shape))))


def _scaled(builder: Builder, x: Value, times: float) -> Value:
    if times == 1:
        return x
    return builder.multiply(x, builder.constant(np.full((1,) * len(x.shape), times)))


def _of_joined(builder: Builder, xs: Sequence[Value], axis: int, g: Value) -> Iterator[_Part]:
    """Yield joined tensors, each with its part of the cotangent."""
    start = 0
    for x in xs:
        stop = start + (x.shape[axis] or 0)
        yield x, partial(_sliced, builder, g, axis, range(start, stop))
        start = stop


def _sliced(builder: Builder, g: Value, axis: int, indices: range) -> _Whole:
    return _Whole(g if g.shape[axis] == 1 else builder.gather(g, axis, indices))


def _fit(builder: Builder, term: _Whole, shape: Shape, wanted: Shape) -> _Whole:
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
    return _Whole(builder.reshape(value, tuple(kept)), times)


def _summed(builder: Builder, x: Value, axis: int) -> Value:
    """Return the sum over an axis, with the axis or without it.

    ONNX Runtime adds two halves three times as fast as it sums over an axis of length two.
    """
    if x.shape[axis] != 2 or row_size((None, *x.shape[axis + 1 :])) < _LONG:
        return builder.sum(x, axis)
    return builder.add(builder.gather(x, axis, (0,)), builder.gather(x, axis, (1,)))


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


def _place(builder: Builder, shape: Shape, axis: int, placed: Sequence[_Placed]) -> _Whole:
    """Return the sum of terms that are placed along one axis."""
    placed = sorted(placed, key=lambda one: one.indices)
    parts = [one.value for one in placed]
    times = placed[0].times
    parts = [_scaled(builder, one.value, one.times / times) for one in placed]
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
    if most <= _FEW:
        total, *others = (builder.gather(joined, axis, some) for some in zip(*sources, strict=True))
        for other in others:
            total = builder.add(total, other)
        return _Whole(total, times)
    chosen = builder.gather(joined, axis, [place for some in sources for place in some])
    lengths = chosen.shape
    apart = (*lengths[:axis], len(sources), most, *lengths[axis + 1 :])
    return _Whole(builder.sum(builder.reshape(chosen, apart), axis + 1), times)
