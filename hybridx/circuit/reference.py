"""The oracle: an exact, slow simulator in complex128, written to be read, not to be fast."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit.check import check
from hybridx.circuit.circuit import Angle, Circuit, Expectation, Measurement, Parameter
from hybridx.circuit.gate import Matrix
from hybridx.circuit.gates import PAULIS, row_of


def simulate(circuit: Circuit, parameters: NDArray[np.floating]) -> NDArray[np.float64]:
    """Run a circuit on a batch of parameters, without any approximation but rounding.

    Args:
        circuit: a well-formed circuit.
        parameters: shape `(batch, P)`, the units that the circuit's angles expect.

    Returns:
        float64, shape `(batch, M)`; the error grows as the number of gates times 1e-16.

    Raises:
        IllFormedCircuitError: the circuit breaks a law.
        ValueError: `parameters` has another shape.
    """
    check(circuit)
    if parameters.ndim != 2 or parameters.shape[1] != circuit.parameters:
        raise ValueError(
            f"parameters have shape {parameters.shape}, not (batch, {circuit.parameters})"
        )
    rows = [_run(circuit, row) for row in np.asarray(parameters, dtype=np.float64)]
    width = len(_measure_all(circuit, _zero_state(circuit.wires)))
    return np.array(rows, dtype=np.float64).reshape(len(parameters), width)


def evaluate(angle: Angle, row: NDArray[np.float64]) -> float:
    """Return an angle in radians for one row of parameters, shape `(P,)`."""
    match angle:
        case Parameter(column, scale, offset):
            return float(scale * row[column] + offset)
        case float() | int():
            return float(angle)
        case _:
            assert_never(angle)


def _run(circuit: Circuit, row: NDArray[np.float64]) -> NDArray[np.float64]:
    state = _zero_state(circuit.wires)
    for operation in circuit.operations:
        angle = None if operation.angle is None else evaluate(operation.angle, row)
        matrix = row_of(operation).matrix(angle)
        state = _apply(matrix, operation.controls + operation.wires, state)
    return _measure_all(circuit, state)


def _zero_state(wires: int) -> Matrix:
    state = np.zeros((2,) * wires, dtype=np.complex128)
    state[(0,) * wires] = 1
    return state


def _apply(matrix: Matrix, wires: tuple[int, ...], state: Matrix) -> Matrix:
    """Return the state `(2, ..., 2)` after a matrix on some of its axes."""
    count = len(wires)
    tensor = matrix.reshape((2,) * (2 * count))
    moved = np.tensordot(tensor, state, axes=(range(count, 2 * count), wires))
    return np.moveaxis(moved, range(count), wires)


def _measure_all(circuit: Circuit, state: Matrix) -> NDArray[np.float64]:
    return np.concatenate([_measure(measurement, state) for measurement in circuit.measurements])


def _measure(measurement: Measurement, state: Matrix) -> NDArray[np.float64]:
    match measurement:
        case Expectation(terms):
            total = 0.0
            for term in terms:
                changed = state
                for letter, wire in zip(term.letters, term.wires, strict=True):
                    changed = _apply(PAULIS[letter], (wire,), changed)
                total += term.coefficient * float(np.vdot(state, changed).real)
            return np.array([total])
        case _:
            assert_never(measurement)
