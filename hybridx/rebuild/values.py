"""Values of a graph while it runs: tensors, and small arrays of integers that are known in Python.

Lengths of axes and what is computed of them stay Python integers, so that torch.export keeps an
axis open that goes through them: it stands for such a length by a symbol, not by a tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

Known: TypeAlias = NDArray[np.object_]
"""Integers or booleans of Python, or symbols of torch.export for them."""

Value: TypeAlias = Tensor | Known

DTYPES: Mapping[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.INT8: torch.int8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.UINT8: torch.uint8,
    TensorProto.BOOL: torch.bool,
}
"""torch's dtype for each element type of ONNX that a file may have."""

_MOST_KNOWN = 64  # integers of a constant that may be lengths or axes; a longer one is a table


class Unrestorable(Exception):  # noqa: N818 - it becomes a typed error where the node is known
    """A form of an operator that torch does not have; its text is the reason."""


@dataclass(frozen=True)
class Node:
    """A node of the graph, apart from its inputs.

    Attributes:
        attributes: by name; tensors are NumPy arrays, texts are str.
        outputs: how many of its outputs are asked for.
    """

    attributes: Mapping[str, Any]
    outputs: int

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or the default if the node has none of that name."""
        return self.attributes.get(name, default)


def read_attribute(attribute: onnx.AttributeProto) -> Any:
    """Return the value of an attribute."""
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, TensorProto):
        return np.array(numpy_helper.to_array(value))
    return list(value) if attribute.ints or attribute.floats else value


def is_known(value: object) -> bool:
    """Return whether a value is known in Python."""
    return isinstance(value, np.ndarray)


def known(array: object) -> Known:
    """Return integers or booleans as a known value."""
    return np.array(array, dtype=object)


def is_length(array: NDArray[Any]) -> bool:
    """Return whether a constant may be lengths, axes or indices, which stay known."""
    return array.dtype == np.int64 and array.ndim <= 1 and array.size <= _MOST_KNOWN


def tensor(value: Value, like: Tensor | None = None) -> Tensor:
    """Return a value as a tensor, on the device of another one."""
    if isinstance(value, Tensor):
        return value
    device = None if like is None else like.device
    entries = value.reshape(-1).tolist()
    if all(isinstance(entry, bool) for entry in entries) and entries:
        return torch.tensor(entries, dtype=torch.bool, device=device).reshape(value.shape)
    if all(isinstance(entry, int) for entry in entries):
        return torch.tensor(entries, dtype=torch.int64, device=device).reshape(value.shape)
    parts = [torch.scalar_tensor(entry, dtype=torch.int64, device=device) for entry in entries]
    return torch.stack(parts).reshape(value.shape)


def tensors(*values: Value) -> list[Tensor]:
    """Return values as tensors on one device, that of those which are tensors already."""
    first = next((value for value in values if isinstance(value, Tensor)), None)
    return [tensor(value, first) for value in values]


def integers(value: Value) -> list[Any]:
    """Return a value as a list of integers of Python."""
    if isinstance(value, Tensor):
        return [int(entry) for entry in value.reshape(-1).tolist()]
    return list(value.reshape(-1))


def integer(value: Value) -> Any:
    """Return a value of one element as an integer of Python."""
    return integers(value)[0]
