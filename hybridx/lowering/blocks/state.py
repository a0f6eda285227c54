"""A state as one real tensor with labelled axes, which can then stay in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import numpy as np

from hybridx.circuit import Apply, Circuit, Prepare, PureOperation, Unitary, complex_entries
from hybridx.lowering.analysis.gate_blocks import COMPLEX as COMPLEX
from hybridx.lowering.analysis.trig_polynomial import has_parameter
from hybridx.program import Builder, Program, Value, count_live, vjp


@dataclass(frozen=True, slots=True)
class Amplitudes:
    """The amplitudes, flattened: axis i of `(batch or 1, 2, ..., 2)` is labelled `axes[i - 1]`."""

    value: Value
    axes: tuple[int, ...]


Span: TypeAlias = tuple[Value, Value]
"""The states before and after a unitary."""

_UNITARY = 1e-12  # how far the product of a matrix and its adjoint may be from the identity
_MUCH = 2**22  # numbers of one row; a gradient that keeps few takes half as long again


def state_size(circuit: Circuit) -> int:
    """Return how many real numbers the state of a circuit has."""
    return int(2 ** (circuit.wires + 1))


def is_unitary(operation: PureOperation) -> bool:
    """Return whether an operation is unitary for all parameters, as given entries need not be."""
    match operation:
        case Apply():
            return True
        case Unitary(wires, real, imaginary):
            if has_parameter(operation):
                return False
            size = 2 ** len(wires)
            U = complex_entries(real, imaginary).reshape(size, size)
            return np.allclose(U @ U.conj().T, np.eye(size), rtol=0, atol=_UNITARY)
        case Prepare():
            return False
        case _:
            assert_never(operation)


def is_reversed(gradient: Program, circuit: Circuit) -> bool:
    """Return whether a gradient that keeps all its values takes much memory and need not."""
    matrices = [one for one in circuit.operations if isinstance(one, Unitary)]
    return count_live(gradient) > _MUCH and all(map(is_unitary, matrices))


def reversed_vjp(
    builder: Builder, results: Value, spans: Sequence[Span], circuit: Circuit
) -> Program:
    """Return the program of a gradient; if its values take much memory, few of them are kept.

    Args:
        builder: of the program that is differentiated.
        results: of it.
        spans: states before and after a unitary, one after another.
        circuit: of the program.
    """
    program = builder.build(results, state_size(circuit))
    gradient = vjp(program)
    if not is_reversed(gradient, circuit):
        return gradient
    places = [builder.places(results, span) for span in spans]
    return vjp(program, [(start, end) for start, end in places if start != end])


def apply_matrix(
    builder: Builder, state: Amplitudes, matrix: Value, wires: Sequence[int], is_real: bool
) -> Amplitudes:
    """Return the state after a matrix on the axes of `wires`, and on the complex one.

    Args:
        builder: takes the steps.
        state: the amplitudes.
        matrix: transposed, shape `(batch or 1, D, D)`; the real embedding if not `is_real`.
        wires: the first is the most significant of the matrix.
        is_real: the matrix leaves real and imaginary parts apart.
    """
    acted = tuple(wires) if is_real else (COMPLEX, *wires)
    moved = bring_last(builder, state, acted)
    size = 2 ** len(acted)
    rest = 2 ** (len(state.axes) - len(acted))
    rows = moved.value.shape[0]
    product = builder.matmul(builder.reshape(moved.value, (rows, rest, size)), matrix)
    return Amplitudes(builder.reshape(product, (product.shape[0], rest * size)), moved.axes)


def bring_last(builder: Builder, state: Amplitudes, last: tuple[int, ...]) -> Amplitudes:
    """Return the state with some axes moved to the end, in the order given."""
    axes = tuple(axis for axis in state.axes if axis not in last) + last
    if axes == state.axes:
        return state
    # Axes that stay neighbours count as one: transposing three blocks is faster than ten axes.
    runs = _runs(state.axes, axes)
    starts = sorted(runs, key=lambda run: state.axes.index(run[0]))
    rows = state.value.shape[0]
    split = builder.reshape(state.value, (rows, *(2 ** len(run) for run in starts)))
    moved = builder.transpose(split, (0, *(1 + starts.index(run) for run in runs)))
    return Amplitudes(builder.reshape(moved, (rows, 2 ** len(axes))), axes)


def _runs(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Cut `after` into the longest runs that are also runs of `before`."""
    runs = [[after[0]]]
    for axis in after[1:]:
        if before.index(axis) == before.index(runs[-1][-1]) + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return [tuple(run) for run in runs]
