"""The state as a matrix over two halves of the wires: for data that is uploaded repeatedly.

Data re-uploading alternates parametrised gates on single wires with constant gates that join wires.
All gates inside one half are one matrix, a sum of Fourier modes. With the state as a matrix psi
over the basis states of both halves, a stage is

    psi -> A(x) psi B(x)^T,    psi -> W psi,         exact:

two products of small matrices, and one with a constant matrix for what joins the halves. The state
has axes (a, p, b), p for real and imaginary parts, so that (a, p) and (p, b) are both rows of a
matrix and nothing has to be transposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Apply, Circuit, Matrix, PureOperation, wires_of
from hybridx.lowering.analysis.phase_polynomial import as_phases
from hybridx.lowering.analysis.product_encoding import (
    product_matrix,
    product_spectrum,
    zero_state,
)
from hybridx.lowering.analysis.real_factors import affine_of
from hybridx.lowering.analysis.trig_polynomial import (
    Axes,
    Basis,
    Frequency,
    Spectrum,
    constant_matrix,
    has_parameter,
    spectrum_of,
)
from hybridx.lowering.blocks import entropy
from hybridx.lowering.blocks.angles import features
from hybridx.lowering.blocks.measure_parities import (
    Parities,
    are_diagonal,
    describe_parities,
    measure_parities,
    parities_of,
)
from hybridx.lowering.blocks.measure_state import measure, product_columns, with_batch
from hybridx.lowering.blocks.real_form import real_form
from hybridx.lowering.blocks.state import COMPLEX, Amplitudes
from hybridx.lowering.cost import MOST_LAYERED, Cost
from hybridx.lowering.plan import Plan, Reason, exceeds, list_lines, name_wires, pure_operations
from hybridx.program import Builder, Program, Value

_MOST_WIRES = 10  # halves of more have too many modes
_MOST_MODES = 256  # of a half in one stage
_SMALL_PRODUCT = 75  # elements that are written in the time a small product takes to start


@dataclass(frozen=True, eq=False)
class BipartiteStage:
    """What acts inside the halves, then what joins them.

    Attributes:
        inside: the operations of each half, in order.
        joint: constant operations, in order.
    """

    inside: tuple[tuple[PureOperation, ...], tuple[PureOperation, ...]]
    joint: tuple[PureOperation, ...]


@dataclass(frozen=True, eq=False)
class BipartitePlan(Plan):
    """A circuit in stages.

    Attributes:
        axes: of the frequencies.
        wires: of each half, in order.
        stages: in order.
        frequencies: of each half, those of all its stages.
        parities: the results, if all are sums of parities; permutations at the end of the circuit
            are in them.
    """

    axes: Axes
    wires: tuple[tuple[int, ...], tuple[int, ...]]
    stages: tuple[BipartiteStage, ...]
    frequencies: tuple[tuple[Frequency, ...], tuple[Frequency, ...]]
    parities: tuple[Parities, ...] | None

    def describe(self) -> str:
        """Return the halves, and a line for each stage."""
        lines = [
            f"{name_wires(wires)}: {len(frequencies)} Fourier modes"
            for wires, frequencies in zip(self.wires, self.frequencies, strict=True)
        ]
        stages = [
            f"stage {number}: {len(stage.inside[0])} and {len(stage.inside[1])} operations inside "
            f"the halves, then {len(stage.joint)} constant ones that join them"
            for number, stage in enumerate(self.stages)
        ]
        return "\n".join([*lines, *list_lines(stages), describe_parities(self.parities)])

    def build(self) -> Program:
        """Return the program: exact but for rounding; float32 gives about 1e-6 at 8 wires."""
        circuit = self.circuit
        builder = Builder(circuit.parameters)
        left, right = (_Half(builder, self, side) for side in (0, 1))
        size = 2**circuit.wires
        state: Value | None = None
        for number, stage in enumerate(self.stages):
            # Real and imaginary parts are put in front, unless the next stage follows at once.
            in_front = bool(stage.joint) or number == len(self.stages) - 1
            if state is None:
                column = left.columns(stage, in_front=in_front)
                state = builder.matmul(column, right.row(stage))
            else:
                rows = state.shape[0]
                split = builder.reshape(state, (rows, left.size, 2 * right.size))
                product = builder.matmul(split, right.behind(stage))
                rows = product.shape[0]
                split = builder.reshape(product, (rows, 2 * left.size, right.size))
                state = builder.matmul(left.in_front(stage, in_front=in_front), split)
            if stage.joint:
                flat = builder.reshape(state, (state.shape[0], 2 * size))
                is_last = number == len(self.stages) - 1
                weights = _joint(stage, (left.size, right.size), in_front=is_last)
                state = builder.matmul(flat, builder.constant(weights))
        assert state is not None
        flat = builder.reshape(state, (state.shape[0], 2 * size))
        order = tuple(range(circuit.wires))
        if self.parities is None:
            return builder.build(measure(builder, Amplitudes(flat, (COMPLEX, *order)), circuit))
        return builder.build(
            with_batch(builder, measure_parities(builder, flat, order, self.parities))
        )


def plan(circuit: Circuit) -> BipartitePlan | Reason:
    """Return the plan of a circuit, or why the strategy does not apply."""
    if not 2 <= circuit.wires <= _MOST_WIRES:
        return Reason(f"the halves of {circuit.wires} wires are no small matrices")
    operations = pure_operations(circuit)
    if isinstance(operations, Reason):
        return operations
    cut = (circuit.wires + 1) // 2
    wires = tuple(range(cut)), tuple(range(cut, circuit.wires))
    axes = Axes.of(circuit)
    growing = [_Growing(axes)]
    for operation in operations:
        if has_parameter(operation) and not isinstance(operation, Apply):
            return Reason("a state or a matrix holds a parameter")
        sides = {int(wire >= cut) for wire in wires_of(operation)}
        if len(sides) == 2 and has_parameter(operation):
            return Reason("a gate with a parameter joins the halves")
        _place(growing, operation, sides, axes)
    if sum(one.is_parametrised for one in growing) < 2:
        return Reason("its parameters enter once")
    parities = parities_of(circuit.measurements)
    if parities is not None and are_diagonal(circuit.measurements):
        parities = _peel(growing[-1].joint, parities)
    modes = tuple(
        tuple(dict.fromkeys(f for one in growing for f in one.frequencies[side])) for side in (0, 1)
    )
    frequencies = (modes[0], modes[1])
    stages = tuple(
        BipartiteStage((tuple(s.inside[0]), tuple(s.inside[1])), tuple(s.joint)) for s in growing
    )
    cost = _count(circuit, wires, stages, frequencies)
    return exceeds(cost.constant_bytes, MOST_LAYERED) or BipartitePlan(
        circuit,
        sum(map(entropy.count, circuit.measurements), cost),
        axes,
        wires,
        stages,
        frequencies,
        parities,
    )


class _Growing:
    """A stage that takes more operations."""

    def __init__(self, axes: Axes) -> None:
        self.inside: tuple[list[PureOperation], list[PureOperation]] = ([], [])
        self.joint: list[PureOperation] = []
        constant = {(0,) * len(axes.pairs)}
        self.frequencies: list[set[Frequency]] = [constant, constant]

    @property
    def is_parametrised(self) -> bool:
        """Whether a parameter is in it."""
        return any(has_parameter(one) for inside in self.inside for one in inside)

    def touches(self, operation: PureOperation) -> bool:
        """Return whether an operation shares a wire with those in it."""
        own = set(wires_of(operation))
        every = (*self.inside[0], *self.inside[1], *self.joint)
        return any(own.intersection(wires_of(one)) for one in every)

    def joins(self, operation: PureOperation) -> bool:
        """Return whether an operation shares a wire with one that joins the halves."""
        own = set(wires_of(operation))
        return any(own.intersection(wires_of(one)) for one in self.joint)

    def grown(self, side: int, modes: Sequence[Frequency]) -> set[Frequency]:
        """Return the frequencies of a half with one more factor."""
        return {
            tuple(a + b for a, b in zip(one, other, strict=True))
            for one in self.frequencies[side]
            for other in modes
        }


def _place(stages: list[_Growing], operation: PureOperation, sides: set[int], axes: Axes) -> None:
    """Put an operation into the earliest stage that the others allow."""
    number = len(stages) - 1
    while number and not stages[number].touches(operation):
        number -= 1
    if len(sides) == 2 or (stages[number].joins(operation) and not has_parameter(operation)):
        stages[number].joint.append(operation)
        return
    (side,) = sides
    number += stages[number].joins(operation)
    if number == len(stages):
        stages.append(_Growing(axes))
    modes = tuple(spectrum_of(operation, axes))
    # All stages take their matrices from the same modes, so the stage that adds fewest is best.
    known = {one for stage in stages for one in stage.frequencies[side]}
    possible = [
        stage for stage in stages[number:] if len(stage.grown(side, modes)) <= _MOST_MODES
    ] or [_Growing(axes)]
    chosen = min(possible, key=lambda stage: len(known.union(stage.grown(side, modes))))
    if chosen not in stages:
        stages.append(chosen)
    chosen.frequencies[side] = chosen.grown(side, modes)
    chosen.inside[side].append(operation)


def _peel(joint: list[PureOperation], parities: tuple[Parities, ...]) -> tuple[Parities, ...]:
    """Remove phases and permutations from the end; return the parities to measure before them.

    As a pass over circuits this would turn short Pauli words into long ones, with larger light
    cones for every other strategy.
    """
    while joint:
        wires, matrix = wires_of(joint[-1]), constant_matrix(joint[-1])
        permutation = affine_of(wires, matrix)
        if permutation is not None:
            parities = tuple(one.before(permutation[0]) for one in parities)
        elif as_phases(wires, {(): matrix}) is None:
            return parities
        joint.pop()
    return parities


def _count(
    circuit: Circuit,
    wires: Sequence[tuple[int, ...]],
    stages: Sequence[BipartiteStage],
    frequencies: Sequence[tuple[Frequency, ...]],
) -> Cost:
    """Return the cost of all but entropies."""
    size = 2 ** (circuit.wires + 1)
    columns = size * sum(map(product_columns, circuit.measurements))
    total = Cost(columns, size, 4, 4 * columns, size)
    for half, modes in zip(wires, frequencies, strict=True):
        features = len(modes)
        total += Cost(
            features * circuit.parameters, features, 3, 4 * features, numbers=3 * features
        )
        for stage in stages:
            is_first = stage is stages[0]
            entries = 4 * 2 ** len(half) * (1 if is_first else 2 ** len(half))
            total += Cost(features * entries, entries / 8, 2, 4 * features * entries, entries)
            if not is_first:
                total += Cost(2 * size * 2 ** len(half), _SMALL_PRODUCT, 2, 0, size)
    for stage in stages:
        if stage.joint:
            total += Cost(size * size, 0, 2, 4 * size * size, size)
    return total


class _Half:
    """The matrices of one half, from features that all stages share."""

    def __init__(self, builder: Builder, found: BipartitePlan, side: int) -> None:
        self._builder, self._axes, self._side = builder, found.axes, side
        self._wires, self._frequencies = found.wires[side], found.frequencies[side]
        self.size = 2 ** len(self._wires)
        self._basis = Basis(np.array(self._frequencies, dtype=np.int64))
        is_parametrised = self._basis.frequencies.any()
        self._features = features(builder, self._basis, self._axes) if is_parametrised else None

    def columns(self, stage: BipartiteStage, *, in_front: bool) -> Value:
        """Return what multiplies real numbers r + is by the first half's state.

        Shape `(batch or 1, 2 size, 2)`; its rows are (p, a) if `in_front`, else (a, p).
        """
        parts = self._embedded(stage, zero_state(len(self._wires)))[..., 0]
        ordered = parts if in_front else parts.transpose(0, 2, 1, 3)
        return self._value(ordered, (2 * self.size, 2))

    def row(self, stage: BipartiteStage) -> Value:
        """Return the second half's state, real parts and imaginary parts."""
        parts = self._embedded(stage, zero_state(len(self._wires)))[:, :, :, 0, 0]
        return self._value(parts, (2, self.size))

    def in_front(self, stage: BipartiteStage, *, in_front: bool) -> Value:
        """Return A: from (a, p) to (p, a) if `in_front`, else to (a, p)."""
        parts = self._embedded(stage, np.eye(self.size, dtype=np.complex128))
        ordered = parts.transpose((0, 1, 2, 4, 3) if in_front else (0, 2, 1, 4, 3))
        return self._value(ordered, (2 * self.size, 2 * self.size))

    def behind(self, stage: BipartiteStage) -> Value:
        """Return B^T: from (p, b) to (p, b)."""
        parts = self._embedded(stage, np.eye(self.size, dtype=np.complex128))
        return self._value(parts.transpose(0, 3, 4, 1, 2), (2 * self.size, 2 * self.size))

    def _embedded(self, stage: BipartiteStage, start: Matrix) -> NDArray[np.float64]:
        """Return the matrices of the features, shape `(features, 2, size, 2, columns)`."""
        spectrum = product_spectrum(self._wires, stage.inside[self._side], self._axes, start)
        return real_form(self._on_features(spectrum, start))

    def _on_features(self, spectrum: Spectrum, start: Matrix) -> Matrix:
        nothing = np.zeros_like(start)
        modes = [spectrum.get(frequency, nothing) for frequency in self._frequencies]
        return self._basis.on_features(np.array(modes))

    def _value(self, parts: NDArray[np.float64], shape: tuple[int, int]) -> Value:
        columns = parts.reshape(len(parts), -1)
        if self._features is None:
            value = self._builder.constant(columns.sum(axis=0, keepdims=True))
        else:
            value = self._builder.matmul(self._features, self._builder.constant(columns))
        return self._builder.reshape(value, (value.shape[0], *shape))


def _joint(stage: BipartiteStage, sizes: tuple[int, int], *, in_front: bool) -> NDArray[np.float64]:
    """Return W from rows (p, a, b) to rows (p, a, b) if `in_front`, else to rows (a, p, b)."""
    size = sizes[0] * sizes[1]
    wires = tuple(range(size.bit_length() - 1))
    parts = real_form(product_matrix(wires, stage.joint)).reshape(2, *sizes, 2 * size)
    ordered = parts if in_front else parts.transpose(1, 0, 2, 3)
    matrix: NDArray[np.float64] = ordered.reshape(2 * size, 2 * size).T
    return matrix
