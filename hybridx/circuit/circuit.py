"""The circuit: frozen data, closed unions, no behaviour. `docs/circuit.md` numbers its laws.

The classes are `msgspec.Struct`s, so that one definition is both the IR and its JSON schema.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TypeAlias, assert_never

import msgspec


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Angle `scale * parameters[:, column] + offset`, in radians.

    Attributes:
        column: which column of `parameters`, shape `(batch, P)`.
        scale: radians per unit of the parameter.
        offset: radians.
    """

    column: int
    scale: float = 1.0
    offset: float = 0.0


Angle: TypeAlias = float | Parameter


class Apply(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="apply"
):
    """One gate of the table on some wires, possibly adjoint, possibly controlled.

    Attributes:
        gate: a name in `GATES`.
        wires: the first is the most significant wire of the gate's matrix.
        angle: for a gate that takes one; None for a fixed gate.
        adjoint: the conjugate transpose of the gate.
        controls: further wires; the gate acts where they hold `control_values`.
        control_values: one truth value for each control.
    """

    gate: str
    wires: tuple[int, ...]
    angle: Angle | None = None
    adjoint: bool = False
    controls: tuple[int, ...] = ()
    control_values: tuple[bool, ...] = ()


Operation: TypeAlias = Apply


class PauliTerm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """`coefficient` times a Pauli word: `letters[i]` (X, Y or Z) on `wires[i]`.

    The empty word is the identity.
    """

    coefficient: float
    letters: str
    wires: tuple[int, ...]


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="expectation"):
    """The mean value of a sum of Pauli words: one real number."""

    terms: tuple[PauliTerm, ...]


Measurement: TypeAlias = Expectation


class Circuit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A quantum layer: from `parameters` `(batch, P)` to `results` `(batch, M)`.

    Attributes:
        wires: how many; every one starts in |0>. Wire 0 is the most significant.
        parameters: P.
        operations: in the order of time.
        measurements: their results stand side by side in this order.
        shots: how often a device should sample, or None for exact values. The compiled body is
            exact either way.
    """

    wires: int
    parameters: int
    operations: tuple[Operation, ...]
    measurements: tuple[Measurement, ...]
    shots: int | None = None


def result_layout(circuit: Circuit) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return the offset and the shape of each measurement's result among the M columns."""
    shapes = [_result_shape(measurement) for measurement in circuit.measurements]
    offsets = accumulate((_size(shape) for shape in shapes), initial=0)
    return tuple(zip(offsets, shapes, strict=False))


def result_count(circuit: Circuit) -> int:
    """Return M, the number of columns of `results`."""
    return sum(_size(_result_shape(measurement)) for measurement in circuit.measurements)


def bind(circuit: Circuit, parameters: int, angle_of: Callable[[Parameter], Angle]) -> Circuit:
    """Return the circuit with every parameter replaced by `angle_of(parameter)`.

    Args:
        circuit: the circuit to rewrite.
        parameters: P of the result.
        angle_of: gives a number or a parameter of the new circuit.
    """

    def rebound(operation: Operation) -> Operation:
        match operation.angle:
            case Parameter() as parameter:
                return msgspec.structs.replace(operation, angle=angle_of(parameter))
            case _:
                return operation

    return msgspec.structs.replace(
        circuit, parameters=parameters, operations=tuple(map(rebound, circuit.operations))
    )


def _result_shape(measurement: Measurement) -> tuple[int, ...]:
    match measurement:
        case Expectation():
            return ()
        case _:
            assert_never(measurement)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
