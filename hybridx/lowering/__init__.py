"""From a circuit to a tensor program: real arithmetic with a dozen primitives."""

from hybridx.lowering.program import (
    Binary,
    Builder,
    Concatenate,
    Constant,
    Gather,
    Parameters,
    Program,
    Reshape,
    Shape,
    Step,
    Sum,
    Transpose,
    Unary,
    Value,
    run,
)
from hybridx.lowering.statevector import lower

__all__ = [
    "Binary",
    "Builder",
    "Concatenate",
    "Constant",
    "Gather",
    "Parameters",
    "Program",
    "Reshape",
    "Shape",
    "Step",
    "Sum",
    "Transpose",
    "Unary",
    "Value",
    "lower",
    "run",
]
