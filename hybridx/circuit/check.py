"""The laws of a well-formed circuit, by their numbers in `docs/circuit.md`."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hybridx.circuit.circuit import Apply, Circuit, Expectation, Parameter
from hybridx.circuit.gates import GATES
from hybridx.errors import IllFormedCircuitError


def check(circuit: Circuit) -> Circuit:
    """Return the circuit, or refuse it with all of its faults.

    Raises:
        IllFormedCircuitError: at least one law is broken.
    """
    found = tuple(faults(circuit))
    if found:
        raise IllFormedCircuitError("; ".join(found))
    return circuit


def faults(circuit: Circuit) -> Iterator[str]:
    """Yield a sentence for every law that the circuit breaks."""
    if circuit.wires < 1:
        yield f"I1: a circuit has at least one wire, not {circuit.wires}"
    if circuit.parameters < 0:
        yield f"I2: it has no fewer than zero parameters, not {circuit.parameters}"
    for index, operation in enumerate(circuit.operations):
        for fault in _operation_faults(operation, circuit):
            yield f"operation {index}: {fault}"
    if not circuit.measurements:
        yield "I8: a circuit measures something"
    for index, measurement in enumerate(circuit.measurements):
        for fault in _expectation_faults(measurement, circuit):
            yield f"measurement {index}: {fault}"
    if circuit.shots is not None and circuit.shots < 1:
        yield f"I10: shots are at least one, not {circuit.shots}"


def _operation_faults(operation: Apply, circuit: Circuit) -> Iterator[str]:
    gate = GATES.get(operation.gate)
    if gate is None:
        yield f"I3: {operation.gate!r} is not in the gate table"
        return
    if len(operation.wires) != gate.wires:
        yield f"I4: {gate.name} acts on {gate.wires} wires, not {len(operation.wires)}"
    yield from _wire_faults(operation.controls + operation.wires, circuit.wires)
    if len(operation.controls) != len(operation.control_values):
        yield "I6: every control has one value"
    match operation.angle:
        case None:
            if gate.takes_angle:
                yield f"I7: {gate.name} takes an angle"
        case Parameter(column, scale, offset):
            if not gate.takes_angle:
                yield f"I7: {gate.name} takes no angle"
            if not 0 <= column < circuit.parameters:
                yield f"I7: column {column} is not among {circuit.parameters} parameters"
            if not (math.isfinite(scale) and math.isfinite(offset)):
                yield "I7: an angle is finite"
        case angle:
            if not gate.takes_angle:
                yield f"I7: {gate.name} takes no angle"
            if not math.isfinite(angle):
                yield "I7: an angle is finite"


def _expectation_faults(measurement: Expectation, circuit: Circuit) -> Iterator[str]:
    for term in measurement.terms:
        if len(term.letters) != len(term.wires) or set(term.letters) - set("XYZ"):
            yield f"I9: {term.letters!r} has one of X, Y, Z for each of {len(term.wires)} wires"
        if not math.isfinite(term.coefficient):
            yield "I9: a coefficient is finite"
        yield from _wire_faults(term.wires, circuit.wires)


def _wire_faults(wires: tuple[int, ...], count: int) -> Iterator[str]:
    if len(set(wires)) != len(wires):
        yield f"I5: wires {wires} are distinct"
    if any(not 0 <= wire < count for wire in wires):
        yield f"I5: wires {wires} lie below {count}"
