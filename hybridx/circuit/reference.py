"""The reference simulator: exact, in complex128, and simple rather than fast."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit.axes import apply_to_axes
from hybridx.circuit.check import check
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
    PureOperation,
    Purity,
    State,
    Unitary,
    Variance,
    column_count,
    entropies_of,
    has_channel,
    result_count,
    wires_of,
)
from hybridx.circuit.entries import complex_entries
from hybridx.circuit.gate import Matrix
from hybridx.circuit.gates import PAULIS, gate_of
from hybridx.circuit.shifts import by_shifts


def simulate(circuit: Circuit, parameters: NDArray[np.floating]) -> NDArray[np.float64]:
    """Run a circuit on a batch of parameters, without any approximation but rounding.

    A circuit with a channel is run on its density matrix, any other on its state. A derivative is
    that of its circuit by shifted parameters.

    Args:
        circuit: a well-formed circuit.
        parameters: shape `(batch, P)`, or the columns that a derivative takes.

    Returns:
        float64, shape `(batch, M)`, or what a derivative gives; the error is about 1e-16 times the
        number of gates.

    Raises:
        IllFormedCircuitError: the circuit breaks a law.
        ValueError: `parameters` has another shape.
    """
    check(circuit)
    columns = column_count(circuit)
    if parameters.ndim != 2 or parameters.shape[1] != columns:
        raise ValueError(f"parameters have shape {parameters.shape}, not (batch, {columns})")
    if circuit.derivative:
        return by_shifts(circuit, np.asarray(parameters, dtype=np.float64), simulate)
    run = _run_mixed if has_channel(circuit) else _run
    rows = [run(circuit, row) for row in np.asarray(parameters, dtype=np.float64)]
    return np.array(rows, dtype=np.float64).reshape(len(parameters), result_count(circuit))


def evaluate_angle(angle: Angle, row: NDArray[np.float64]) -> float:
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
        assert not isinstance(operation, Channel)
        state = apply_to_axes(_matrix(operation, row), wires_of(operation), state)
    return np.concatenate([_measure(measurement, state) for measurement in circuit.measurements])


def _run_mixed(circuit: Circuit, row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the results from rho, `(2, ..., 2)`: for each wire an axis of rows, then of columns.

    Every operation is rho -> sum of K rho K^dagger; a pure one has a single K.
    """
    rho = _zero_state(2 * circuit.wires)
    for operation in circuit.operations:
        wires = wires_of(operation)
        columns = tuple(circuit.wires + wire for wire in wires)
        terms = [
            apply_to_axes(K.conj(), columns, apply_to_axes(K, wires, rho))
            for K in _kraus(operation, row)
        ]
        rho = np.sum(terms, axis=0)
    return np.concatenate([_measure_mixed(m, rho) for m in circuit.measurements])


def _kraus(operation: Operation, row: NDArray[np.float64]) -> Matrix:
    """Return the Kraus operators of an operation, shape `(K, 2**wires, 2**wires)`."""
    if isinstance(operation, Channel):
        size = 2 ** len(operation.wires)
        return _complex(operation.real, operation.imaginary, row).reshape(-1, size, size)
    return _matrix(operation, row)[None]


def _matrix(operation: PureOperation, row: NDArray[np.float64]) -> Matrix:
    match operation:
        case Apply(angle=angle):
            return gate_of(operation).matrix(None if angle is None else evaluate_angle(angle, row))
        case Unitary(wires, real, imaginary):
            return _complex(real, imaginary, row).reshape(2 ** len(wires), -1)
        case Prepare(wires, real, imaginary):
            # Its wires are in |0>, so only the first column of the matrix matters.
            matrix = np.zeros((2 ** len(wires),) * 2, dtype=np.complex128)
            matrix[:, 0] = _complex(real, imaginary, row)
            return matrix
        case _:
            assert_never(operation)


def _complex(
    real: tuple[Angle, ...], imaginary: tuple[Angle, ...], row: NDArray[np.float64]
) -> Matrix:
    return complex_entries(
        [evaluate_angle(entry, row) for entry in real],
        [evaluate_angle(entry, row) for entry in imaginary],
    )


def _zero_state(wires: int) -> Matrix:
    state = np.zeros((2,) * wires, dtype=np.complex128)
    state[(0,) * wires] = 1
    return state


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
        case Entropy(base=base) | MutualInformation(base=base):
            parts = [_entropy(_reduced(state, on)) for on in entropies_of(measurement)]
            return _information(parts, base)
        case _:
            assert_never(measurement)


def _measure_mixed(measurement: Measurement, rho: Matrix) -> NDArray[np.float64]:
    match measurement:
        case Expectation(terms):
            return np.array([_trace(_observe(terms, rho))])
        case Variance(terms):
            observed = _observe(terms, rho)
            return np.array([_trace(_observe(terms, observed)) - _trace(observed) ** 2])
        case Probabilities(wires):
            return np.array(np.diag(_traced_out(rho, wires)).real)
        case State():
            raise AssertionError("law I14: a density matrix is no state")
        case DensityMatrix(wires):
            return _real_then_imaginary(_traced_out(rho, wires))
        case Purity(wires):
            reduced = _traced_out(rho, wires)
            return np.array([np.trace(reduced @ reduced).real])
        case Entropy(base=base) | MutualInformation(base=base):
            parts = [_entropy(_traced_out(rho, on)) for on in entropies_of(measurement)]
            return _information(parts, base)
        case _:
            assert_never(measurement)


def _entropy(rho: Matrix) -> float:
    """Return -Tr(rho log rho) in nats; eigenvalues that rounding makes negative count as zero."""
    values = np.linalg.eigvalsh(rho)
    values = values[values > 0]
    return float(-(values * np.log(values)).sum())


def _information(entropies: list[float], base: float | None) -> NDArray[np.float64]:
    """Return S(A), or S(A) + S(B) - S(AB), in units of the logarithm's base."""
    nats = entropies[0] if len(entropies) == 1 else entropies[0] + entropies[1] - entropies[2]
    return np.array([nats / (1.0 if base is None else np.log(base))])


def _trace(rho: Matrix) -> float:
    return float(np.trace(rho.reshape(2 ** (rho.ndim // 2), -1)).real)


def _traced_out(rho: Matrix, wires: tuple[int, ...]) -> Matrix:
    """Return the density matrix of some wires of rho, all others traced out."""
    count, size = rho.ndim // 2, 2 ** len(wires)
    order = (*wires, *(wire for wire in range(count) if wire not in wires))
    ordered = rho.transpose(*order, *(count + wire for wire in order))
    reduced: Matrix = np.trace(ordered.reshape(size, 2**count // size, size, -1), axis1=1, axis2=3)
    return reduced


def _observe(terms: tuple[PauliTerm, ...], state: Matrix) -> Matrix:
    """Return O |psi> for a sum of Pauli words, or O rho."""
    total = np.zeros_like(state)
    for term in terms:
        changed = state
        for letter, wire in zip(term.letters, term.wires, strict=True):
            changed = apply_to_axes(PAULIS[letter], (wire,), changed)
        total += term.coefficient * changed
    return total


def _reduced(state: Matrix, wires: tuple[int, ...]) -> Matrix:
    """Return the density matrix of some wires, all others traced out."""
    amplitudes = np.moveaxis(state, wires, range(len(wires))).reshape(2 ** len(wires), -1)
    return amplitudes @ amplitudes.conj().T


def _real_then_imaginary(values: Matrix) -> NDArray[np.float64]:
    flat = values.reshape(-1)
    return np.concatenate([flat.real, flat.imag])
