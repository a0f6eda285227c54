"""A circuit as alternating phases and matrices, with as few layers as its order allows.

Phases are carried forward through the permutations that follow them, which map parities to
parities, until a matrix mixes wires that they depend on. So the phases of a whole layer of the
circuit are applied together.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hybridx.lowering.analysis.phase_polynomial import (
    SMALL,
    Mask,
    PhaseAngle,
    Phases,
    add_angles,
    wires_in,
)
from hybridx.lowering.analysis.real_factors import Affine, Factor, MatrixFactor


@dataclass(frozen=True, eq=False)
class PhaseLayer:
    """Phases, then matrices in order."""

    phases: Phases
    matrices: tuple[MatrixFactor, ...]


def phase_layers_of(factors: Sequence[Factor]) -> tuple[tuple[PhaseLayer, ...], Phases]:
    """Return factors as layers, and the phases that are left at the end.

    Args:
        factors: in an order in which they act.
    """
    done: list[tuple[dict[Mask, PhaseAngle], list[MatrixFactor]]] = [({}, [])]
    pending: dict[Mask, PhaseAngle] = {}
    for factor in _early_phases(factors):
        match factor:
            case Phases(angles):
                add_angles(pending, angles)
            case MatrixFactor(affine=None):
                if any(mask & factor.targets for mask in pending):
                    done.append((pending, _last_diagonal(done[-1][1])))
                    pending = {}
                done[-1][1].append(factor)
            case MatrixFactor(affine=(_, inverse)):
                pending = carried(pending, inverse)
                _append(done[-1][1], factor)
    layers = tuple(PhaseLayer(Phases(angles), tuple(matrices)) for angles, matrices in done)
    return layers, Phases(pending)


def _last_diagonal(matrices: list[MatrixFactor]) -> list[MatrixFactor]:
    """Remove and return the diagonal matrices that can follow all others, and so later phases."""
    removed: list[MatrixFactor] = []
    mixed: Mask = 0
    for place in reversed(range(len(matrices))):
        if matrices[place].targets or matrices[place].controls & mixed:
            mixed |= matrices[place].targets
        else:
            removed.append(matrices.pop(place))
    return removed[::-1]


def _append(matrices: list[MatrixFactor], permutation: MatrixFactor) -> None:
    """Append a permutation, or remove its inverse: CNOT RZ CNOT leaves two CNOTs side by side.

    A pass over circuits could not cancel them, because the RZ stands between them until its phase
    has been carried through the second CNOT.
    """
    wires = permutation.targets | permutation.controls
    for place in reversed(range(len(matrices))):
        before = matrices[place]
        if not wires & (before.targets | before.controls):
            continue
        if before.affine and before.wires == permutation.wires:
            (left,), (right,) = before.spectrum.values(), permutation.spectrum.values()
            if np.abs(left @ right - np.eye(len(left))).max() < SMALL:
                del matrices[place]
                return
        break
    matrices.append(permutation)


def carried(angles: Mapping[Mask, PhaseAngle], permutation: Affine) -> dict[Mask, PhaseAngle]:
    """Return phases d as the phases x -> d(permutation(x))."""
    moved: dict[Mask, PhaseAngle] = {}
    for mask, angle in angles.items():
        image, sign = permutation.back(mask)
        add_angles(moved, {image: sign * angle})
    return moved


def _early_phases(factors: Sequence[Factor]) -> Iterable[Factor]:
    """Yield factors with phases and permutations as early as they can stand, others in order."""
    after, missing = _dependencies(factors)
    ranks = [int(isinstance(one, MatrixFactor) and one.affine is None) for one in factors]
    ready = [(rank, index) for index, rank in enumerate(ranks) if not missing[index]]
    heapq.heapify(ready)
    while ready:
        _, index = heapq.heappop(ready)
        yield factors[index]
        for later in after[index]:
            missing[later] -= 1
            if not missing[later]:
                heapq.heappush(ready, (ranks[later], later))


def _dependencies(factors: Sequence[Factor]) -> tuple[list[set[int]], list[int]]:
    """Return, for each factor, which later ones wait for it and how many it waits for.

    A factor that mixes a wire waits for all before it on that wire; one that is diagonal there
    waits for the last that mixed it.
    """
    after: list[set[int]] = [set() for _ in factors]
    missing = [0] * len(factors)
    mixed: dict[int, int] = {}
    read: dict[int, list[int]] = {}
    for index, factor in enumerate(factors):
        targets = factor.targets if isinstance(factor, MatrixFactor) else 0
        controls = factor.controls if isinstance(factor, MatrixFactor) else factor.mask
        before: set[int] = set()
        for wire in wires_in(targets | controls):
            before |= {mixed[wire]} if wire in mixed else set()
            if targets >> wire & 1:
                before |= set(read.pop(wire, ()))
                mixed[wire] = index
            else:
                read.setdefault(wire, []).append(index)
        for earlier in before:
            after[earlier].add(index)
        missing[index] = len(before)
    return after, missing
