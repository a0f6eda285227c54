"""What a quantum layer is: a circuit as plain data, its meaning, its text and its JSON."""

from hybridx.circuit.check import check, faults
from hybridx.circuit.circuit import (
    Angle,
    Apply,
    Circuit,
    Expectation,
    Measurement,
    Operation,
    Parameter,
    PauliTerm,
    bind,
    result_count,
    result_layout,
)
from hybridx.circuit.codec import decode, encode
from hybridx.circuit.gate import Gate, Matrix
from hybridx.circuit.gates import GATES, row_of
from hybridx.circuit.reference import evaluate, simulate
from hybridx.circuit.text import parse, show

__all__ = [
    "GATES",
    "Angle",
    "Apply",
    "Circuit",
    "Expectation",
    "Gate",
    "Matrix",
    "Measurement",
    "Operation",
    "Parameter",
    "PauliTerm",
    "bind",
    "check",
    "decode",
    "encode",
    "evaluate",
    "faults",
    "parse",
    "result_count",
    "result_layout",
    "row_of",
    "show",
    "simulate",
]
