"""A tensor program: a straight line of steps over real tensors, and its targets.

`hybridx.program.to_onnx` and `hybridx.program.to_torch` write it for a target. They are doors of
their own, so that a circuit can be lowered without onnx and without torch.
"""

from hybridx.program.program import (
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
    operands,
    row_size,
    run,
)

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
    "operands",
    "row_size",
    "run",
]
