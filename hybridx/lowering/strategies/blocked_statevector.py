"""The whole state, a layer of gates in a few matrix products: for circuits too wide to fold.

There are two routes, and the one with the least predicted time is taken. On the first, gates become
real matrices between phases (`real_factors.py`), and the phases of a layer are applied together
(`phase_layers.py`). On the second, only phases of parameters are phases; all else is complex
matrices, which are more arithmetic and fewer passes over the state. On both, the matrices on a
block of wires are applied together (`gate_blocks.py`).

The first gates give a product of small states, computed from the Fourier modes of its parameters.
Measurements that are signed sums of products of amplitudes are contracted a few wires at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    Angle,
    Apply,
    Circuit,
    Matrix,
    Prepare,
    Probabilities,
    PureOperation,
    Unitary,
    wires_of,
)
from hybridx.lowering.analysis.gate_blocks import (
    COMPLEX,
    MOST_CONTROLS,
    MOST_MODES,
    WIDEST,
    Move,
    Shuffle,
    Window,
    move_cost,
    plan_windows,
)
from hybridx.lowering.analysis.gate_blocks import Step as BlockStep
from hybridx.lowering.analysis.phase_layers import carried, phase_layers_of
from hybridx.lowering.analysis.phase_polynomial import Mask, Phases
from hybridx.lowering.analysis.product_encoding import embed, product_spectrum, zero_state
from hybridx.lowering.analysis.real_factors import (
    Factor,
    MatrixFactor,
    constant_factor,
    matrix_factors_of,
    real_factors_of,
)
from hybridx.lowering.analysis.trig_polynomial import (
    Axes,
    Basis,
    Frequency,
    Spectrum,
    has_parameter,
    multiply,
    spectrum_of,
)
from hybridx.lowering.blocks import entropy
from hybridx.lowering.blocks.angles import features
from hybridx.lowering.blocks.apply_phases import apply_phases, given_phases, is_sum
from hybridx.lowering.blocks.entries import combine
from hybridx.lowering.blocks.measure_parities import (
    Parities,
    are_diagonal,
    describe_parities,
    measure_parities,
    parities_of,
)
from hybridx.lowering.blocks.measure_state import measure, product_columns, with_batch
from hybridx.lowering.blocks.real_form import real_columns, real_form
from hybridx.lowering.blocks.state import (
    Amplitudes,
    Span,
    bring_last,
    is_reversed,
    is_unitary,
    reversed_vjp,
    state_size,
)
from hybridx.lowering.cost import EASY, MOST_IN_FILE, Cost
from hybridx.lowering.machines.machine import Machine
from hybridx.lowering.plan import Plan, Reason, exceeds, list_lines, name_wires, pure_operations
from hybridx.lowering.strategies import statevector
from hybridx.program import (
    Builder,
    Program,
    Value,
    row_size,
    vjp,
)

_BLOCK = 5  # wires of a part of the first state
_MOST_FIRST = 256  # modes of such a part
_NS_SUM = 0.2  # for each element of the state, to sum squares of real and imaginary parts
_NS_SUMMED = 20.0  # for each product of a sum
_RUN = 16  # numbers that a sum takes as one
_SMALL_PRODUCT = 40  # elements that are written in the time a product of two matrices starts


@dataclass(frozen=True, eq=False)
class Diagonal:
    """Phases on the state, whose axes have an order, real and imaginary parts first."""

    phases: Phases
    order: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dense:
    """An operation that is no real matrix between phases."""

    operation: PureOperation
    order: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Widen:
    """Imaginary parts of zero for a state that was real."""


_Step: TypeAlias = Diagonal | BlockStep | Dense | Widen
_Known: TypeAlias = dict[object, tuple[Value, ...]]  # values that several steps need


@dataclass(frozen=True, eq=False)
class Given:
    """A state of all wires.

    Attributes:
        real: its amplitudes before the phases.
        phases: that do not depend on a parameter; None leaves the state real.
    """

    real: tuple[Angle, ...]
    phases: Phases | None


@dataclass(frozen=True, slots=True)
class _Block:
    """Neighbouring wires, with the operations before their first gate with other wires."""

    wires: tuple[int, ...]
    operations: tuple[PureOperation, ...]


@dataclass(frozen=True, eq=False)
class BlockedStatevectorPlan(Plan):
    """What is to be done with the state, before any matrix is built.

    Attributes:
        axes: of the frequencies.
        given: what the state begins with, if the circuit prepares it.
        blocks: whose product the state begins with, if it is not given.
        steps: on the whole state.
        order: of its axes at the end.
        parities: the results, if all are sums of parities; permutations at the end of the circuit
            are in them.
        squared: on the squares of the amplitudes, if those are the results: permutations.
    """

    axes: Axes
    given: Given | None
    blocks: tuple[_Block, ...]
    steps: tuple[_Step, ...]
    order: tuple[int, ...]
    parities: tuple[Parities, ...] | None
    squared: tuple[BlockStep, ...] | None

    def describe(self) -> str:
        """Return what the state begins with, a line for each step, and the results."""
        if self.given:
            lines = [f"start: {len(self.given.real)} given amplitudes"]
        else:
            lines = [
                f"start: {len(block.operations)} operations on {name_wires(block.wires)}"
                for block in self.blocks
            ]
        lines += list_lines([_describe_step(step) for step in self.steps])
        if self.squared is None:
            return "\n".join([*lines, describe_parities(self.parities)])
        lines += list_lines([f"on probabilities: {_describe_step(step)}" for step in self.squared])
        return "\n".join([*lines, "results: probabilities of all wires"])

    def build(self) -> Program:
        """Return the program: exact but for rounding; float32 gives about 1e-6 at 16 wires."""
        builder, results, _ = self._built(shares=True)
        return builder.build(results, state_size(self.circuit))

    def build_vjp(self) -> Program:
        """Return the program of the gradient; of many wires it runs the circuit backwards."""
        gradient = vjp(self.build())
        if not is_reversed(gradient, self.circuit):
            return gradient
        return reversed_vjp(*self._built(shares=False), self.circuit)

    def _built(self, *, shares: bool) -> tuple[Builder, Value, list[Span]]:
        """Return the builder, the results, and the states before and after each unitary.

        Args:
            shares: compute phases and matrices of equal steps once. They are then kept from the
                first step to the last; a circuit that runs backwards rather computes them again.
        """
        circuit = self.circuit
        builder = Builder(circuit.parameters)
        dense = [step.operation for step in self.steps if isinstance(step, Dense)]
        sin_cos = statevector.sin_cos_of(builder, dense)
        if self.given:
            state = combine(builder, self.given.real)
            if self.given.phases is not None:
                order = tuple(range(circuit.wires))
                state = given_phases(builder, state, self.given.phases, order)
        else:
            state = _first_state(builder, self.blocks, self.axes)
        spans: list[Span] = []
        known: dict[object, tuple[Value, ...]] = {}  # uploads of the same data have equal steps
        for step in self.steps:
            before = state
            known = known if shares else {}
            match step:
                case Diagonal(phases, order):
                    state = apply_phases(builder, state, phases, order[1:], self.axes, known)
                case Window() | Move() | Shuffle():
                    state = _applied(builder, state, step, self.axes, known)
                case Widen():
                    parts = builder.reshape(state, (state.shape[0], 1, row_size(state.shape)))
                    state = builder.multiply(parts, builder.constant([[[1.0], [0.0]]]))
                case Dense():
                    amplitudes = Amplitudes(_flat(builder, state), step.order)
                    amplitudes = statevector.apply(builder, amplitudes, step.operation, sin_cos)
                    state = bring_last(builder, amplitudes, step.order).value
                case _:
                    assert_never(step)
            if not isinstance(step, Dense) or is_unitary(step.operation):
                spans.append((before, state))
        state = _flat(builder, state)
        if self.squared is not None:
            results = _probabilities(builder, state, self.order, self.squared, self.axes, known)
        elif self.parities is None:
            results = measure(builder, Amplitudes(state, self.order), circuit)
        else:
            results = with_batch(
                builder, measure_parities(builder, state, self.order[1:], self.parities)
            )
        return builder, results, spans


def plan(circuit: Circuit, machine: Machine) -> BlockedStatevectorPlan | Reason:
    """Return the plan of a circuit for a machine, or why the strategy does not apply."""
    found = routes(circuit)
    if isinstance(found, Reason):
        return found
    return min(found, key=lambda one: one.cost.time(machine))


def routes(circuit: Circuit) -> tuple[BlockedStatevectorPlan, ...] | Reason:
    """Return the plans of both routes, or why the strategy does not apply."""
    operations = pure_operations(circuit)
    if isinstance(operations, Reason):
        return operations
    too_large = exceeds(statevector.constant_bytes(circuit), MOST_IN_FILE)
    if too_large:
        return too_large
    axes = Axes.of(circuit)
    blocks, rest = _first_blocks(circuit.wires, operations, axes)
    wires = tuple(range(circuit.wires))
    given: tuple[Angle, ...] | None = None
    match rest:
        case (Prepare(on, real, ()), *after) if on == wires:
            given, rest = real, tuple(after)
    ends = _Ends.of(circuit)
    kept = (COMPLEX, *wires)
    found: list[BlockedStatevectorPlan] = []
    for whole, order in ((False, kept), (True, wires if given else kept)):
        route = _route(rest, axes, order, ends, whole=whole)
        found.append(_plan(circuit, axes, ends, given, blocks, route))
    return tuple(found)


def _plan(
    circuit: Circuit,
    axes: Axes,
    ends: _Ends,
    given: tuple[Angle, ...] | None,
    blocks: tuple[_Block, ...],
    route: _Route,
) -> BlockedStatevectorPlan:
    """Return the plan of a route."""
    steps, start = route.steps, None
    if given:
        start = Given(given, Phases({}) if route.is_complex_first else None)
        match steps:
            case [Diagonal(phases), *others] if phases.is_constant and route.is_complex_first:
                start, steps = Given(given, phases), others
    parities = ends.parities
    # As a pass over circuits this would turn short Pauli words into long ones, with larger light
    # cones for every other strategy.
    for permutation in reversed(route.left) if route.squared is None else ():
        assert parities is not None
        assert permutation.affine is not None
        parities = tuple(one.before(permutation.affine[0]) for one in parities)
    cost = _count(circuit, start, blocks, (steps, route.squared), parities)
    return BlockedStatevectorPlan(
        circuit, cost, axes, start, blocks, tuple(steps), route.order, parities, route.squared
    )


@dataclass(frozen=True, eq=False)
class _Ends:
    """What a circuit measures, as far as the steps before depend on it.

    Attributes:
        wires: of the circuit.
        parities: the results, if all are sums of parities.
        are_squares: the results are the probabilities of all wires in order, too many for parities.
        sees_phases: phases at the end make a difference.
    """

    wires: int
    parities: tuple[Parities, ...] | None
    are_squares: bool
    sees_phases: bool

    @classmethod
    def of(cls, circuit: Circuit) -> _Ends:
        """Return them for a circuit."""
        wires = tuple(range(circuit.wires))
        parities = parities_of(circuit.measurements)
        match circuit.measurements:
            case (Probabilities(on),) if on == wires and parities is None:
                are_squares = True
            case _:
                are_squares = False
        return cls(circuit.wires, parities, are_squares, not are_diagonal(circuit.measurements))

    @property
    def takes_permutations(self) -> bool:
        """Whether permutations at the end are in the results."""
        return not self.sees_phases and (bool(self.parities) or self.are_squares)

    def nanoseconds(self, order: tuple[int, ...]) -> float:
        """Return for each element of the state what an order of its axes costs at the end."""
        if self.are_squares:
            others = tuple(axis for axis in order if axis != COMPLEX)
            sums = 0.0
            if COMPLEX in order:
                behind = 2.0 ** (len(order) - 1 - order.index(COMPLEX))
                sums = _NS_SUM if behind < _RUN else _NS_SUM / 2 + _NS_SUMMED / behind
            return sums + move_cost(others, tuple(range(self.wires))) / 2
        if self.parities is not None:
            return _to_front(order)
        return move_cost(order, (COMPLEX, *range(self.wires))) if COMPLEX in order else _NS_SUM


def _to_front(order: tuple[int, ...]) -> float:
    """Return what it costs for each element to bring real and imaginary parts to the front."""
    return move_cost(order, _fronted(order)) if COMPLEX in order else _NS_SUM


def _fronted(order: tuple[int, ...]) -> tuple[int, ...]:
    return (COMPLEX, *(axis for axis in order if axis != COMPLEX))


@dataclass(eq=False)
class _Route:
    """Steps as they are found.

    Attributes:
        order: of the axes after them.
        is_complex_first: the state has imaginary parts before the first step.
        steps: on the whole state.
        left: permutations after them.
        squared: the steps on the squares, where the results are squares.
    """

    order: tuple[int, ...]
    is_complex_first: bool
    steps: list[_Step] = field(default_factory=list)
    left: list[MatrixFactor] = field(default_factory=list)
    squared: tuple[BlockStep, ...] | None = None

    def prepare(self) -> None:
        """Append steps after which real and imaginary parts are the first axis."""
        after = _fronted(self.order)
        if COMPLEX not in self.order:
            self.steps.append(Widen())
        elif after != self.order:
            self.steps.append(Move(self.order, after))
        self.order = after

    def append_factors(self, factors: Sequence[Factor], axes: Axes, ends: _Ends | None) -> None:
        """Append the steps of some factors.

        Args:
            factors: in an order in which they act.
            axes: of the frequencies.
            ends: what is measured then; None if an operation follows.
        """
        layers, last = phase_layers_of(factors)
        for number, layer in enumerate(layers):
            angles = layer.phases.angles
            for permutation in reversed(self.left):
                assert permutation.affine is not None
                angles = carried(angles, permutation.affine[0])
            if angles:
                self._append_phases(Phases(angles))
            is_last = number == len(layers) - 1 and (ends is None or not last.angles)
            self._append_windows(
                _joined([*self.left, *layer.matrices], axes),
                everything=number == len(layers) - 1
                and not (ends is not None and ends.takes_permutations),
                finish=ends.nanoseconds if is_last and ends is not None else _to_front,
            )
        if last.angles and (ends is None or ends.sees_phases):
            self._append_phases(last)

    def _append_phases(self, phases: Phases) -> None:
        self.prepare()
        self.steps.append(Diagonal(phases, self.order))

    def _append_windows(
        self,
        factors: Sequence[MatrixFactor],
        *,
        everything: bool,
        finish: Callable[[tuple[int, ...]], float],
    ) -> None:
        windows, self.left = plan_windows(factors, self.order, everything=everything, finish=finish)
        self.steps += windows
        self.order = windows[-1].after if windows else self.order


def _route(
    operations: Sequence[PureOperation],
    axes: Axes,
    order: tuple[int, ...],
    ends: _Ends,
    *,
    whole: bool,
) -> _Route:
    """Return the steps of some operations.

    Args:
        operations: in order.
        axes: of the frequencies.
        order: of the axes before them.
        ends: what is measured after them.
        whole: what is constant is complex matrices; otherwise real ones between phases.
    """
    route = _Route(order, COMPLEX in order)
    factors: list[Factor] = []
    for operation in operations:
        find = matrix_factors_of if whole else real_factors_of
        found = find(operation, axes) if _has_spectrum(operation) else None
        if found is not None and all(map(_fits, found)):
            factors += found
            continue
        route.append_factors(factors, axes, None)
        route.prepare()
        factors = []
        route.steps.append(Dense(operation, route.order))
    if not ends.sees_phases:
        factors = _without_last_phases(factors)
    route.append_factors(factors, axes, ends)
    if ends.are_squares:
        wires = tuple(range(ends.wires))
        others = tuple(axis for axis in route.order if axis != COMPLEX)
        steps, _ = plan_windows(
            route.left, others, everything=True, finish=lambda after: move_cost(after, wires)
        )
        last = steps[-1].after if steps else others
        route.squared = (*steps, Move(last, wires)) if last != wires else steps
    elif ends.parities is not None or COMPLEX not in route.order:
        route.prepare()
    return route


def _without_last_phases(factors: Sequence[Factor]) -> list[Factor]:
    """Return factors without the phases that nothing mixes any more."""
    kept: list[Factor] = []
    mixed: Mask = 0  # wires on which phases make a difference
    for factor in reversed(factors):
        if isinstance(factor, Phases):
            is_last = not factor.mask & mixed
        else:
            wires = factor.targets | factor.controls
            is_last = not factor.targets and not wires & mixed
            if factor.affine is None:
                mixed |= factor.targets
            elif wires & mixed:
                mixed |= wires  # it takes the phases of one of its wires to the others
        if not is_last:
            kept.append(factor)
    return kept[::-1]


def _joined(factors: Sequence[MatrixFactor], axes: Axes) -> list[MatrixFactor]:
    """Return matrices with neighbours on one wire, constant and complex, as one."""
    joined: list[MatrixFactor] = []
    last: dict[int, int] = {}
    for factor in factors:
        place = last.get(factor.wires[0]) if len(factor.wires) == 1 else None
        before = joined[place] if place is not None else None
        if (
            place is not None
            and before is not None
            and before.wires == factor.wires
            and before.is_constant
            and factor.is_constant
            and not (before.is_real and factor.is_real)
        ):
            (matrix,) = multiply(factor.spectrum, before.spectrum).values()
            joined[place] = constant_factor(factor.wires, matrix, axes)
            continue
        for wire in factor.wires:
            last[wire] = len(joined)
        joined.append(factor)
    return joined


def _fits(factor: Factor) -> bool:
    """Return whether a factor is phases, or a matrix that some window can apply."""
    if isinstance(factor, Phases):
        return True
    is_narrow = len(factor.wires) <= WIDEST + MOST_CONTROLS
    return is_narrow and factor.targets.bit_count() <= WIDEST


def _has_spectrum(operation: PureOperation) -> bool:
    """Return whether an operation is a gate, or a matrix of numbers."""
    match operation:
        case Apply():
            return True
        case Unitary():
            return not has_parameter(operation)
        case Prepare():
            return False
        case _:
            assert_never(operation)


def _first_blocks(
    wires_in_all: int, operations: Sequence[PureOperation], axes: Axes
) -> tuple[tuple[_Block, ...], tuple[PureOperation, ...]]:
    """Return blocks with their operations, and the operations from the first on two blocks on."""
    count = -(-wires_in_all // _BLOCK)
    bounds = [wires_in_all * index // count for index in range(count + 1)]
    wires = [tuple(range(a, b)) for a, b in pairwise(bounds)]
    home = {wire: index for index, block in enumerate(wires) for wire in block}
    own: list[list[PureOperation]] = [[] for _ in wires]
    nothing = (0,) * len(axes.pairs)
    modes: list[set[Frequency]] = [{nothing} for _ in wires]
    joined: set[int] = set()
    met: set[int] = set()  # other wires of their block
    rest: list[PureOperation] = []
    for operation in operations:
        acted = wires_of(operation)
        blocks = {home[wire] for wire in acted}
        takes = len(blocks) == 1 and joined.isdisjoint(acted)
        if takes and has_parameter(operation):
            (block,) = blocks
            spectrum = spectrum_of(operation, axes) if _has_spectrum(operation) else {}
            grown = {_sum(one, other) for one in modes[block] for other in spectrum}
            # What is left here is a layer of phases of the whole state. After gates on two wires
            # there is one anyway, because some of these are on wires of two blocks.
            is_few = len(modes[block]) * len(spectrum) <= MOST_MODES
            is_alone = met.isdisjoint(acted) and len(acted) == 1
            takes = bool(spectrum) and (is_few or (is_alone and len(grown) <= _MOST_FIRST))
            modes[block] = grown if takes else modes[block]
        if takes:
            own[home[acted[0]]].append(operation)
            met.update(acted if len(acted) > 1 else ())
        else:
            joined.update(acted)
            rest.append(operation)
    return tuple(_Block(*one) for one in zip(wires, map(tuple, own), strict=True)), tuple(rest)


def _sum(one: Frequency, other: Frequency) -> Frequency:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _count(
    circuit: Circuit,
    given: Given | None,
    blocks: Sequence[_Block],
    steps: tuple[Sequence[_Step], Sequence[BlockStep] | None],
    parities: Sequence[Parities] | None,
) -> Cost:
    """Return the cost of steps on the whole state, and on its squares."""
    size = 2 ** (circuit.wires + 1)
    if given:
        total = Cost(0, EASY * size, 3, 4 * size, size)
    else:
        total = Cost(2 * size, size / 4, 4 + 3 * len(blocks), 4 * 2**10 * len(blocks), 2 * size)
    for step in steps[0]:
        total += _count_step(step, size)
    if steps[1] is not None:
        total += Cost(0, EASY * 2 * size, 3, 0, 1.5 * size)
        for step in steps[1]:
            total += _count_step(step, size // 2)
    elif parities is None:
        columns = size * sum(map(product_columns, circuit.measurements))
        total += Cost(columns, 2 * size, 6, 4 * columns, 2 * size)
    for one in parities or ():
        total += Cost(16 * size, size / 4, 8, 4 * 32 * len(one.masks), 2 * size)
    return sum(map(entropy.count, circuit.measurements), total)


def _count_step(step: _Step, size: int) -> Cost:
    match step:
        case Window():
            entries, modes = step.entries, step.modes
            built = Cost(modes * entries, entries / 2, 5, 4 * modes * entries, entries)
            elements = size / 10 + _SMALL_PRODUCT * step.products
            own = Cost(size * 2**step.length, elements, 2, 4 * entries, size)
            return own + built if modes > 1 else own
        case Move():
            return Cost(0, size / 16, 2, 0, size)
        case Shuffle():
            return Cost(0, EASY * size, 2, 0, size)
        case Widen():
            return Cost(0, EASY * size, 1, 8, size)
        case Diagonal(phases, order):
            if phases.is_constant:
                return Cost(0, size / 2, 4, 6 * size, 4 * size)
            if is_sum(phases, order[1:]):
                return Cost(3 * size, size / 2, 13, 6 * size, 6 * size)
            return Cost(size * len(phases.angles) / 2, 1.5 * size, 10, 4 * size, 7 * size)
        case Dense(Prepare()):
            return Cost(2 * size, 2 * size, 6, 4, 4 * size)
        case Dense(operation):
            dimension = 2 ** (len(wires_of(operation)) + 1)
            return Cost(size * dimension, 3 * size, 9, 4 * dimension**2, 3 * size)


def _describe_step(step: _Step) -> str:
    match step:
        case Window():
            controls = f", controls {name_wires(step.controls)}" if step.controls else ""
            kind = "constant" if step.modes == 1 else "parametrised"
            field = "complex" if COMPLEX in step.arranged else "real"
            place = f", moved in front of axis {step.place}" if step.moves else ""
            return f"{kind} {field} matrix on {name_wires(step.wires)}{controls}{place}"
        case Move(after=after):
            wires = tuple(axis for axis in after if axis != COMPLEX)
            return f"axes moved to the order of {name_wires(wires)}"
        case Shuffle(order, behind, factors):
            axes = [axis for axis in order[: len(order) - behind] if axis != COMPLEX]
            return f"{len(factors)} permutations on {name_wires(axes)}"
        case Widen():
            return "imaginary parts of zero"
        case Diagonal(phases):
            kind = "constant" if phases.is_constant else "parametrised"
            return f"{kind} phases of {len(phases.angles)} parities"
        case Dense(operation):
            name = operation.gate if isinstance(operation, Apply) else type(operation).__name__
            return f"{name.lower()} on {name_wires(wires_of(operation))} by itself"
        case _:
            assert_never(step)


def _flat(builder: Builder, state: Value) -> Value:
    return builder.reshape(state, (state.shape[0], row_size(state.shape)))


def _first_state(builder: Builder, blocks: Sequence[_Block], axes: Axes) -> Value:
    """Return the product of the blocks' states, shape `(batch or 1, 2, ...)`.

    (a + bi)(c + di): the right factor is given as rows (c, d), the left one as a matrix with rows
    (a, -b) and (b, a) for each of its entries.
    """
    state: Value | None = None
    for block in reversed(blocks):
        start = zero_state(len(block.wires))
        spectrum = product_spectrum(block.wires, block.operations, axes, start)
        basis = Basis.of([spectrum], axes)
        # (features, entries of the block)
        own = basis.on_features(np.array([vector[:, 0] for vector in spectrum.values()]))
        if state is None:
            value = _on_features(builder, basis, real_columns(own), axes)
            state = builder.reshape(value, (value.shape[0], 2, own.shape[1]))
            continue
        rows = real_form(own[..., None])  # of each entry
        value = _on_features(builder, basis, rows.reshape(len(own), -1), axes)
        left = builder.reshape(value, (value.shape[0], 2 * own.shape[1], 2))
        right = builder.reshape(state, (state.shape[0], 2, row_size(state.shape) // 2))
        state = builder.matmul(left, right)
    assert state is not None
    return state


def _on_features(builder: Builder, basis: Basis, columns: NDArray[np.float64], axes: Axes) -> Value:
    """Return features times a matrix, `(batch or 1, columns)`: constant without parameters."""
    if not basis.frequencies.any():
        return builder.constant(columns.sum(axis=0, keepdims=True))
    return builder.matmul(features(builder, basis, axes), builder.constant(columns))


def _applied(builder: Builder, state: Value, step: BlockStep, axes: Axes, known: _Known) -> Value:
    match step:
        case Window():
            return _window(builder, state, step, axes, known)
        case Move(order, after):
            return bring_last(builder, Amplitudes(_flat(builder, state), order), after).value
        case Shuffle():
            return _shuffled(builder, state, step)
        case _:
            assert_never(step)


def _shuffled(builder: Builder, state: Value, step: Shuffle) -> Value:
    """Return the state with basis states in other places, runs of numbers at a time."""
    moved = step.order[: len(step.order) - step.behind]
    states = np.arange(2 ** len(moved))
    for factor in step.factors:
        (matrix,) = factor.spectrum.values()
        forth = np.abs(matrix).argmax(axis=0)
        shifts = [len(moved) - 1 - moved.index(wire) for wire in factor.wires]
        own = np.zeros_like(states)
        for shift in shifts:
            own = own << 1 | states >> shift & 1
        image = forth[own]
        for shift in reversed(shifts):
            states = states & ~(1 << shift) | (image & 1) << shift
            image = image >> 1
    split = builder.reshape(state, (state.shape[0], len(states), 2**step.behind))
    return builder.gather(split, 1, np.argsort(states).tolist())


def _probabilities(
    builder: Builder,
    state: Value,
    order: tuple[int, ...],
    steps: Sequence[BlockStep],
    axes: Axes,
    known: _Known,
) -> Value:
    """Return the probabilities of all wires, which some steps bring into order."""
    value = builder.multiply(state, state)
    if COMPLEX in order:
        value = _summed(builder, value, order)
    for step in steps:
        value = _applied(builder, value, step, axes, known)
    return with_batch(builder, _flat(builder, value))


def _summed(builder: Builder, squared: Value, order: tuple[int, ...]) -> Value:
    """Return the sums over real and imaginary parts: products, as ONNX Runtime sums slowly."""
    rows, size = squared.shape[0], 2 ** len(order)
    behind = 2 ** (len(order) - 1 - order.index(COMPLEX))
    if behind < _RUN:
        ones = np.kron(np.eye(_RUN // behind), np.kron(np.ones((2, 1)), np.eye(behind)))
        split = builder.reshape(squared, (rows, size // len(ones), len(ones)))
        return builder.matmul(split, builder.constant(ones))
    split = builder.reshape(squared, (rows, size // (2 * behind), 2, behind))
    return builder.matmul(builder.constant(np.ones((1, 1, 1, 2))), split)


def _window(builder: Builder, state: Value, window: Window, axes: Axes, known: _Known) -> Value:
    size, rows = 2**window.length, state.shape[0]
    before = _before(window)
    # One matrix for each value of the controls, whatever the other axes are.
    leading = tuple(2 if place % 2 else 1 for place in range(len(before)))
    if window.moves:
        rest = 2 ** (window.start - window.place)
        split = builder.reshape(state, (rows, *before, rest, size))
        order = (*range(1 + len(before)), 2 + len(before), 1 + len(before))
        matrix = _matrix(builder, window, axes, known, leading)
        return builder.matmul(matrix, builder.transpose(split, order))
    if not window.behind:
        # The last run of axes in front are the rows of the product.
        split = builder.reshape(state, (rows, *before, size))
        matrix = _matrix(builder, window, axes, known, leading[:-1], transposed=True)
        return builder.matmul(split, matrix)
    split = builder.reshape(state, (rows, *before, size, 2**window.behind))
    return builder.matmul(_matrix(builder, window, axes, known, leading), split)


def _before(window: Window) -> list[int]:
    """Return the lengths of the axes in front of the product: runs, and controls in between."""
    lengths = [1]
    for axis in window.order[: window.place]:
        if axis in window.controls:
            lengths += [2, 1]
        else:
            lengths[-1] *= 2
    return lengths


def _matrix(
    builder: Builder,
    window: Window,
    axes: Axes,
    known: _Known,
    leading: tuple[int, ...],
    *,
    transposed: bool = False,
) -> Value:
    """Return the matrices of a window, `(batch or 1, *leading, rows, columns)`, perhaps transposed.

    A row is a basis state of the axes after the window, a column one of those before it.
    """
    spectrum = _window_spectrum(window, axes)
    columns = np.array([matrix.reshape(-1) for matrix in spectrum.values()])
    basis = Basis.of([spectrum], axes)
    parts = _parts(window, basis.on_features(columns))
    if transposed:
        parts = parts.swapaxes(2, 3)
    key = "matrix", tuple(spectrum), parts.round(12).tobytes(), leading, parts.shape
    if key not in known:
        value = _on_features(builder, basis, parts.reshape(len(parts), -1), axes)
        known[key] = (builder.reshape(value, (value.shape[0], *leading, *parts.shape[2:])),)
    return known[key][0]


def _parts(window: Window, columns: Matrix) -> NDArray[np.float64]:
    """Return the matrices of a window for the order of its axes before and after it.

    Args:
        window: has the orders.
        columns: for each feature the complex matrices on its wires, one after another.

    Returns:
        Shape `(features, matrices, rows, columns)`.
    """
    count, features = len(window.wires), len(columns)
    matrices = 2 ** len(window.controls)
    square = columns.reshape(features, matrices, 2**count, 2**count)
    labels, inputs = window.wires, window.axes
    if COMPLEX not in window.arranged:
        form: NDArray[np.float64] = square.real
    else:
        form = real_form(square)
        labels = (COMPLEX, *labels)
        if COMPLEX not in inputs:
            form = form[:, :, :, :, :1]
            inputs = (COMPLEX, *inputs)  # of length 1
    lengths = [2] * len(labels)
    entering = [1 if axis == COMPLEX and axis not in window.axes else 2 for axis in labels]
    tensor = form.reshape(features, matrices, *lengths, *entering)
    rows = [2 + labels.index(axis) for axis in window.arranged]
    behind = [2 + len(labels) + labels.index(axis) for axis in inputs]
    return tensor.transpose(0, 1, *rows, *behind).reshape(
        features, matrices, 2 ** len(window.arranged), 2**window.length
    )


def _window_spectrum(window: Window, axes: Axes) -> Spectrum:
    """Return, for all values of the controls one after another, the product of the matrices."""
    size = 2 ** len(window.wires)
    products: list[Spectrum] = []
    for values in product((0, 1), repeat=len(window.controls)):
        at = dict(zip(window.controls, values, strict=True))
        total: Spectrum = {(0,) * len(axes.pairs): np.eye(size, dtype=np.complex128)}
        for factor in window.factors:
            total = multiply(_within(factor, window.wires, at), total)
        products.append(total)
    frequencies = dict.fromkeys(frequency for one in products for frequency in one)
    nothing = np.zeros((size, size), dtype=np.complex128)
    return {
        frequency: np.stack([one.get(frequency, nothing) for one in products])
        for frequency in frequencies
    }


def _within(factor: MatrixFactor, wires: tuple[int, ...], at: Mapping[int, int]) -> Spectrum:
    """Return a matrix on the wires of a window, at given values of its controls outside."""
    count = len(factor.wires)
    inside = [wire for wire in factor.wires if wire not in at]
    index = tuple(at.get(wire, slice(None)) for wire in factor.wires)
    places = [wires.index(wire) for wire in inside]
    return {
        frequency: embed(
            matrix.reshape((2,) * (2 * count))[index + index].reshape(2 ** len(inside), -1),
            places,
            len(wires),
        )
        for frequency, matrix in factor.spectrum.items()
    }
