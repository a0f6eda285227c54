"""The tensor program: a straight line of steps over real tensors, each a primitive.

Every target executes these few primitives alike; `run.py` has their meaning in NumPy. The batch is
the first axis of a value, written `None` in a shape. A value without it, or with a first axis of
length 1, is the same in every row. `docs/program.md` numbers the laws of a program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """The result of step `index`, with its shape; `None` is the batch."""

    index: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Parameters:
    """The input: `(batch, count)`."""

    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor of numbers, kept in float64 until a target writes it."""

    array: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unary:
    """An elementwise function of `x`; the sign of zero is zero.

    `hold` gives the same numbers. A derivative takes them for constant.
    """

    kind: Literal["cos", "sin", "sqrt", "log", "sign", "hold"]
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
    """The sum over one axis; the axis is removed."""

    x: Value
    axis: int


@dataclass(frozen=True, slots=True)
class Wrap:
    """Columns of `x`, each less the nearest multiple of 2 pi / scale: `(batch, len(columns))`.

    The cosine of `scale` times a column is that of `scale` times the wrapped one, which is small,
    so that its sums with others lose nothing. `wrapping.py` says how exact it is.

    Attributes:
        x: the parameters, `(batch, P)`.
        columns: the index of a column, and its scale; with scale 0 a column stays as it is.
    """

    x: Value
    columns: tuple[tuple[int, float], ...]


Step: TypeAlias = (
    Parameters | Constant | Unary | Binary | Gather | Reshape | Transpose | Concatenate | Sum | Wrap
)


@dataclass(frozen=True, slots=True)
class Program:
    """Steps in order; the result is the value of the last one, shape `(batch, M)`.

    Attributes:
        steps: in order; the first one is the parameters.
        shapes: of their values.
        state: how many numbers of a row most steps read and write; None where there are no such
            steps. It changes no result: it says how many rows are best computed at once.
    """

    steps: tuple[Step, ...]
    shapes: tuple[Shape, ...]
    state: int | None = None


def operands(step: Step) -> tuple[Value, ...]:
    """Return the values that a step reads."""
    match step:
        case Parameters() | Constant():
            return ()
        case Unary() | Gather() | Reshape() | Transpose() | Sum() | Wrap():
            return (step.x,)
        case Binary():
            return step.x, step.y
        case Concatenate():
            return step.xs
        case _:
            assert_never(step)
