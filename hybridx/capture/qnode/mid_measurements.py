"""Mid-circuit measurements in the order in which the circuit makes them."""

from __future__ import annotations

from typing import Any

import pennylane as qml


def in_circuit_order(tape: Any) -> Any:
    """Return a tape whose conditions and results name measurements in the order of the circuit.

    PennyLane gives each measurement a random identifier and sorts the measurements that one value
    depends on (`m & n`) by it. So the order of the controls differs from process to process.

    Args:
        tape: what a quantum function records, before its measurements are deferred.

    Returns:
        A tape that computes the same.
    """
    places = {
        operation.meas_uid: place
        for place, operation in enumerate(tape.operations)
        if isinstance(operation, qml.ops.MidMeasure)
    }
    operations = [
        qml.ops.Conditional(_sorted(operation.meas_val, places), operation.base)
        if isinstance(operation, qml.ops.Conditional)
        else operation
        for operation in tape.operations
    ]
    measurements = [
        type(measured)(obs=_sorted(measured.mv, places))
        if isinstance(measured.mv, qml.ops.MeasurementValue) and measured.mv.has_processing
        else measured
        for measured in tape.measurements
    ]
    return tape.copy(operations=operations, measurements=measurements)


def _sorted(value: Any, places: dict[str, int]) -> Any:
    """Return a value with its measurements in the order of `places`, given by identifier."""
    measured = value.measurements
    order = sorted(range(len(measured)), key=lambda n: places[measured[n].meas_uid])
    if order == list(range(len(measured))):
        return value

    def processed(*outcomes: Any) -> Any:
        return value.processing_fn(*(outcomes[order.index(n)] for n in range(len(order))))

    return qml.ops.MeasurementValue([measured[n] for n in order], processed)
