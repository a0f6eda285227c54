"""A circuit run backwards: values between two states are computed again, not kept.

A unitary gate is an orthogonal map of the real form of a state, whose inverse is its transpose. The
rules of a program transpose it: what they make of the state itself in place of a cotangent is the
state before. So the values of a wide circuit need memory for a few states, however deep it is.
Channels have no inverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from hybridx.program.builder import Builder, on
from hybridx.program.cotangents import Term, Whole, full, scaled, total_of
from hybridx.program.program import (
    Binary,
    Concatenate,
    Gather,
    Parameters,
    Program,
    Reshape,
    Step,
    Sum,
    Transpose,
    Value,
    Wrap,
    operands,
)
from hybridx.program.rules import pull
from hybridx.program.shapes import row_size

_SMALLER: Final = 8  # times: what is so much smaller than a state is kept

Span: TypeAlias = tuple[int, int]
"""Two steps of a program: the second value is an orthogonal map of the first one in every row."""


class Reversal:
    """Computes the values between two states of one program again."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._readers: list[set[int]] = [set() for _ in program.steps]
        self._unwrapped: set[int] = set()  # what depends on parameters that are not wrapped
        for index, step in enumerate(program.steps):
            read = {value.index for value in operands(step)}
            for place in read:
                self._readers[place].add(index)
            if isinstance(step, Parameters) or (
                not isinstance(step, Wrap) and not self._unwrapped.isdisjoint(read)
            ):
                self._unwrapped.add(index)

    def reverse(
        self, builder: Builder, values: list[Value], start: int, end: int, latest: Value
    ) -> None:
        """Put in place of the values between two states what is computed from the second one.

        Args:
            builder: takes the steps.
            values: of all steps of the program; that of `start`, and those that only the steps
                from there to `end` read, change.
            start: a state `(batch, ...)`.
            end: another one, an orthogonal map of the first one.
            latest: a cotangent that is computed before the first state is. A target may execute
                steps in any order; were gradients left for the end, all states would be kept.

        Raises:
            ValueError: the map is not linear, or a value between the states is used elsewhere.
        """
        steps = self._program.steps
        inner = self._between(start, end)
        state = values[end]
        if values[start].shape[:1] != (None,):
            return
        self._compute_again(builder, values, start, inner, state)
        cotangents: dict[int, list[Term]] = {index: [] for index in (start, *inner)}
        cotangents[end].append(Whole(state))
        for index in reversed(inner):
            total, times = total_of(builder, values[index].shape, cotangents[index])
            for operand, make in pull(builder, self._program, values, index, total):
                if operand.index in cotangents:
                    term = make()
                    cotangents[operand.index].append(replace(term, times=times * term.times))
        total, times = total_of(builder, values[start].shape, cotangents[start])
        before = scaled(builder, full(builder, total, values[start].shape), times)
        values[start] = _after(builder, before, latest)
        for index in inner[:-1]:
            values[index] = builder.append(on(values, steps[index]))

    def _between(self, start: int, end: int) -> list[int]:
        """Return the steps from one state to the next that read the first one, in order."""
        inner: set[int] = set()
        waiting = set(self._readers[start])
        while waiting:
            index = waiting.pop()
            if index > end:
                raise ValueError(f"step {index} reads a value between states {start} and {end}")
            inner.add(index)
            if index != end:
                waiting |= self._readers[index] - inner
        for index in inner:
            step = self._program.steps[index]
            read = [one.index for one in operands(step) if one.index == start or one.index in inner]
            if not _is_linear(step, len(read)):
                raise ValueError(f"step {index}, {step}, is not linear in the state {start}")
        if end not in inner:
            raise ValueError(f"the state {end} is not made of the state {start}")
        return sorted(inner)

    def _compute_again(
        self,
        builder: Builder,
        values: list[Value],
        start: int,
        inner: Sequence[int],
        state: Value,
    ) -> None:
        """Compute again what is as large as a state, and no other steps than `inner` read.

        What it is made of, which is small, is kept. The second value is made after the state, and
        so is another one than that of the way forward.
        """
        large = self._large(start, inner, row_size(state.shape) // _SMALLER)
        if not large or inner[-1] in self._unwrapped:
            return
        again: dict[int, Value] = {}
        for index in large:
            step = self._program.steps[index]
            for operand in operands(step):
                kept = values[operand.index]
                if operand.index not in again:
                    is_constant = kept.shape[:1] != (None,)
                    again[operand.index] = kept if is_constant else _after(builder, kept, state)
            again[index] = builder.append(on(again, step))
        for index in large:
            values[index] = again[index]

    def _large(self, start: int, inner: Sequence[int], least: int) -> list[int]:
        """Return steps of at least so many numbers a row that only these steps or `inner` read."""
        known = set(inner)
        waiting = self._read_by(inner) - known - {start}
        while waiting:
            index = max(waiting)
            waiting.remove(index)
            shape = self._program.shapes[index]
            is_large = shape[:1] == (None,) and row_size(shape) >= least
            if is_large and self._readers[index] <= known:
                known.add(index)
                waiting |= self._read_by([index])
        return sorted(known.difference(inner))

    def _read_by(self, indices: Iterable[int]) -> set[int]:
        return {one.index for index in indices for one in operands(self._program.steps[index])}


def _after(builder: Builder, x: Value, other: Value) -> Value:
    """Return x, computed after another value."""
    first = builder.gather(builder.reshape(other, (None, row_size(other.shape))), 1, (0,))
    zero = builder.reshape(scaled(builder, first, 0.0), (None,) + (1,) * (len(x.shape) - 1))
    return builder.add(x, zero)


def _is_linear(step: Step, read: int) -> bool:
    """Return whether a step is linear in so many operands that depend on a state."""
    match step:
        case Binary("add"):
            return read == 2
        case Binary("multiply" | "matmul"):
            return read == 1
        case Gather() | Reshape() | Transpose() | Sum():
            return True
        case Concatenate(xs):
            return read == len(xs)
        case _:
            return False
