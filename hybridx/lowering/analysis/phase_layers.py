"""A circuit as alternating phases and real matrices, with as few changes as its order allows.

Phases are carried forward through the permutations that follow them, which turn parities into
parities, until a real matrix mixes what they are about. So the phases of a whole layer of a
circuit meet at one place.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hybridx.lowering.analysis.phase_polynomial import (
    SMALL,
    Angle,
    Mask,
    Phases,
    add_angles,
    wires_in,
)
from hybridx.lowering.analysis.real_factors import Affine, Part, Real


@dataclass(frozen=True, eq=False)
class Epoch:
    """Phases, then real matrices in order."""

    phases: Phases
    reals: tuple[Real, ...]


def epochs_of(parts: Sequence[Part]) -> tuple[tuple[Epoch, ...], Phases]:
    """Return parts as epochs, and the phases that are left at the end.

    Args:
        parts: in an order in which they act.
    """
    done: list[tuple[dict[Mask, Angle], list[Real]]] = [({}, [])]
    pending: dict[Mask, Angle] = {}
    for part in _early_phases(parts):
        match part:
            case Phases(angles):
                add_angles(pending, angles)
            case Real(affine=None):
                if any(mask & part.targets for mask in pending):
                    done.append((pending, []))
                    pending = {}
                done[-1][1].append(part)
            case Real(affine=(_, inverse)):
                pending = carried(pending, inverse)
                _append(done[-1][1], part)
    epochs = tuple(Epoch(Phases(angles), tuple(reals)) for angles, reals in done)
    return epochs, Phases(pending)


def _append(reals: list[Real], permutation: Real) -> None:
    """Append a permutation, or take away its inverse: CNOT RZ CNOT leaves two CNOTs alone."""
    wires = permutation.targets | permutation.controls
    for place in reversed(range(len(reals))):
        before = reals[place]
        if not wires & (before.targets | before.controls):
            continue
        if before.wires == permutation.wires and _are_inverse(before, permutation):
            del reals[place]
            return
        break
    reals.append(permutation)


def _are_inverse(one: Real, other: Real) -> bool:
    if one.moves or other.moves:
        return False
    (left,), (right,) = one.spectrum.values(), other.spectrum.values()
    return bool(np.abs(left @ right - np.eye(len(left))).max() < SMALL)


def carried(angles: Mapping[Mask, Angle], permutation: Affine) -> dict[Mask, Angle]:
    """Return phases d as the phases x -> d(permutation(x))."""
    moved: dict[Mask, Angle] = {}
    for mask, angle in angles.items():
        image, sign = permutation.back(mask)
        add_angles(moved, {image: sign * angle})
    return moved


def _early_phases(parts: Sequence[Part]) -> Iterable[Part]:
    """Yield parts with phases and permutations as early as they can stand, others in order."""
    after, missing = _dependencies(parts)
    ready = [(_rank(part), index) for index, part in enumerate(parts) if not missing[index]]
    heapq.heapify(ready)
    while ready:
        _, index = heapq.heappop(ready)
        yield parts[index]
        for later in after[index]:
            missing[later] -= 1
            if not missing[later]:
                heapq.heappush(ready, (_rank(parts[later]), later))


def _rank(part: Part) -> int:
    return 0 if isinstance(part, Phases) or part.affine is not None else 1


def _dependencies(parts: Sequence[Part]) -> tuple[list[set[int]], list[int]]:
    """Return, for each part, which later ones wait for it and how many it waits for.

    What mixes a wire waits for all before it on that wire; what is diagonal there waits for the
    last that mixed it.
    """
    after: list[set[int]] = [set() for _ in parts]
    missing = [0] * len(parts)
    mixed: dict[int, int] = {}
    read: dict[int, list[int]] = {}
    for index, part in enumerate(parts):
        targets = part.targets if isinstance(part, Real) else 0
        controls = part.controls if isinstance(part, Real) else part.mask
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
