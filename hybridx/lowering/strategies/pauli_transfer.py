"""Noise: the density matrix as one real vector over Pauli words, every operation a real matrix.

The vector has 4^n numbers for n wires, and an operation on w wires is a matrix of 4^w by 4^w
(`channel_matrices.py`). All numbers are real, and gates are treated as channels are. Neighbouring
constant operations on few wires are joined into one matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import assert_never

import numpy as np

from hybridx.circuit import (
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
    Prepare,
    Probabilities,
    Purity,
    State,
    Unitary,
    Variance,
    apply_to_axes,
    gate_of,
    has_channel,
    wires_of,
)
from hybridx.lowering.analysis.trig_polynomial import has_parameter
from hybridx.lowering.blocks import entropy
from hybridx.lowering.blocks.angles import Multiple, SinCos, count_multiples
from hybridx.lowering.blocks.channel_matrices import (
    Transfer,
    constant_transfer,
    parametrised_prepared,
    parametrised_transfer,
    prepared,
    transfer_modes,
)
from hybridx.lowering.blocks.measure_pauli import measure_words
from hybridx.lowering.blocks.state import Amplitudes, apply_matrix, bring_last
from hybridx.lowering.cost import MOST_FOLDED, Cost
from hybridx.lowering.plan import Plan, Reason, exceeds, list_lines, name_wires
from hybridx.program import Builder, Program, Value

MOST_WIRES = 8  # 4^8 numbers a row, as many as the amplitudes of 15 wires
_JOINED = 2  # wires; joining constant operations up to there makes no matrix larger than a CNOT's


@dataclass(frozen=True, slots=True)
class _Group:
    """Operations that become one matrix on some wires; one with a parameter stands alone."""

    wires: tuple[int, ...]
    operations: tuple[Operation, ...]

    @property
    def is_constant(self) -> bool:
        return not has_parameter(self.operations[0])


@dataclass(frozen=True, eq=False)
class PauliTransferPlan(Plan):
    """A circuit with channels as real matrices on a vector over Pauli words.

    Attributes:
        groups: the operations of each matrix, in the order of time.
    """

    groups: tuple[_Group, ...]

    def describe(self) -> str:
        """Return a line for each matrix."""
        lines: list[str] = []
        for group in self.groups:
            names = " ".join(
                op.gate if isinstance(op, Apply) else _NAMES[type(op)] for op in group.operations
            )
            kind = "constant" if group.is_constant else "parametrised"
            lines.append(f"{kind} matrix on {name_wires(group.wires)}: {names}")
        start = f"vector over the {4**self.circuit.wires} Pauli words"
        return "\n".join([start, *list_lines(lines)])

    def build(self) -> Program:
        """Return the program: exact but for rounding.

        float32 gives about 1e-6 at 4 wires and 20 operations.
        """
        circuit = self.circuit
        builder = Builder(circuit.parameters)
        angles = [angle for operation in circuit.operations for angle in _angles(operation)]
        sin_cos = SinCos(builder, angles)
        state = _zero_state(builder, circuit.wires)
        for group in self.groups:
            first = group.operations[0]
            if isinstance(first, Prepare):
                state = _prepare(builder, state, first)
            else:
                matrix = (
                    builder.constant(_joint(group).T[None])
                    if group.is_constant
                    else _parametrised(builder, first, sin_cos)
                )
                state = apply_matrix(builder, state, matrix, _axes(group.wires), is_real=True)
        words = bring_last(builder, state, _axes(range(circuit.wires))).value
        return builder.build(measure_words(builder, words, circuit))


_NAMES = {Unitary: "unitary", Prepare: "prepare", Channel: "channel"}


def plan(circuit: Circuit) -> PauliTransferPlan | Reason:
    """Return the plan of a circuit, or why the strategy does not apply."""
    if not has_channel(circuit):
        return Reason("it has no channel")
    if circuit.wires > MOST_WIRES:
        return Reason(f"{circuit.wires} wires with a channel are more than {MOST_WIRES}")
    size = 4**circuit.wires
    cost = Cost(0.0, size, steps=6, constant_bytes=4 * size, numbers=size)
    groups = tuple(_groups(circuit.operations))
    for group in groups:
        cost += _cost(group, size)
    for measurement in circuit.measurements:
        cost += _measuring_cost(measurement, size)
    cost += count_multiples([angle for op in circuit.operations for angle in _angles(op)])
    return exceeds(cost.constant_bytes, MOST_FOLDED) or PauliTransferPlan(circuit, cost, groups)


def _groups(operations: Iterable[Operation]) -> list[_Group]:
    """Return the operations in groups, those on common wires in the order of time."""
    done: list[_Group] = []
    open_groups: list[_Group] = []  # constant, no two on a common wire
    for operation in operations:
        wires = set(wires_of(operation))
        touching = [group for group in open_groups if not wires.isdisjoint(group.wires)]
        open_groups = [group for group in open_groups if wires.isdisjoint(group.wires)]
        alone = _Group(wires_of(operation), (operation,))
        if isinstance(operation, Prepare) or has_parameter(operation):
            done += [*touching, alone]
            continue
        # Groups that touch one operation act on different wires, so they may be put in a row.
        before = tuple(op for group in touching for op in group.operations)
        union = tuple(sorted(wires.union(*(group.wires for group in touching))))
        if len(union) <= max(_JOINED, len(wires), *(len(group.wires) for group in touching), 0):
            open_groups.append(_Group(union, (*before, operation)))
        else:
            done += touching
            open_groups.append(alone)
    return done + open_groups


def _joint(group: _Group) -> Transfer:
    """Return the matrix of constant operations, one after another."""
    wires = len(group.wires)
    matrix = np.eye(4**wires).reshape((4,) * wires + (4**wires,))
    for operation in group.operations:
        on = [group.wires.index(wire) for wire in wires_of(operation)]
        matrix = apply_to_axes(constant_transfer(operation), on, matrix)
    return matrix.reshape(4**wires, 4**wires)


def _parametrised(builder: Builder, operation: Apply | Unitary | Channel, sin_cos: SinCos) -> Value:
    """Return the matrix of an operation with a parameter, transposed: `(batch, D, D)`."""
    if not isinstance(operation, Apply):
        return parametrised_transfer(builder, operation)
    constant, modes = transfer_modes(gate_of(operation))
    size = len(constant)
    if not modes:  # a global phase
        return builder.constant(constant.T[None])
    terms = [*(cosine for cosine, _ in modes.values()), *(sine for _, sine in modes.values())]
    mixed = builder.matmul(
        sin_cos.features(_angles(operation)),
        builder.constant(np.stack([term.T.reshape(-1) for term in terms])),
    )
    mixed = builder.add(mixed, builder.constant(constant.T.reshape(1, -1)))
    return builder.reshape(mixed, (None, size, size))


def _angles(operation: Operation) -> list[Multiple]:
    """Return the angles whose cosines and sines a gate needs, in the order of its modes."""
    if not (isinstance(operation, Apply) and isinstance(operation.angle, Parameter)):
        return []
    gate = gate_of(operation)
    return [(operation.angle, n * gate.rate) for n in transfer_modes(gate)[1]]


def _axes(wires: Iterable[int]) -> tuple[int, ...]:
    """Return the two axes of the letters of some wires."""
    return tuple(axis for wire in wires for axis in (2 * wire, 2 * wire + 1))


def _zero_state(builder: Builder, wires: int) -> Amplitudes:
    letters = reduce(np.kron, [np.array([1.0, 0.0, 0.0, 1.0])] * wires)
    return Amplitudes(builder.constant(letters[None]), tuple(range(2 * wires)))


def _prepare(builder: Builder, state: Amplitudes, operation: Prepare) -> Amplitudes:
    """Return the state with wires in |0> prepared: their I component times a new vector."""
    axes = _axes(operation.wires)
    moved = bring_last(builder, state, axes)
    size = 2 ** len(axes)
    rows, rest = moved.value.shape[0], 2 ** (len(state.axes) - len(axes))
    split = builder.reshape(moved.value, (rows, rest, size))
    if has_parameter(operation):
        vector = parametrised_prepared(builder, operation)
    else:
        vector = builder.constant(prepared(operation)[None])
    vector = builder.reshape(vector, (vector.shape[0], 1, size))
    product = builder.matmul(builder.gather(split, 2, (0,)), vector)
    return Amplitudes(builder.reshape(product, (product.shape[0], rest * size)), moved.axes)


def _cost(group: _Group, size: int) -> Cost:
    """Return the cost of a group on a state of `size` numbers."""
    width = 4 ** len(group.wires)
    matrix = width if isinstance(group.operations[0], Prepare) else width**2
    if group.is_constant:
        return Cost(size * width, 2.0 * size, 5, 4 * matrix, 3.0 * size)
    if isinstance(group.operations[0], Apply):
        return Cost(
            size * width + 4 * matrix, 2.0 * size + matrix, 9, 20 * matrix, 3.0 * size + 2 * matrix
        )
    # Entries become a matrix by two transposes and two products for each wire.
    wires = len(group.wires)
    products = 2.0 * matrix * 8 * 2 * wires
    elements = 2.0 * size + 8 * matrix * wires
    return Cost(size * width + products, elements, 12 + 10 * wires, 0.0, size + 2 * elements)


def _measuring_cost(measurement: Measurement, size: int) -> Cost:
    match measurement:
        case Expectation() | Variance():
            return Cost(size, 0.0, 1, 4.0 * size)
        case Probabilities(on):
            return Cost(4.0 ** len(on), 0.0, 1, 4 * 4.0 ** len(on))
        case DensityMatrix(on):
            elements = 2 * 4.0 ** len(on)
            return Cost(
                8 * elements * len(on),
                2 * elements * len(on),
                5 + 5 * len(on),
                0.0,
                4 * elements * len(on),
            )
        case Purity(on):
            return Cost(0.0, 2 * 4.0 ** len(on), 5, 0.0, 2 * 4.0 ** len(on))
        case Entropy() | MutualInformation():
            return entropy.count(measurement)
        case State():
            raise AssertionError("law I14: a density matrix is no state")
        case _:
            assert_never(measurement)
