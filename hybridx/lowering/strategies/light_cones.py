"""Results with smaller light cones than the whole circuit: every group of them has its own plan.

An expectation value is a sum of Pauli words, and a word depends only on the gates in its light cone
(`circuit/cone.py` says what that is). Words and other measurements whose cones lie inside one
another form a group; each group is measured on a smaller circuit, a part, and one constant matrix
adds up what the parts contribute. The pass `passes/light_cone.py` has already dropped what lies
outside the common cone of all measurements; here the cones are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    Circuit,
    Expectation,
    Measurement,
    cone_of,
    measured_wires,
    restrict,
    result_count,
    result_layout,
)
from hybridx.lowering.cost import Cost
from hybridx.lowering.plan import Plan, Reason, list_lines
from hybridx.program import Builder, Program, Wrap


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A smaller circuit that gives some of the results, and how it is computed.

    Attributes:
        strategy: the name of the cheapest strategy for it.
        plan: that strategy's plan.
    """

    strategy: str
    plan: Plan


@dataclass(frozen=True, eq=False)
class LightConesPlan(Plan):
    """A circuit in parts: `results = (results of the parts, side by side) @ mixing`.

    Attributes:
        parts: one for each group of measurements.
        mixing: zeros and ones, shape `(columns of all parts, M)`.
    """

    parts: tuple[Part, ...]
    mixing: NDArray[np.float64]

    def describe(self) -> str:
        """Return a line for each part."""
        lines = [
            f"part {number} by {part.strategy}: wires {part.plan.circuit.wires}, "
            f"operations {len(part.plan.circuit.operations)}, "
            f"results {result_count(part.plan.circuit)}"
            for number, part in enumerate(self.parts)
        ]
        return "\n".join(list_lines(lines))

    def build(self) -> Program:
        """Return the programs of the parts side by side, and the product with `mixing`."""
        programs = [part.plan.build() for part in self.parts]
        builder = Builder(self.circuit.parameters)
        wrapped = _wrapped(programs)
        if wrapped:
            builder.wrap(wrapped)  # for all parts at once
        results = builder.concatenate([builder.include(program) for program in programs], 1)
        if not np.array_equal(self.mixing, np.eye(len(self.mixing))):
            results = builder.matmul(results, builder.constant(self.mixing))
        states = [program.state for program in programs if program.state is not None]
        return builder.build(results, max(states, default=None))


def _wrapped(programs: Sequence[Program]) -> list[tuple[int, float]]:
    """Return all columns that some programs wrap, each with its scale."""
    steps = [step for program in programs for step in program.steps if isinstance(step, Wrap)]
    return sorted({column for step in steps for column in step.columns})


def plan(
    circuit: Circuit, plan_part: Callable[[Circuit], tuple[str, Plan] | None]
) -> LightConesPlan | Reason:
    """Return the plan of a circuit whose results have different light cones, or why it has none.

    Args:
        circuit: a well-formed circuit.
        plan_part: returns the name of the cheapest strategy for a part and its plan, or None if no
            strategy can hold it.
    """
    pieces = [
        (index, piece)
        for index, measurement in enumerate(circuit.measurements)
        for piece in _pieces(measurement)
    ]
    cones = [cone_of(circuit, measured_wires(piece, circuit.wires))[1] for _, piece in pieces]
    distinct = tuple(dict.fromkeys(cones))
    largest = [cone for cone in distinct if not any(cone < other for other in distinct)]
    if len(largest) < 2:
        return Reason("all results need the same light cone")
    groups: list[dict[int, list[Measurement]]] = [{} for _ in largest]
    for (index, piece), cone in zip(pieces, cones, strict=True):
        home = next(place for place, other in enumerate(largest) if cone <= other)
        groups[home].setdefault(index, []).append(piece)
    circuits = [restrict(circuit, [_join(own) for own in group.values()]) for group in groups]
    mixing = _mixing(circuit, circuits, groups)
    planned: dict[Circuit, Part] = {}
    for one in dict.fromkeys(circuits):
        found = plan_part(one)
        if found is None:
            return Reason(f"a part of {one.wires} wires is too large")
        planned[one] = Part(*found)
    parts = tuple(planned[one] for one in circuits)
    rows, columns = mixing.shape
    cost = Cost(rows * columns, rows, steps=2, constant_bytes=4 * rows * columns, numbers=rows)
    for part in parts:
        cost += part.plan.cost
    return LightConesPlan(circuit, cost, parts, mixing)


def _pieces(measurement: Measurement) -> list[Measurement]:
    if isinstance(measurement, Expectation):
        return [Expectation((term,)) for term in measurement.terms]
    return [measurement]


def _join(pieces: Sequence[Measurement]) -> Measurement:
    terms = [piece.terms for piece in pieces if isinstance(piece, Expectation)]
    return Expectation(sum(terms, ())) if terms else pieces[0]


def _mixing(
    circuit: Circuit, circuits: Sequence[Circuit], groups: Sequence[dict[int, list[Measurement]]]
) -> NDArray[np.float64]:
    starts = list(accumulate(map(result_count, circuits), initial=0))
    mixing = np.zeros((starts[-1], result_count(circuit)))
    layout = result_layout(circuit)
    for start, part, group in zip(starts, circuits, groups, strict=False):
        for index, result in zip(group, result_layout(part), strict=True):
            rows = np.arange(result.width) + start + result.offset
            mixing[rows, np.arange(result.width) + layout[index].offset] = 1
    return mixing
