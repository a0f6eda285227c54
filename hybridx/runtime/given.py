"""What people give to a session: arrays of any library, and tables with named columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridx.errors import InputDtypeError, InputNamesError
from hybridx.storage import Array


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
        InputDtypeError: it is no array, such as lists of unequal length.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        plain = value.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray((plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:  # lists of unequal length, for example
        found = f"no dtype: it is a {type(value).__name__} that is no array"
        raise InputDtypeError(name, found, "numbers") from error


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
