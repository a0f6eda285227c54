"""Messages between a process and the one in which a file runs: JSON, then arrays as plain bytes.

Each message is the length of a JSON text, the text, and the bytes of the arrays that it lists.
Nothing in a message is executed or unpickled, so that neither side has to trust the other.
"""

from __future__ import annotations

import math
import signal
import struct
from collections.abc import Mapping
from typing import IO, Any, Final

import msgspec
import numpy as np

from hybridx import errors
from hybridx.errors import HybridxError
from hybridx.storage import Array

_LENGTH: Final = struct.Struct("<Q")
_MOST_TEXT: Final = 64 * 2**20
_DTYPES: Final = (
    *("float16", "float32", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)


class OutOfTurnError(Exception):
    """The other process has ended, or sent what is no message."""


class _Described(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    dtype: str
    shape: tuple[int, ...]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    values: dict[str, Any]
    arrays: tuple[_Described, ...]


def send(
    stream: IO[bytes], kind: str, values: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write a message.

    Args:
        stream: a pipe.
        kind: what it is.
        values: what JSON can say.
        arrays: by name.

    Raises:
        OSError: the other process has ended.
    """
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    described = tuple(
        # One number has no axis, which `ascontiguousarray` gives it.
        _Described(name, array.dtype.name, tuple(arrays[name].shape))
        for name, array in plain.items()
    )
    text = msgspec.json.encode(_Message(kind, dict(values), described))
    stream.write(_LENGTH.pack(len(text)))
    stream.write(text)
    for array in plain.values():
        stream.write(array.reshape(-1).view(np.uint8).data if array.size else b"")
    stream.flush()


def receive(stream: IO[bytes], most_bytes: int) -> tuple[str, dict[str, Any], dict[str, Array]]:
    """Read a message: its kind, its values and its arrays.

    Args:
        stream: a pipe.
        most_bytes: that the arrays may have together.

    Raises:
        OutOfTurnError: the other process has ended, or sent something else.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > _MOST_TEXT:
        raise OutOfTurnError
    try:
        message = msgspec.json.decode(_exactly(stream, length), type=_Message)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise OutOfTurnError from error
    arrays: dict[str, Array] = {}
    for one in message.arrays:
        if one.dtype not in _DTYPES or min(one.shape, default=0) < 0 or len(one.shape) > 64:
            raise OutOfTurnError
        dtype = np.dtype(one.dtype)
        size = math.prod(one.shape) * dtype.itemsize
        most_bytes -= size
        if most_bytes < 0:
            raise OutOfTurnError
        arrays[one.name] = np.frombuffer(_exactly(stream, size), dtype).reshape(one.shape).copy()
    return message.kind, message.values, arrays


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if data is None or len(data) != size:
        raise OutOfTurnError
    return data


def ended_by(code: int) -> str:
    """Return in words how a process ended.

    Args:
        code: its exit code; of a signal, the negative number.
    """
    if code < 0:
        try:
            return f"it was ended by signal {signal.Signals(-code).name}"
        except ValueError:
            return f"it was ended by signal {-code}"
    return f"it ended with exit code {code}"


def error_of(values: Mapping[str, Any]) -> HybridxError | None:
    """Return the error that the process met, if it is one of ours."""
    kind = getattr(errors, str(values.get("name")), None)
    facts = values.get("facts")
    if not (isinstance(kind, type) and issubclass(kind, HybridxError) and isinstance(facts, dict)):
        return None
    if not all(isinstance(one, str | int | float) for one in facts.values()):
        return None
    try:
        return kind(**facts)
    except TypeError:
        return None
