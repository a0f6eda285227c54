"""Steps in an order in which many of them become one.

Each step moves towards the start of the circuit as far as it commutes with what is there. Phases
join the first phases that they reach, and moves the last moves. The rotations of a layer, which
Python code writes wire by wire, then stand side by side with one step of phases between them.
"""

from __future__ import annotations

import numpy as np

from hybridx.kernels.steps import Gate, Integers, Mode, Moves, Numbers, Phases, Step


class Order:
    """Takes the steps of a circuit one by one, and puts each in its place.

    No more steps are held than are left in the end: each move of a wide state takes megabytes.

    Args:
        indices: of the amplitudes.
    """

    def __init__(self, indices: Integers) -> None:
        self._indices = indices
        self._done: list[Step] = []

    def add(self, step: Step) -> None:
        """Take the next step of the circuit."""
        match step:
            case Phases():
                _add_phases(self._done, step)
            case Moves():
                _add_moves(self._done, step, self._indices)
            case Gate():
                _add_gate(self._done, step, self._indices)

    def steps(self) -> list[Step]:
        """Return the steps so far in their order, without those that do nothing."""
        return [step for step in self._done if not _is_idle(step, self._indices)]


def _is_idle(step: Step, indices: Integers) -> bool:
    match step:
        case Phases():
            return not step.modes and not step.constant.any()
        case Moves():
            return np.array_equal(step.origin, indices)
        case _:
            return False


def _add_phases(done: list[Step], phases: Phases) -> None:
    """Add phases to the first of their kind that they reach, or as a step at the end."""
    constant, modes = phases.constant, phases.modes
    goal: tuple[int, Numbers, list[Mode]] | None = None
    place = len(done)
    while place:
        before = done[place - 1]
        match before:
            case Phases():
                if before.by_row == phases.by_row:
                    goal = place - 1, constant, modes
            case Gate():
                if not _is_even(constant, modes, before):
                    break
            case Moves():
                moved = _before(before.origin, constant, modes)
                if moved is None:
                    break
                constant, modes = moved
        place -= 1
    if goal is None:
        done.append(Phases(phases.constant, list(phases.modes), phases.by_row))
        return
    at, constant, modes = goal
    reached = done[at]
    assert isinstance(reached, Phases)
    reached.constant = reached.constant + constant
    reached.modes += modes


def _is_even(constant: Numbers, modes: list[Mode], gate: Gate) -> bool:
    """Return whether phases are the same for all amplitudes that a gate mixes."""
    if any(mode.mask & gate.flips for mode in modes):
        return False
    indices = np.arange(len(constant))
    return all(
        np.array_equal(constant, constant[indices ^ bit]) for bit in gate.targets if gate.flips
    )


def _before(
    origin: Integers, constant: Numbers, modes: list[Mode]
) -> tuple[Numbers, list[Mode]] | None:
    """Return what phases after some moves are before them, or None where that has no such form."""
    goals = np.argsort(origin)
    moved = []
    for mode in modes:
        found = carried(goals, mode.mask)
        if found is None:
            return None
        mask, sign = found
        moved.append(Mode(mask, sign * mode.coefficient, mode.angle))
    return constant[goals], moved


def carried(goals: Integers, mask: int) -> tuple[int, float] | None:
    """Return the parity of which wires, with a sign, is another one after amplitudes move.

    Args:
        goals: where each amplitude goes.
        mask: the wires of the parity after it.

    Returns:
        the wires before it, and 1 or -1; None if it is the parity of no wires.
    """
    parity = _parity(goals & mask)
    before, bit = 0, 1
    while bit < len(goals):
        before |= bit if parity[bit] != parity[0] else 0
        bit *= 2
    if not np.array_equal(parity ^ parity[0], _parity(np.arange(len(goals)) & before)):
        return None
    return before, -1.0 if parity[0] else 1.0


def _parity(numbers: Integers) -> Integers:
    return np.bitwise_count(numbers).astype(np.int64) & 1


def _add_gate(done: list[Step], gate: Gate, indices: Integers) -> None:
    """Put a gate as near to the start as it commutes."""
    place = len(done)
    while place and _commutes(done[place - 1], gate, indices):
        place -= 1
    done.insert(place, gate)


def _commutes(before: Step, gate: Gate, indices: Integers) -> bool:
    match before:
        case Phases():
            return _is_even(before.constant, before.modes, gate)
        case Gate():
            return not (gate.wires & before.flips or before.wires & gate.flips)
        case Moves():
            return _is_untouched(before.origin, gate, indices)


def _add_moves(done: list[Step], moves: Moves, indices: Integers) -> None:
    """Add moves to the last ones, if all gates since then are on other wires."""
    place = len(done)
    while place:
        before = done[place - 1]
        if isinstance(before, Moves):
            before.origin = before.origin[moves.origin]
            return
        if not (isinstance(before, Gate) and _is_untouched(moves.origin, before, indices)):
            break
        place -= 1
    done.append(Moves(moves.origin))


def _is_untouched(origin: Integers, gate: Gate, indices: Integers) -> bool:
    """Return whether moves leave all wires of a gate as they are."""
    return np.array_equal(origin & gate.wires, indices & gate.wires) and all(
        np.array_equal(origin[indices ^ bit], origin ^ bit) for bit in gate.targets
    )
