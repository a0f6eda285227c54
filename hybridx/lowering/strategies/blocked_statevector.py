"""The whole state, a layer of gates in a few matrix products: for circuits too wide to fold.

Gates become real matrices between phases (`real_factors.py`), the phases of a layer are applied
together (`phase_layers.py`), and so are the real matrices on a block of wires (`gate_blocks.py`).
The first gates give a product of small states, computed from the Fourier modes of its parameters.
Measurements that are signed sums of products of amplitudes are contracted a few wires at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    Angle,
    Apply,
    Circuit,
    Prepare,
    PureOperation,
    Unitary,
    wires_of,
)
from hybridx.lowering.analysis.gate_blocks import (
    MOST_MODES,
    SEARCHES,
    Move,
    Search,
    Window,
    nanoseconds,
    plan_windows,
)
from hybridx.lowering.analysis.phase_layers import carried, phase_layers_of
from hybridx.lowering.analysis.phase_polynomial import Phases
from hybridx.lowering.analysis.product_encoding import embed, product_spectrum, zero_state
from hybridx.lowering.analysis.real_factors import Factor, RealMatrix, real_factors_of
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
from hybridx.lowering.blocks.apply_phases import apply_phases, given_phases, is_sum, key_of
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
    COMPLEX,
    Amplitudes,
    Span,
    bring_last,
    is_unitary,
    reversed_vjp,
    state_size,
)
from hybridx.lowering.cost import EASY, MOST_IN_FILE, Cost
from hybridx.lowering.plan import Plan, Reason, exceeds, list_lines, name_wires, pure_operations
from hybridx.lowering.strategies import statevector
from hybridx.program import (
    Builder,
    Program,
    Value,
    row_size,
)

_BLOCK = 5  # wires of a part of the first state
_MOST_FIRST = 256  # modes of such a part
_NS_PHASES = 0.6  # for each element of the state that constant phases turn
_SMALL_PRODUCT = 40  # elements that are written in the time a product of two matrices starts


@dataclass(frozen=True, eq=False)
class Diagonal:
    """Phases on the state, whose axes have an order."""

    phases: Phases
    order: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dense:
    """An operation that is no real matrix between phases."""

    operation: PureOperation
    order: tuple[int, ...]


_Step: TypeAlias = Diagonal | Window | Move | Dense


@dataclass(frozen=True, eq=False)
class Given:
    """A state of all wires.

    Attributes:
        real: its amplitudes before the phases.
        phases: that do not depend on a parameter.
    """

    real: tuple[Angle, ...]
    phases: Phases


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
    """

    axes: Axes
    given: Given | None
    blocks: tuple[_Block, ...]
    steps: tuple[_Step, ...]
    order: tuple[int, ...]
    parities: tuple[Parities, ...] | None

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
        return "\n".join([*lines, describe_parities(self.parities)])

    def build(self) -> Program:
        """Return the program: exact but for rounding; float32 gives about 1e-6 at 16 wires."""
        builder, results, _ = self._built()
        return builder.build(results, state_size(self.circuit))

    def build_vjp(self) -> Program:
        """Return the program of the gradient; of many wires it runs the circuit backwards."""
        return reversed_vjp(*self._built(), self.circuit)

    def _built(self) -> tuple[Builder, Value, list[Span]]:
        """Return the builder, the results, and the states before and after each unitary."""
        circuit = self.circuit
        builder = Builder(circuit.parameters)
        dense = [step.operation for step in self.steps if isinstance(step, Dense)]
        sin_cos = statevector.sin_cos_of(builder, dense)
        if self.given:
            real = combine(builder, self.given.real)
            state = given_phases(builder, real, self.given.phases, tuple(range(circuit.wires)))
        else:
            state = _first_state(builder, self.blocks, self.axes)
        spans: list[Span] = []
        known: dict[object, tuple[Value, ...]] = {}  # uploads of the same data have equal steps
        for step in self.steps:
            before = state
            match step:
                case Diagonal():
                    state = apply_phases(builder, state, step.phases, step.order, self.axes, known)
                case Window():
                    state = _window(builder, state, step, self.axes, known)
                case Move():
                    amplitudes = Amplitudes(_flat(builder, state), (COMPLEX, *step.order))
                    state = bring_last(builder, amplitudes, step.after).value
                case Dense():
                    amplitudes = Amplitudes(_flat(builder, state), (COMPLEX, *step.order))
                    amplitudes = statevector.apply(builder, amplitudes, step.operation, sin_cos)
                    state = bring_last(builder, amplitudes, (COMPLEX, *step.order)).value
                case _:
                    assert_never(step)
            if not isinstance(step, Dense) or is_unitary(step.operation):
                spans.append((before, state))
        state = _flat(builder, state)
        if self.parities is None:
            amplitudes = Amplitudes(state, (COMPLEX, *self.order))
            results = measure(builder, amplitudes, circuit)
        else:
            results = with_batch(
                builder, measure_parities(builder, state, self.order, self.parities)
            )
        return builder, results, spans


def plan(circuit: Circuit) -> BlockedStatevectorPlan | Reason:
    """Return the plan of a circuit, or why the strategy does not apply."""
    operations = pure_operations(circuit)
    if isinstance(operations, Reason):
        return operations
    too_large = exceeds(statevector.constant_bytes(circuit), MOST_IN_FILE)
    if too_large:
        return too_large
    axes = Axes.of(circuit)
    blocks, rest = _first_blocks(circuit.wires, operations, axes)
    order = tuple(range(circuit.wires))
    given: Given | None = None
    match rest:
        case (Prepare(wires, real, ()), *after) if wires == order:
            given, rest = Given(real, Phases({})), tuple(after)
    parts = _parts(rest, axes)
    found = [_plan_steps(parts, circuit, search) for search in SEARCHES]
    steps, order, left = min(found, key=lambda one: _nanoseconds(one[0]))
    parities = parities_of(circuit.measurements)
    # As a pass over circuits this would turn short Pauli words into long ones, with larger light
    # cones for every other strategy.
    for permutation in reversed(left):
        assert parities is not None
        assert permutation.affine is not None
        parities = tuple(one.before(permutation.affine[0]) for one in parities)
    match steps:
        case [Diagonal(phases), *others] if given and phases.is_constant:
            given, steps = Given(given.real, phases), others
    cost = _count(circuit, given, blocks, steps, parities)
    return BlockedStatevectorPlan(circuit, cost, axes, given, blocks, tuple(steps), order, parities)


def _parts(operations: Sequence[PureOperation], axes: Axes) -> list[list[Factor] | PureOperation]:
    """Return operations as factors, and in between those that have none; factors at the end."""
    parts: list[list[Factor] | PureOperation] = []
    factors: list[Factor] = []
    for operation in operations:
        found = real_factors_of(operation, axes) if _has_spectrum(operation) else None
        if found is not None:
            factors += found
            continue
        parts += [factors, operation]
        factors = []
    return [*parts, factors]


def _plan_steps(
    parts: Sequence[list[Factor] | PureOperation], circuit: Circuit, search: Search
) -> tuple[list[_Step], tuple[int, ...], list[RealMatrix]]:
    """Return the steps, the order of axes after them, and permutations left over."""
    order = tuple(range(circuit.wires))
    steps: list[_Step] = []
    left: list[RealMatrix] = []
    is_diagonal = are_diagonal(circuit.measurements)
    has_parities = bool(parities_of(circuit.measurements))
    for number, part in enumerate(parts):
        if not isinstance(part, list):
            steps.append(Dense(part, order))
            continue
        is_last = number == len(parts) - 1
        order, left = _plan_factors(
            part,
            order,
            steps,
            search,
            sees_phases=not (is_last and is_diagonal),
            everything=not (is_last and is_diagonal and has_parities),
        )
    return steps, order, left


def _nanoseconds(steps: Sequence[_Step]) -> float:
    """Return about what steps take for each element of the state."""
    total = 0.0
    known: set[object] = set()
    for step in steps:
        match step:
            case Window() | Move():
                total += nanoseconds(step)
            case Diagonal(phases, order):
                # To turn the state, and to compute the cosines of parameters.
                key = key_of(phases, order)
                is_known = phases.is_constant or key in known
                total += _NS_PHASES * (1 if is_known else 2 if is_sum(phases, order) else 4)
                known.add(key)
            case Dense():
                pass
    return total


def _plan_factors(
    factors: Sequence[Factor],
    order: tuple[int, ...],
    steps: list[_Step],
    search: Search,
    *,
    sees_phases: bool,
    everything: bool,
) -> tuple[tuple[int, ...], list[RealMatrix]]:
    """Append the steps of some factors; return the order of axes, and permutations left over.

    Args:
        factors: in an order in which they act.
        order: of the axes.
        steps: takes more.
        search: how windows are looked for.
        sees_phases: phases at the end make a difference.
        everything: leave no permutation over.
    """
    layers, last = phase_layers_of(factors)
    left: list[RealMatrix] = []
    for number, layer in enumerate(layers):
        angles = layer.phases.angles
        for permutation in reversed(left):
            assert permutation.affine is not None
            angles = carried(angles, permutation.affine[0])
        if angles:
            steps.append(Diagonal(Phases(angles), order))
        is_last = number == len(layers) - 1
        windows, left = plan_windows(
            [*left, *layer.reals], order, search, everything=is_last and everything
        )
        steps += windows
        order = windows[-1].after if windows else order
    if last.angles and sees_phases:
        steps.append(Diagonal(last, order))
    return order, left


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
    steps: Sequence[_Step],
    parities: Sequence[Parities] | None,
) -> Cost:
    size = 2 ** (circuit.wires + 1)
    if given:
        total = Cost(0, EASY * size, 3, 4 * size, size)
    else:
        total = Cost(2 * size, size / 4, 4 + 3 * len(blocks), 4 * 2**10 * len(blocks), 2 * size)
    for step in steps:
        total += _count_step(step, size)
    if parities is None:
        columns = size * sum(map(product_columns, circuit.measurements))
        total += Cost(columns, 2 * size, 6, 4 * columns, 2 * size)
    for one in parities or ():
        total += Cost(16 * size, size / 4, 8, 4 * 32 * len(one.masks), 2 * size)
    return sum(map(entropy.count, circuit.measurements), total)


def _count_step(step: _Step, size: int) -> Cost:
    match step:
        case Window():
            entries, modes = step.entries, step.modes
            built = Cost(modes * entries, entries / 4, 5, 4 * modes * entries, entries)
            elements = size / 10 + _SMALL_PRODUCT * step.products
            own = Cost(size * 2**step.width, elements, 2, 4 * entries, size)
            return own + built if modes > 1 else own
        case Move():
            return Cost(0, size / 16, 2, 0, size)
        case Diagonal(phases, order):
            if phases.is_constant:
                return Cost(0, size / 2, 4, 6 * size, 4 * size)
            if is_sum(phases, order):
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
            to_front = ", moved to the front" if step.to_front else ""
            return f"{kind} matrix on {name_wires(step.wires)}{controls}{to_front}"
        case Move():
            return f"axes moved to the order of {name_wires(step.after)}"
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


def _window(
    builder: Builder,
    state: Value,
    window: Window,
    axes: Axes,
    known: dict[object, tuple[Value, ...]],
) -> Value:
    size, rows = 2**window.width, state.shape[0]
    behind = 2 ** (len(window.order) - window.start - window.width)
    if window.to_front:
        # (size, size) @ (2, size, rest): the last axes are now in front.
        split = builder.reshape(state, (rows, 2, 2**window.start, size))
        matrix = _matrix(builder, window, axes, known, (1,))
        return builder.matmul(matrix, builder.transpose(split, (0, 1, 3, 2)))
    before = _before(window)
    # One matrix for each value of the controls, whatever the other axes are.
    leading = tuple(2 if place % 2 else 1 for place in range(len(before)))
    if behind == 1:
        # The last run of axes in front are the rows of the product.
        split = builder.reshape(state, (rows, *before, size))
        matrix = _matrix(builder, window, axes, known, leading[:-1], transposed=True)
        return builder.matmul(split, matrix)
    split = builder.reshape(state, (rows, *before, size, behind))
    return builder.matmul(_matrix(builder, window, axes, known, leading), split)


def _before(window: Window) -> list[int]:
    """Return the lengths of the axes in front of a window: runs, and controls in between."""
    lengths = [2]
    for wire in window.order[: window.start]:
        if wire in window.controls:
            lengths += [2, 1]
        else:
            lengths[-1] *= 2
    return lengths


def _matrix(
    builder: Builder,
    window: Window,
    axes: Axes,
    known: dict[object, tuple[Value, ...]],
    leading: tuple[int, ...],
    *,
    transposed: bool = False,
) -> Value:
    """Return the matrices of a window, `(batch or 1, *leading, size, size)`, perhaps transposed."""
    size = 2**window.width
    spectrum = _window_spectrum(window, axes, transposed=transposed)
    columns = np.array([matrix.reshape(-1) for matrix in spectrum.values()])
    key = "matrix", tuple(spectrum), columns.round(12).tobytes(), leading
    if key not in known:
        basis = Basis.of([spectrum], axes)
        value = _on_features(builder, basis, basis.on_features(columns).real, axes)
        known[key] = (builder.reshape(value, (value.shape[0], *leading, size, size)),)
    return known[key][0]


def _window_spectrum(window: Window, axes: Axes, *, transposed: bool) -> Spectrum:
    """Return, for all values of the controls one after another, the product of the matrices."""
    size = 2**window.width
    products: list[Spectrum] = []
    for values in product((0, 1), repeat=len(window.controls)):
        at = dict(zip(window.controls, values, strict=True))
        total: Spectrum = {(0,) * len(axes.pairs): np.eye(size, dtype=np.complex128)}
        for real in window.reals:
            total = multiply(_within(real, window.wires, at), total)
        products.append(total)
    frequencies = dict.fromkeys(frequency for one in products for frequency in one)
    nothing = np.zeros((size, size), dtype=np.complex128)
    return {
        frequency: np.stack(
            [m.T if transposed else m for m in (one.get(frequency, nothing) for one in products)]
        )
        for frequency in frequencies
    }


def _within(real: RealMatrix, wires: tuple[int, ...], at: Mapping[int, int]) -> Spectrum:
    """Return a matrix on the wires of a window, at given values of its controls outside."""
    count = len(real.wires)
    inside = [wire for wire in real.wires if wire not in at]
    index = tuple(at.get(wire, slice(None)) for wire in real.wires)
    places = [wires.index(wire) for wire in inside]
    return {
        frequency: embed(
            matrix.reshape((2,) * (2 * count))[index + index].reshape(2 ** len(inside), -1),
            places,
            len(wires),
        )
        for frequency, matrix in real.spectrum.items()
    }
