"""The gate table: one row for each gate, in the form of `gate.py`, by PennyLane's name for it.

To add a gate, add one row here, with its formula if its name does not tell it. Capture, lowering,
devices and the tests of gates read the table. A gate that does not have the form (1) needs no row:
capture takes PennyLane's decomposition of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from hybridx.circuit.circuit import Apply
from hybridx.circuit.gate import Gate, Matrix

_I = np.eye(2, dtype=np.complex128)
_X = np.array([[0, 1], [1, 0]], dtype=np.complex128)
_Y = np.array([[0, -1j], [1j, 0]], dtype=np.complex128)
_Z = np.diag([1, -1]).astype(np.complex128)

PAULIS: Mapping[str, Matrix] = MappingProxyType({"I": _I, "X": _X, "Y": _Y, "Z": _Z})


def _fixed(name: str, matrix: Any) -> Gate:
    constant = np.array(matrix, dtype=np.complex128)
    return Gate(name, wires=len(constant).bit_length() - 1, constant=constant)


def _rotation(name: str, word: str) -> Gate:
    """exp(-i theta P / 2) = cos(theta/2) I - i sin(theta/2) P, for a Pauli word P."""
    P = np.eye(1, dtype=np.complex128)
    for letter in word:
        P = np.kron(P, PAULIS[letter]).astype(np.complex128)
    I = np.eye(len(P), dtype=np.complex128)
    return Gate(name, len(word), 0 * I, I, -1j * P, rate=0.5)


def _phase(name: str, wires: int, on: int) -> Gate:
    """The diagonal of ones with e^{i theta} at basis state `on`."""
    one = np.zeros((2**wires, 2**wires), dtype=np.complex128)
    one[on, on] = 1
    I = np.eye(2**wires, dtype=np.complex128)
    return Gate(name, wires, I - one, one, 1j * one)


def _inside(
    name: str, wires: int, block: Mapping[tuple[int, int], complex], ends: complex = 0
) -> Gate:
    """A rotation by theta / 2 of two basis states into each other.

    On these two states A is the identity and B is `block`. On all others A is the identity too and
    B is `ends` on the diagonal; if `ends` is 0, they are left as they are.
    """
    states = sorted({row for row, _ in block})
    A = np.zeros((2**wires, 2**wires), dtype=np.complex128)
    A[states, states] = 1
    rest = np.eye(2**wires, dtype=np.complex128) - A
    B = ends * rest
    for entry, value in block.items():
        B[entry] = value
    return (
        Gate(name, wires, 0 * rest, A + rest, B, 0.5)
        if ends
        else Gate(name, wires, rest, A, B, 0.5)
    )


def _controlled(name: str, gate: Gate, controls: int = 1) -> Gate:
    return gate.controlled((True,) * controls, name)


def _global_phase() -> Gate:
    """exp(-i theta), on one wire because every gate acts on a wire."""
    return Gate("GlobalPhase", 1, 0 * _I, _I, -1j * _I)


def _phased_swap() -> Gate:
    """SWAP with e^{i theta} on the two states that are exchanged."""
    swapped = np.zeros((4, 4), dtype=np.complex128)
    swapped[1, 2] = swapped[2, 1] = 1
    ends = np.diag([1, 0, 0, 1]).astype(np.complex128)
    return Gate("PSWAP", 2, ends, swapped, 1j * swapped)


def _fermionic_swap() -> Gate:
    """(1 + e^{i theta})/2 + (1 - e^{i theta})/2 SWAP on |01> and |10>; e^{i theta} on |11>."""
    kept = np.diag([0, 1, 1, 0]).astype(np.complex128)
    exchanged = np.zeros((4, 4), dtype=np.complex128)
    exchanged[1, 2] = exchanged[2, 1] = 1
    phased = (kept - exchanged) / 2 + np.diag([0, 0, 0, 1])
    constant = (kept + exchanged) / 2 + np.diag([1, 0, 0, 0])
    return Gate("FermionicSWAP", 2, constant, phased, 1j * phased)


def _rows() -> tuple[Gate, ...]:
    x, y, z = _fixed("PauliX", _X), _fixed("PauliY", _Y), _fixed("PauliZ", _Z)
    hadamard = _fixed("Hadamard", (_X + _Z) / np.sqrt(2))
    swap = _fixed("SWAP", np.eye(4)[[0, 2, 1, 3]])
    rx, ry, rz = _rotation("RX", "X"), _rotation("RY", "Y"), _rotation("RZ", "Z")
    return (
        _fixed("Identity", _I),
        x,
        y,
        z,
        hadamard,
        _fixed("S", np.diag([1, 1j])),
        _fixed("T", np.diag([1, np.exp(0.25j * np.pi)])),
        _fixed("SX", 0.5 * np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]])),
        _controlled("CNOT", x),
        _controlled("CY", y),
        _controlled("CZ", z),
        _controlled("CH", hadamard),
        swap,
        _fixed("ISWAP", [[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]]),
        _controlled("Toffoli", x, controls=2),
        _controlled("CCZ", z, controls=2),
        _controlled("CSWAP", swap),
        rx,
        ry,
        rz,
        _phase("PhaseShift", wires=1, on=0b1),
        _phase("U1", wires=1, on=0b1),
        _global_phase(),
        _controlled("CRX", rx),
        _controlled("CRY", ry),
        _controlled("CRZ", rz),
        _phase("ControlledPhaseShift", wires=2, on=0b11),
        _phase("CPhaseShift00", wires=2, on=0b00),
        _phase("CPhaseShift01", wires=2, on=0b01),
        _phase("CPhaseShift10", wires=2, on=0b10),
        _rotation("IsingXX", "XX"),
        _rotation("IsingYY", "YY"),
        _rotation("IsingZZ", "ZZ"),
        _inside("IsingXY", 2, {(1, 2): 1j, (2, 1): 1j}),
        _phased_swap(),
        _fermionic_swap(),
        _inside("SingleExcitation", 2, {(1, 2): -1, (2, 1): 1}),
        _inside("SingleExcitationPlus", 2, {(1, 2): -1, (2, 1): 1}, ends=1j),
        _inside("SingleExcitationMinus", 2, {(1, 2): -1, (2, 1): 1}, ends=-1j),
        _inside("DoubleExcitation", 4, {(3, 12): -1, (12, 3): 1}),
        _inside("DoubleExcitationPlus", 4, {(3, 12): -1, (12, 3): 1}, ends=1j),
        _inside("DoubleExcitationMinus", 4, {(3, 12): -1, (12, 3): 1}, ends=-1j),
    )


GATES: Mapping[str, Gate] = MappingProxyType({gate.name: gate for gate in _rows()})


def gate_of(operation: Apply) -> Gate:
    """Return the gate of the table that an operation names, made adjoint and controlled as it says.

    It acts on the wires `operation.controls + operation.wires`.
    """
    gate = GATES[operation.gate]
    if operation.adjoint:
        gate = gate.adjoint()
    return gate.controlled(operation.control_values) if operation.controls else gate
