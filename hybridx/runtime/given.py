"""What people give to a session: arrays of any library, and tables with named columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridx.artifact import Signature
from hybridx.errors import (
    InputDtypeError,
    InputNamesError,
    InputRangeError,
    InputShapeError,
)
from hybridx.storage import Array, Spec, spec_of

_NUMBERS = "fiub"  # kinds of dtypes


def by_name(
    names: Sequence[str], columns: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Array]:
    """Return what a session is called with as arrays by the names of its inputs.

    A single table with the columns of the model stands for its only input, and a single mapping
    for all inputs.

    Args:
        names: of the inputs, in order.
        columns: names of the columns of the only input, if the file has them.
        args: given by position.
        kwargs: given by name.

    Raises:
        InputNamesError: there are more values than inputs, a name twice, or another name.
    """
    if len(args) == 1 and not kwargs and isinstance(args[0], Mapping) and not _is_table(args[0]):
        return {name: as_array(value, name) for name, value in args[0].items()}
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or given.keys() & kwargs.keys():
        twice = [*map(str, given), *kwargs]
        raise InputNamesError(", ".join(twice) + " and more", ", ".join(names))
    return {
        name: _table(value, columns, name) if _is_table(value) else as_array(value, name)
        for name, value in {**given, **kwargs}.items()
    }


def as_array(value: Any, name: str) -> Array:
    """Return an array, a tensor of torch, or nested lists of numbers as an array.

    A tensor may be on any device and have a gradient; bfloat16, which NumPy lacks, becomes float32.

    Raises:
        InputDtypeError: it is no array, such as lists of unequal length, or some of it is masked.
    """
    torch = sys.modules.get("torch")
    # Another thread may be importing torch; nobody has a tensor then.
    is_tensor = isinstance(value, getattr(torch, "Tensor", ()))
    try:
        if torch is not None and is_tensor:
            plain = value.detach().cpu().resolve_conj().resolve_neg()
            return np.asarray((plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())
        array = np.asarray(value)
    except Exception as error:
        # Lists of unequal length, a sparse tensor; an array of another library may raise anything.
        found = f"no dtype: it is a {type(value).__name__} that is no array"
        if is_tensor:
            found = f"{value.dtype}, as a tensor of layout {value.layout} on {value.device}"
        raise InputDtypeError(name, found, "numbers") from error
    # Importing it takes as long as a short run; without it nothing is masked.
    masks = sys.modules.get("numpy.ma")
    if masks is not None and masks.is_masked(value):
        raise InputDtypeError(name, f"{array.dtype} with masked elements", "numbers")
    return array


def fit(array: Array, signature: Signature) -> Array:
    """Return an array in the dtype of the model, or refuse it.

    A complex array is taken for its real and imaginary parts in a last axis of 2.

    Raises:
        InputDtypeError: it holds no numbers.
        InputShapeError: its shape is not the model's.
        InputRangeError: a number cannot be converted.
    """
    check_spec(spec_of(array), signature)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    if array.dtype == signature.dtype:
        return array
    with np.errstate(all="ignore"):
        converted = array.astype(signature.dtype)
        if not np.can_cast(array.dtype, signature.dtype, "safe"):
            _check(array, converted, signature)
    return converted


def check_spec(given: Spec, signature: Signature) -> None:
    """Refuse an array by its shape and dtype, of which nothing was read; raises as `fit`."""
    shape, kind = given.shape, given.dtype.kind
    if kind == "c" and signature.shape[-1:] == (2,) and len(shape) == len(signature.shape) - 1:
        shape, kind = (*shape, 2), "f"
    if kind not in _NUMBERS or signature.dtype.kind not in _NUMBERS:
        raise InputDtypeError(signature.name, str(given.dtype), str(signature.dtype))
    if not signature.fits(shape):
        raise InputShapeError(signature.name, str(shape), signature.axes)


def _check(array: Array, converted: Array, signature: Signature) -> None:
    """Refuse an array with a number that its conversion has changed, other than by rounding.

    Raises:
        InputRangeError: it has the first such number.
    """
    dtype = signature.dtype
    match dtype.kind:
        case "f":
            lost = np.isinf(converted) & np.isfinite(array)
            most = float(np.finfo(dtype).max)
            taken = f"numbers from {-most:.5g} to {most:.5g}"
        case "b":
            lost = (array != 0) & (array != 1)
            taken = "0 and 1"
        case _:
            bounds = np.iinfo(dtype)
            # As a power of two the bound is exact in every dtype, unlike 2**63 - 1 in float64.
            over = array > bounds.max if array.dtype.kind in "iu" else array >= bounds.max + 1.0
            lost = over | (array < bounds.min) | (array != np.floor(array)) | np.isnan(array)
            taken = f"whole numbers from {bounds.min} to {bounds.max}"
    if not lost.any():
        return
    first = np.argwhere(lost)[0]
    row = int(first[0]) + 1 if array.ndim else 1
    value = str(array[tuple(first)])
    raise InputRangeError(signature.name, value, row, str(dtype), taken)


def _is_table(value: Any) -> bool:
    """Return whether a value is a DataFrame: it has columns by name, and becomes an array."""
    return hasattr(value, "columns") and hasattr(value, "to_numpy")


def _table(value: Any, columns: Sequence[str], name: str) -> Array:
    """Return the columns of a DataFrame that the model takes, in its order."""
    present = list(value.columns)
    if columns and not set(columns) <= set(present):
        missing = next(column for column in columns if column not in present)
        raise InputNamesError(f"without a column {missing!r}", ", ".join(columns))
    chosen = value[list(columns)] if columns else value
    return as_array(chosen.to_numpy(), name)
