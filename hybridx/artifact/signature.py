"""Names, dtypes and shapes of the inputs and outputs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import onnx
from onnx import helper

from hybridx.errors import BrokenArtifactError

_DTYPES: Final = (
    *("float16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
)


@dataclass(frozen=True)
class Signature:
    """The name and dtype of a value, and a length or a name for each axis."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]

    @property
    def axes(self) -> str:
        """The shape for people: `(batch, 4)`."""
        return f"({', '.join(map(str, self.shape))})"

    def __str__(self) -> str:
        """Return the signature for people: `x: float32 (batch, 4)`."""
        return f"{self.name}: {self.dtype.name} {self.axes}"

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether an array of a shape may be this value."""
        return len(shape) == len(self.shape) and all(
            isinstance(length, str) or length == found
            for length, found in zip(self.shape, shape, strict=True)
        )


def signature_of(value: onnx.ValueInfoProto) -> Signature:
    """Return the signature of an ONNX value; an axis without length and name is called `?`."""
    tensor = value.type.tensor_type
    shape = tuple(
        int(axis.dim_value) if axis.HasField("dim_value") else axis.dim_param or "?"
        for axis in tensor.shape.dim
    )
    return Signature(value.name, helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape)


def value_info_of(signature: Signature) -> onnx.ValueInfoProto:
    """Return the ONNX value of a signature; the inverse of `signature_of`."""
    element = helper.np_dtype_to_tensor_dtype(signature.dtype)
    # With a name, ONNX would take all axes called `?` for equally long.
    shape = [None if length == "?" else length for length in signature.shape]
    return helper.make_tensor_value_info(signature.name, element, shape)


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature in JSON."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


def declare(signature: Signature) -> Declared:
    """Return the JSON form of a signature."""
    return Declared(signature.name, signature.dtype.name, signature.shape)


def read_declared(declared: Declared, path: str) -> Signature:
    """Return the signature of a JSON form; `path` is for messages.

    Raises:
        BrokenArtifactError: it is not the signature of a tensor.
    """
    lengths = [length for length in declared.shape if isinstance(length, int)]
    if declared.dtype not in _DTYPES or any(not 0 <= length < 2**63 for length in lengths):
        raise BrokenArtifactError(path, f"its value {declared.name} is no tensor")
    return Signature(declared.name, np.dtype(declared.dtype), declared.shape)
