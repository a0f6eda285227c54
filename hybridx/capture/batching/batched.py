"""The values of a traced tensor in all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import hybridx.capture.torch_internals as torch_internals


class NoRowRule(Exception):  # noqa: N818
    """An operation has no rule for a batch; the text names the operation."""


@dataclass(frozen=True)
class Rows:
    """The values of a traced tensor in all rows.

    Attributes:
        stored: shape `(rows, *shape)`, where `shape` is that of the tensor in one row.
        is_batch: the first axis of `shape` has length 1 and is left out of `stored`: it is the
            batch axis of the traced model, and `stored` is what the model itself would hold.
    """

    stored: Tensor
    is_batch: bool = False

    @property
    def value(self) -> Tensor:
        """Shape `(rows, *shape)`."""
        return self.stored.unsqueeze(1) if self.is_batch else self.stored

    @property
    def rank(self) -> int:
        """The number of axes in one row."""
        return self.stored.dim() if self.is_batch else self.stored.dim() - 1


def spread(argument: Any, rows: int | torch.SymInt) -> Tensor:
    """Return an argument with a row axis; one that all rows share is expanded."""
    if isinstance(argument, Rows):
        return argument.value
    return argument.unsqueeze(0).expand(rows, *argument.shape)  # type: ignore[no-any-return]


def value_of(argument: Rows | Tensor) -> Tensor:
    """Return a tensor as it is, and `Rows` with the row axis first."""
    return argument.value if isinstance(argument, Rows) else argument


def is_rows(leaf: Any) -> bool:
    """Return whether a value is `Rows`, which `argument_leaves` must not take apart."""
    return isinstance(leaf, Rows)


def argument_leaves(tree: Any) -> list[Any]:
    """Return the tensors, `Rows` and numbers among nested arguments."""
    return torch_internals.leaves_of(tree, is_leaf=is_rows)


def pad_rank(rows: Rows, rank: int) -> Tensor:
    """Return the rows with axes of length 1 behind the row axis, up to a rank in each row."""
    value = rows.value
    for _ in range(rank - rows.rank):
        value = value.unsqueeze(1)
    return value


def in_dtype(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a tensor in a dtype, without a cast, which adds a node, if it has that dtype."""
    return value if value.dtype == dtype else value.to(dtype)
