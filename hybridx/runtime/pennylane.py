"""Circuits as PennyLane tapes, and submissions, which send the tapes of all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from hybridx.circuit import (
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
    evaluate_angle,
    has_channel,
    result_layout,
)
from hybridx.errors import DeviceError, NoNoiseError
from hybridx.runtime.devices import device_failure
from hybridx.runtime.secrets import describe, shown
from hybridx.runtime.sharing.turns import turn_in_pennylane
from hybridx.runtime.submission.jobs import Naming, execute

# Devices whose `execute` waits for each circuit in a loop, as their source shows.
_ONE_BY_ONE = frozenset({"qiskit.remote"})


@dataclass(frozen=True, eq=False)
class Submission:
    """A circuit for some rows, as one call of a device, however many tapes it has.

    Attributes:
        circuit: what is run.
        device: that runs it.
        tapes: after the device's own preprocessing, which may split one measurement into several.
        shots: of all tapes together.
    """

    circuit: Circuit
    device: Any
    tapes: tuple[Any, ...]
    shots: int
    _config: Any
    _join: Callable[[Any], Any]

    @turn_in_pennylane()
    def send(self, naming: Naming | None = None) -> NDArray[np.float64]:
        """Run it and return float64, shape `(batch, M)`. Raises whatever the device raises.

        Args:
            naming: is told the names of the jobs that the device makes of it.
        """
        return self._joined(execute(self.device, self.tapes, self._config, naming))

    @turn_in_pennylane()
    def fetch(self, jobs: Sequence[str]) -> NDArray[np.float64]:
        """Return the results of jobs that were sent earlier; otherwise as `send`."""
        return self._joined(self.device.fetch_jobs(jobs, self.tapes, self._config))

    def _joined(self, executed: Any) -> NDArray[np.float64]:
        results = self._join(executed)
        return np.array([_columns(result, self.circuit) for result in results], dtype=np.float64)


@turn_in_pennylane()
def prepare(
    circuit: Circuit, parameters: NDArray[np.floating[Any]], device: Any, shots: int | None
) -> Submission:
    """Return the submission of a circuit for some rows, without sending it.

    Args:
        circuit: what to run; its own shots do not count here.
        parameters: shape `(batch, P)` with at least one row.
        device: a PennyLane device that has the circuit's wires.
        shots: samples a row, or None for exact values.

    Raises:
        NoNoiseError: the circuit has a channel and the device none.
        DeviceFailedError: the device does not take the circuit.
    """
    device = modern(device)
    tapes = _tapes(circuit, np.asarray(parameters, dtype=np.float64), shots)
    try:
        # These are the first two steps of qml.execute; between them and the third, tapes are
        # counted.
        config = qml.devices.ExecutionConfig(gradient_method=None)
        config = device.setup_execution_config(config, tapes[0])
        batch, join = device.preprocess_transforms(config)(tapes)
    except Exception as error:
        # A device is third-party code and may raise anything.
        raise failure(circuit, device.name, error) from shown(error)
    total = sum(tape.shots.total_shots or 0 for tape in batch)
    return Submission(circuit, device, tuple(batch), total, config, join)


def modern(device: Any) -> Any:
    """Return a device with PennyLane's current interface; one with the old interface is wrapped."""
    is_modern = isinstance(device, qml.devices.Device)
    return device if is_modern else qml.devices.LegacyDeviceFacade(device)


def name_of(device: Any) -> str:
    """Return the name of a device object by which `qml.device` would open it."""
    target = getattr(device, "target_device", device)
    return str(getattr(target, "short_name", None) or device.name)


def sends_one_by_one(device: Any) -> bool:
    """Return whether a device makes a job of each circuit when it is given several at once."""
    target = getattr(device, "target_device", device)
    send = getattr(type(target), "batch_execute", None)
    by_default = (qml.devices.LegacyDevice.batch_execute, qml.devices.QubitDevice.batch_execute)
    return send in by_default or name_of(device) in _ONE_BY_ONE


def failure(circuit: Circuit, name: str, error: BaseException) -> DeviceError:
    """Return the typed error for what a device raised on a circuit."""
    if has_channel(circuit) and isinstance(error, qml.exceptions.DeviceError):
        return NoNoiseError(name, describe(error))
    return device_failure(name, error)


@turn_in_pennylane()
def count_tapes(circuit: Circuit, columns: int, shots: int | None) -> int:
    """Estimate into how many circuits a device that samples would split one row.

    Services measure observables together that commute letter by letter, as PennyLane groups them.
    """
    (tape,) = _tapes(circuit, np.ones((1, columns)), shots)
    try:
        batch, _ = qml.transforms.split_non_commuting(tape)
    except Exception:
        # Some measurements cannot be split. Then the estimate is one circuit.
        return 1
    return len(batch)


def _columns(result: Any, circuit: Circuit) -> NDArray[np.float64]:
    """Return the results of one row side by side; complex ones as real, then imaginary parts."""
    values = result if isinstance(result, tuple) else (result,)
    columns: list[Any] = []
    for value, place in zip(values, result_layout(circuit), strict=True):
        flat = np.ravel(value)
        columns += [flat.real, flat.imag] if place.is_complex else [flat.real]
    return np.concatenate(columns)


def _tapes(circuit: Circuit, rows: NDArray[np.float64], shots: int | None) -> list[Any]:
    """Return a tape for each row; operators without a parameter are shared by all tapes."""
    measurements = [measurement_process(measurement) for measurement in circuit.measurements]
    shared = {
        index: _operator(operation, rows[0])
        for index, operation in enumerate(circuit.operations)
        if not any(isinstance(angle, Parameter) for angle in angles_of(operation))
    }
    tapes = []
    for row in rows:
        operators = [
            shared[index] if index in shared else _operator(operation, row)
            for index, operation in enumerate(circuit.operations)
        ]
        tapes.append(qml.tape.QuantumScript(operators, measurements, shots=shots))
    return tapes


def _operator(operation: Operation, row: NDArray[np.float64]) -> Any:
    match operation:
        case Apply():
            angle = operation.angle
            return gate_operator(operation, None if angle is None else evaluate_angle(angle, row))
        case Unitary(wires, real, imaginary):
            matrix = _complex(real, imaginary, row).reshape(2 ** len(wires), -1)
            return qml.QubitUnitary(matrix, wires=wires, unitary_check=False)
        case Prepare(wires, real, imaginary):
            amplitudes = _complex(real, imaginary, row)
            # A float32 graph normalises to 1e-7, and a device refuses more than 1e-8 or so.
            return qml.StatePrep(amplitudes / np.linalg.norm(amplitudes), wires=wires)
        case Channel(wires, real, imaginary):
            size = 2 ** len(wires)
            kraus = _complex(real, imaginary, row).reshape(-1, size, size)
            return qml.QubitChannel(_completed(kraus), wires=wires)
        case _:
            assert_never(operation)


def _completed(kraus: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return K S^(-1/2) with S the sum of K^dagger K.

    S is 1 to the precision of float32; a device checks it to 1e-8.
    """
    total = np.einsum("kij,kil->jl", kraus.conj(), kraus)
    values, vectors = np.linalg.eigh(total)
    return np.asarray(kraus @ ((vectors / np.sqrt(values)) @ vectors.conj().T))


def gate_operator(operation: Apply, angle: Any) -> Any:
    """Return a gate as a PennyLane operator.

    Args:
        operation: the gate, its wires and its controls.
        angle: in radians, a number or one for each row; None for a fixed gate.
    """
    # The circuit was checked, so its gate is in the table, which uses PennyLane's names.
    make = getattr(qml, operation.gate)
    values = () if angle is None else (angle,)
    operator = make(*values, wires=operation.wires)
    if operation.adjoint:
        operator = qml.adjoint(operator)
    if operation.controls:
        operator = qml.ctrl(operator, operation.controls, operation.control_values)
    return operator


def _complex(
    real: tuple[Angle, ...], imaginary: tuple[Angle, ...], row: NDArray[np.float64]
) -> NDArray[np.complex128]:
    numbers = np.array([evaluate_angle(entry, row) for entry in real], dtype=np.complex128)
    if imaginary:
        numbers += 1j * np.array([evaluate_angle(entry, row) for entry in imaginary])
    return numbers


def measurement_process(measurement: Measurement) -> Any:
    """Return what PennyLane calls a measurement."""
    match measurement:
        case Expectation(terms):
            return qml.expval(_observable(terms))
        case Variance(terms):
            return qml.var(_observable(terms))
        case Probabilities(wires):
            return qml.probs(wires=wires)
        case State():
            return qml.state()
        case DensityMatrix(wires):
            return qml.density_matrix(wires=wires)
        case Purity(wires):
            return qml.purity(wires=wires)
        case Entropy(wires, base):
            return qml.vn_entropy(wires=wires, log_base=base)
        case MutualInformation(first, second, base):
            return qml.mutual_info(wires0=first, wires1=second, log_base=base)
        case _:
            assert_never(measurement)


def _observable(terms: tuple[PauliTerm, ...]) -> Any:
    """Return the sum of the terms in a fixed order.

    PennyLane 0.45 keeps the eigenvectors of a sum, which `var` uses, under a hash that does not
    depend on the order of terms and wires, though the eigenvectors do.
    """
    words = [tuple(sorted(zip(term.wires, term.letters, strict=True))) for term in terms]
    operators = [qml.pauli.PauliWord(dict(word)).operation(wire_order=[0]) for word in words]
    if len(terms) == 1 and terms[0].coefficient == 1.0 and terms[0].wires:
        return operators[0]
    order = sorted(range(len(terms)), key=words.__getitem__)
    return qml.Hamiltonian([terms[n].coefficient for n in order], [operators[n] for n in order])
