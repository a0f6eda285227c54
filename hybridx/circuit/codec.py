"""Circuits as JSON, with a format number. What is read is checked, and is only data."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from hybridx.circuit.check import check
from hybridx.circuit.circuit import Circuit, Result, result_layout
from hybridx.circuit.limits import check_size, check_text
from hybridx.errors import IllFormedCircuitError

CIRCUIT_FORMAT: Final = 1
DERIVATIVE_FORMAT: Final = 2
"""The format of a derivative, which a reader that knows circuits alone must refuse."""

# How often a circuit is differentiated stands beside it: format 2 has the circuits of format 1.
_Written: Any = msgspec.defstruct(
    "Circuit",
    [
        (field.name, field.type)
        if field.default is msgspec.NODEFAULT
        else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(Circuit)
        if field.name != "derivative"
    ],
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
)
# For readers other than hybridx, the documents also say which columns the results are.
_CircuitDocument: Any = msgspec.defstruct(
    "_CircuitDocument",
    [("format", int), ("circuit", _Written), ("results", tuple[Result, ...])],
    frozen=True,
    forbid_unknown_fields=True,
)
_DerivativeDocument: Any = msgspec.defstruct(
    "_DerivativeDocument",
    [
        ("format", int),
        ("derivative", int),
        ("circuit", _Written),
        ("results", tuple[Result, ...]),
    ],
    frozen=True,
    forbid_unknown_fields=True,
)
_AnyDocument: Any = msgspec.defstruct(
    "_AnyDocument",
    [
        ("format", int),
        ("circuit", _Written),
        ("results", tuple[Result, ...]),
        ("derivative", int | UnsetType, UNSET),
    ],
    frozen=True,
    forbid_unknown_fields=True,
)


def encode(circuit: Circuit) -> str:
    """Return the canonical JSON of a circuit: equal circuits, equal text.

    Raises:
        IllFormedCircuitError: the circuit breaks a law (JSON has no NaN, for one).
        TooLargeError: it is over a bound of `limits.py`, so that `decode` would refuse it.
    """
    check_size(circuit)
    check(circuit)
    fields = msgspec.structs.asdict(circuit)
    times = fields.pop("derivative")
    written, results = _Written(**fields), result_layout(circuit)
    document = (
        _DerivativeDocument(DERIVATIVE_FORMAT, times, written, results)
        if times
        else _CircuitDocument(CIRCUIT_FORMAT, written, results)
    )
    return msgspec.json.encode(document).decode()


def decode(text: str) -> Circuit:
    """Return the circuit of a JSON text; unknown fields are refused.

    Raises:
        IllFormedCircuitError: the text is not the JSON of a circuit, or the circuit breaks a law.
        TooLargeError: it is over a bound of `limits.py`.
    """
    check_text(text)
    try:
        document = msgspec.json.decode(text, type=_AnyDocument)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise IllFormedCircuitError(f"its JSON is not a circuit: {error}") from error
    if document.format not in (CIRCUIT_FORMAT, DERIVATIVE_FORMAT):
        known = f"{CIRCUIT_FORMAT} or {DERIVATIVE_FORMAT}"
        raise IllFormedCircuitError(f"its JSON has format {document.format}, not {known}")
    is_derivative = document.format == DERIVATIVE_FORMAT
    times = document.derivative if is_derivative else 0
    if is_derivative != (document.derivative is not UNSET) or (is_derivative and times < 1):
        raise IllFormedCircuitError(
            f"its JSON has `derivative`, of at least 1, if its format is {DERIVATIVE_FORMAT}, and "
            "only then"
        )
    circuit = Circuit(**msgspec.structs.asdict(document.circuit), derivative=times)
    check_size(circuit)
    check(circuit)
    if document.results != result_layout(circuit):
        raise IllFormedCircuitError("its results are not the columns that its measurements give")
    return circuit
