"""PennyLane's identifiers of measurements are random; what a circuit becomes is not."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest

from hybridx.capture.qnode.mid_measurements import in_circuit_order

USES = {
    "and": lambda first, second: first & second,
    "not both alike": lambda first, second: first & ~second,
    "numbers": lambda first, second: 2 * first - 0.5 * second,
}


def _tape(identifiers, use):
    """Record two measurements on the way with the given identifiers, and what uses both."""
    with qml.queuing.AnnotatedQueue() as queue:
        qml.RX(0.4, 0)
        qml.RY(0.7, 1)
        measured = [
            qml.ops.MidMeasure(wire, meas_uid=identifier)
            for wire, identifier in enumerate(identifiers)
        ]
        value = use(*(qml.ops.MeasurementValue([one]) for one in measured))
        qml.cond(value >= 1, qml.RX)(1.1, wires=2)
        qml.expval(value)
        qml.var(qml.PauliZ(2))
    return qml.tape.QuantumScript.from_queue(queue)


def _deferred(tape):
    (deferred,), _ = qml.defer_measurements(tape)
    return deferred


def _wires(tape):
    return tape.measurements[0].mv.wires.tolist()


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_identifiers_do_not_decide_the_circuit(use):
    ordered = [_deferred(in_circuit_order(_tape(ids, use))) for ids in ("ab", "ba")]
    controls = [[str(operation) for operation in tape.operations] for tape in ordered]
    assert controls[0] == controls[1]
    assert all(_wires(tape) == sorted(_wires(tape)) for tape in ordered)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_is_computed_stays(use):
    tape = _deferred(_tape("ba", use))
    assert _wires(tape) != sorted(_wires(tape)), "PennyLane no longer sorts by them"
    ordered = _deferred(in_circuit_order(_tape("ba", use)))
    device = qml.device("default.qubit")
    # The same sums of 8 probabilities in another order.
    np.testing.assert_allclose(device.execute(ordered), device.execute(tape), rtol=0, atol=1e-14)
