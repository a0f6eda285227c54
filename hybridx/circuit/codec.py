"""Circuits as JSON, with a format number. What is read is checked, and is only data."""

from __future__ import annotations

import msgspec

from hybridx.circuit.check import check
from hybridx.circuit.circuit import Circuit, Result, result_layout
from hybridx.circuit.limits import check_size, check_text
from hybridx.errors import IllFormedCircuitError

CIRCUIT_FORMAT = 1
DERIVATIVE_FORMAT = 2
"""The format of the JSON of a derivative, which readers that know circuits alone must refuse."""


class _CircuitDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A circuit, and which columns its results are, for readers other than hybridx."""

    format: int
    circuit: Circuit
    results: tuple[Result, ...]


def encode(circuit: Circuit) -> str:
    """Return the canonical JSON of a circuit: equal circuits, equal text.

    Raises:
        IllFormedCircuitError: the circuit breaks a law (JSON has no NaN, for one).
        TooLargeError: it is over a bound of `limits.py`, so that `decode` would refuse it.
    """
    check_size(circuit)
    document = _CircuitDocument(_format_of(circuit), check(circuit), result_layout(circuit))
    return msgspec.json.encode(document).decode()


def decode(text: str) -> Circuit:
    """Return the circuit of a JSON text; unknown fields are refused.

    Raises:
        IllFormedCircuitError: the text is not the JSON of a circuit, or the circuit breaks a law.
        TooLargeError: it is over a bound of `limits.py`.
    """
    check_text(text)
    try:
        document = msgspec.json.decode(text, type=_CircuitDocument)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise IllFormedCircuitError(f"its JSON is not a circuit: {error}") from error
    if document.format not in (CIRCUIT_FORMAT, DERIVATIVE_FORMAT):
        known = f"{CIRCUIT_FORMAT} or {DERIVATIVE_FORMAT}"
        raise IllFormedCircuitError(f"its JSON has format {document.format}, not {known}")
    check_size(document.circuit)
    if document.format != _format_of(document.circuit):
        kind = "a derivative" if document.circuit.derivative else "a circuit"
        raise IllFormedCircuitError(
            f"its JSON has format {document.format}, and that of {kind} is "
            f"{_format_of(document.circuit)}"
        )
    circuit = check(document.circuit)
    if document.results != result_layout(circuit):
        raise IllFormedCircuitError("its results are not the columns that its measurements give")
    return circuit


def _format_of(circuit: Circuit) -> int:
    return DERIVATIVE_FORMAT if circuit.derivative else CIRCUIT_FORMAT
