"""From a torch module to a classical graph and circuits: nothing is simulated here."""

from hybridx.capture.module import (
    EXAMPLE_ROWS,
    Capture,
    capture,
    prepare_examples,
)
from hybridx.capture.opaque import CIRCUIT_OP
from hybridx.capture.precision import as_dtype, in_eval_mode
from hybridx.capture.trace import dynamic_shapes, first_line, quiet

__all__ = [
    "CIRCUIT_OP",
    "EXAMPLE_ROWS",
    "Capture",
    "as_dtype",
    "capture",
    "dynamic_shapes",
    "first_line",
    "in_eval_mode",
    "prepare_examples",
    "quiet",
]
