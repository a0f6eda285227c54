"""The layout of a picture of a circuit, for text and figures alike: marks on wires, in columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from hybridx.circuit import (
    Angle,
    Apply,
    Circuit,
    Expectation,
    Operation,
    Parameter,
    measured_wires,
    show,
    wires_of,
)

Kind: TypeAlias = Literal["box", "control", "anticontrol", "not", "swap"]

# Gates drawn as controls and another gate: the number of controls and that gate.
CONTROLLED: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "CNOT": (1, "PauliX"),
        "CY": (1, "PauliY"),
        "CZ": (1, "PauliZ"),
        "CH": (1, "Hadamard"),
        "CSWAP": (1, "SWAP"),
        "CRX": (1, "RX"),
        "CRY": (1, "RY"),
        "CRZ": (1, "RZ"),
        "ControlledPhaseShift": (1, "PhaseShift"),
        "Toffoli": (2, "PauliX"),
        "CCZ": (2, "PauliZ"),
    }
)
SHORT: Mapping[str, str] = MappingProxyType(
    {
        "Identity": "I",
        "PauliX": "X",
        "PauliY": "Y",
        "PauliZ": "Z",
        "Hadamard": "H",
        "PhaseShift": "P",
        "IsingXX": "RXX",
        "IsingYY": "RYY",
        "IsingZZ": "RZZ",
        "ISWAP": "iSWAP",
        "IsingXY": "RXY",
        "FermionicSWAP": "fSWAP",
        "SingleExcitation": "G",
        "SingleExcitationPlus": "G₊",
        "SingleExcitationMinus": "G₋",
        "DoubleExcitation": "G²",
        "DoubleExcitationPlus": "G²₊",
        "DoubleExcitationMinus": "G²₋",
        "CPhaseShift00": "P00",
        "CPhaseShift01": "P01",
        "CPhaseShift10": "P10",
        "GlobalPhase": "GP",
        "Prepare": "|ψ⟩",
        "Unitary": "U",
        "Channel": "ℰ",
    }
)
# Gates that are symmetric in their wires.
SYMMETRIC = frozenset({"RXX", "RXY", "RYY", "RZZ", "iSWAP", "fSWAP", "PSWAP", "P00"})
# Short names that the legend explains.
_EXPLAINED = {
    short: name for name, short in SHORT.items() if short[0] in "Gf" or short[:2] in ("P0", "P1")
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One operation on one of its wires.

    Attributes:
        wire: its wire.
        kind: how it is drawn.
        name: the text of a box, empty for other kinds.
        angle: the text of the angle in a box, or empty.
        place: of the wire among the wires of its gate, if their order matters.
    """

    wire: int
    kind: Kind
    name: str = ""
    angle: str = ""
    place: int | None = None


Glyph: TypeAlias = tuple[Mark, ...]  # all marks of one operation, from the top wire down
Column: TypeAlias = tuple[Glyph, ...]  # operations that are drawn in one column


def columns(circuit: Circuit) -> tuple[Column, ...]:
    """Return the operations in columns.

    Operations on one wire that follow each other are a layer: it starts in one column, the first in
    which all its wires are free. Any other operation stands in the first column in which the wires
    that it spans are free.
    """
    packed: list[list[Glyph]] = []
    free = [0] * circuit.wires
    glyphs = filter(None, map(glyph_of, circuit.operations))
    for is_layer, group in groupby(glyphs, key=lambda glyph: len(glyph) == 1):
        layer = list(group)
        if is_layer:
            touched = {glyph[0].wire for glyph in layer}
            start = max(free[wire] for wire in touched)
            for wire in touched:
                free[wire] = start
        for glyph in layer:
            span = range(glyph[0].wire, glyph[-1].wire + 1)
            place = max(free[wire] for wire in span)
            if place == len(packed):
                packed.append([])
            packed[place].append(glyph)
            for wire in span:
                free[wire] = place + 1
    return tuple(map(tuple, packed))


def glyph_of(operation: Operation) -> Glyph:
    """Return the marks of an operation, from the top wire down."""
    marks = _gate_marks(operation) if isinstance(operation, Apply) else _block_marks(operation)
    return tuple(sorted(marks, key=lambda mark: mark.wire))


def _gate_marks(operation: Apply) -> Iterator[Mark]:
    for wire, value in zip(operation.controls, operation.control_values, strict=True):
        yield Mark(wire, "control" if value else "anticontrol")
    count, base = CONTROLLED.get(operation.gate, (0, operation.gate))
    controls, targets = operation.wires[:count], operation.wires[count:]
    yield from (Mark(wire, "control") for wire in controls)
    is_controlled = bool(operation.controls or controls)
    match base:
        case "PauliX" if is_controlled:
            yield from (Mark(wire, "not") for wire in targets)
        case "PauliZ" if is_controlled:
            yield from (Mark(wire, "control") for wire in targets)
        case "SWAP":
            yield from (Mark(wire, "swap") for wire in targets)
        case _:
            name = SHORT.get(base, base)
            dagger = "†" if operation.adjoint else ""
            angle = "" if operation.angle is None else angle_text(operation.angle)
            yield from _boxes(targets, name, dagger, angle)


def _block_marks(operation: Operation) -> Iterator[Mark]:
    name = type(operation).__name__
    yield from _boxes(wires_of(operation), SHORT.get(name, name), "", "")


def _boxes(wires: Sequence[int], name: str, dagger: str, angle: str) -> Iterator[Mark]:
    """Yield a box for each wire; if the order of the wires matters, the boxes have their places."""
    is_ordered = len(wires) > 1 and name not in SYMMETRIC
    for place, wire in enumerate(wires):
        yield Mark(wire, "box", f"{name}{dagger}", angle, place if is_ordered else None)


def angle_text(angle: Angle) -> str:
    """Return an angle for people: four digits, multiples of pi by name.

    Example:
        >>> angle_text(-1.5 * math.pi), angle_text(Parameter(0, scale=2.0, offset=0.25))
        ('-3π/2', '2·p[0]+0.25')
    """
    match angle:
        case Parameter(column, scale, offset):
            factor = {1.0: "", -1.0: "-"}.get(scale, f"{_number(scale)}·")
            plus = "" if offset == 0.0 else f"{'+' if offset > 0 else ''}{_number(offset)}"
            return f"{factor}p[{column}]{plus}"
        case number:
            return _number(number)


def _number(value: float) -> str:
    ratio = Fraction(value / math.pi).limit_denominator(16)
    if ratio and math.isclose(value, math.pi * ratio, rel_tol=1e-12):
        top = {1: "π", -1: "-π"}.get(ratio.numerator, f"{ratio.numerator}π")
        return top if ratio.denominator == 1 else f"{top}/{ratio.denominator}"
    return f"{value:.4g}"


def measured(circuit: Circuit) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the text at the right end of each wire, and the legend below.

    A single Pauli letter is written at its wire. Any other measurement is a number there, `M2` for
    the third, and the legend has its text, then the short names of gates.
    """
    ends: list[list[str]] = [[] for _ in range(circuit.wires)]
    legend: list[str] = []
    for index, measurement in enumerate(circuit.measurements):
        match measurement:
            case Expectation((term,)) if term.coefficient == 1.0 and len(term.letters) == 1:
                ends[term.wires[0]].append(f"⟨{term.letters}⟩")
            case _:
                for wire in sorted(measured_wires(measurement, circuit.wires)):
                    ends[wire].append(f"M{index}")
                bare = msgspec.structs.replace(
                    circuit, parameters=0, operations=(), measurements=(measurement,), shots=None
                )
                legend.append(f"M{index} = {show(bare).split('; ')[-1]}")
    return tuple(", ".join(end) for end in ends), (*legend, *explained(circuit))


def explained(circuit: Circuit) -> tuple[str, ...]:
    """Return the legend of the short names of gates in a circuit.

    Example:
        >>> from hybridx.circuit import parse
        >>> explained(parse("SingleExcitation 0 1 0.2; RX 0 0.1; expval Z0"))
        ('G = SingleExcitation',)
    """
    used = {SHORT.get(one.gate) for one in circuit.operations if isinstance(one, Apply)}
    return tuple(f"{short} = {name}" for short, name in _EXPLAINED.items() if short in used)


def balanced(widths: Sequence[float], limit: float) -> list[range]:
    """Return runs of columns as `wrap` does, no more of them, but about equally wide.

    Example:
        >>> balanced((3, 3, 3, 3), 9)
        [range(0, 2), range(2, 4)]
    """
    best = list(wrap(widths, limit))
    for tenth in range(5, 10):
        found = list(wrap(widths, limit * tenth / 10))
        if len(found) == len(best):
            return found
    return best


def wrap(widths: Sequence[float], limit: float) -> Iterator[range]:
    """Yield runs of columns whose widths add up to at most `limit`, at least one column each.

    Example:
        >>> list(wrap((3, 3, 3, 9), 6))
        [range(0, 2), range(2, 3), range(3, 4)]
    """
    first, used = 0, 0.0
    for index, width in enumerate(widths):
        if index > first and used + width > limit:
            yield range(first, index)
            first, used = index, 0.0
        used += width
    yield range(first, len(widths))
