"""Phases on a state: exp(i phi) (a, b) = cos(phi) (a, b) + sin(phi) (-b, a), psi = a + ib.

With the axes of the state in two halves (l, r), a parity of wires is a product of two signs, so

    phi(l, r) = sum_m angle_m s_m(l) t_m(r)

is a matrix product. Where no parity of a parameter has wires in both halves, the phases are sums,
cos and sin of 2^n numbers are products of those of 2^(n/2), and no cosine of the whole is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybridx.lowering.analysis.phase_polynomial import Mask, PhaseAngle, Phases, mask_of, walsh
from hybridx.lowering.analysis.trig_polynomial import Axes
from hybridx.lowering.blocks.angles import radians
from hybridx.program import Builder, Value, row_size

_HALVED = 8  # wires; of fewer all phases at once are a step or two less


def is_sum(phases: Phases, order: Sequence[int]) -> bool:
    """Return whether phases of parameters are sums over both halves of the axes."""
    return Phases(_crossing(phases, order)).is_constant


def key_of(phases: Phases, order: Sequence[int]) -> object:
    """Return a key that is the same for equal phases on equal axes."""
    angles = sorted((mask, *angle.round(12)) for mask, angle in phases.angles.items())
    return "phases", tuple(order), tuple(angles)


def apply_phases(
    builder: Builder,
    state: Value,
    phases: Phases,
    order: Sequence[int],
    axes: Axes,
    known: dict[object, tuple[Value, ...]],
) -> Value:
    """Return the state after phases, shape `(batch or 1, 2, 2**wires)`.

    Args:
        builder: takes the steps.
        state: real parts, then imaginary parts.
        phases: on basis states.
        order: of the wires' axes.
        axes: of the frequencies.
        known: cosines and sines of phases that were applied before; takes these.
    """
    if phases.is_constant:
        return _rotated(builder, state, *_numbers(builder, phases, order))
    make = _all_at_once
    if len(order) >= _HALVED:
        make = _by_halves if is_sum(phases, order) else _by_parities
    if make is _by_halves:
        crossing = _crossing(phases, order)
        if crossing:
            state = _rotated(builder, state, *_numbers(builder, Phases(crossing), order))
        phases = Phases({mask: a for mask, a in phases.angles.items() if mask not in crossing})
    key = key_of(phases, order)
    if key not in known:
        known[key] = make(builder, phases, order, axes)
    return _rotated(builder, state, *known[key])


def given_phases(builder: Builder, real: Value, phases: Phases, order: Sequence[int]) -> Value:
    """Return a state of real amplitudes after constant phases: one product.

    Args:
        builder: takes the steps.
        real: the amplitudes, shape `(batch or 1, 2**wires)`.
        phases: perhaps none.
        order: of the wires' axes.

    Returns:
        Shape `(batch or 1, 2, 2**wires)`, real parts first.
    """
    phi = walsh(phases, order)[:, 0]
    factors = builder.constant(np.stack([np.cos(phi), np.sin(phi)])[None])
    return builder.multiply(builder.reshape(real, (real.shape[0], 1, len(phi))), factors)


def _crossing(phases: Phases, order: Sequence[int]) -> dict[Mask, PhaseAngle]:
    """Return the parities of wires in both halves of the axes."""
    left = mask_of(order[: len(order) // 2])
    return {m: angle for m, angle in phases.angles.items() if m & left and m & ~left}


def _rotated(builder: Builder, state: Value, cosines: Value, sines: Value) -> Value:
    """Return the state after phases: cosines `(rows, 1, size)`, (-sin, sin) `(rows, 2, size)`."""
    split = builder.reshape(state, (state.shape[0], 2, row_size(cosines.shape)))
    swapped = builder.gather(split, 1, (1, 0))
    return builder.add(builder.multiply(split, cosines), builder.multiply(swapped, sines))


def _numbers(builder: Builder, phases: Phases, order: Sequence[int]) -> tuple[Value, Value]:
    """Return the cosines and sines of constant phases."""
    phi = walsh(phases, order)[:, 0]
    cosines = builder.constant(np.cos(phi)[None, None])
    return cosines, builder.constant(np.stack([-np.sin(phi), np.sin(phi)])[None])


def _all_at_once(
    builder: Builder, phases: Phases, order: Sequence[int], axes: Axes
) -> tuple[Value, Value]:
    """Return the cosines and sines of each basis state's own phase."""
    phi = radians(builder, walsh(phases, order), axes)
    return _cos_and_sin(builder, phi)


def _by_parities(
    builder: Builder, phases: Phases, order: Sequence[int], axes: Axes
) -> tuple[Value, Value]:
    """Return the cosines and sines of the sum over parities, which is one product of signs."""
    cut = len(order) // 2
    left, right = _signs(phases, order[:cut]), _signs(phases, order[cut:])
    angles = radians(builder, np.array(list(phases.angles.values())), axes)
    scaled = builder.multiply(
        builder.reshape(angles, (None, 1, len(phases.angles))), builder.constant(left[None])
    )
    phi = builder.matmul(scaled, builder.constant(right.T))
    return _cos_and_sin(builder, builder.reshape(phi, (None, left.shape[0] * right.shape[0])))


def _by_halves(
    builder: Builder, phases: Phases, order: Sequence[int], axes: Axes
) -> tuple[Value, Value]:
    """Return cos(l + r), -sin(l + r) and sin(l + r) from cosines and sines of l and of r."""
    cut = len(order) // 2
    first = mask_of(order[:cut])
    left = {mask: angle for mask, angle in phases.angles.items() if mask & first}
    right = {mask: angle for mask, angle in phases.angles.items() if not mask & first}
    ends = []
    # cos(t - quarters) for rows (cos, -sin), (-sin, -cos), (sin, cos) of l; and (cos, sin) of r.
    for part, wires, shifts in (
        (left, order[:cut], [[0, -1], [-1, 2], [1, 0]]),
        (right, order[cut:], [[0], [1]]),
    ):
        own = walsh(Phases(part or {0: np.zeros(1 + len(axes.pairs))}), wires)
        quarters = np.array(shifts) * np.pi / 2
        many = np.repeat(np.tile(own, (len(shifts), 1)), len(shifts[0]), axis=0)
        shape = len(shifts), len(own), len(shifts[0])
        many[:, 0] -= np.broadcast_to(quarters[:, None], shape).reshape(-1)
        ends.append((builder.cos(radians(builder, many, axes)), len(own)))
    (rows, height), (columns, width) = ends
    product = builder.matmul(
        builder.reshape(rows, (None, 3 * height, 2)), builder.reshape(columns, (None, 2, width))
    )
    parts = builder.reshape(product, (None, 3, height * width))
    return builder.gather(parts, 1, (0,)), builder.gather(parts, 1, (1, 2))


def _cos_and_sin(builder: Builder, phi: Value) -> tuple[Value, Value]:
    split = builder.reshape(phi, (None, 1, row_size(phi.shape)))
    signs = builder.constant(np.array([[[-1.0], [1.0]]]))
    return builder.cos(split), builder.multiply(builder.sin(split), signs)


def _signs(phases: Phases, wires: Sequence[int]) -> NDArray[np.float64]:
    """Return (-1)^(m.x) for the basis states x of some wires and all parities m."""
    states = np.arange(2 ** len(wires))
    signs = np.ones((len(states), len(phases.angles)))
    for column, mask in enumerate(phases.angles):
        for place, wire in enumerate(reversed(wires)):
            if mask >> wire & 1:
                signs[:, column] *= 1 - 2 * (states >> place & 1)
    return signs
