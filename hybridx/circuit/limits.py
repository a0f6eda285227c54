"""A circuit that is read from a file compared with its bounds."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from hybridx.bounds import (
    CIRCUIT_CHARACTERS,
    CIRCUIT_DEPTH,
    CIRCUIT_NUMBERS,
    DERIVATIVES,
    GATES,
    LETTERS,
    MEASUREMENTS,
    PARAMETERS,
    RESULTS,
    SHOTS,
    TERMS,
    WIRES,
    refuse_above,
)
from hybridx.circuit.circuit import (
    Apply,
    Circuit,
    Expectation,
    Variance,
    column_count,
    result_count,
    underived,
    wires_of,
)

# Laws of the format, for whoever writes a circuit; no limit raises them.
MAX_CHANNEL_WIRES: Final = 4  # a map of density matrices on them has 65,536 numbers
MAX_KRAUS: Final = 256  # as many as any channel on that many wires needs
MAX_ENTROPY_WIRES: Final = 3  # the eigenvalues of 8 x 8 take 49 rounds of rotations in a body

# A string, closed or not, so that brackets inside of it do not count; else one bracket.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def check_text(text: str) -> None:
    """Refuse a circuit's JSON by its size or nesting before anything decodes it.

    Raises:
        TooLargeError: it is over a bound.
    """
    refuse_above(CIRCUIT_CHARACTERS, len(text), "the JSON of a circuit")
    refuse_above(CIRCUIT_DEPTH, nesting(text), "the nesting of a circuit's JSON")


def check_size(circuit: Circuit) -> None:
    """Refuse a circuit by its counts, before the laws are checked.

    Raises:
        TooLargeError: it is over a bound.
    """
    refuse_above(WIRES, circuit.wires, "the number of wires of a circuit")
    refuse_above(GATES, len(circuit.operations), "the number of gates of a circuit")
    refuse_above(DERIVATIVES, circuit.derivative, "the number of derivatives of a circuit")
    refuse_above(PARAMETERS, circuit.parameters, "the number of parameters of a circuit")
    refuse_above(SHOTS, circuit.shots or 0, "the number of shots of a circuit")
    refuse_above(MEASUREMENTS, len(circuit.measurements), "the number of measurements of a circuit")
    numbers = sum(
        len(operation.real) + len(operation.imaginary)
        for operation in circuit.operations
        if not isinstance(operation, Apply)
    )
    refuse_above(CIRCUIT_NUMBERS, numbers, "the number of numbers in the matrices of a circuit")
    terms = [
        term
        for one in circuit.measurements
        if isinstance(one, Expectation | Variance)
        for term in one.terms
    ]
    refuse_above(TERMS, len(terms), "the number of terms of a circuit")
    letters = sum(len(term.letters) + len(term.wires) for term in terms)
    refuse_above(LETTERS, letters // 2, "the number of letters in the terms of a circuit")
    # The laws compare a matrix with 4**len(wires), so that length is bounded before they do.
    widest = max((len(wires_of(operation)) for operation in circuit.operations), default=0)
    refuse_above(WIRES, widest, "the number of wires of an operation")
    measured = (
        sum(len(getattr(measurement, name, ())) for name in ("wires", "first", "second"))
        for measurement in circuit.measurements
    )
    refuse_above(WIRES, max(measured, default=0), "the number of wires of a measurement")
    refuse_above(RESULTS, result_count(underived(circuit)), "the number of results of a circuit")
    if circuit.derivative > 0:
        refuse_above(PARAMETERS, column_count(circuit), "the number of columns of a derivative")
        refuse_above(RESULTS, result_count(circuit), "the number of results of a derivative")


def nesting(text: str) -> int:
    """Return how deep the brackets of a JSON text nest, in one pass and without recursion.

    Example:
        >>> nesting('{"a": [1, "[[["]}')
        2
    """
    steps = (_STEP.get(token.group(), 0) for token in _TOKEN.finditer(text))
    return max(accumulate(steps), default=0)
