"""Circuits as JSON: strict, versioned, checked. Nothing is ever executed from it."""

from __future__ import annotations

import msgspec

from hybridx.circuit.check import check
from hybridx.circuit.circuit import Circuit, result_layout
from hybridx.errors import IllFormedCircuitError

FORMAT = 1


class _Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the result of one measurement stands among the M columns."""

    offset: int
    shape: tuple[int, ...]


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The circuit with what a reader without hybridx wants to know of it."""

    format: int
    circuit: Circuit
    results: tuple[_Result, ...]


def encode(circuit: Circuit) -> str:
    """Return the canonical JSON of a circuit: equal circuits, equal text.

    Raises:
        IllFormedCircuitError: the circuit breaks a law (JSON has no NaN, for one).
    """
    document = _Document(FORMAT, check(circuit), _results(circuit))
    return msgspec.json.encode(document).decode()


def decode(text: str) -> Circuit:
    """Return the circuit of a JSON text, with unknown fields and every broken law refused.

    Raises:
        IllFormedCircuitError: the text is no such JSON, or the circuit breaks a law.
    """
    try:
        document = msgspec.json.decode(text, type=_Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise IllFormedCircuitError(f"its JSON is not a circuit: {error}") from error
    if document.format != FORMAT:
        raise IllFormedCircuitError(f"its JSON has format {document.format}, not {FORMAT}")
    circuit = check(document.circuit)
    if document.results != _results(circuit):
        raise IllFormedCircuitError("its results do not lie where its measurements put them")
    return circuit


def _results(circuit: Circuit) -> tuple[_Result, ...]:
    return tuple(_Result(offset, shape) for offset, shape in result_layout(circuit))
