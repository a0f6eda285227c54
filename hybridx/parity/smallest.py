"""The smallest of inputs on which two executions differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from hybridx.artifact import Signature
from hybridx.circuit import BATCH
from hybridx.parity.axes import open_axes
from hybridx.storage import Array

Differs: TypeAlias = Callable[[Mapping[str, Array], Sequence[int]], bool]
"""True if two executions differ on inputs, which are these rows of others."""


def smallest_rows(
    inputs: Mapping[str, Array], signatures: Sequence[Signature], differs: Differs
) -> dict[str, Array]:
    """Return as few rows of inputs as still show a difference.

    Where rows are independent this is one row. Halves are tried until neither shows it alone.

    Args:
        inputs: arrays by name, on which the executions differ.
        signatures: of the inputs; an input without the axis `batch` stays whole.
        differs: tells of some rows.
    """
    found = dict(inputs)
    batched = {
        name: axis
        for name, axes in open_axes(signatures).items()
        for axis, called in axes.items()
        if called == BATCH
    }
    rows = range(min((inputs[name].shape[axis] for name, axis in batched.items()), default=1))
    while len(rows) > 1:
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            part = found | {name: inputs[name].take(half, axis) for name, axis in batched.items()}
            if differs(part, half):
                found, rows = part, half
                break
        else:
            break
    return found
