"""PennyLane's operators and measurements as rows, words and slots of the circuit language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pennylane as qml

from hybridx.circuit import GATES, Apply, Expectation, Measurement, Parameter, PauliTerm
from hybridx.errors import UnsupportedMeasurementError, UnsupportedOperatorError

Slot = Callable[[Any], Parameter]
"""Takes the angle of a gate, as PennyLane holds it, and says which parameter stands for it."""

_MAX_DEPTH = 40  # decompositions nest a few levels; more is a cycle


def to_operations(
    operators: Sequence[Any], wires: dict[Any, int], slot: Slot, layer: str
) -> Iterator[Apply]:
    """Yield the gates of a tape, decomposed by PennyLane's own rules down to the gate table.

    Args:
        operators: the operators of a tape, in order.
        wires: PennyLane's wire labels, numbered.
        slot: called once for each gate angle.
        layer: where the tape comes from, for messages.

    Raises:
        UnsupportedOperatorError: an operator is no gate and has no decomposition.
    """
    for operator in operators:
        yield from _to_gates(operator, wires, slot, layer, depth=0)


def to_measurement(measured: Any, wires: dict[Any, int], layer: str) -> Measurement:
    """Return a PennyLane measurement in the circuit language.

    Raises:
        UnsupportedMeasurementError: it is of another kind, or its observable is.
    """
    if not isinstance(measured, qml.measurements.ExpectationMP):
        kind = type(measured).__name__.removesuffix("MP")
        raise UnsupportedMeasurementError(layer, kind, "only expectation values are, so far")
    observable = measured.obs
    if observable is None or observable.pauli_rep is None:
        raise UnsupportedMeasurementError(
            layer, f"expval({observable})", "its observable is no sum of Pauli words"
        )
    return Expectation(
        tuple(
            PauliTerm(
                coefficient=float(coefficient),
                letters="".join(word.values()),
                wires=tuple(wires[wire] for wire in word),
            )
            for word, coefficient in observable.pauli_rep.items()
        )
    )


def _to_gates(
    operator: Any, wires: dict[Any, int], slot: Slot, layer: str, depth: int
) -> Iterator[Apply]:
    if isinstance(operator, qml.Barrier | qml.Snapshot):
        return
    gate = _as_gate(operator, wires, slot)
    if gate is not None:
        yield gate
        return
    if depth >= _MAX_DEPTH or not operator.has_decomposition:
        raise UnsupportedOperatorError(layer, operator.name)
    for part in operator.decomposition():
        yield from _to_gates(part, wires, slot, layer, depth + 1)


def _as_gate(operator: Any, wires: dict[Any, int], slot: Slot) -> Apply | None:
    """Return the operator as one row of the table, adjoint and controlled, or None."""
    base, adjoint = operator, False
    controls: list[Any] = []
    values: list[bool] = []
    while base.name not in GATES:
        if isinstance(base, qml.ops.op_math.Adjoint):
            adjoint = not adjoint
        elif isinstance(base, qml.ops.op_math.Controlled):
            controls += base.control_wires
            values += map(bool, base.control_values)
        else:
            return None
        base = base.base
    return Apply(
        gate=base.name,
        wires=tuple(wires[wire] for wire in base.wires),
        angle=slot(base.data[0]) if GATES[base.name].takes_angle else None,
        adjoint=adjoint,
        controls=tuple(wires[wire] for wire in controls),
        control_values=tuple(values),
    )
