"""The self-test: a small input with its expected output, so that a file can check itself."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from hybridx.storage import Array

_DTYPES = (
    *("float16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
)


class _Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    data: str  # base64 of the little-endian bytes, row-major


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inputs: dict[str, _Tensor]
    outputs: dict[str, _Tensor]
    tolerance: float


@dataclass(frozen=True, eq=False)
class SelfTest:
    """Inputs, the outputs of the eager model for them, and the tolerance.

    Attributes:
        inputs: arrays by input name.
        outputs: arrays by output name.
        tolerance: largest absolute difference, relative to outputs larger than one.
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    tolerance: float

    def encode(self) -> str:
        """Return the JSON for the metadata of the file."""
        document = _Document(
            {name: _pack(array) for name, array in self.inputs.items()},
            {name: _pack(array) for name, array in self.outputs.items()},
            self.tolerance,
        )
        return msgspec.json.encode(document).decode()


def decode_self_test(text: str) -> SelfTest:
    """Read a self-test back.

    Raises:
        ValueError: the text is not such JSON, or a tensor does not have its dtype or shape.
    """
    try:
        document = msgspec.json.decode(text, type=_Document)
    except msgspec.MsgspecError as error:
        raise ValueError(f"its self-test cannot be read: {error}") from error
    return SelfTest(
        {name: _unpack(tensor) for name, tensor in document.inputs.items()},
        {name: _unpack(tensor) for name, tensor in document.outputs.items()},
        document.tolerance,
    )


def _pack(array: Array) -> _Tensor:
    plain = np.ascontiguousarray(array)
    data = plain.astype(plain.dtype.newbyteorder("<")).tobytes()
    return _Tensor(array.dtype.name, array.shape, base64.b64encode(data).decode())


def _unpack(tensor: _Tensor) -> Array:
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"its self-test has dtype {tensor.dtype!r}")
    try:
        data = base64.b64decode(tensor.data, validate=True)
    except binascii.Error as error:
        raise ValueError("its self-test has tensors that are not base64") from error
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    is_sane = all(length >= 0 for length in tensor.shape)
    if not is_sane or len(data) != dtype.itemsize * math.prod(tensor.shape):
        raise ValueError("its self-test has tensors of another size than they say")
    return np.frombuffer(data, dtype).astype(tensor.dtype).reshape(tensor.shape)
