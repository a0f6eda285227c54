"""Constant matrices between phases: for few wires, and parameters that enter repeatedly.

Every gate with an angle is diagonal in some basis, the same for all its angles: U(theta) =
Q e^{i (a + b theta)} Q^dagger. With all constant gates between two layers of phases folded,

    psi(x) = V_L D_L(x) V_(L-1) ... D_1(x) V_0 |0>,        exact.

A layer is two steps: one product gives cos(phi) psi and sin(phi) psi, and one matrix applies V to
the first and i V to the second. On few wires, where starting a step takes most of the time, that
matrix gives the state twice, so that the product of the next layer needs no broadcasting. Phases
are written by parities of wires, and CNOTs map parities to parities, so that phases can be moved
through CNOTs: all CNOT RZ CNOT, on any wires, are one layer.

Folding phases into layers is not a pass over circuits, because a circuit has no operation for the
phases of many parities at once. Neither is measuring in the eigenbasis of the observable: as a gate
at the end of the circuit it would change what every other strategy is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import (
    PAULIS,
    Angle,
    Apply,
    Circuit,
    Expectation,
    Matrix,
    Prepare,
    apply_to_axes,
    wires_of,
)
from hybridx.lowering.analysis.phase_layers import carried
from hybridx.lowering.analysis.phase_polynomial import (
    SMALL,
    Mask,
    PhaseAngle,
    Phases,
    add_angles,
    as_phases,
    mask_of,
    walsh,
)
from hybridx.lowering.analysis.real_factors import Affine, affine_of
from hybridx.lowering.analysis.trig_polynomial import (
    Axes,
    Spectrum,
    constant_matrix,
    has_parameter,
    spectrum_of,
)
from hybridx.lowering.blocks import entropy
from hybridx.lowering.blocks.angles import radians
from hybridx.lowering.blocks.entries import combine
from hybridx.lowering.blocks.measure_state import measure, product_columns, with_batch
from hybridx.lowering.blocks.real_form import real_columns
from hybridx.lowering.blocks.state import COMPLEX, Amplitudes
from hybridx.lowering.cost import EASY, MOST_LAYERED, Cost
from hybridx.lowering.plan import Plan, Reason, exceeds, list_lines, name_wires, pure_operations
from hybridx.program import Builder, Program, Value

_MOST_WIRES = 11  # a matrix on more takes at least 134 MB
_SIDE_BY_SIDE = 4  # wires; of more, the state twice is slower than broadcasting


@dataclass(frozen=True, eq=False)
class _Constant:
    """A matrix on some wires."""

    wires: tuple[int, ...]
    matrix: Matrix

    @cached_property
    def mask(self) -> Mask:
        """Its wires as a set."""
        return mask_of(self.wires)

    @cached_property
    def affine(self) -> Affine | None:
        """The permutation of basis states, if it is one that maps parities to parities."""
        permutation = affine_of(self.wires, self.matrix)
        return permutation[0] if permutation else None


_Item: TypeAlias = _Constant | Phases
_Angles: TypeAlias = dict[Mask, PhaseAngle]
_Growing: TypeAlias = tuple[_Angles, list[_Constant]]  # a layer


@dataclass(frozen=True, eq=False)
class Layer:
    """Phases of the parameters, then constant matrices."""

    phases: Phases
    constants: tuple[_Constant, ...]


@dataclass(frozen=True, eq=False)
class _Layers:
    """A circuit as such layers.

    Attributes:
        axes: of the frequencies.
        amplitudes: numbers and parameters that the state begins with; none for |0>.
        first: constant matrices before all phases.
        layers: in order.
    """

    axes: Axes
    amplitudes: tuple[Angle, ...]
    first: tuple[_Constant, ...]
    layers: tuple[Layer, ...]

    @cached_property
    def same(self) -> tuple[int, ...]:
        """For each layer the first one with equal phases, which repeated uploads of data have."""
        first: dict[object, int] = {}
        return tuple(
            first.setdefault(_key(layer.phases), number) for number, layer in enumerate(self.layers)
        )


@dataclass(frozen=True, eq=False)
class DenseDiagonalPlan(Plan):
    """A circuit as constant matrices between phases.

    Attributes:
        found: the layers.
    """

    found: _Layers

    def describe(self) -> str:
        """Return what the state begins with, and a line for each layer."""
        found = self.found
        start = f"{len(found.amplitudes)} given amplitudes" if found.amplitudes else "|0>"
        lines: list[str] = []
        for number, (layer, same) in enumerate(zip(found.layers, found.same, strict=True)):
            phases = f"phases of {len(layer.phases.angles)} parities"
            if same != number:
                phases += f", the same as in layer {same}"
            on = sorted({wire for one in layer.constants for wire in one.wires})
            then = f"{len(layer.constants)} constant matrices"
            lines.append(
                f"layer {number}: {phases}, then {then}" + (f" on {name_wires(on)}" * bool(on))
            )
        start = f"start: {start}, then {len(found.first)} constant matrices"
        return "\n".join([start, *list_lines(lines)])

    def build(self) -> Program:
        """Return the program: exact but for rounding; float32 gives about 1e-6 at 10 wires."""
        circuit, found = self.circuit, self.found
        builder = Builder(circuit.parameters)
        size = 2**circuit.wires
        matrices = [_product(layer.constants, np.eye(size)) for layer in found.layers]
        values, basis = _eigenbasis(circuit)
        if matrices:
            matrices[-1] = basis.conj().T @ matrices[-1]
        start = _product(found.first, np.eye(size) if found.amplitudes else np.eye(size)[:, :1])
        state: Value | None = None
        if found.amplitudes:
            if not matrices:
                start = basis.conj().T @ start
            state = builder.matmul(
                combine(builder, found.amplitudes), builder.constant(real_columns(start.T))
            )
        if matrices:
            apply = _side_by_side if circuit.wires <= _SIDE_BY_SIDE else _by_broadcasting
            state = apply(builder, found, matrices, start[:, 0] if state is None else state)
        assert state is not None
        if values is not None:
            squared = builder.multiply(state, state)
            doubled = builder.constant(np.concatenate([values, values])[:, None])
            return builder.build(with_batch(builder, builder.matmul(squared, doubled)))
        amplitudes = Amplitudes(state, (COMPLEX, *range(circuit.wires)))
        return builder.build(measure(builder, amplitudes, circuit))


def plan(circuit: Circuit) -> DenseDiagonalPlan | Reason:
    """Return the plan of a circuit, or why the strategy does not apply."""
    found = _layers_of(circuit)
    if isinstance(found, Reason):
        return found
    size, layers, kinds = 2**circuit.wires, len(found.layers), len(set(found.same))
    if not layers and not found.amplitudes:
        return Reason("it has no parameters")
    columns = 2 * size * sum(map(product_columns, circuit.measurements))
    entries = _entries(found, size) + columns
    too_large = exceeds(4 * entries, MOST_LAYERED)
    if too_large:
        return too_large
    if circuit.wires > _SIDE_BY_SIDE:
        elements = size * (2 * kinds + EASY * (4 * layers + 2))
        steps = 4 + kinds + 3 * layers
    else:
        # All matrices between two layers have twice the columns. About half the cosines are
        # distinct.
        entries += 8 * size * size * max(0, layers - 2)
        elements = size * (kinds + EASY * (4 * layers + 2))
        steps = 4 + kinds + 2 * layers
    own = Cost(
        multiply_adds=entries,
        elements=elements,
        steps=steps,
        constant_bytes=4 * entries,
        numbers=size * (6 * kinds + 6 * layers + (5 if found.amplitudes else -2)),
    )
    cost = sum(map(entropy.count, circuit.measurements), own)
    return DenseDiagonalPlan(circuit, cost, found)


def _key(phases: Phases) -> object:
    return tuple(sorted((mask, *angle.round(12)) for mask, angle in phases.angles.items()))


def _layers_of(circuit: Circuit) -> _Layers | Reason:
    """Return a circuit as layers, or why that cannot be."""
    pure = pure_operations(circuit)
    if isinstance(pure, Reason):
        return pure
    if circuit.wires > _MOST_WIRES:
        return Reason(f"a matrix on {circuit.wires} wires is too large")
    operations = list(pure)
    amplitudes: tuple[Angle, ...] = ()
    if operations and isinstance(operations[0], Prepare) and has_parameter(operations[0]):
        start = operations.pop(0)
        assert isinstance(start, Prepare)
        if start.wires != tuple(range(circuit.wires)) or start.imaginary:
            return Reason("a state of some wires, or a complex one, is a parameter")
        amplitudes = start.real
    axes = Axes.of(circuit)
    items: list[_Item] = []
    for operation in operations:
        if not has_parameter(operation):
            items.append(_Constant(wires_of(operation), constant_matrix(operation)))
        elif isinstance(operation, Apply):
            items += _diagonalised(wires_of(operation), spectrum_of(operation, axes))
        else:
            return Reason("a state or a matrix holds a parameter")
    first, layers = _layers(items)
    return _Layers(axes, amplitudes, first, layers)


def _diagonalised(wires: tuple[int, ...], spectrum: Spectrum) -> list[_Item]:
    """Return a gate with an angle as phases in a basis of its own."""
    phases = as_phases(wires, spectrum)
    if phases is not None:
        return [phases]
    # The gate at any one angle, as a normal matrix: its Hermitian parts commute. Of the axes of a
    # frequency, a gate with one angle uses one.
    size = len(next(iter(spectrum.values())))
    some = sum(
        (np.exp(0.7345j * sum(frequency)) * m for frequency, m in spectrum.items()),
        np.zeros((size, size), dtype=np.complex128),
    )
    hermitian = (some + some.conj().T) / 2 + 0.5772 * (some - some.conj().T) / 2j
    _, basis = np.linalg.eigh(hermitian)
    diagonal = {frequency: basis.conj().T @ m @ basis for frequency, m in spectrum.items()}
    phases = as_phases(wires, diagonal)
    assert phases is not None, "law of one-angle gates: equal eigenvectors at all angles"
    return [_Constant(wires, basis.conj().T), phases, _Constant(wires, basis)]


def _layers(items: Sequence[_Item]) -> tuple[tuple[_Constant, ...], tuple[Layer, ...]]:
    """Return layers of phases and constant matrices, each as early as the others allow."""
    first: list[_Constant] = []
    layers: list[_Growing] = []
    for item in items:
        if isinstance(item, _Constant):
            overlapping = (n for n, layer in _backward(layers) if _acts_on(layer, item.mask))
            number = next(overlapping, -1)
            (first if number < 0 else layers[number][1]).append(item)
            continue
        for mask, angle in item.angles.items():
            place, angles = len(layers), {mask: angle}
            for number, before in _ways_back(layers, angles):
                place, angles = number, before
            if place == len(layers):
                layers.append(({}, []))
            add_angles(layers[place][0], angles)
    return tuple(first), tuple(Layer(Phases(p), tuple(c)) for p, c in layers)


def _backward(layers: Sequence[_Growing]) -> Iterator[tuple[int, _Growing]]:
    return reversed(list(enumerate(layers)))


def _ways_back(layers: Sequence[_Growing], angles: _Angles) -> Iterator[tuple[int, _Angles]]:
    """Yield each layer to which phases can be moved from the end, the last first, and them there.

    Phases commute with matrices on other wires, and can be carried through permutations.
    """
    for number, (_, constants) in _backward(layers):
        for constant in reversed(constants):
            if any(mask & constant.mask for mask in angles):
                if constant.affine is None:
                    return
                angles = carried(angles, constant.affine)
        yield number, angles


def _acts_on(layer: _Growing, wires: Mask) -> bool:
    phases, constants = layer
    return any(mask & wires for mask in phases) or any(one.mask & wires for one in constants)


def _entries(found: _Layers, size: int) -> int:
    """Return how many numbers the matrices hold."""
    layers, starts = len(found.layers), bool(found.amplitudes)
    # The first phases act on numbers, unless the amplitudes are parameters.
    first = 2 if starts else 4
    return (first + 8 * (layers if starts else layers - 1)) * size * size


def _by_broadcasting(
    builder: Builder, found: _Layers, matrices: Sequence[Matrix], start: Matrix | Value
) -> Value:
    """Return the state after all layers, `(batch, 2 * 2**wires)`, real parts first.

    Args:
        builder: takes the steps.
        found: the layers.
        matrices: what each layer applies after its phases.
        start: the state before, constant amplitudes or a value.
    """
    phases = _cosines_and_sines(builder, found, len(matrices[0]).bit_length() - 1)
    for number, matrix in enumerate(matrices):
        if not isinstance(start, Value):
            start = builder.matmul(phases[0], builder.constant(_on_constant(matrix, start)))
            continue
        parts = builder.reshape(start, (start.shape[0], 1, 2, len(matrix)))
        both = builder.reshape(phases[number], (None, 2, 1, len(matrix)))
        scaled = builder.reshape(builder.multiply(parts, both), (None, 4 * len(matrix)))
        start = builder.matmul(scaled, builder.constant(_on_scaled(matrix)))
    assert isinstance(start, Value)
    return start


def _side_by_side(
    builder: Builder, found: _Layers, matrices: Sequence[Matrix], start: Matrix | Value
) -> Value:
    """Return what `_by_broadcasting` does. Each matrix but the last one gives the state twice."""
    cosines, places = _distinct_cosines(builder, found, len(matrices[0]).bit_length() - 1)
    factors: dict[int, Value] = {}
    for number, matrix in enumerate(matrices):
        copies = 1 if number == len(matrices) - 1 else 2
        same = found.same[number]
        if not isinstance(start, Value):
            weights = places[same] @ _on_constant(matrix, start)
            start = builder.matmul(cosines, builder.constant(np.tile(weights, copies)))
            continue
        if number == 0:
            start = builder.concatenate([start, start], 1)
        if same not in factors:
            # The cosines for real and imaginary parts, then the sines for both.
            both = np.repeat(places[same].reshape(len(places[same]), 2, 1, -1), 2, axis=2)
            factors[same] = builder.matmul(cosines, builder.constant(both.reshape(len(both), -1)))
        scaled = builder.multiply(start, factors[same])
        start = builder.matmul(scaled, builder.constant(np.tile(_on_scaled(matrix), copies)))
    assert isinstance(start, Value)
    return start


def _on_constant(matrix: Matrix, start: Matrix) -> NDArray[np.float64]:
    """Return what maps cosines and sines of phases to a matrix times exp(i phases) times `start`.

    cos(phi) psi + sin(phi) i psi is linear in them.
    """
    columns = matrix * start
    return real_columns(np.concatenate([columns, 1j * columns], axis=1).T)


def _on_scaled(matrix: Matrix) -> NDArray[np.float64]:
    """Return what maps cos(phi) psi and sin(phi) psi to a matrix times exp(i phi) psi."""
    return np.concatenate([_on_both(matrix), _on_both(1j * matrix)])


def _distinct_cosines(
    builder: Builder, found: _Layers, wires: int
) -> tuple[Value, dict[int, NDArray[np.float64]]]:
    """Return the distinct cosines of all phases, and for each of `found.same` where they are.

    Phases that differ only in the sign have equal cosines, and sin t = cos(t - pi/2).

    Returns:
        The cosines, shape `(batch, cosines)`, and matrices `(cosines, 2 * 2**wires)` from them to
        the cosines and then the sines of a layer.
    """
    order, size = tuple(range(wires)), 2**wires
    rows: list[NDArray[np.float64]] = []
    for number in dict.fromkeys(found.same):
        phases = walsh(found.layers[number].phases, order)
        rows += [phases, phases - np.eye(1, phases.shape[1]) * np.pi / 2]
    every = np.concatenate(rows)
    # cos(t + pi) = -cos t and cos(-t) = cos t: the first factor is positive, and the constant is
    # in [0, pi).
    first = (np.abs(every[:, 1:]) > SMALL).argmax(axis=1) + 1
    every *= np.where(every[np.arange(len(every)), first] < 0, -1, 1)[:, None]
    turns = np.floor((every[:, 0] + SMALL) / np.pi)
    every[:, 0] -= np.pi * turns
    # Equal but for rounding; each is written as the first one is, to all its digits.
    _, chosen, places = np.unique(every.round(12), axis=0, return_index=True, return_inverse=True)
    matrix = np.zeros((len(chosen), len(every)))
    matrix[places.reshape(-1), np.arange(len(every))] = np.where(turns % 2, -1, 1)
    cosines = builder.cos(radians(builder, every[chosen], found.axes))
    return cosines, {
        number: matrix[:, 2 * size * place : 2 * size * (place + 1)]
        for place, number in enumerate(dict.fromkeys(found.same))
    }


def _cosines_and_sines(builder: Builder, found: _Layers, wires: int) -> list[Value]:
    """Return the cosines, then the sines, of the phases of each layer: `(batch, 2 * 2**wires)`."""
    order = tuple(range(wires))
    distinct = list(dict.fromkeys(found.same))
    phases = np.array([walsh(found.layers[number].phases, order) for number in distinct])
    count, size = len(distinct), 2**wires
    # sin t = cos(t - pi/2), so that all of them are one cosine.
    both = np.concatenate([phases, phases], axis=1).reshape(count * 2 * size, -1)
    both[:, 0] -= np.tile(np.repeat([0.0, np.pi / 2], size), count)
    cosines = builder.cos(radians(builder, both, found.axes))
    split = builder.reshape(cosines, (None, count, 2 * size))
    each = (
        [builder.gather(split, 1, (number,)) for number in range(count)] if count > 1 else [split]
    )
    rows = [builder.reshape(one, (None, 2 * size)) for one in each]
    return [rows[distinct.index(number)] for number in found.same]


def _eigenbasis(circuit: Circuit) -> tuple[NDArray[np.float64] | None, Matrix]:
    """Return the eigenvalues and eigenvectors of the only observable, if it is not diagonal.

    Otherwise None, and the basis in which the circuit is measured anyway.
    """
    size = 2**circuit.wires
    match circuit.measurements:
        case (Expectation(terms),) if any(set(term.letters) & set("XY") for term in terms):
            total = np.zeros((size, size), dtype=np.complex128)
            for term in terms:
                letters = zip(term.wires, term.letters, strict=True)
                word = [_Constant((wire,), PAULIS[one]) for wire, one in letters]
                total += term.coefficient * _product(word, np.eye(size))
            values, basis = np.linalg.eigh(total)
            return values, basis
        case _:
            return None, np.eye(size, dtype=np.complex128)


def _product(constants: Sequence[_Constant], state: NDArray[Any]) -> Matrix:
    """Return columns of amplitudes after some matrices, shape `(2**wires, columns)`."""
    size, columns = state.shape
    wires = size.bit_length() - 1
    tensor = state.astype(np.complex128).reshape((2,) * wires + (columns,))
    for one in constants:
        tensor = apply_to_axes(one.matrix, one.wires, tensor)
    return tensor.reshape(size, columns)


def _on_both(matrix: Matrix) -> NDArray[np.float64]:
    """Return the transposed real form of a matrix.

    `real_form` gives the same numbers, but other signs of zeros than the files of earlier versions.
    """
    return np.concatenate([real_columns(matrix.T), real_columns(1j * matrix.T)])
