"""The self-test: a small input with its expected output, so that a file can check itself."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from hybridx.bounds import TENSOR_NUMBERS
from hybridx.storage import Array

_DTYPES = (
    *("float16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
)


PERIOD = 4093
"""An input of more numbers may repeat so many, and of an output of more so many are recorded.

It is prime, so that neither the rows of an input nor its channels are equal.
"""


class _Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    dtype: str
    shape: tuple[int, ...]
    data: str  # base64 of the little-endian bytes, row-major
    period: int = 0  # so many numbers are stored, which repeat; 0 for all
    step: int = 1  # every so-manieth number is stored


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inputs: dict[str, _Tensor]
    outputs: dict[str, _Tensor]
    tolerance: float


@dataclass(frozen=True)
class Recorded:
    """Which numbers of an output are recorded.

    Attributes:
        shape: of the output.
        step: the numbers at 0, step, 2 step, … in row-major order.
    """

    shape: tuple[int, ...]
    step: int


@dataclass(frozen=True, eq=False)
class SelfTest:
    """Inputs, the outputs of the eager model for them, and the tolerance.

    Attributes:
        inputs: arrays by input name.
        outputs: arrays by output name; of a long output, its recorded numbers.
        tolerance: largest absolute difference, relative to outputs larger than one.
        recorded: the outputs of which only some numbers are recorded.
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    tolerance: float
    recorded: Mapping[str, Recorded] = field(default_factory=dict)

    def of(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return what is recorded, of other outputs; those of another shape stay as they are."""
        return {
            name: array.reshape(-1)[:: one.step]
            if (one := self.recorded.get(name)) is not None and array.shape == one.shape
            else array
            for name, array in outputs.items()
        }

    def place(self, name: str, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the index in an output of what has an index in its recorded numbers."""
        if (one := self.recorded.get(name)) is None:
            return index
        return tuple(map(int, np.unravel_index(index[0] * one.step, one.shape)))

    def encode(self) -> str:
        """Return the JSON for the metadata of the file."""
        outputs = {}
        for name, array in self.outputs.items():
            one = self.recorded.get(name, Recorded(array.shape, 1))
            outputs[name] = _pack(array, one.shape, step=one.step)
        document = _Document(
            {name: _packed_input(array) for name, array in self.inputs.items()},
            outputs,
            self.tolerance,
        )
        return msgspec.json.encode(document).decode()


def record(inputs: Mapping[str, Array], outputs: Mapping[str, Array], tolerance: float) -> SelfTest:
    """Return a self-test that records at most about `PERIOD` numbers of each output."""
    recorded = {
        name: Recorded(array.shape, _step(array.size))
        for name, array in outputs.items()
        if array.size > PERIOD
    }
    whole = SelfTest(inputs, outputs, tolerance, recorded)
    return SelfTest(inputs, whole.of(outputs), tolerance, recorded)


def _step(size: int) -> int:
    """Return a step through so many numbers that visits all rows and columns alike."""
    step = -(-size // PERIOD)
    while math.gcd(step, size) > 1:
        step += 1
    return step


def decode_self_test(text: str) -> SelfTest:
    """Read a self-test back.

    Raises:
        ValueError: the text is not such JSON, or a tensor does not have its dtype or shape.
    """
    try:
        document = msgspec.json.decode(text, type=_Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"its self-test cannot be read: {error}") from error
    if any(tensor.step != 1 for tensor in document.inputs.values()):
        raise ValueError("its self-test has inputs of which numbers are left out")
    if any(tensor.period for tensor in document.outputs.values()):
        raise ValueError("its self-test has outputs that repeat")
    return SelfTest(
        {name: _unpack(tensor) for name, tensor in document.inputs.items()},
        {name: _unpack(tensor) for name, tensor in document.outputs.items()},
        document.tolerance,
        {
            name: Recorded(tensor.shape, tensor.step)
            for name, tensor in document.outputs.items()
            if tensor.step > 1
        },
    )


def _packed_input(array: Array) -> _Tensor:
    """Return an input as it is stored: one period of it, if it repeats."""
    flat = array.reshape(-1)
    if flat.size > PERIOD and (flat[PERIOD:] == flat[:-PERIOD]).all():
        return _pack(flat[:PERIOD], array.shape, period=PERIOD)
    return _pack(array, array.shape)


def _pack(array: Array, shape: tuple[int, ...], *, period: int = 0, step: int = 1) -> _Tensor:
    plain = np.ascontiguousarray(array)
    data = plain.astype(plain.dtype.newbyteorder("<")).tobytes()
    return _Tensor(array.dtype.name, shape, base64.b64encode(data).decode(), period, step)


def _unpack(tensor: _Tensor) -> Array:
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"its self-test has dtype {tensor.dtype!r}")
    try:
        data = base64.b64decode(tensor.data, validate=True)
    except binascii.Error as error:
        raise ValueError("its self-test has tensors that are not base64") from error
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    size = math.prod(tensor.shape)
    is_sane = all(length >= 0 for length in tensor.shape) and tensor.step > 0
    stored = -(-size // tensor.step) if is_sane else 0
    if tensor.period:
        is_sane = is_sane and 0 < tensor.period < size <= TENSOR_NUMBERS.limit
        stored = tensor.period
    if not is_sane or len(data) != dtype.itemsize * stored:
        raise ValueError("its self-test has tensors of another size than they say")
    numbers = np.frombuffer(data, dtype).astype(tensor.dtype)
    if tensor.period:
        return np.resize(numbers, tensor.shape)
    return numbers if tensor.step > 1 else numbers.reshape(tensor.shape)
