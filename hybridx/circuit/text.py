"""Circuits as text for people: doctests, golden files, bug reports.

    wires 3                          only where no operation or measurement uses the last wire
    parameters 2                     only where no angle uses the last column
    RX 0 p[0]                        gate, wires, angle
    RY 1 (2.0*p[1] + 0.5)            scale and offset
    adj S 0                          adjoint
    ctrl[0, !2] RZ 1 0.25            controls; ! for a control that acts on 0
    expval Z0                        expectation values
    expval 0.5*X0@Y1 + -1.0*Z2       terms with their coefficients; I is the identity
    shots 1000

Statements stand on lines of their own or behind a semicolon. Wire 0 is the most significant.
"""

from __future__ import annotations

import re

from hybridx.circuit.circuit import (
    Angle,
    Apply,
    Circuit,
    Expectation,
    Measurement,
    Operation,
    Parameter,
    PauliTerm,
)

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)"
_PARAMETER = re.compile(rf"\(?(?:({_NUMBER})\*)?p\[(\d+)\](?: \+ ({_NUMBER})\))?\)?")
_APPLY = re.compile(r"(?:ctrl\[([^\]]*)\] )?(adj )?([A-Za-z]\w*)((?: \d+)+)(?: (\S.*))?")
_TERM = re.compile(rf"(?:({_NUMBER})\*)?(I|[XYZ]\d+(?:@[XYZ]\d+)*)")


def show(circuit: Circuit) -> str:
    """Return the text of a circuit, statements joined by `; `.

    Example:
        >>> show(parse("RX 0 p[0]; CNOT 0 1; expval Z1"))
        'RX 0 p[0]; CNOT 0 1; expval Z1'
    """
    body = [_show_operation(operation) for operation in circuit.operations]
    body += [_show_measurement(measurement) for measurement in circuit.measurements]
    seen_wires, seen_parameters = _extent(circuit.operations, circuit.measurements)
    head = []
    if seen_wires != circuit.wires:
        head.append(f"wires {circuit.wires}")
    if seen_parameters != circuit.parameters:
        head.append(f"parameters {circuit.parameters}")
    tail = [] if circuit.shots is None else [f"shots {circuit.shots}"]
    return "; ".join(head + body + tail)


def parse(text: str) -> Circuit:
    """Return the circuit of a text; wires and columns are counted where they are not said.

    Raises:
        ValueError: a statement cannot be read.
    """
    operations: list[Operation] = []
    measurements: list[Measurement] = []
    said: dict[str, int] = {}
    for statement in (part.strip() for part in re.split(r"[;\n]", text)):
        if not statement:
            continue
        keyword, _, rest = statement.partition(" ")
        if keyword in ("wires", "parameters", "shots"):
            said[keyword] = int(rest)
        elif keyword == "expval":
            measurements.append(_parse_expectation(rest))
        else:
            operations.append(_parse_operation(statement))
    wires, parameters = _extent(tuple(operations), tuple(measurements))
    return Circuit(
        wires=said.get("wires", wires),
        parameters=said.get("parameters", parameters),
        operations=tuple(operations),
        measurements=tuple(measurements),
        shots=said.get("shots"),
    )


def _extent(
    operations: tuple[Operation, ...], measurements: tuple[Measurement, ...]
) -> tuple[int, int]:
    """Return how many wires and columns are named."""
    wires = [wire for op in operations for wire in op.controls + op.wires]
    wires += [wire for m in measurements for term in m.terms for wire in term.wires]
    columns = [op.angle.column for op in operations if isinstance(op.angle, Parameter)]
    return max(wires, default=0) + 1, max(columns, default=-1) + 1


def _show_operation(operation: Operation) -> str:
    words = []
    if operation.controls:
        controls = zip(operation.controls, operation.control_values, strict=True)
        marks = [str(wire) if value else f"!{wire}" for wire, value in controls]
        words.append(f"ctrl[{', '.join(marks)}]")
    if operation.adjoint:
        words.append("adj")
    words += [operation.gate, *map(str, operation.wires)]
    if operation.angle is not None:
        words.append(_show_angle(operation.angle))
    return " ".join(words)


def _show_angle(angle: Angle) -> str:
    match angle:
        case Parameter(column, scale, offset):
            scaled = f"p[{column}]" if scale == 1.0 else f"{scale!r}*p[{column}]"
            return scaled if offset == 0.0 else f"({scaled} + {offset!r})"
        case number:
            return repr(float(number))


def _show_measurement(measurement: Measurement) -> str:
    def shown(term: PauliTerm) -> str:
        factors = zip(term.letters, term.wires, strict=True)
        word = "@".join(f"{letter}{wire}" for letter, wire in factors) or "I"
        return word if term.coefficient == 1.0 else f"{term.coefficient!r}*{word}"

    return "expval " + " + ".join(map(shown, measurement.terms))


def _parse_operation(statement: str) -> Apply:
    matched = _APPLY.fullmatch(statement)
    if matched is None:
        raise ValueError(f"{statement!r} is not `gate wires angle`")
    controls, adjoint, gate, wires, angle = matched.groups()
    marks = [mark.strip() for mark in controls.split(",")] if controls else []
    return Apply(
        gate=gate,
        wires=tuple(map(int, wires.split())),
        angle=None if angle is None else _parse_angle(angle),
        adjoint=adjoint is not None,
        controls=tuple(int(mark.removeprefix("!")) for mark in marks),
        control_values=tuple(not mark.startswith("!") for mark in marks),
    )


def _parse_angle(text: str) -> Angle:
    matched = _PARAMETER.fullmatch(text)
    if matched is None:
        return float(text)
    scale, column, offset = matched.groups()
    return Parameter(int(column), float(scale or 1.0), float(offset or 0.0))


def _parse_expectation(text: str) -> Expectation:
    terms = []
    for part in text.split(" + "):
        matched = _TERM.fullmatch(part)
        if matched is None:
            raise ValueError(f"{part!r} is not `coefficient*X0@Y1`")
        coefficient, word = matched.groups()
        factors = [] if word == "I" else word.split("@")
        terms.append(
            PauliTerm(
                coefficient=float(coefficient or 1.0),
                letters="".join(factor[0] for factor in factors),
                wires=tuple(int(factor[1:]) for factor in factors),
            )
        )
    return Expectation(tuple(terms))
