"""Circuits whose parameters come first: a parametrised product state, then constant operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from hybridx.circuit import Apply, Circuit, Matrix, PureOperation, apply_to_axes, wires_of
from hybridx.lowering.analysis.trig_polynomial import (
    Axes,
    Spectrum,
    constant_matrix,
    has_parameter,
    is_constant,
    multiply,
    spectrum_of,
)
from hybridx.lowering.plan import Reason, pure_operations

_BLOCK = 5  # wires; gates are joined to blocks of 32 x 32 before they multiply the large matrix
_MOST_MODES = 256  # of the amplitudes of one wire; their products, the density, have up to 6561
_TOGETHER = 256  # columns of that matrix: what copies of them take is little beside it


@dataclass(frozen=True, slots=True)
class Encoding:
    """A circuit as V |psi_0(x)> ... |psi_n(x)>.

    Attributes:
        axes: of the frequencies.
        amplitudes: for each wire the spectrum of psi, matrices `(2, 1)`.
        tail: the operations of V, none with a parameter.
    """

    axes: Axes
    amplitudes: tuple[Spectrum, ...]
    tail: tuple[PureOperation, ...]

    @property
    def parametrised(self) -> int:
        """How many wires start in a state that depends on the parameters."""
        return sum(not is_constant(spectrum) for spectrum in self.amplitudes)

    def describe(self) -> str:
        """Return the two parts of the circuit as a line for people."""
        return (
            f"product state of {len(self.amplitudes)} wires, {self.parametrised} of them "
            f"parametrised, then {len(self.tail)} constant operations"
        )


def encoding_of(circuit: Circuit) -> Encoding | Reason:
    """Return the encoding of a circuit, or why it has none.

    The gates of a wire before its first gate on several wires commute with all other wires, so
    they are taken first.
    """
    operations = pure_operations(circuit)
    if isinstance(operations, Reason):
        return operations
    first: list[list[PureOperation]] = [[] for _ in range(circuit.wires)]
    joined: set[int] = set()
    tail: list[PureOperation] = []
    for operation in operations:
        wires = wires_of(operation)
        if len(wires) == 1 and joined.isdisjoint(wires):
            first[wires[0]].append(operation)
            continue
        joined.update(wires)
        if has_parameter(operation):
            return Reason("a parameter enters after wires have met")
        tail.append(operation)
    if any(has_parameter(op) and not isinstance(op, Apply) for own in first for op in own):
        return Reason("a state or a matrix holds a parameter")
    axes = Axes.of(circuit)
    amplitudes: list[Spectrum] = []
    for own in first:
        spectrum: Spectrum = {(0,) * len(axes.pairs): zero_state(1)}
        for operation in own:
            spectrum = multiply(spectrum_of(operation, axes), spectrum)
            if len(spectrum) > _MOST_MODES:
                return Reason(f"a wire has more than {_MOST_MODES} Fourier modes before others")
        amplitudes.append(spectrum)
    return Encoding(axes, tuple(amplitudes), tuple(tail))


def fold(encoding: Encoding) -> Matrix:
    """Return V from the parametrised wires to all, shape `(2**wires, 2**parametrised)`.

    A wire whose state is constant enters in that state, so it has no column.
    """
    wires = len(encoding.amplitudes)
    V: Matrix = np.ones((1, 1), dtype=np.complex128)
    for spectrum in encoding.amplitudes:
        own = sum(spectrum.values()) if is_constant(spectrum) else np.eye(2)
        V = np.kron(V, own).astype(np.complex128, copy=False)
    blocks = _blocks(encoding.tail)
    for first in range(0, V.shape[1], _TOGETHER):
        columns = V[:, first : first + _TOGETHER]
        state = columns.reshape((2,) * wires + columns.shape[1:])
        for on, matrix in blocks:
            state = apply_to_axes(matrix, on, state)
        columns[:] = state.reshape(columns.shape)
    return V


def contract(tensor: Matrix, maps: list[Matrix]) -> Matrix:
    """Replace axis i of `tensor`, of length a_i, by `maps[i]`, shape `(a_i, b_i)`.

    Further axes stay behind as one: the result has shape `(rest, b_0, ..., b_n)`.
    """
    for one in maps:
        tensor = tensor.reshape(len(one), -1).T @ one
    return tensor.reshape(-1, *(one.shape[1] for one in maps))


def _blocks(operations: tuple[PureOperation, ...]) -> list[tuple[tuple[int, ...], Matrix]]:
    """Join neighbouring operations into matrices on few wires."""
    groups: list[tuple[set[int], list[PureOperation]]] = []
    for operation in operations:
        wires = set(wires_of(operation))
        if groups and len(groups[-1][0] | wires) <= _BLOCK:
            groups[-1][0].update(wires)
            groups[-1][1].append(operation)
        else:
            groups.append((wires, [operation]))
    return [
        (tuple(sorted(wires)), product_matrix(tuple(sorted(wires)), own)) for wires, own in groups
    ]


def product_matrix(wires: Sequence[int], operations: Sequence[PureOperation]) -> Matrix:
    """Return the product of constant operations, in order, as a matrix on `wires`."""
    size = 2 ** len(wires)
    block = np.eye(size, dtype=np.complex128).reshape((2,) * len(wires) + (size,))
    for operation in operations:
        on = tuple(wires.index(wire) for wire in wires_of(operation))
        block = apply_to_axes(constant_matrix(operation), on, block)
    return block.reshape(size, size)


def product_spectrum(
    wires: Sequence[int], operations: Sequence[PureOperation], axes: Axes, start: Matrix
) -> Spectrum:
    """Return the spectrum of operations on `wires` alone, in order, after a matrix `start`.

    Args:
        wires: the first is the most significant.
        operations: of numbers, or of an angle each.
        axes: of the frequencies.
        start: shape `(2**len(wires), columns)`.
    """
    first: Spectrum = {(0,) * len(axes.pairs): start}

    def after(total: Spectrum, operation: PureOperation) -> Spectrum:
        places = [wires.index(wire) for wire in wires_of(operation)]
        spread = {
            frequency: embed(matrix, places, len(wires))
            for frequency, matrix in spectrum_of(operation, axes).items()
        }
        return multiply(spread, total)

    return reduce(after, operations, first)


def zero_state(wires: int) -> Matrix:
    """Return |0> as a column."""
    column = np.zeros((2**wires, 1), dtype=np.complex128)
    column[0] = 1
    return column


def embed(matrix: Matrix, places: Sequence[int], count: int) -> Matrix:
    """Return a matrix on some of `count` wires as one on all of them."""
    size = 2**count
    tensor = np.eye(size, dtype=np.complex128).reshape((2,) * count + (size,))
    return apply_to_axes(matrix, tuple(places), tensor).reshape(size, size)
