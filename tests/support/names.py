"""PennyLane's own lists of operators and measurements, by the names that users write."""

from __future__ import annotations

import pennylane as qml


def _classes(parent: type, *rooms: object) -> dict[str, set[str]]:
    """Return every class below `parent` by its own name, with the other names that it goes by."""
    found: dict[str, set[str]] = {}
    for room in rooms:
        for name in dir(room):
            member = getattr(room, name)
            if isinstance(member, type) and issubclass(member, parent):
                found.setdefault(member.__name__, set()).add(name)
    return {name: names - {name} for name, names in sorted(found.items())}


CHANNELS = frozenset(_classes(qml.operation.Channel, qml))
TEMPLATES = frozenset(_classes(qml.operation.Operator, qml.templates))
OPERATORS = _classes(qml.operation.Operator, qml, qml.ops, qml.ops.qubit, qml.templates, qml.pulse)
MEASUREMENTS = _classes(qml.measurements.MeasurementProcess, qml.measurements)

NAMES = OPERATORS | MEASUREMENTS
"""Every name that has to be in one of the two tables, with its aliases."""
