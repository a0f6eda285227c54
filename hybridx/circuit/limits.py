"""Bounds on a circuit that is read from a file: each number once, each with its reason."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from hybridx.circuit.circuit import Circuit, Expectation, Variance, wires_of
from hybridx.errors import TooLargeError

JSON_BYTES: Final = 64_000_000  # about 600,000 gates; decoded it takes ten times as much memory
JSON_DEPTH: Final = 16  # ours is 7: the wires of a term
WIRES: Final = 1_000  # far above what is compiled or run today, and 2**wires stays a small integer
GATES: Final = 100_000  # one visit each by a dozen passes is seconds, not minutes
PARAMETERS: Final = 100_000  # columns of the table that a circuit takes at run time
CHANNEL_WIRES: Final = 4  # a map of density matrices on them has 65,536 numbers
KRAUS: Final = 256  # as many as any channel on that many wires needs
ENTROPY_WIRES: Final = 3  # eigenvalues of 8 x 8 are 49 rounds of rotations in a body
TERMS: Final = 100_000  # Pauli words over all measurements; molecules of 20 wires have about 10,000

# A string, closed or not, so that brackets inside of it do not count; else one bracket.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def check_text(text: str) -> None:
    """Refuse a circuit's JSON by its size or nesting before anything decodes it.

    Raises:
        TooLargeError: it is over a bound.
    """
    _refuse_above("the JSON of a circuit", len(text), JSON_BYTES, " characters")
    _refuse_above("the nesting of a circuit's JSON", nesting(text), JSON_DEPTH)


def check_size(circuit: Circuit) -> None:
    """Refuse a circuit by its counts, before the laws are checked.

    Raises:
        TooLargeError: it is over a bound.
    """
    _refuse_above("the number of wires of a circuit", circuit.wires, WIRES)
    _refuse_above("the number of gates of a circuit", len(circuit.operations), GATES)
    _refuse_above("the number of parameters of a circuit", circuit.parameters, PARAMETERS)
    terms = sum(len(m.terms) for m in circuit.measurements if isinstance(m, Expectation | Variance))
    _refuse_above("the number of terms of a circuit", terms, TERMS)
    # The laws compare a matrix with 4**len(wires), so that length is bounded before they do.
    widest = max((len(wires_of(operation)) for operation in circuit.operations), default=0)
    _refuse_above("the number of wires of an operation", widest, WIRES)
    measured = (
        sum(len(getattr(measurement, name, ())) for name in ("wires", "first", "second"))
        for measurement in circuit.measurements
    )
    _refuse_above("the number of wires of a measurement", max(measured, default=0), WIRES)


def nesting(text: str) -> int:
    """Return how deep the brackets of a JSON text nest, in one pass and without recursion.

    Example:
        >>> nesting('{"a": [1, "[[["]}')
        2
    """
    steps = (_STEP.get(token.group(), 0) for token in _TOKEN.finditer(text))
    return max(accumulate(steps), default=0)


def _refuse_above(what: str, found: int, limit: int, unit: str = "") -> None:
    if found > limit:
        raise TooLargeError(what, f"{found}{unit}", f"{limit}{unit}")
