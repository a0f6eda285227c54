"""From a circuit to a tensor program: real arithmetic with a dozen primitives."""

from hybridx.lowering.cost import Cost
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
    row_size,
    run,
)
from hybridx.lowering.select import STRATEGIES, Candidate, Choice, Strategy, choose, consider
from hybridx.lowering.statevector import lower

__all__ = [
    "STRATEGIES",
    "Binary",
    "Builder",
    "Candidate",
    "Choice",
    "Concatenate",
    "Constant",
    "Cost",
    "Gather",
    "Parameters",
    "Program",
    "Reshape",
    "Shape",
    "Step",
    "Strategy",
    "Sum",
    "Transpose",
    "Unary",
    "Value",
    "choose",
    "consider",
    "lower",
    "row_size",
    "run",
]
