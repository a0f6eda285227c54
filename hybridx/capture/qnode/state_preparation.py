"""State preparation as a unitary, which may act on wires in any state.

PennyLane decomposes it into rotations and CNOTs, which defines its effect on states other than |0>.
PennyLane's code reads the numbers, so here torch computes the same gates, for data and weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pennylane as qml
import torch
from torch import Tensor


def prepare_state(amplitudes: Tensor, wires: Sequence[Any]) -> list[Any]:
    """Return PennyLane gates that take |0...0> to a state, its phases included.

    First the absolute values are prepared, wire by wire: a block of amplitudes whose halves have
    the norms l and u takes RY(2 atan2(u, l)). Then RZ sets the phases; its angle is the difference
    of the mean phases of both halves.

    Args:
        amplitudes: real or complex, shape `(2^wires,)` or `(batch, 2^wires)`.
        wires: the first is the most significant.

    Source: Möttönen, Vartiainen, Bergholm, Salomaa, quant-ph/0407010 (2004), eqs. (5) and (8), in
    the order of PennyLane 0.45's `MottonenStatePreparation`.
    """
    gates: list[Any] = []
    if amplitudes.is_complex():
        squares = amplitudes.real**2 + amplitudes.imag**2
        phases = torch.atan2(amplitudes.imag, amplitudes.real)
    else:
        squares = amplitudes**2
        phases = (amplitudes < 0).to(amplitudes.dtype) * math.pi
    for position, target in enumerate(wires):
        norms = torch.sqrt(_halves(squares, position).sum(-1))
        angles = 2 * torch.atan2(norms[..., 1], norms[..., 0])
        gates += _multiplexed(qml.RY, angles, wires[:position], target)
    for position, target in enumerate(wires):
        means = _halves(phases, position).mean(-1)
        gates += _multiplexed(qml.RZ, means[..., 1] - means[..., 0], wires[:position], target)
    return [*gates, qml.GlobalPhase(-phases.mean(-1), wires=wires)]


def _halves(values: Tensor, position: int) -> Tensor:
    """Reshape values by basis state to `(..., block, half, rest)`; earlier wires give `block`."""
    return values.reshape(*values.shape[:-1], 2**position, 2, -1)


def _multiplexed(gate: Any, angles: Tensor, controls: Sequence[Any], target: Any) -> Iterator[Any]:
    """Yield rotations by `angles[..., j]` where the controls hold j, without controlled gates.

    theta_i = 2^-k sum_j (-1)^(j . g_i) angles_j, with the bitwise product of j and the Gray code
    g_i; a CNOT stands where the code changes. Source: quant-ph/0407010, eq. (3) and figure 2.
    """
    codes = [index ^ (index >> 1) for index in range(2 ** len(controls))]
    signs = [[(-1.0) ** (j & code).bit_count() for code in codes] for j in range(len(codes))]
    thetas = angles @ torch.tensor(signs, dtype=angles.dtype) / len(codes)
    for index, code in enumerate(codes):
        yield gate(thetas[..., index], wires=target)
        if controls:
            changed = code ^ codes[(index + 1) % len(codes)]
            yield qml.CNOT([controls[-changed.bit_length()], target])
