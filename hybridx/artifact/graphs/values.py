"""What is known of a value of an ONNX graph without running it: its shape, and small numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hybridx.artifact.graphs.weights import bytes_of
from hybridx.storage import Array

# Of so many numbers the values are followed: lengths of axes, and tables of them.
MOST_KNOWN: Final = 1024

_NUMBERS: Final = frozenset(
    {
        *(TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT, TensorProto.DOUBLE),
        *(TensorProto.BOOL, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16),
        TensorProto.UINT16,
    }
)


@dataclass(slots=True)
class Value:
    """A value of a graph.

    Attributes:
        shape: its lengths; None if they are unknown.
        kind: its type in ONNX.
        numbers: the numbers themselves, if they follow from the file and from shapes.
        size: how many numbers it has, estimated if the shape is unknown.
        tensor: a small constant whose numbers nobody has asked for yet.
    """

    shape: tuple[int, ...] | None
    kind: int
    numbers: Array | None = None
    size: int = 0
    tensor: onnx.TensorProto | None = None

    @property
    def bytes(self) -> int:
        """The memory that it takes."""
        return math.ceil(self.size * bytes_of(self.kind))

    def known(self) -> Array | None:
        """Return its numbers if they are known."""
        if self.numbers is None and self.tensor is not None:
            self.numbers, self.tensor = numpy_helper.to_array(self.tensor), None
        return self.numbers

    def type_proto(self) -> onnx.TypeProto:
        """Return its type in the form that ONNX takes."""
        return helper.make_tensor_type_proto(self.kind, self.shape)


def shaped(shape: Sequence[int], kind: int) -> Value:
    """Return a value of a known shape."""
    return Value(tuple(shape), kind, size=math.prod(shape))


def unknown(kind: int, size: int) -> Value:
    """Return a value of an unknown shape and about so many numbers."""
    return Value(None, kind, size=size)


def numbered(numbers: Any, kind: int = 0) -> Value:
    """Return a value of known numbers."""
    array = np.asarray(numbers)
    kind = kind or helper.np_dtype_to_tensor_dtype(array.dtype)
    kept = array if array.size <= MOST_KNOWN else None
    return Value(array.shape, kind, kept, array.size)


def constant(tensor: onnx.TensorProto) -> Value:
    """Return the value of a constant or a weight; its numbers are read when they are asked for."""
    value = shaped(tensor.dims, tensor.data_type)
    is_here = tensor.data_location != TensorProto.EXTERNAL
    if is_here and value.size <= MOST_KNOWN and tensor.data_type in _NUMBERS:
        value.tensor = tensor
    return value
