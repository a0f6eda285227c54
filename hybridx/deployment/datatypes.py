"""The names that the inference protocol V2 and its servers have for dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DATATYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "float16": "FP16",
        "float32": "FP32",
        "float64": "FP64",
        "int8": "INT8",
        "int16": "INT16",
        "int32": "INT32",
        "int64": "INT64",
        "uint8": "UINT8",
        "bool": "BOOL",
    }
)
"""By the name of a dtype in NumPy: those that inputs and outputs of files have."""
