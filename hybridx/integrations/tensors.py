"""Tensors of the inference protocol V2, which several servers speak: arrays out of them and back.

A tensor has a name, the name of a datatype, a shape, and its numbers as JSON or as bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from hybridx.artifact import Signature
from hybridx.deployment import DATATYPES
from hybridx.errors import InputDtypeError, InputNamesError, InputShapeError
from hybridx.integrations.served import Served
from hybridx.runtime import as_array, fit
from hybridx.storage import Array

_DTYPES: Final = {datatype: np.dtype(dtype) for dtype, datatype in DATATYPES.items()}


def read_tensor(name: str, datatype: str, shape: Sequence[int], numbers: Any) -> Array:
    """Return the array of a tensor.

    Args:
        name: of the input.
        datatype: such as `FP32`.
        shape: of the array.
        numbers: little-endian bytes, or lists of numbers in row-major order, flat or nested.

    Raises:
        InputDtypeError: the datatype has no numbers, or the numbers are none.
        InputShapeError: there are not as many numbers as the shape has places.
        InputRangeError: a number is not one of the datatype.
    """
    dtype = _DTYPES.get(datatype)
    if dtype is None:
        raise InputDtypeError(name, datatype, f"one of {', '.join(_DTYPES)}")
    if isinstance(numbers, bytes):
        flat = np.frombuffer(numbers[: len(numbers) // dtype.itemsize * dtype.itemsize], dtype)
        is_whole = not len(numbers) % dtype.itemsize
    else:
        flat, is_whole = as_array(numbers, name).reshape(-1), True
    if min(shape, default=0) < 0 or math.prod(shape) != flat.size or not is_whole:
        raise InputShapeError(name, f"({flat.size} numbers)", f"({', '.join(map(str, shape))})")
    array = flat.reshape(tuple(shape))
    return array if array.dtype == dtype else fit(array, Signature(name, dtype, array.shape))


def named(tensors: Iterable[tuple[str, Array]], served: Served) -> dict[str, Array]:
    """Return tensors by their names.

    Raises:
        InputNamesError: a name is there twice.
    """
    found: dict[str, Array] = {}
    for name, array in tensors:
        if name in found:
            wanted = ", ".join(one.name for one in served.inputs)
            raise InputNamesError(f"{name} twice", wanted)
        found[name] = array
    return found


def chosen(outputs: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    """Return the outputs that a request asks for; all of them if it names none.

    Raises:
        InputNamesError: there is no such output.
    """
    if not {*names} <= outputs.keys():
        raise InputNamesError(f"outputs {', '.join(names)}", ", ".join(outputs))
    return {name: outputs[name] for name in names or outputs}


def tensor_shape(shape: Sequence[int | str]) -> list[int]:
    """Return a shape as the protocol has it: -1 for an axis of any length."""
    return [-1 if isinstance(length, str) else length for length in shape]
