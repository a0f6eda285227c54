"""Bounds on a circuit that is read from a file: each number once, each with its reason."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from hybridx.circuit.circuit import Circuit, Expectation, Variance, wires_of
from hybridx.errors import TooLargeError

MAX_JSON_BYTES: Final = 64_000_000  # about 600,000 gates; decoded it takes ten times the memory
MAX_JSON_DEPTH: Final = 16  # hybridx writes 7: the wires of a term
MAX_WIRES: Final = 1_000  # far above what is compiled or run today, and 2**wires is soon computed
MAX_GATES: Final = 100_000  # one visit each by a dozen passes is seconds, not minutes
MAX_PARAMETERS: Final = 100_000  # columns that a circuit takes at run time
MAX_CHANNEL_WIRES: Final = 4  # a map of density matrices on them has 65,536 numbers
MAX_KRAUS: Final = 256  # as many as any channel on that many wires needs
MAX_ENTROPY_WIRES: Final = 3  # the eigenvalues of 8 x 8 take 49 rounds of rotations in a body
MAX_TERMS: Final = 100_000  # Pauli words of all measurements; a molecule on 20 wires has 10,000

# A string, closed or not, so that brackets inside of it do not count; else one bracket.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def check_text(text: str) -> None:
    """Refuse a circuit's JSON by its size or nesting before anything decodes it.

    Raises:
        TooLargeError: it is over a bound.
    """
    _refuse_above("the JSON of a circuit", len(text), MAX_JSON_BYTES, " characters")
    _refuse_above("the nesting of a circuit's JSON", nesting(text), MAX_JSON_DEPTH)


def check_size(circuit: Circuit) -> None:
    """Refuse a circuit by its counts, before the laws are checked.

    Raises:
        TooLargeError: it is over a bound.
    """
    _refuse_above("the number of wires of a circuit", circuit.wires, MAX_WIRES)
    _refuse_above("the number of gates of a circuit", len(circuit.operations), MAX_GATES)
    _refuse_above("the number of parameters of a circuit", circuit.parameters, MAX_PARAMETERS)
    terms = sum(len(m.terms) for m in circuit.measurements if isinstance(m, Expectation | Variance))
    _refuse_above("the number of terms of a circuit", terms, MAX_TERMS)
    # The laws compare a matrix with 4**len(wires), so that length is bounded before they do.
    widest = max((len(wires_of(operation)) for operation in circuit.operations), default=0)
    _refuse_above("the number of wires of an operation", widest, MAX_WIRES)
    measured = (
        sum(len(getattr(measurement, name, ())) for name in ("wires", "first", "second"))
        for measurement in circuit.measurements
    )
    _refuse_above("the number of wires of a measurement", max(measured, default=0), MAX_WIRES)


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
