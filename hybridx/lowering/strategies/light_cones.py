"""Results with smaller light cones than the whole circuit: every cone is lowered on its own.

An expectation value is a sum of words, and a word depends only on the gates in its cone. Words and
other measurements whose cones lie inside one another form a group; each group is a smaller circuit
with a program of its own, and one constant matrix adds up what the groups contribute.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from hybridx.program import Builder, Program


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A circuit in parts: `results = (results of the parts, side by side) @ mixing`.

    Attributes:
        circuits: one for each group.
        mixing: zeros and ones, shape `(columns of all parts, M)`.
    """

    circuits: tuple[Circuit, ...]
    mixing: NDArray[np.float64]


def split(circuit: Circuit) -> Parts | str:
    """Return the parts of a circuit, or why it has none."""
    pieces = [
        (index, piece)
        for index, measurement in enumerate(circuit.measurements)
        for piece in _pieces(measurement)
    ]
    cones = [cone_of(circuit, measured_wires(piece, circuit.wires))[1] for _, piece in pieces]
    distinct = tuple(dict.fromkeys(cones))
    largest = [cone for cone in distinct if not any(cone < other for other in distinct)]
    if len(largest) < 2:
        return "all results need the same light cone"
    groups: list[dict[int, list[Measurement]]] = [{} for _ in largest]
    for (index, piece), cone in zip(pieces, cones, strict=True):
        home = next(place for place, other in enumerate(largest) if cone <= other)
        groups[home].setdefault(index, []).append(piece)
    circuits = tuple(restrict(circuit, [_join(own) for own in group.values()]) for group in groups)
    return Parts(circuits, _mixing(circuit, circuits, groups))


def combine(circuit: Circuit, programs: Sequence[Program], mixing: NDArray[np.float64]) -> Program:
    """Return the program of a circuit from those of its parts."""
    builder = Builder(circuit.parameters)
    joined = builder.concatenate([builder.include(program) for program in programs], 1)
    if np.array_equal(mixing, np.eye(len(mixing))):
        results = joined
    else:
        results = builder.matmul(joined, builder.constant(mixing))
    rows = [program.rows for program in programs if program.rows is not None]
    return builder.build(results, min(rows, default=None))


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
