"""What a quantum layer is: a circuit as plain data, its meaning, its text and its JSON."""

from hybridx.circuit.check import check, faults
from hybridx.circuit.circuit import (
    Angle,
    Apply,
    Channel,
    Circuit,
    DensityMatrix,
    Expectation,
    Measurement,
    Operation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    PureOperation,
    Purity,
    Result,
    State,
    Unitary,
    Variance,
    angles_of,
    bind,
    has_channel,
    result_count,
    result_layout,
    wires_of,
)
from hybridx.circuit.codec import decode, encode
from hybridx.circuit.cone import cone_of, measured_wires, restrict
from hybridx.circuit.gate import Gate, Matrix
from hybridx.circuit.gates import GATES, row_of
from hybridx.circuit.limits import CHANNEL_WIRES, KRAUS
from hybridx.circuit.qasm import to_qasm
from hybridx.circuit.reference import evaluate, simulate
from hybridx.circuit.text import parse, show

__all__ = [
    "CHANNEL_WIRES",
    "GATES",
    "KRAUS",
    "Angle",
    "Apply",
    "Channel",
    "Circuit",
    "DensityMatrix",
    "Expectation",
    "Gate",
    "Matrix",
    "Measurement",
    "Operation",
    "Parameter",
    "PauliTerm",
    "Prepare",
    "Probabilities",
    "PureOperation",
    "Purity",
    "Result",
    "State",
    "Unitary",
    "Variance",
    "angles_of",
    "bind",
    "check",
    "cone_of",
    "decode",
    "encode",
    "evaluate",
    "faults",
    "has_channel",
    "measured_wires",
    "parse",
    "restrict",
    "result_count",
    "result_layout",
    "row_of",
    "show",
    "simulate",
    "to_qasm",
    "wires_of",
]
