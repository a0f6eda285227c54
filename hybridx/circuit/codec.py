"""Circuits as JSON: strict, versioned, checked. Nothing is ever executed from it."""

from __future__ import annotations

import msgspec

from hybridx.circuit.check import check
from hybridx.circuit.circuit import Circuit, Result, result_layout
from hybridx.circuit.limits import check_size, check_text
from hybridx.errors import IllFormedCircuitError

CIRCUIT_FORMAT = 1


class _CircuitDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The circuit with what a reader without hybridx wants to know of it."""

    format: int
    circuit: Circuit
    results: tuple[Result, ...]


def encode(circuit: Circuit) -> str:
    """Return the canonical JSON of a circuit: equal circuits, equal text.

    Raises:
        IllFormedCircuitError: the circuit breaks a law (JSON has no NaN, for one).
        TooLargeError: no reader would take it back.
    """
    check_size(circuit)
    document = _CircuitDocument(CIRCUIT_FORMAT, check(circuit), result_layout(circuit))
    return msgspec.json.encode(document).decode()


def decode(text: str) -> Circuit:
    """Return the circuit of a JSON text, with unknown fields and every broken law refused.

    Raises:
        IllFormedCircuitError: the text is no such JSON, or the circuit breaks a law.
        TooLargeError: it is over a bound of `limits.py`.
    """
    check_text(text)
    try:
        document = msgspec.json.decode(text, type=_CircuitDocument)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise IllFormedCircuitError(f"its JSON is not a circuit: {error}") from error
    if document.format != CIRCUIT_FORMAT:
        raise IllFormedCircuitError(f"its JSON has format {document.format}, not {CIRCUIT_FORMAT}")
    check_size(document.circuit)
    circuit = check(document.circuit)
    if document.results != result_layout(circuit):
        raise IllFormedCircuitError("its results do not lie where its measurements put them")
    return circuit
