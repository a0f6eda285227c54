"""What circuits cost on a simulator of this machine, counted before it gets them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from hybridx.bounds import RUN_BYTES, RUN_SECONDS, refuse_above
from hybridx.circuit import Circuit, State, apart, evaluations, wires_of
from hybridx.device_table import family_of
from hybridx.errors import NoShiftError

_AMPLITUDE_BYTES: Final = 32  # of a complex number, and of one more copy
_SECONDS_OF_A_GATE: Final = 2e-4  # PennyLane makes and applies an operation
_SECONDS_OF_AN_AMPLITUDE: Final = 2e-9


def check_simulation(circuits: Iterable[Circuit], device: str) -> None:
    """Refuse circuits whose state does not fit in memory, or which take long for one row.

    Args:
        circuits: of a file.
        device: the name of a device. Only simulators that hold a state are asked.

    Raises:
        TooLargeError: a circuit is over the limit of memory or of time.
    """
    family = family_of(device)
    if family is None or not family.holds_state:
        return
    for circuit in circuits:
        axes = len(_used_wires(circuit)) * (2 if device.endswith("mixed") else 1)
        size = (1 << axes) * _AMPLITUDE_BYTES
        refuse_above(RUN_BYTES, size, "the memory for the state of a circuit on this simulator")
        terms = sum(len(getattr(one, "terms", ())) or 1 for one in circuit.measurements)
        each = _SECONDS_OF_A_GATE + (1 << axes) * _SECONDS_OF_AN_AMPLITUDE
        points = evaluations(circuit)
        seconds = math.ceil(points * (len(circuit.operations) + terms) * each)
        refuse_above(RUN_SECONDS, seconds, "the time for a row of a circuit on this simulator")


def check_shifts(circuits: Mapping[str, Circuit]) -> None:
    """Refuse derivatives that no device computes.

    A state that is prepared has to be of length one, and a matrix unitary: shifted entries are not.

    Args:
        circuits: of a file, by name.

    Raises:
        NoShiftError: a derivative is taken by an entry.
    """
    for name, circuit in circuits.items():
        if circuit.derivative and apart(circuit).has_entries:
            raise NoShiftError(name)


def _used_wires(circuit: Circuit) -> set[int]:
    """Return the wires that a simulator has to keep."""
    used = {wire for operation in circuit.operations for wire in wires_of(operation)}
    for one in circuit.measurements:
        if isinstance(one, State):
            return set(range(circuit.wires))
        for name in ("wires", "first", "second"):
            used.update(getattr(one, name, ()))
        for term in getattr(one, "terms", ()):
            used.update(term.wires)
    return used
