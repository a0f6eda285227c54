"""A circuit as flat arrays, which a compiled interpreter runs forward and backward.

Every gate of the table is `U(theta) = C + cos(k theta) A + sin(k theta) B` (`circuit/gate.py`),
and its derivative is `K U(theta)` with a constant matrix K. So one interpreter with a few kinds of
steps runs every circuit of gates; nothing is compiled for a circuit. `compiled/` is the
interpreter.

Amplitudes are numbered as everywhere: wire 0 is the most significant bit of an index.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Final, assert_never

import numpy as np

from hybridx.circuit import (
    GATES,
    Angle,
    Apply,
    Channel,
    Circuit,
    Expectation,
    Matrix,
    Operation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    State,
    Unitary,
    complex_entries,
    result_layout,
)
from hybridx.kernels.order import Order, carried
from hybridx.kernels.steps import (
    Gate,
    Integers,
    Moves,
    Numbers,
    Phases,
    Step,
    as_moves,
    as_phases,
    chosen_bits,
    placed_bits,
)

MAX_GATE_WIRES: Final = 6  # of a step that is neither diagonal nor controlled: 64 x 64 numbers
MAX_WIRES: Final = 24  # a state of float64 in 256 MB
_UNITARY: Final = 1e-5  # a matrix may come from float32, which rounds by 6e-8
_EXACT: Final = 1e-12  # a dozen roundings of numbers of size one


class Kind(IntEnum):
    """What a step does to the amplitudes."""

    REAL = 0  # pairs of amplitudes by a real 2 x 2 matrix: RY, Hadamard
    CROSS = 1  # pairs by a matrix with a real diagonal and imaginary rest: RX
    PAIR = 2  # pairs by any 2 x 2 matrix
    DENSE = 3  # groups of 2**k amplitudes by a 2**k x 2**k matrix
    PERMUTE = 4  # amplitudes in another order
    PHASES = 5  # each amplitude by a phase of its own


class Source(IntEnum):
    """Where the angle of a step comes from."""

    NONE = 0
    SHARED = 1  # one number for the whole batch: a weight
    ROW = 2  # a number for each row: data


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a circuit has no tape."""

    text: str


@dataclass(frozen=True, eq=False)
class Tape:
    """A circuit as arrays; T steps, P data columns, W shared columns, M results, A amplitudes.

    Attributes:
        wires: n; A is 2**n.
        results: M.
        data: P, the columns that differ by row.
        shared: W, the columns that are the same in every row.
        product: how many steps at the start act on single wires of |0...0>.
        steps: `(T, 10)`: kind, source, column, target bit, control mask, control value, run,
            first entry of the matrices, wires k, first of `places`, or of the first `product`
            steps the wire. Of phases that are the same in every row: where in `phases`, how many
            modes, the first of them at 7, 8, 9. Of phases of rows: k at 3, and at 7 the first of
            `places`, which tells for each amplitude what number k wires form; the masks of its
            modes are of these wires.
        angles: `(T, 3)`: scale, offset, rate.
        terms: `(3, E)` complex: C, A, B of all steps, one matrix after another.
        generators: `(E,)` complex: K of all steps, laid out as `terms`.
        places: bits of the wires of a step, or where its amplitudes come from and go to.
        phases: `(F, A)`: radians of each step of phases without its modes.
        modes: `(N, 2)`: mask, and shared column or column of data.
        mode_numbers: `(N, 2)`: scale and offset, radians.
        start: `(S, 5)`: amplitude, and source, column of its real part and of its imaginary part;
            empty where the circuit starts in |0...0>.
        start_numbers: `(S, 4)`: scale and offset of the real part and of the imaginary part.
        diagonal_words: `(D, 2)`: result column and mask of a Pauli word of Z only.
        words: `(O, 4)`: result column, X mask, Z mask, number of Y of any other word.
        coefficients: of `diagonal_words`, then of `words`.
        probabilities: `(Q, A)`: the result column of each amplitude.
        states: first result columns of the amplitudes' real parts.
    """

    wires: int
    results: int
    data: int
    shared: int
    product: int
    steps: Integers
    angles: Numbers
    terms: Matrix
    generators: Matrix
    places: Integers
    phases: Numbers
    modes: Integers
    mode_numbers: Numbers
    start: Integers
    start_numbers: Numbers
    diagonal_words: Integers
    words: Integers
    coefficients: Numbers
    probabilities: Integers
    states: Integers

    @cached_property
    def first_shared(self) -> int:
        """The first step that depends on a shared column; 0 if the initial state does."""
        if (self.start[:, (1, 3)] == Source.SHARED).any():
            return 0
        depends = self.steps[:, 1] == Source.SHARED
        return int(depends.argmax()) if depends.any() else len(self.steps)

    @cached_property
    def widest(self) -> int:
        """The most numbers that the matrix of a step has."""
        dense = self.steps[self.steps[:, 0] == Kind.DENSE, 8]
        return int(4 ** max(1, *dense)) if len(dense) else 4

    @cached_property
    def table(self) -> int:
        """The most phases that a row has in one step."""
        of_rows = (self.steps[:, 0] == Kind.PHASES) & (self.steps[:, 1] == Source.ROW)
        return int(2 ** self.steps[of_rows, 3].max(initial=0))


def tape_of(circuit: Circuit, data: int) -> Tape | Reason:
    """Return a circuit as a tape, or why it has none.

    Args:
        circuit: a well-formed circuit. Its first `data` columns differ by row, the rest are the
            same in every row of a batch.
        data: how many columns differ by row.
    """
    if circuit.wires > MAX_WIRES:
        return Reason(f"it has {circuit.wires} wires; states of up to {MAX_WIRES} are computed")
    writer = _Writer(circuit, data)
    for operation in circuit.operations:
        reason = writer.operation(operation)
        if reason is not None:
            return reason
    for measurement, result in zip(circuit.measurements, result_layout(circuit), strict=True):
        match measurement:
            case Expectation(terms):
                writer.expectation(terms, result.offset)
            case Probabilities(wires):
                writer.probabilities.append(
                    result.offset + chosen_bits(writer.indices, writer.bits(wires))
                )
            case State():
                writer.states.append(result.offset)
            case _:
                return Reason(f"it measures {type(measurement).__name__.lower()}")
    return writer.tape()


class _Writer:
    """Collects the arrays of a tape."""

    def __init__(self, circuit: Circuit, data: int) -> None:
        self.circuit, self.data = circuit, data
        self.indices = np.arange(2**circuit.wires, dtype=np.int64)
        self.order = Order(self.indices)
        self.steps: list[tuple[int, ...]] = []
        self.angles: list[tuple[float, float, float]] = []
        self.terms: list[Matrix] = []
        self.generators: list[Matrix] = []
        self.places: list[Integers] = []
        self.phases: list[Numbers] = []
        self.modes: list[tuple[int, int]] = []
        self.mode_numbers: list[tuple[float, float]] = []
        self.starts: list[tuple[Prepare, Integers]] = []
        self.diagonal_words: list[tuple[int, int]] = []
        self.words: list[tuple[int, int, int, int]] = []
        self.diagonal_coefficients: list[float] = []
        self.coefficients: list[float] = []
        self.probabilities: list[Integers] = []
        self.states: list[int] = []

    def bit(self, wire: int) -> int:
        return 1 << (self.circuit.wires - 1 - wire)

    def bits(self, wires: Sequence[int]) -> list[int]:
        return [self.bit(wire) for wire in wires]

    def operation(self, operation: Operation) -> Reason | None:
        match operation:
            case Apply(controls=controls, control_values=values):
                gate = GATES[operation.gate]
                gate = gate.adjoint() if operation.adjoint else gate
                zero = np.zeros_like(gate.constant)
                cosine = zero if gate.cosine is None else gate.cosine
                sine = zero if gate.sine is None else gate.sine
                terms, rate, angle = (
                    np.stack([gate.constant, cosine, sine]),
                    gate.rate,
                    operation.angle,
                )
                held = tuple(zip(self.bits(controls), values, strict=True))
            case Unitary(wires, real, imaginary):
                if any(isinstance(entry, Parameter) for entry in real + imaginary):
                    return Reason("a matrix in it is not constant")
                size = 2 ** len(wires)
                terms = np.zeros((3, size, size), dtype=np.complex128)
                terms[0] = complex_entries(real, imaginary).reshape(size, size)
                if np.abs(terms[0] @ terms[0].conj().T - np.eye(size)).max() > _UNITARY:
                    return Reason("a matrix in it is not unitary")
                rate, angle, held = 1.0, None, ()
            case Prepare():
                return self._start(operation)
            case Channel():
                return Reason("it has noise")
            case _:
                assert_never(operation)
        found = _gate_of(terms, rate, self.bits(operation.wires), held, angle)
        return found if isinstance(found, Reason) else self._add(found)

    def _add(self, gate: Gate) -> Reason | None:
        moves = as_moves(gate, self.indices)
        if moves is not None:
            self.order.add(moves)
        elif gate.is_diagonal:
            for phases in as_phases(gate, self.indices, self.data):
                self.order.add(phases)
        else:
            gate = _without_controls(gate)
            if len(gate.targets) > MAX_GATE_WIRES:
                return Reason(f"a gate in it acts on {len(gate.targets)} wires at once")
            self.order.add(gate)
        return None

    def write(self, step: Step) -> None:
        place = sum(map(len, self.places))
        match step:
            case Phases():
                self._write_phases(step, place)
            case Moves(origin):
                self.steps.append((Kind.PERMUTE, 0, 0, 1, 0, 0, 1, 0, 0, place))
                self.angles.append((0.0, 0.0, 0.0))
                self.places += [origin, np.argsort(origin)]
            case Gate():
                self._write_gate(step, place)

    def _write_phases(self, phases: Phases, place: int) -> None:
        modes, first = phases.modes, len(self.modes)
        if phases.by_row:
            bits = [bit for bit in self.bits(range(self.circuit.wires)) if phases.wires & bit]
            self.places.append(chosen_bits(self.indices, bits))
            masks = chosen_bits(np.array([mode.mask for mode in modes], np.int64), bits)
            source, wires, data, before = Source.ROW, len(bits), place, 0
        else:
            masks = np.array([mode.mask for mode in modes], np.int64)
            source, wires, data = Source.SHARED if modes else Source.NONE, 0, len(self.phases)
            before = self.data
            self.phases.append(phases.constant)
        self.steps.append((Kind.PHASES, source, 0, wires, 0, 0, 1, data, len(modes), first))
        self.angles.append((0.0, 0.0, 0.0))
        for mask, mode in zip(masks, modes, strict=True):
            self.modes.append((int(mask), mode.angle.column - before))
            scale, offset = mode.angle.scale, mode.angle.offset
            self.mode_numbers.append((mode.coefficient * scale, mode.coefficient * offset))

    def _write_gate(self, gate: Gate, place: int) -> None:
        kind = _kind_of(gate)
        terms, generator = gate.terms.reshape(3, -1), gate.generator.reshape(-1)
        source, column, scale, offset = int(Source.NONE), 0, 0.0, 0.0
        if gate.angle is not None:
            source, column, scale, offset = self._entry(gate.angle)
        run = gate.wires & -gate.wires
        first = sum(term.shape[1] for term in self.terms)
        targets = len(gate.targets)
        self.steps.append(
            (
                kind,
                source,
                column,
                gate.targets[0],
                gate.mask,
                gate.value,
                run,
                first,
                targets,
                place,
            )
        )
        self.angles.append((scale, offset, gate.rate))
        self.terms.append(terms)
        self.generators.append(generator)
        self.places.append(np.array(gate.targets, dtype=np.int64))

    def _start(self, operation: Prepare) -> Reason | None:
        if self.starts:
            return Reason("it prepares more than one state")
        wires = self.bits(operation.wires)
        amplitudes = placed_bits(np.arange(2 ** len(wires)), wires)
        # Gates before it act on other wires, so that it may come first.
        self.starts.append((operation, amplitudes))
        return None

    def expectation(self, terms: Sequence[PauliTerm], column: int) -> None:
        for term in terms:
            x = z = y = 0
            for letter, wire in zip(term.letters, term.wires, strict=True):
                x |= self.bit(wire) if letter in "XY" else 0
                z |= self.bit(wire) if letter in "YZ" else 0
                y += letter == "Y"
            if x:
                self.words.append((column, x, z, y))
                self.coefficients.append(term.coefficient)
            else:
                self.diagonal_words.append((column, z))
                self.diagonal_coefficients.append(term.coefficient)

    def tape(self) -> Tape:
        steps = self.order.steps()
        if not (self.words or self.states):
            self._measure_earlier(steps)
        alone = itertools.takewhile(lambda step: isinstance(step, Gate) and _is_alone(step), steps)
        product = 0 if self.starts else len(list(alone))
        for step in steps:
            self.write(step)
        for number in range(product):  # its wire instead of its place
            columns = self.steps[number][:-1]
            wire = self.circuit.wires - columns[3].bit_length()
            self.steps[number] = (*columns, wire)
        rows, numbers = [], []
        for operation, amplitudes in self.starts:
            imaginary = operation.imaginary or (0.0,) * len(operation.real)
            for place, real, other in zip(amplitudes, operation.real, imaginary, strict=True):
                first, second = self._entry(real), self._entry(other)
                rows.append((int(place), *first[:2], *second[:2]))
                numbers.append((*first[2:], *second[2:]))
        return Tape(
            wires=self.circuit.wires,
            results=result_layout(self.circuit)[-1].offset + result_layout(self.circuit)[-1].width,
            data=self.data,
            shared=self.circuit.parameters - self.data,
            product=product,
            steps=_integers(self.steps, 10),
            angles=np.array(self.angles, dtype=np.float64).reshape(-1, 3),
            terms=np.concatenate([np.zeros((3, 0), complex), *self.terms], axis=1),
            generators=np.concatenate([np.zeros(0, complex), *self.generators]),
            places=np.concatenate([np.zeros(0, np.int64), *self.places]),
            phases=np.array(self.phases, dtype=np.float64).reshape(-1, len(self.indices)),
            modes=_integers(self.modes, 2),
            mode_numbers=np.array(self.mode_numbers, dtype=np.float64).reshape(-1, 2),
            start=_integers(rows, 5),
            start_numbers=np.array(numbers, dtype=np.float64).reshape(-1, 4),
            diagonal_words=_integers(self.diagonal_words, 2),
            words=_integers(self.words, 4),
            coefficients=np.array(
                [*self.diagonal_coefficients, *self.coefficients], dtype=np.float64
            ),
            probabilities=_integers(self.probabilities, len(self.indices)),
            states=np.array(self.states, dtype=np.int64),
        )

    def _measure_earlier(self, steps: list[Step]) -> None:
        """Drop what no measurement sees at the end: phases, and moves, which change its words."""
        while steps:
            match steps[-1]:
                case Phases():
                    pass
                case Moves(origin):
                    goals = np.argsort(origin)
                    words = []
                    for column, mask in self.diagonal_words:
                        found = carried(goals, mask)
                        if found is None:
                            return
                        words.append((column, *found))
                    self.diagonal_words = [(column, mask) for column, mask, _ in words]
                    self.diagonal_coefficients = [
                        coefficient * sign
                        for coefficient, (_, _, sign) in zip(
                            self.diagonal_coefficients, words, strict=True
                        )
                    ]
                    self.probabilities = [columns[goals] for columns in self.probabilities]
                case _:
                    return
            steps.pop()

    def _entry(self, entry: Angle) -> tuple[int, int, float, float]:
        """Return source, column, scale and offset of a number."""
        if not isinstance(entry, Parameter):
            return Source.NONE, 0, 0.0, float(entry)
        is_row = entry.column < self.data
        column = entry.column if is_row else entry.column - self.data
        return Source.ROW if is_row else Source.SHARED, column, entry.scale, entry.offset


def _gate_of(
    terms: Matrix,
    rate: float,
    targets: Sequence[int],
    controls: Sequence[tuple[int, bool]],
    angle: Angle | None,
) -> Gate | Reason:
    """Return a gate with its generator; an angle that is a number becomes part of the matrix."""
    if angle is not None and not isinstance(angle, Parameter):
        constant, cosine, sine = terms
        terms = np.zeros_like(terms)
        terms[0] = constant + np.cos(rate * angle) * cosine + np.sin(rate * angle) * sine
        angle = None
    generator = _generator(terms, rate)
    if generator is None:
        return Reason("a gate in it has no generator")
    mask = sum(bit for bit, _ in controls)
    value = sum(bit for bit, is_on in controls if is_on)
    return Gate(terms, rate, generator, tuple(targets), mask, value, angle)


def _generator(terms: Matrix, rate: float) -> Matrix | None:
    """Return K with U'(theta) = K U(theta), or None if there is no such matrix."""
    constant, cosine, sine = terms
    K = rate * sine @ (constant + cosine).conj().T
    for theta in (0.7, 2.9):  # both sides have one frequency: two angles and zero suffice
        c, s = np.cos(rate * theta), np.sin(rate * theta)
        derivative = rate * (c * sine - s * cosine)
        if np.abs(derivative - K @ (constant + c * cosine + s * sine)).max() > _EXACT:
            return None
    return np.asarray(K)


def _without_controls(gate: Gate) -> Gate:
    """Return the same gate with every wire that only controls it among its controls."""
    count = len(gate.targets)
    for place, bit in enumerate(gate.targets if count > 1 else ()):
        axes = (1 + place, 1 + count + place)
        grid = np.moveaxis(gate.terms.reshape(3, *(2,) * (2 * count)), axes, (1, 2))
        half = 2 ** (count - 1)
        blocks = grid.reshape(3, 2, 2, half, half)
        if blocks[:, 0, 1].any() or blocks[:, 1, 0].any():
            continue
        untouched = np.zeros((3, half, half))
        untouched[0] = np.eye(half)
        for on in (1, 0):
            generator = _generator(blocks[:, on, on], gate.rate)
            if generator is not None and np.array_equal(blocks[:, 1 - on, 1 - on], untouched):
                inner = replace(
                    gate,
                    terms=blocks[:, on, on],
                    generator=generator,
                    targets=gate.targets[:place] + gate.targets[place + 1 :],
                    mask=gate.mask | bit,
                    value=gate.value | bit * on,
                )
                return _without_controls(inner)
    return gate


def _is_alone(gate: Gate) -> bool:
    return len(gate.targets) == 1 and not gate.mask


def _kind_of(gate: Gate) -> Kind:
    terms = gate.terms
    if terms.shape[1] > 2:
        return Kind.DENSE
    if not terms.imag.any():
        return Kind.REAL
    on = np.eye(2, dtype=bool)
    is_cross = not terms[:, on].imag.any() and not terms[:, ~on].real.any()
    return Kind.CROSS if is_cross else Kind.PAIR


def _integers(rows: Sequence[object], width: int) -> Integers:
    return np.array(rows, dtype=np.int64).reshape(len(rows), width)
