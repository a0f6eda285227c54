"""The laws of a well-formed circuit, by their numbers in `docs/circuit.md`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, assert_never

import numpy as np

from hybridx.circuit.circuit import (
    Angle,
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
    entropies_of,
    has_channel,
    wires_of,
)
from hybridx.circuit.entries import complex_entries
from hybridx.circuit.gates import GATES
from hybridx.circuit.limits import MAX_CHANNEL_WIRES, MAX_ENTROPY_WIRES, MAX_KRAUS
from hybridx.errors import IllFormedCircuitError

# Kraus operators may come from float32 weights, which are rounded by 6e-8.
_COMPLETE: Final = 1e-5


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
        yield f"I2: the number of parameters is not negative, unlike {circuit.parameters}"
    touched: set[int] = set()
    for index, operation in enumerate(circuit.operations):
        for fault in _operation_faults(operation, circuit):
            yield f"operation {index}: {fault}"
        if isinstance(operation, Prepare) and touched & set(operation.wires):
            yield f"operation {index}: I12: an operation before acts on the wires {operation.wires}"
        touched.update(wires_of(operation))
    if not circuit.measurements:
        yield "I8: a circuit measures something"
    for index, measurement in enumerate(circuit.measurements):
        for fault in _measurement_faults(measurement, circuit):
            yield f"measurement {index}: {fault}"
    if circuit.shots is not None and circuit.shots < 1:
        yield f"I10: shots are at least one, not {circuit.shots}"
    if circuit.derivative < 0:
        yield f"I16: a circuit is differentiated 0 times or more, not {circuit.derivative}"
    if circuit.derivative and any(map(entropies_of, circuit.measurements)):
        yield "I16: an entropy is not differentiated"


def _operation_faults(operation: Operation, circuit: Circuit) -> Iterator[str]:
    match operation:
        case Apply():
            yield from _gate_faults(operation)
        case Unitary(wires, real, imaginary):
            yield from _size_faults(4 ** len(wires), real, imaginary)
        case Prepare(wires, real, imaginary):
            yield from _size_faults(2 ** len(wires), real, imaginary)
        case Channel():
            yield from _channel_faults(operation)
        case _:
            assert_never(operation)
    yield from _wire_faults(wires_of(operation), circuit.wires)
    for angle in angles_of(operation):
        yield from _angle_faults(angle, circuit.parameters)


def _gate_faults(operation: Apply) -> Iterator[str]:
    gate = GATES.get(operation.gate)
    if gate is None:
        yield f"I3: {operation.gate!r} is not in the gate table"
        return
    if len(operation.wires) != gate.wires:
        yield f"I4: {gate.name} acts on {gate.wires} wires, not {len(operation.wires)}"
    if len(operation.controls) != len(operation.control_values):
        yield "I6: every control has one value"
    if gate.takes_angle != (operation.angle is not None):
        yield f"I7: {gate.name} takes {'an' if gate.takes_angle else 'no'} angle"


def _angle_faults(angle: Angle, parameters: int) -> Iterator[str]:
    match angle:
        case Parameter(column, scale, offset):
            if not 0 <= column < parameters:
                yield f"I7: column {column} is not among {parameters} parameters"
            is_finite = math.isfinite(scale) and math.isfinite(offset)
        case number:
            is_finite = math.isfinite(number)
    if not is_finite:
        yield "I7: an angle is finite"


def _size_faults(size: int, real: tuple[Angle, ...], imaginary: tuple[Angle, ...]) -> Iterator[str]:
    if len(real) != size or len(imaginary) not in (0, size):
        yield f"I11: it has {size} entries, not {len(real)} real and {len(imaginary)} imaginary"


def _channel_faults(channel: Channel) -> Iterator[str]:
    size, found = 4 ** len(channel.wires), len(channel.real)
    if len(channel.wires) > MAX_CHANNEL_WIRES or found > MAX_KRAUS * size:
        most = f"{MAX_CHANNEL_WIRES} wires and {MAX_KRAUS} Kraus operators"
        yield f"I13: a channel has at most {most}"
        return
    if found == 0 or found % size or len(channel.imaginary) not in (0, found):
        entries = f"{found} real and {len(channel.imaginary)} imaginary"
        yield f"I11: every Kraus operator has {size} entries, not {entries} together"
        return
    if any(isinstance(angle, Parameter) for angle in angles_of(channel)):
        return
    kraus = complex_entries(channel.real, channel.imaginary)
    # With one matrix above the other, one product sums over all of them.
    tall = kraus.reshape(-1, 2 ** len(channel.wires))
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest
        error = np.abs(tall.conj().T @ tall - np.eye(tall.shape[1])).max()
    if not error <= _COMPLETE:
        yield f"I13: the sum of K^dagger K is the identity, not {error:.3g} away from it"


def _measurement_faults(measurement: Measurement, circuit: Circuit) -> Iterator[str]:
    match measurement:
        case Expectation(terms) | Variance(terms):
            for term in terms:
                yield from _term_faults(term, circuit)
        case Probabilities(wires) | DensityMatrix(wires) | Purity(wires):
            if not wires:
                yield "I9: it measures at least one wire"
            yield from _wire_faults(wires, circuit.wires)
        case Entropy(base=base) | MutualInformation(base=base):
            for wires in entropies_of(measurement):
                yield from _entropy_faults(wires, circuit)
            if base is not None and not (math.isfinite(base) and base > 0 and base != 1):
                yield f"I15: the base of a logarithm is positive and not 1, unlike {base}"
        case State():
            if has_channel(circuit):
                yield "I14: a circuit with a channel has a density matrix, not a state"
        case _:
            assert_never(measurement)


def _entropy_faults(wires: tuple[int, ...], circuit: Circuit) -> Iterator[str]:
    if not wires:
        yield "I9: it measures at least one wire"
    yield from _wire_faults(wires, circuit.wires)
    # In a state vector, the other wires have the same entropy.
    others = circuit.wires if has_channel(circuit) else circuit.wires - len(wires)
    if min(len(wires), others) > MAX_ENTROPY_WIRES:
        yield f"I15: the entropy of {len(wires)} wires is over the limit of {MAX_ENTROPY_WIRES}"


def _term_faults(term: PauliTerm, circuit: Circuit) -> Iterator[str]:
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
