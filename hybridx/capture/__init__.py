"""From a torch module to a classical graph and circuits: nothing is simulated here."""

from hybridx.capture.module import (
    EXAMPLE_ROWS,
    Capture,
    capture,
    dynamic_shapes,
    first_line,
    prepare_examples,
    quiet,
)
from hybridx.capture.opaque import CIRCUIT_OP
from hybridx.capture.precision import as_dtype, in_eval_mode

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
