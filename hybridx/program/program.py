"""The tensor program: a straight line of steps over real tensors, each a primitive.

Every target executes these few primitives alike; `run` is their meaning in NumPy. The first axis
of a value is the batch, written `None` in a shape, or 1 where the value is the same in each row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int | None, ...]
Array: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Value:
    """The result of step `index`, with its shape; `None` is the batch."""

    index: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Parameters:
    """The input: `(batch, P)`."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor of numbers, kept in float64 until it is emitted."""

    array: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unary:
    """An elementwise function of `x`; the sign of zero is zero."""

    kind: Literal["cos", "sin", "sqrt", "log", "sign"]
    x: Value


@dataclass(frozen=True, slots=True)
class Binary:
    """An operation on two tensors with NumPy's broadcasting."""

    kind: Literal["add", "multiply", "divide", "maximum", "matmul"]
    x: Value
    y: Value


@dataclass(frozen=True, slots=True)
class Gather:
    """The slices of `x` at `indices` of one axis."""

    x: Value
    axis: int
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reshape:
    """`x` in another shape, in row-major order."""

    x: Value
    shape: Shape


@dataclass(frozen=True, slots=True)
class Transpose:
    """`x` with its axes in another order."""

    x: Value
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Concatenate:
    """Tensors joined along one axis."""

    xs: tuple[Value, ...]
    axis: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum over one axis, which goes."""

    x: Value
    axis: int


Step: TypeAlias = (
    Parameters | Constant | Unary | Binary | Gather | Reshape | Transpose | Concatenate | Sum
)


@dataclass(frozen=True, slots=True)
class Program:
    """Steps in order; the result is the value of the last one, shape `(batch, M)`.

    Attributes:
        steps: in order.
        shapes: of their values.
        rows: how many rows of the batch are best computed at once; None for all. It is a matter
            of time only: values of more rows would leave the cache near a core.
    """

    steps: tuple[Step, ...]
    shapes: tuple[Shape, ...]
    rows: int | None = None


class Builder:
    """Appends steps and works out their shapes; the only way to make a program."""

    def __init__(self, parameters: int) -> None:
        self._steps: list[Step] = []
        self._shapes: list[Shape] = []
        self.parameters = self._append(Parameters(), (None, parameters))

    def build(self, result: Value, rows: int | None = None) -> Program:
        """Return the program whose result is `result`, with the steps that it needs.

        Args:
            result: shape `(batch, M)`.
            rows: how many are best computed at once; None for all.

        Raises:
            ValueError: it is no `(batch, M)`.
        """
        if result.shape[:1] != (None,):
            raise ValueError(f"{result} has no batch axis")
        needed = {self.parameters.index, result.index}
        for index in range(result.index, -1, -1):
            if index in needed:
                needed.update(value.index for value in operands(self._steps[index]))
        values: dict[int, Value] = {}
        steps: list[Step] = []
        for index in sorted(needed):
            steps.append(_on(values, self._steps[index]))
            values[index] = Value(len(values), self._shapes[index])
        return Program(tuple(steps), tuple(self._shapes[index] for index in values), rows)

    def constant(self, array: Any) -> Value:
        """Append a tensor of numbers."""
        numbers = np.asarray(array, dtype=np.float64)
        return self._append(Constant(numbers), numbers.shape)

    def cos(self, x: Value) -> Value:
        """Append the cosine of x, in radians."""
        return self._append(Unary("cos", x), x.shape)

    def sin(self, x: Value) -> Value:
        """Append the sine of x, in radians."""
        return self._append(Unary("sin", x), x.shape)

    def sqrt(self, x: Value) -> Value:
        """Append the root of x."""
        return self._append(Unary("sqrt", x), x.shape)

    def log(self, x: Value) -> Value:
        """Append the natural logarithm of x."""
        return self._append(Unary("log", x), x.shape)

    def sign(self, x: Value) -> Value:
        """Append 1, 0 or -1."""
        return self._append(Unary("sign", x), x.shape)

    def add(self, x: Value, y: Value) -> Value:
        """Append x + y."""
        return self._append(Binary("add", x, y), _broadcast(x.shape, y.shape))

    def multiply(self, x: Value, y: Value) -> Value:
        """Append x * y, element by element."""
        return self._append(Binary("multiply", x, y), _broadcast(x.shape, y.shape))

    def divide(self, x: Value, y: Value) -> Value:
        """Append x / y, element by element."""
        return self._append(Binary("divide", x, y), _broadcast(x.shape, y.shape))

    def maximum(self, x: Value, y: Value) -> Value:
        """Append the larger of x and y, element by element."""
        return self._append(Binary("maximum", x, y), _broadcast(x.shape, y.shape))

    def matmul(self, x: Value, y: Value) -> Value:
        """Append x @ y over the last two axes."""
        if x.shape[-1] != y.shape[-2]:
            raise ValueError(f"shapes {x.shape} and {y.shape} cannot be multiplied")
        leading = _broadcast(x.shape[:-2], y.shape[:-2])
        return self._append(Binary("matmul", x, y), (*leading, x.shape[-2], y.shape[-1]))

    def gather(self, x: Value, axis: int, indices: Sequence[int]) -> Value:
        """Append the slices of x at `indices` of `axis`."""
        length = x.shape[axis]
        if length is None or not all(0 <= index < length for index in indices):
            raise ValueError(f"indices {indices} do not lie in axis {axis} of {x.shape}")
        shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
        return self._append(Gather(x, axis, tuple(indices)), shape)

    def reshape(self, x: Value, shape: Shape) -> Value:
        """Append x in another shape; the batch stays the first axis."""
        if x.shape == shape:
            return x
        if x.shape[:1] != shape[:1] or row_size(x.shape) != row_size(shape):
            raise ValueError(f"shape {x.shape} cannot become {shape}")
        step = self._steps[x.index]
        # Of two in a row only the second matters. None at all would put a transpose right before
        # a product: ONNX Runtime makes one operator of these, which refuses an empty batch.
        if isinstance(step, Reshape) and step.x.shape != shape:
            return self.reshape(step.x, shape)
        return self._append(Reshape(x, shape), shape)

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """Append x with its axes in another order; the batch stays the first."""
        if tuple(order) == tuple(range(len(x.shape))):
            return x
        return self._append(Transpose(x, tuple(order)), tuple(x.shape[axis] for axis in order))

    def concatenate(self, xs: Sequence[Value], axis: int) -> Value:
        """Append tensors joined along one axis that is not the batch."""
        if len(xs) == 1:
            return xs[0]
        total = sum(_length(x.shape[axis]) for x in xs)
        rows = _broadcast(*((x.shape[0],) for x in xs))
        if any(x.shape[:1] != rows for x in xs):
            raise ValueError(f"tensors of unequal batch cannot be joined: {[x.shape for x in xs]}")
        shape = (*xs[0].shape[:axis], total, *xs[0].shape[axis + 1 :])
        return self._append(Concatenate(tuple(xs), axis), shape)

    def sum(self, x: Value, axis: int) -> Value:
        """Append the sum over one axis."""
        return self._append(Sum(x, axis), (*x.shape[:axis], *x.shape[axis + 1 :]))

    def include(self, program: Program) -> Value:
        """Append the steps of another program on the same parameters, and return its result."""
        if program.shapes[0] != self.parameters.shape:
            raise ValueError(f"parameters have shapes {program.shapes[0]}, {self.parameters.shape}")
        values: list[Value] = []
        for step, shape in zip(program.steps, program.shapes, strict=True):
            values.append(
                self.parameters
                if isinstance(step, Parameters)
                else self._append(_on(values, step), shape)
            )
        return values[-1]

    def _append(self, step: Step, shape: Shape) -> Value:
        self._steps.append(step)
        self._shapes.append(shape)
        return Value(len(self._steps) - 1, shape)


def run(program: Program, parameters: Array) -> Array:
    """Execute a program in NumPy, in the dtype of `parameters`.

    Args:
        program: what to run.
        parameters: shape `(batch, P)`, float32 or float64.

    Returns:
        Shape `(batch, M)`, dtype of `parameters`.
    """
    values: list[Array] = []
    for step in program.steps:
        values.append(_execute(step, values, parameters))
    return values[-1]


def _execute(step: Step, values: list[Array], parameters: Array) -> Array:
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
        case _:
            assert_never(step)


_UNARY: dict[str, Callable[[Array], Array]] = {
    "cos": np.cos,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "log": np.log,
    "sign": np.sign,
}
_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "matmul": np.matmul,
}


def operands(step: Step) -> tuple[Value, ...]:
    """Return the values that a step reads."""
    match step:
        case Parameters() | Constant():
            return ()
        case Unary() | Gather() | Reshape() | Transpose() | Sum():
            return (step.x,)
        case Binary():
            return step.x, step.y
        case Concatenate():
            return step.xs
        case _:
            assert_never(step)


def _on(values: Sequence[Value] | Mapping[int, Value], step: Step) -> Step:
    """Return a step on `values` in place of those of its own program."""
    match step:
        case Parameters() | Constant():
            return step
        case Unary() | Gather() | Reshape() | Transpose() | Sum():
            return replace(step, x=values[step.x.index])
        case Binary():
            return replace(step, x=values[step.x.index], y=values[step.y.index])
        case Concatenate():
            return replace(step, xs=tuple(values[x.index] for x in step.xs))
        case _:
            assert_never(step)


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


def row_size(shape: Shape) -> int:
    """Return how many numbers a value has for one row."""
    size = 1
    for length in shape[1:]:
        size *= _length(length)
    return size


def _length(length: int | None) -> int:
    if length is None:
        raise ValueError("only the first axis may be the batch")
    return length
