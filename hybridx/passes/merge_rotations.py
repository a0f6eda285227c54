"""Join rotations that follow one another: R(a) R(b) = R(a + b)."""

from __future__ import annotations

import msgspec

from hybridx.circuit import GATES, Angle, Apply, Circuit, Operation, Parameter, wires_of


def merge_rotations(circuit: Circuit) -> Circuit:
    """Join neighbouring rotations of one kind on the same wires: R(a) R(b) = R(a + b).

    Promise: the state is exactly equal. Neighbours are gates with nothing between them on any of
    their wires. Two different columns cannot be added, so such a pair stays.

    Example:
        >>> from hybridx.circuit import parse, show
        >>> show(merge_rotations(parse("RX 0 p[0]; RZ 1 1.0; RX 0 0.5; adj RZ 1 0.25; expval Z0")))
        'RX 0 (p[0] + 0.5); RZ 1 0.75; expval Z0'
    """
    merged: list[Operation] = []
    last: dict[int, int] = {}  # for each wire the place of its last operation
    for operation in circuit.operations:
        wires = wires_of(operation)
        place = max((last.get(wire, -1) for wire in wires), default=-1)
        joined = None if place < 0 else _join(merged[place], operation)
        if joined is not None:
            merged[place] = joined
            continue
        last.update(dict.fromkeys(wires, len(merged)))
        merged.append(operation)
    return msgspec.structs.replace(circuit, operations=tuple(merged))


def _join(left: Operation, right: Operation) -> Apply | None:
    if not (isinstance(left, Apply) and isinstance(right, Apply)):
        return None
    if left.angle is None or right.angle is None or not GATES[left.gate].adds_angles:
        return None
    left, right = _forward(left), _forward(right)
    assert left.angle is not None
    assert right.angle is not None
    if msgspec.structs.replace(right, angle=left.angle) != left:
        return None
    angle = _add(left.angle, right.angle)
    return None if angle is None else msgspec.structs.replace(left, angle=angle)


def _forward(operation: Apply) -> Apply:
    """Return a rotation that is not adjoint: the adjoint of R(a) is R(-a)."""
    if not operation.adjoint or operation.angle is None:
        return operation
    match operation.angle:
        case Parameter(column, scale, offset):
            angle: Angle = Parameter(column, -scale, -offset)
        case number:
            angle = -number
    return msgspec.structs.replace(operation, adjoint=False, angle=angle)


def _add(left: Angle, right: Angle) -> Angle | None:
    match left, right:
        case Parameter(column, scale, offset), Parameter(other, more, further):
            if column != other:
                return None
            return Parameter(column, scale + more, offset + further)
        case Parameter(column, scale, offset), number:
            assert not isinstance(number, Parameter)
            return Parameter(column, scale, offset + number)
        case number, Parameter():
            return _add(right, left)
        case _:
            assert not isinstance(left, Parameter)
            assert not isinstance(right, Parameter)
            return left + right
