"""Cotangents: sums of terms of three forms, and how they are added with few steps.

A cotangent may have length 1 along an axis of its value: it is then the same at every index of that
axis. The factor of a term is a number until it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.program.builder import Builder
from hybridx.program.program import Constant, Gather, Shape, Step, Value

_SMALL: Final = 64  # numbers of a constant that is compared with others
_PADDED: Final = 4  # times: how many slices may be taken to sum over lists of unequal length
_FEW: Final = 3  # values that are added one by one rather than summed over an axis


class SharingBuilder(Builder):
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
class Whole:
    """A term of a cotangent: `value`, so many times."""

    value: Value
    times: float = 1.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A term that is `value` at `indices` of one axis, so many times, and zero elsewhere."""

    value: Value
    axis: int
    indices: tuple[int, ...]
    times: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A term that is `rows`, `(batch, K)`, times a small constant matrix `(K, N)`."""

    rows: Value
    matrix: NDArray[np.float64]
    times: float = 1.0


Term: TypeAlias = Whole | Placed | Product


def total_of(builder: Builder, shape: Shape, terms: Sequence[Term]) -> tuple[Value, float]:
    """Return the sum of the terms of a cotangent, as a value and how many times it is taken.

    Args:
        builder: takes the steps.
        shape: of the value whose cotangent it is; the sum broadcasts to it.
        terms: of the sum.
    """
    placed: dict[int, list[Placed]] = {}
    products: list[Product] = []
    wholes: list[Whole] = []
    for term in terms:
        match term:
            case Whole():
                wholes.append(term)
            case Placed():
                placed.setdefault(term.axis, []).append(term)
            case Product():
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
        return zeros(builder, shape), 1.0
    (times, total), *others = sums.items()
    for other, value in others:
        total = builder.add(total, scaled(builder, value, other / times))
    return total, times


def _joined_product(builder: Builder, products: Sequence[Product]) -> Whole:
    """Return a sum of products as one product, which takes fewer steps."""
    if len(products) == 1:
        (one,) = products
        return Whole(builder.matmul(one.rows, builder.constant(one.matrix)), one.times)
    matrices = [one.times * one.matrix for one in products]
    rows = builder.concatenate([one.rows for one in products], 1)
    return Whole(builder.matmul(rows, builder.constant(np.concatenate(matrices))))


def full(builder: Builder, g: Value, shape: Shape) -> Value:
    """Return a cotangent with the whole shape of its value."""
    for axis in range(1, len(shape)):
        g = full_along(builder, g, axis, shape[axis] or 0)
    return g


def full_along(builder: Builder, g: Value, axis: int, length: int) -> Value:
    """Return a cotangent with the whole length of one axis."""
    return g if g.shape[axis] in (None, length) else builder.gather(g, axis, (0,) * length)


def zeros(builder: Builder, shape: Shape) -> Value:
    """Return zeros with a batch axis."""
    one = builder.sign(builder.gather(builder.parameters, 1, (0,)))  # finite
    zero = builder.multiply(one, builder.constant([[0.0]]))
    return full(builder, builder.reshape(zero, (None,) + (1,) * (len(shape) - 1)), shape)


def scaled(builder: Builder, x: Value, times: float) -> Value:
    """Return x, so many times."""
    if times == 1:
        return x
    return builder.multiply(x, builder.constant(np.full((1,) * len(x.shape), times)))


def _place(builder: Builder, shape: Shape, axis: int, placed: Sequence[Placed]) -> Whole:
    """Return the sum of terms that are placed along one axis."""
    placed = sorted(placed, key=lambda one: one.indices)
    times = placed[0].times
    parts = [scaled(builder, one.value, one.times / times) for one in placed]
    if len({(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}) > 1:
        parts = [
            full(builder, part, (*shape[:axis], part.shape[axis], *shape[axis + 1 :]))
            for part in parts
        ]
    sources: list[list[int]] = [[] for _ in range(shape[axis] or 0)]
    for place, index in enumerate(index for one in placed for index in one.indices):
        sources[index].append(place)
    groups = _alike(sources)
    nothing = sum(len(one.indices) for one in placed)
    padded = [
        [some + [nothing] * (max(1, *map(len, group)) - len(some)) for some in group]
        for group in ([sources[index] for index in indices] for indices in groups)
    ]
    if any(nothing in some for group in padded for some in group):
        first = parts[0].shape
        parts.append(zeros(builder, (*first[:axis], 1, *first[axis + 1 :])))
    joined = builder.concatenate(parts, axis)
    sums = builder.concatenate([_sum_of(builder, joined, axis, one) for one in padded], axis)
    order = np.argsort([index for indices in groups for index in indices])
    return Whole(builder.gather(sums, axis, order.tolist()), times)


def _alike(sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the indices of all lists in groups that can be padded to one length."""
    lengths = [len(some) for some in sources]
    if max(lengths) * len(lengths) <= _PADDED * (sum(lengths) + len(lengths)):
        return [list(range(len(lengths)))]
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(max(length - 1, 0).bit_length() // 2, []).append(index)
    return list(groups.values())


def _sum_of(builder: Builder, x: Value, axis: int, sources: Sequence[Sequence[int]]) -> Value:
    """Return the sums of equally many slices of one axis for each of some lists."""
    count = len(sources[0])
    if count <= _FEW:
        total, *others = (builder.gather(x, axis, some) for some in zip(*sources, strict=True))
        for other in others:
            total = builder.add(total, other)
        return total
    chosen = builder.gather(x, axis, [place for some in sources for place in some])
    lengths = chosen.shape
    apart = (*lengths[:axis], len(sources), count, *lengths[axis + 1 :])
    return builder.sum(builder.reshape(chosen, apart), axis + 1)
