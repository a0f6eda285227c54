"""The backward light cone of a measurement: what its result depends on, and the circuit of that.

The pass `light_cone` and the strategy `light_cones` cut circuits by what is here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

import msgspec
import numpy as np

from hybridx.circuit.circuit import (
    Apply,
    Channel,
    Circuit,
    DensityMatrix,
    Entropy,
    Expectation,
    Measurement,
    MutualInformation,
    Operation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    Purity,
    State,
    Unitary,
    Variance,
    angles_of,
    wires_of,
)
from hybridx.circuit.entries import complex_entries

_EXACT = 1e-12  # a few roundings of entries of size one


def measured_wires(measurement: Measurement, wires: int) -> frozenset[int]:
    """Return the wires that are measured, in a circuit of `wires` wires."""
    match measurement:
        case Expectation(terms) | Variance(terms):
            return frozenset(wire for term in terms for wire in term.wires)
        case Probabilities(on) | DensityMatrix(on) | Purity(on) | Entropy(on):
            return frozenset(on)
        case MutualInformation(first, second):
            return frozenset(first + second)
        case State():
            return frozenset(range(wires))
        case _:
            assert_never(measurement)


def cone_of(circuit: Circuit, wires: Collection[int]) -> tuple[tuple[int, ...], frozenset[int]]:
    """Return the backward light cone of some wires: the places of its operations, and its wires."""
    cone = set(wires)
    kept: list[int] = []
    for place, operation in reversed(tuple(enumerate(circuit.operations))):
        on = wires_of(operation)
        if not cone.isdisjoint(on) or not _preserves_norm(operation):
            cone.update(on)
            kept.append(place)
    return tuple(reversed(kept)), frozenset(cone)


def restrict(circuit: Circuit, measurements: Sequence[Measurement]) -> Circuit:
    """Return the smallest circuit that still gives some measurements their results.

    Operations outside the backward light cone of all of them together cancel against their adjoints
    and are dropped. So are the wires outside of it; the others keep their order. Parameters stay.

    Args:
        circuit: a well-formed circuit.
        measurements: on that circuit's wires, in the order of the results.

    Example:
        >>> from hybridx.circuit.text import parse, show
        >>> circuit = parse("RX 0 p[0]; RX 1 p[1]; CNOT 1 2; RY 0 0.5; expval Z0; expval Z2")
        >>> show(restrict(circuit, circuit.measurements[1:]))
        'RX 0 p[1]; CNOT 0 1; expval Z1'
    """
    measured = set[int]().union(*(measured_wires(m, circuit.wires) for m in measurements))
    kept, cone = cone_of(circuit, measured)
    places = {wire: place for place, wire in enumerate(sorted(cone) or [0])}
    return msgspec.structs.replace(
        circuit,
        wires=len(places),
        operations=tuple(_move_operation(circuit.operations[place], places) for place in kept),
        measurements=tuple(_move_measurement(m, places) for m in measurements),
    )


def _preserves_norm(operation: Operation) -> bool:
    """Return whether an operation is known to keep the trace, so that it cancels if not measured.

    Gates do. Of other operations, the matrix V (for a channel its Kraus operators, one above the
    other) must be constant and an isometry, V^dagger V = 1.
    """
    if isinstance(operation, Apply):
        return True
    if any(isinstance(angle, Parameter) for angle in angles_of(operation)):
        return False
    entries = complex_entries(operation.real, operation.imaginary)
    matrix = entries.reshape(-1, 2 ** len(operation.wires))
    if isinstance(operation, Prepare):
        matrix = entries.reshape(-1, 1)
    square = matrix.conj().T @ matrix
    return bool(np.abs(square - np.eye(len(square))).max() < _EXACT)


def _move_operation(operation: Operation, places: dict[int, int]) -> Operation:
    wires = tuple(places[wire] for wire in operation.wires)
    match operation:
        case Apply(controls=controls):
            moved = tuple(places[wire] for wire in controls)
            return msgspec.structs.replace(operation, wires=wires, controls=moved)
        case Unitary() | Prepare() | Channel():
            return msgspec.structs.replace(operation, wires=wires)
        case _:
            assert_never(operation)


def _move_measurement(measurement: Measurement, places: dict[int, int]) -> Measurement:
    match measurement:
        case Expectation(terms) | Variance(terms):
            moved = tuple(
                PauliTerm(term.coefficient, term.letters, tuple(places[w] for w in term.wires))
                for term in terms
            )
            return msgspec.structs.replace(measurement, terms=moved)
        case Probabilities(on) | DensityMatrix(on) | Purity(on) | Entropy(on):
            return msgspec.structs.replace(measurement, wires=tuple(places[wire] for wire in on))
        case MutualInformation(first, second):
            return msgspec.structs.replace(
                measurement,
                first=tuple(places[wire] for wire in first),
                second=tuple(places[wire] for wire in second),
            )
        case State():
            return measurement
        case _:
            assert_never(measurement)
