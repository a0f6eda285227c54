"""A tensor program: a straight line of steps over real tensors; its text, its laws, its targets.

`hybridx.program.to_onnx` and `hybridx.program.to_torch` write it for a target. They are doors of
their own, so that a circuit can be lowered without onnx and without torch.
"""

from hybridx.program.builder import Builder
from hybridx.program.check import check, faults
from hybridx.program.program import (
    Binary,
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
    Wrap,
    operands,
)
from hybridx.program.run import run
from hybridx.program.shapes import row_size, shape_of
from hybridx.program.text import parse, show
from hybridx.program.vjp import count_live, vjp

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
    "Wrap",
    "check",
    "count_live",
    "faults",
    "operands",
    "parse",
    "row_size",
    "run",
    "shape_of",
    "show",
    "vjp",
]
