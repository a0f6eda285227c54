"""The tensors of an ONNX file compared with the bytes that are there.

ONNX Runtime takes memory for the lengths of a tensor, and compares them with its bytes later.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from hybridx.bounds import TENSOR_AXES, TENSOR_NUMBERS, refuse_above
from hybridx.errors import BrokenArtifactError

_FIELDS: Final = (
    *("raw_data", "float_data", "double_data", "int32_data"),
    *("int64_data", "uint64_data", "string_data"),
)

# The types by the field that holds their numbers where `raw_data` does not, and how many entries
# of it one number takes.
_IN_FIELD: Final[dict[str, dict[int, float]]] = {
    "float_data": {TensorProto.FLOAT: 1.0, TensorProto.COMPLEX64: 2.0},
    "double_data": {TensorProto.DOUBLE: 1.0, TensorProto.COMPLEX128: 2.0},
    "int64_data": {TensorProto.INT64: 1.0},
    "uint64_data": {TensorProto.UINT32: 1.0, TensorProto.UINT64: 1.0},
    "string_data": {TensorProto.STRING: 1.0},
    "int32_data": {
        **dict.fromkeys(
            (
                *(TensorProto.INT32, TensorProto.INT16, TensorProto.INT8, TensorProto.UINT16),
                *(TensorProto.UINT8, TensorProto.BOOL, TensorProto.FLOAT16, TensorProto.BFLOAT16),
                *(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2),
                TensorProto.FLOAT8E5M2FNUZ,
            ),
            1.0,
        ),
        **dict.fromkeys((TensorProto.UINT4, TensorProto.INT4, TensorProto.FLOAT4E2M1), 0.5),
    },
}
_BYTES: Final[dict[int, float]] = {
    **dict.fromkeys((TensorProto.UINT4, TensorProto.INT4, TensorProto.FLOAT4E2M1), 0.5),
    **dict.fromkeys(
        (
            *(TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL),
            *(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ),
            *(TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ),
        ),
        1.0,
    ),
    **dict.fromkeys(
        (TensorProto.INT16, TensorProto.UINT16, TensorProto.FLOAT16, TensorProto.BFLOAT16), 2.0
    ),
    **dict.fromkeys((TensorProto.INT32, TensorProto.UINT32, TensorProto.FLOAT), 4.0),
    **dict.fromkeys((TensorProto.INT64, TensorProto.UINT64, TensorProto.DOUBLE), 8.0),
    TensorProto.COMPLEX64: 8.0,
    TensorProto.COMPLEX128: 16.0,
}


def check_tensor(tensor: onnx.TensorProto, path: str) -> None:
    """Refuse a tensor of another size than its bytes.

    Args:
        tensor: a weight or a constant.
        path: of the file, for messages.

    Raises:
        BrokenArtifactError: it has another size, an unknown type, or its numbers twice.
        TooLargeError: it has more axes than the limit.
    """
    refuse_above(TENSOR_AXES, len(tensor.dims), f"the number of axes of tensor {tensor.name!r}")
    problem = _problem(tensor)
    if problem:
        raise BrokenArtifactError(path, f"tensor {tensor.name!r} {problem}")


def bytes_of(kind: int) -> float:
    """Return how many bytes a number of a type of ONNX takes; 8 for texts and unknown types."""
    return _BYTES.get(kind, 8.0)


def _problem(tensor: onnx.TensorProto) -> str:
    if min(tensor.dims, default=0) < 0:
        return "has an axis of negative length"
    count = math.prod(tensor.dims)
    fields = [name for name in _FIELDS if _length(tensor, name)]
    if len(fields) > 1:
        return "holds its numbers twice"
    kind = tensor.data_type
    if kind not in _BYTES and kind != TensorProto.STRING:
        return f"is of the unknown type {kind}"
    if not fields:
        return "has fewer numbers than it says" if count else ""
    (field,) = fields
    each = _BYTES.get(kind) if field == "raw_data" else _IN_FIELD[field].get(kind)
    if each is None:
        return "holds its numbers as those of another type"
    needed = -(-count // 2) if each == 0.5 else count * int(each)
    found = _length(tensor, field)
    return "" if found == needed else f"has other numbers than the {count} that it says"


def _length(tensor: onnx.TensorProto, name: str) -> int:
    return len(getattr(tensor, name))


def check_sparse(sparse: onnx.SparseTensorProto, path: str) -> None:
    """Refuse a sparse tensor whose indices lead out of it, or which is too large when it is dense.

    Args:
        sparse: of two tensors that are checked.
        path: of the file, for messages.

    Raises:
        BrokenArtifactError: its parts do not fit together.
        TooLargeError: it has more numbers than the limit.
    """
    name = sparse.values.name
    if min(sparse.dims, default=0) < 0:
        raise BrokenArtifactError(path, f"tensor {name!r} has an axis of negative length")
    refuse_above(TENSOR_NUMBERS, math.prod(sparse.dims), f"the sparse tensor {name!r}")
    if not _is_inside(sparse):
        raise BrokenArtifactError(path, f"the indices of tensor {name!r} lead out of it")


def _is_inside(sparse: onnx.SparseTensorProto) -> bool:
    if sparse.indices.data_type != TensorProto.INT64:
        return False
    found: Any = numpy_helper.to_array(sparse.indices)
    lengths = np.array(sparse.dims, np.int64)
    count = math.prod(sparse.values.dims)
    if found.shape == (count,):
        return bool((found >= 0).all() and (found < math.prod(sparse.dims)).all())
    return found.shape == (count, len(lengths)) and bool(
        (found >= 0).all() and (found < lengths).all()
    )
