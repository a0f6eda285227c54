"""The oracle: an exact, slow simulator in complex128, written to be read, not to be fast."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit.check import check
from hybridx.circuit.circuit import (
    Angle,
    Apply,
    Circuit,
    DensityMatrix,
    Expectation,
    Measurement,
    Operation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    Purity,
    State,
    Unitary,
    Variance,
    wires_of,
)
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
        state = _apply(_matrix(operation, row), wires_of(operation), state)
    return _measure_all(circuit, state)


def _matrix(operation: Operation, row: NDArray[np.float64]) -> Matrix:
    match operation:
        case Apply(angle=angle):
            return row_of(operation).matrix(None if angle is None else evaluate(angle, row))
        case Unitary(wires, real, imaginary):
            return _complex(real, imaginary, row).reshape(2 ** len(wires), -1)
        case Prepare(wires, real, imaginary):
            # Its wires are in |0>, so that only the first column of a matrix matters.
            matrix = np.zeros((2 ** len(wires),) * 2, dtype=np.complex128)
            matrix[:, 0] = _complex(real, imaginary, row)
            return matrix
        case _:
            assert_never(operation)


def _complex(
    real: tuple[Angle, ...], imaginary: tuple[Angle, ...], row: NDArray[np.float64]
) -> Matrix:
    numbers = np.array([evaluate(entry, row) for entry in real], dtype=np.complex128)
    if imaginary:
        numbers += 1j * np.array([evaluate(entry, row) for entry in imaginary])
    return numbers


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
            return np.array([np.vdot(state, _observe(terms, state)).real])
        case Variance(terms):
            observed = _observe(terms, state)
            mean = np.vdot(state, observed).real
            return np.array([np.vdot(observed, observed).real - mean**2])
        case Probabilities(wires):
            others = tuple(axis for axis in range(state.ndim) if axis not in wires)
            joint = (np.abs(state) ** 2).sum(axis=others)
            ranks = np.argsort(np.argsort(wires))
            return np.asarray(joint.transpose(ranks).reshape(-1))
        case State():
            return _real_then_imaginary(state)
        case DensityMatrix(wires):
            return _real_then_imaginary(_reduced(state, wires))
        case Purity(wires):
            rho = _reduced(state, wires)
            return np.array([np.trace(rho @ rho).real])
        case _:
            assert_never(measurement)


def _observe(terms: tuple[PauliTerm, ...], state: Matrix) -> Matrix:
    """Return O |psi> for a sum of Pauli words."""
    total = np.zeros_like(state)
    for term in terms:
        changed = state
        for letter, wire in zip(term.letters, term.wires, strict=True):
            changed = _apply(PAULIS[letter], (wire,), changed)
        total += term.coefficient * changed
    return total


def _reduced(state: Matrix, wires: tuple[int, ...]) -> Matrix:
    """Return the density matrix of some wires, all others traced out."""
    amplitudes = np.moveaxis(state, wires, range(len(wires))).reshape(2 ** len(wires), -1)
    return amplitudes @ amplitudes.conj().T


def _real_then_imaginary(values: Matrix) -> NDArray[np.float64]:
    flat = values.reshape(-1)
    return np.concatenate([flat.real, flat.imag])
