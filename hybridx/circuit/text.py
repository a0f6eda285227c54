"""Circuits as text for people: doctests, golden files, bug reports.

    wires 3                          only where no operation or measurement uses the last wire
    parameters 2                     only where no angle uses the last column
    RX 0 p[0]                        gate, wires, angle
    RY 1 (2.0*p[1] + 0.5)            scale and offset
    adj S 0                          adjoint
    ctrl[0, !2] RZ 1 0.25            controls; ! for a control that acts on 0
    unitary 0 [0, 1, 1, 0]           a matrix by its entries; + i[...] for imaginary parts
    prepare 0 1 [p[0], p[1], 0, 0]   amplitudes of wires in |0>
    channel 0 [1, 0, 0, 0, 0, 1, 0, 0]   noise by its Kraus operators, one after another
    expval Z0                        expectation values
    expval 0.5*X0@Y1 + -1.0*Z2       terms with their coefficients; I is the identity
    var Z0@Z1                        variance
    probs 0 1; state; density 0; purity 0
    entropy 0 1; mutual 0 | 1 2 base 2.0   natural logarithms without a base
    shots 1000
    derivative 1                     the vector-Jacobian product of the circuit; first of all

Statements stand on lines of their own or behind a semicolon. Wire 0 is the most significant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from hybridx.circuit.circuit import (
    Angle,
    Apply,
    Channel,
    Circuit,
    DensityMatrix,
    Entropy,
    Expectation,
    Measurement,
    MutualInformation,
    Operation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    Purity,
    State,
    Unitary,
    Variance,
    angles_of,
    wires_of,
)

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)"
_PARAMETER = re.compile(rf"\(?(?:({_NUMBER})\*)?p\[(\d+)\](?: \+ ({_NUMBER})\))?\)?")
_APPLY = re.compile(r"(?:ctrl\[([^\]]*)\] )?(adj )?([A-Za-z]\w*)((?: \d+)+)(?: (\S.*))?")
_ENTRIES = re.compile(
    r"(unitary|prepare|channel)((?: \d+)+| ) \[((?:p\[\d+\]|[^\]])*)\](?: \+ i\[(.*)\])?"
)
_NO_TERMS = "0"
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
    head = [] if not circuit.derivative else [f"derivative {circuit.derivative}"]
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
        if keyword in ("wires", "parameters", "shots", "derivative"):
            said[keyword] = int(rest)
        elif keyword in _MEASUREMENTS:
            measurements.append(_MEASUREMENTS[keyword](rest))
        else:
            operations.append(_parse_operation(statement))
    wires, parameters = _extent(operations, measurements)
    return Circuit(
        wires=said.get("wires", wires),
        parameters=said.get("parameters", parameters),
        operations=tuple(operations),
        measurements=tuple(measurements),
        shots=said.get("shots"),
        derivative=said.get("derivative", 0),
    )


def _extent(
    operations: Iterable[Operation], measurements: Iterable[Measurement]
) -> tuple[int, int]:
    """Return how many wires and columns are named."""
    wires = [wire for operation in operations for wire in wires_of(operation)]
    wires += [wire for measurement in measurements for wire in _measured(measurement)]
    angles = [angle for operation in operations for angle in angles_of(operation)]
    columns = [angle.column for angle in angles if isinstance(angle, Parameter)]
    return max(wires, default=0) + 1, max(columns, default=-1) + 1


def _measured(measurement: Measurement) -> tuple[int, ...]:
    match measurement:
        case Expectation(terms) | Variance(terms):
            return tuple(wire for term in terms for wire in term.wires)
        case Probabilities(wires) | DensityMatrix(wires) | Purity(wires) | Entropy(wires):
            return wires
        case MutualInformation(first, second):
            return first + second
        case State():
            return ()
        case _:
            assert_never(measurement)


def _show_operation(operation: Operation) -> str:
    match operation:
        case Apply():
            return _show_gate(operation)
        case Unitary(wires, real, imaginary):
            return f"unitary {_spaced(wires)} {_show_entries(real, imaginary)}"
        case Prepare(wires, real, imaginary):
            return f"prepare {_spaced(wires)} {_show_entries(real, imaginary)}"
        case Channel(wires, real, imaginary):
            return f"channel {_spaced(wires)} {_show_entries(real, imaginary)}"
        case _:
            assert_never(operation)


def _show_gate(operation: Apply) -> str:
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


def _show_entries(real: tuple[Angle, ...], imaginary: tuple[Angle, ...]) -> str:
    shown = f"[{', '.join(map(_show_angle, real))}]"
    return f"{shown} + i[{', '.join(map(_show_angle, imaginary))}]" if imaginary else shown


def _spaced(wires: tuple[int, ...]) -> str:
    return " ".join(map(str, wires))


def _show_angle(angle: Angle) -> str:
    match angle:
        case Parameter(column, scale, offset):
            scaled = f"p[{column}]" if scale == 1.0 else f"{scale!r}*p[{column}]"
            return scaled if offset == 0.0 else f"({scaled} + {offset!r})"
        case number:
            return repr(float(number))


def _show_measurement(measurement: Measurement) -> str:
    match measurement:
        case Expectation(terms):
            return f"expval {_show_terms(terms)}"
        case Variance(terms):
            return f"var {_show_terms(terms)}"
        case Probabilities(wires):
            return f"probs {_spaced(wires)}"
        case State():
            return "state"
        case DensityMatrix(wires):
            return f"density {_spaced(wires)}"
        case Purity(wires):
            return f"purity {_spaced(wires)}"
        case Entropy(wires, base):
            return f"entropy {_spaced(wires)}{_show_base(base)}"
        case MutualInformation(first, second, base):
            return f"mutual {_spaced(first)} | {_spaced(second)}{_show_base(base)}"
        case _:
            assert_never(measurement)


def _show_base(base: float | None) -> str:
    return "" if base is None else f" base {float(base)!r}"


def _show_terms(terms: tuple[PauliTerm, ...]) -> str:
    def shown(term: PauliTerm) -> str:
        factors = zip(term.letters, term.wires, strict=True)
        word = "@".join(f"{letter}{wire}" for letter, wire in factors) or "I"
        return word if term.coefficient == 1.0 else f"{term.coefficient!r}*{word}"

    return " + ".join(map(shown, terms)) or _NO_TERMS


def _parse_operation(statement: str) -> Operation:
    entries = _ENTRIES.fullmatch(statement)
    if entries is not None:
        kind, wires, real, imaginary = entries.groups()
        return _BY_ENTRIES[kind](
            _parse_wires(wires), _parse_entries(real), _parse_entries(imaginary or "")
        )
    matched = _APPLY.fullmatch(statement)
    if matched is None:
        raise ValueError(f"{statement!r} is not `gate wires angle`")
    controls, adjoint, gate, wires, angle = matched.groups()
    marks = [mark.strip() for mark in controls.split(",")] if controls else []
    return Apply(
        gate=gate,
        wires=_parse_wires(wires),
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


def _parse_wires(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


def _parse_entries(text: str) -> tuple[Angle, ...]:
    return tuple(_parse_angle(part) for part in text.split(", ")) if text else ()


def _parse_entropy(text: str) -> tuple[tuple[int, ...], float | None]:
    wires, _, base = text.partition(" base ")
    return _parse_wires(wires), float(base) if base else None


def _parse_mutual(text: str) -> MutualInformation:
    first, _, rest = text.partition("|")
    second, base = _parse_entropy(rest)
    return MutualInformation(_parse_wires(first), second, base)


def _parse_terms(text: str) -> tuple[PauliTerm, ...]:
    terms = []
    for part in () if text == _NO_TERMS else text.split(" + "):
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
    return tuple(terms)


_BY_ENTRIES: Mapping[str, type[Unitary | Prepare | Channel]] = {
    "unitary": Unitary,
    "prepare": Prepare,
    "channel": Channel,
}
_MEASUREMENTS: Mapping[str, Callable[[str], Measurement]] = {
    "expval": lambda text: Expectation(_parse_terms(text)),
    "var": lambda text: Variance(_parse_terms(text)),
    "probs": lambda text: Probabilities(_parse_wires(text)),
    "state": lambda text: State(),
    "density": lambda text: DensityMatrix(_parse_wires(text)),
    "purity": lambda text: Purity(_parse_wires(text)),
    "entropy": lambda text: Entropy(*_parse_entropy(text)),
    "mutual": _parse_mutual,
}
