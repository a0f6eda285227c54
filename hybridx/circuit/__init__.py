"""Circuits, the quantum layers of a model, as plain data: their laws, text, JSON and simulator."""

from typing import TYPE_CHECKING

from hybridx.circuit.axes import apply_to_axes
from hybridx.circuit.check import check, faults
from hybridx.circuit.circuit import (
    BATCH,
    Angle,
    Apply,
    Channel,
    Circuit,
    DensityMatrix,
    Entropy,
    Expectation,
    Measurement,
    MutualInformation,
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
    column_count,
    derivative_blocks,
    entropies_of,
    has_channel,
    name_derivative,
    result_count,
    result_layout,
    underived,
    wires_of,
)
from hybridx.circuit.codec import decode, encode
from hybridx.circuit.gate import Gate, Matrix
from hybridx.circuit.gates import GATES, PAULIS, gate_of
from hybridx.circuit.limits import MAX_CHANNEL_WIRES, MAX_ENTROPY_WIRES, MAX_KRAUS
from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.circuit.cone import cone_of, measured_wires, restrict
    from hybridx.circuit.entries import complex_entries
    from hybridx.circuit.parities import hadamard
    from hybridx.circuit.python_source import to_python
    from hybridx.circuit.qasm import to_qasm
    from hybridx.circuit.reference import evaluate_angle, simulate
    from hybridx.circuit.shifts import apart, by_shifts, evaluations
    from hybridx.circuit.text import parse, show
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "BATCH",
    "GATES",
    "MAX_CHANNEL_WIRES",
    "MAX_ENTROPY_WIRES",
    "MAX_KRAUS",
    "PAULIS",
    "Angle",
    "Apply",
    "Channel",
    "Circuit",
    "DensityMatrix",
    "Entropy",
    "Expectation",
    "Gate",
    "Matrix",
    "Measurement",
    "MutualInformation",
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
    "apart",
    "apply_to_axes",
    "bind",
    "by_shifts",
    "check",
    "column_count",
    "complex_entries",
    "cone_of",
    "decode",
    "derivative_blocks",
    "encode",
    "entropies_of",
    "evaluate_angle",
    "evaluations",
    "faults",
    "gate_of",
    "hadamard",
    "has_channel",
    "measured_wires",
    "name_derivative",
    "parse",
    "restrict",
    "result_count",
    "result_layout",
    "show",
    "simulate",
    "to_python",
    "to_qasm",
    "underived",
    "wires_of",
]
