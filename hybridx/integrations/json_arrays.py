"""Arrays in the JSON of requests and answers: nested lists, with words for what JSON has no number.

NaN and infinity are the strings "NaN", "Infinity" and "-Infinity" both ways. A float32 goes into
JSON as the double that it is, so that reading it as float32 gives the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hybridx.errors import InputDtypeError, RequestFormError
from hybridx.runtime import as_array
from hybridx.storage import Array, as_lists, spelled_numbers


def read_request(body: bytes) -> dict[str, Array]:
    """Return the arrays by name that the JSON of a request has under `inputs`.

    Raises:
        RequestFormError: it is no such JSON.
        InputDtypeError: a value is no nested lists of numbers.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestFormError(f"it is not JSON ({error})") from error
    inputs = said.get("inputs") if isinstance(said, dict) else None
    if not isinstance(inputs, dict):
        raise RequestFormError("it has no object `inputs`")
    return read_arrays(inputs)


def read_arrays(said: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays of a request by name.

    Raises:
        InputDtypeError: a value is no nested lists of numbers.
    """
    return {name: _read(value, name) for name, value in said.items()}


def _read(value: Any, name: str) -> Array:
    array = as_array(value, name)
    if array.dtype.kind not in "UO":
        return array
    try:
        return as_array(spelled_numbers(value), name)
    except ValueError as error:
        raise InputDtypeError(name, f"object, with {str(error)[:40]!r} in it", "numbers") from error


def write_arrays(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return the arrays of an answer as nested lists by name."""
    return {name: as_lists(array) for name, array in arrays.items()}
