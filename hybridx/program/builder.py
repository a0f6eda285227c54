"""The builder of programs: a method for each primitive, which appends a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

import numpy as np

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
from hybridx.program.shapes import shape_of


class Builder:
    """Appends steps, works out their shapes, and gives the program of a value.

    Every method refuses operands that do not fit with a ValueError.

    Attributes:
        parameters: the value of the input, shape `(batch, P)`.

    Example:
        >>> from hybridx.program import show
        >>> builder = Builder(2)
        >>> print(show(builder.build(builder.cos(builder.wrap([(1, 0.5)])))))
        v0: (batch, 2) = parameters
        v1: (batch, 1) = wrap v0 [[1, 0.5]]
        v2: (batch, 1) = cos v1
    """

    def __init__(self, parameters: int) -> None:
        self._steps: list[Step] = []
        self._shapes: list[Shape] = []
        self._wrapped: list[tuple[Wrap, Value]] = []
        self.parameters = self._append(Parameters(parameters))

    def build(self, result: Value, state: int | None = None) -> Program:
        """Return the program whose result is `result`, with the steps that it needs.

        Args:
            result: shape `(batch, M)`.
            state: how many numbers of a row most steps read and write, if there are such steps.

        Raises:
            ValueError: the result has no batch axis.
        """
        if result.shape[:1] != (None,):
            raise ValueError(f"{result} has no batch axis")
        needed = self._needed(result)
        values: dict[int, Value] = {}
        steps: list[Step] = []
        for index in sorted(needed):
            steps.append(on(values, self._steps[index]))
            values[index] = Value(len(values), self._shapes[index])
        return Program(tuple(steps), tuple(self._shapes[index] for index in values), state)

    def places(self, result: Value, values: Sequence[Value]) -> tuple[int, ...]:
        """Return which steps of `build(result)` have some values, whatever their shape."""
        needed = sorted(self._needed(result))
        found: list[int] = []
        for value in values:
            while isinstance(step := self._steps[value.index], Reshape):
                value = step.x
            found.append(needed.index(value.index))
        return tuple(found)

    def _needed(self, result: Value) -> set[int]:
        needed = {self.parameters.index, result.index}
        for index in range(result.index, -1, -1):
            if index in needed:
                needed.update(value.index for value in operands(self._steps[index]))
        return needed

    def constant(self, array: Any) -> Value:
        """Append a tensor of numbers."""
        return self._append(Constant(np.asarray(array, dtype=np.float64)))

    def cos(self, x: Value) -> Value:
        """Append the cosine of x, in radians."""
        return self._append(Unary("cos", x))

    def sin(self, x: Value) -> Value:
        """Append the sine of x, in radians."""
        return self._append(Unary("sin", x))

    def sqrt(self, x: Value) -> Value:
        """Append the square root of x."""
        return self._append(Unary("sqrt", x))

    def log(self, x: Value) -> Value:
        """Append the natural logarithm of x."""
        return self._append(Unary("log", x))

    def sign(self, x: Value) -> Value:
        """Append 1, 0 or -1: the sign of each element of x."""
        return self._append(Unary("sign", x))

    def hold(self, x: Value) -> Value:
        """Append x, which a derivative takes for constant."""
        return self._append(Unary("hold", x))

    def add(self, x: Value, y: Value) -> Value:
        """Append x + y."""
        return self._append(Binary("add", x, y))

    def multiply(self, x: Value, y: Value) -> Value:
        """Append x * y, element by element."""
        return self._append(Binary("multiply", x, y))

    def divide(self, x: Value, y: Value) -> Value:
        """Append x / y, element by element."""
        return self._append(Binary("divide", x, y))

    def maximum(self, x: Value, y: Value) -> Value:
        """Append the larger of x and y, element by element."""
        return self._append(Binary("maximum", x, y))

    def matmul(self, x: Value, y: Value) -> Value:
        """Append x @ y over the last two axes."""
        return self._append(Binary("matmul", x, y))

    def gather(self, x: Value, axis: int, indices: Sequence[int]) -> Value:
        """Append the slices of x at `indices` of `axis`, which is not the batch."""
        return self._append(Gather(x, axis, tuple(indices)))

    def reshape(self, x: Value, shape: Shape) -> Value:
        """Append x in another shape; the first axis keeps its length."""
        reshaped = Reshape(x, shape)
        shape_of(reshaped)
        if x.shape == shape:
            return x
        step = self._steps[x.index]
        # Of two reshapes in a row only the second matters. If it leads back to the shape before
        # both, it stays all the same: without it, a transpose could stand right before a matmul,
        # and ONNX Runtime fuses these two into an operator that refuses an empty batch.
        if isinstance(step, Reshape) and step.x.shape != shape:
            return self.reshape(step.x, shape)
        return self._append(reshaped)

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """Append x with its axes in another order; the batch stays the first."""
        if tuple(order) == tuple(range(len(x.shape))):
            return x
        return self._append(Transpose(x, tuple(order)))

    def concatenate(self, xs: Sequence[Value], axis: int) -> Value:
        """Append tensors joined along one axis that is not the batch."""
        return xs[0] if len(xs) == 1 else self._append(Concatenate(tuple(xs), axis))

    def sum(self, x: Value, axis: int) -> Value:
        """Append the sum over one axis that is not the batch; the axis is removed."""
        return self._append(Sum(x, axis))

    def wrap(self, columns: Sequence[tuple[int, float]]) -> Value:
        """Append columns of the parameters, each less the nearest multiple of 2 pi / scale.

        Columns that are wrapped already are not wrapped again.

        Args:
            columns: the index of a column, and its scale, which is not negative.
        """
        wanted = Wrap(self.parameters, tuple(columns))
        for known, value in self._wrapped:
            if known == wanted:
                return value
            if set(wanted.columns) <= set(known.columns):
                return self.gather(value, 1, [known.columns.index(one) for one in wanted.columns])
        value = self._append(wanted)
        self._wrapped.append((wanted, value))
        return value

    def include(self, program: Program) -> Value:
        """Append the steps of another program on the same parameters, and return its result."""
        if program.shapes[0] != self.parameters.shape:
            raise ValueError(f"parameters have shapes {program.shapes[0]}, {self.parameters.shape}")
        return self.include_all(program, self.parameters)[-1]

    def include_all(self, program: Program, parameters: Value) -> list[Value]:
        """Append the steps of a program on the first columns, and return the values of its steps.

        Args:
            program: what to append.
            parameters: the first columns of the input, as many as the program takes.
        """
        values: list[Value] = []
        for step in program.steps:
            match step:
                case Parameters():
                    values.append(parameters)
                case Wrap(_, columns):
                    values.append(self.wrap(columns))
                case _:
                    values.append(self.append(on(values, step)))
        return values

    def append(self, step: Step) -> Value:
        """Append a step on values of this builder."""
        return self._append(step)

    def _append(self, step: Step) -> Value:
        self._steps.append(step)
        self._shapes.append(shape_of(step))
        return Value(len(self._steps) - 1, self._shapes[-1])


def on(values: Sequence[Value] | Mapping[int, Value], step: Step) -> Step:
    """Return a step on `values` in place of those of its own program."""
    match step:
        case Parameters() | Constant():
            return step
        case Unary() | Gather() | Reshape() | Transpose() | Sum() | Wrap():
            return replace(step, x=values[step.x.index])
        case Binary():
            return replace(step, x=values[step.x.index], y=values[step.y.index])
        case Concatenate():
            return replace(step, xs=tuple(values[x.index] for x in step.xs))
        case _:
            assert_never(step)
