"""How many rows of a batch a compiled circuit computes at once: it follows from the machine."""

from __future__ import annotations

from typing import Final

from hybridx.lowering.machines.machine import Machine
from hybridx.program import Program, count_live

_FEW: Final = 8  # rows; if more fit, a large batch is no slower than a loop, which costs steps
_MOST_NUMBERS: Final = 2**26  # of all rows of an iteration
_MANY: Final = 4096  # rows, of which a loop is not worth its steps
_FLOAT: Final = 4  # bytes


def rows_at_once(program: Program, machine: Machine) -> int | None:
    """Return how many rows a loop over the batch takes at a time; None if no loop is needed.

    Args:
        program: of the circuit.
        machine: that runs it.
    """
    if machine.near_bytes is None:
        return None
    few: int | None = None
    if program.state is not None:
        rows = machine.near_bytes // (_FLOAT * program.state)
        few = max(1, rows) if rows <= _FEW else None
    most = _MOST_NUMBERS // count_live(program)
    return few if most >= _MANY else min(max(most, 1), few or most)


def bytes_at_once(program: Program, rows: int, float_bytes: int) -> int:
    """Return how many bytes of values so many rows need at once, at most, beside the constants.

    Args:
        program: of the circuit.
        rows: that are computed at once.
        float_bytes: of a number.
    """
    return rows * float_bytes * count_live(program)
