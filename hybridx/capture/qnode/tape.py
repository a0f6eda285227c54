"""The tape of a quantum function: its operators and measurements after the QNode's transforms."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pennylane as qml

from hybridx.capture.qnode.mid_measurements import in_circuit_order
from hybridx.errors import UnsupportedMeasurementError, UnsupportedOperatorError

# Transforms that change how a device computes and not its results.
_NEUTRAL = frozenset({
    "batch_input", "batch_params", "broadcast_expand", "cancel_inverses", "combine_global_phases",
    "commute_controlled", "compile", "decompose", "defer_measurements", "diagonalize_measurements",
    "merge_amplitude_embedding", "merge_rotations", "remove_barrier", "single_qubit_fusion",
    "split_non_commuting", "split_to_single_terms", "undo_swaps", "unitary_to_rot",
})  # fmt: skip


def tape_of(
    qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str
) -> tuple[Any, Any, tuple[tuple[Any, int], ...]]:
    """Return what the quantum function returns, its tape after the QNode's transforms, and wires.

    The tape has no mid-circuit measurements: further wires hold their outcomes. The wires returned
    are those whose outcome is postselected, each with the outcome.
    """
    with qml.queuing.AnnotatedQueue() as queue:
        returned = qnode.func(*args, **kwargs)
    tape = qml.tape.QuantumScript.from_queue(queue)
    for transform in qnode.compile_pipeline:
        name = transform.tape_transform.__name__
        if name not in _NEUTRAL:
            tape = _only(transform(tape), f"the transform {name}", layer)
    kept: tuple[tuple[Any, int], ...] = ()
    if any(isinstance(o, qml.measurements.MidMeasureMP | qml.ops.Conditional) for o in tape):
        tape, kept = _unselected(in_circuit_order(tape))
        tape = _only(qml.defer_measurements(tape), "its mid-circuit measurements", layer)
    if any(isinstance(mp, qml.measurements.ProbabilityMP) and mp.obs for mp in tape.measurements):
        tape = _diagonalized(tape, layer)
    return returned, tape, kept


def _unselected(tape: Any) -> tuple[Any, tuple[tuple[Any, int], ...]]:
    """Return the tape without postselection, and new wires with the outcomes to select."""
    operations: list[Any] = []
    kept: list[tuple[Any, int]] = []
    for operation in tape.operations:
        value = getattr(operation, "postselect", None)
        if value is not None:
            label = f"postselected {len(kept)}"
            kept.append((label, int(value)))
            operations.append(qml.CNOT([*operation.wires, label]))
            operation = type(operation)(
                operation.wires, reset=operation.reset, meas_uid=operation.meas_uid
            )
        operations.append(operation)
    return qml.tape.QuantumScript(operations, tape.measurements), tuple(kept)


def _only(transformed: Any, what: str, layer: str) -> Any:
    tapes, _ = transformed
    if len(tapes) != 1:
        raise UnsupportedOperatorError(layer, f"{what} (it makes {len(tapes)} circuits of one)")
    return tapes[0]


def _diagonalized(tape: Any, layer: str) -> Any:
    """Return the tape with the probabilities of an observable as those of its wires."""
    if len(tape.measurements) != 1:
        raise UnsupportedMeasurementError(
            layer, str(tape.measurements), "probabilities of an observable have to stand alone"
        )
    (measured,) = tape.measurements
    return qml.tape.QuantumScript(
        [*tape.operations, *measured.diagonalizing_gates()], [qml.probs(wires=measured.wires)]
    )


def number_wires(qnode: Any, tape: Any) -> dict[Any, int]:
    """Number the wires in the device's order; without one, in the order of first use.

    Unused wires of the device are included only if all wires are measured.
    """
    used = list(tape.wires)
    known = [] if qnode.device.wires is None else list(qnode.device.wires)
    measures_all = any(not mp.wires and mp.obs is None for mp in tape.measurements)
    kept = [label for label in known if measures_all or label in used]
    labels = kept + [label for label in used if label not in known]
    return {label: number for number, label in enumerate(labels or [0])}


def is_mixed(qnode: Any, layer: str) -> bool:
    """Return whether the device's states are density matrices.

    Raises:
        UnsupportedOperatorError: the device adds readout errors to what is measured.
    """
    if getattr(qnode.device, "readout_err", None):
        raise UnsupportedOperatorError(layer, "a device with readout errors")
    return bool(qnode.device.name == "default.mixed")


def describe_qnode(qnode: Any, path: str) -> str:
    """Return where a QNode stands: its module's path in the model, its function, file and line."""
    function = inspect.unwrap(qnode.func)
    code = getattr(function, "__code__", None)
    where = f" at {Path(code.co_filename).name}:{code.co_firstlineno}" if code else ""
    name = getattr(function, "__name__", type(function).__name__)
    return f"{path or 'the model itself'!r} (circuit {name!r}{where})"
