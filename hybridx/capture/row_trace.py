"""Trace a model at one row, and run its graph on all rows of a batch.

That is correct if the rows do not depend on each other, which is tested with the eager model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture.batching import NoRowRule, RowInterpreter, Rows
from hybridx.capture.model.flat import Flat
from hybridx.capture.rehearsal import NOT_RUN, Rehearsal, rehearse, rows_agree
from hybridx.capture.torch_export import FixedBatch


class OnRows(nn.Module):
    """A graph that was traced at one row, as a module for any number of rows.

    Args:
        graph: takes tensors and returns a flat tuple of tensors.
        places: which axis of each input is the batch; the graph takes it as the first one.
        axes: where each output has its batch.
    """

    def __init__(
        self, graph: fx.GraphModule, places: Sequence[int | None], axes: Sequence[int | None]
    ) -> None:
        super().__init__()
        self.traced = graph
        self._places = places
        self._axes = axes

    def forward(self, *args: Tensor) -> Any:
        """Run the graph on all rows of the batched inputs."""
        pairs = list(zip(batch_first(args, self._places), self._places, strict=True))
        rows = next(arg.shape[0] for arg, place in pairs if place is not None)
        # Each row keeps the batch axis of length 1 that it was traced with.
        given = [arg if place is None else Rows(arg, is_batch=True) for arg, place in pairs]
        returned = RowInterpreter(self.traced, rows).run(*given)
        return tuple(
            _as_batch(leaf, axis, rows) for leaf, axis in zip(returned, self._axes, strict=True)
        )


def _as_batch(leaf: Any, axis: int | None, rows: Any) -> Any:
    """Return one output of all rows, with the batch on the axis where the model has it."""
    if axis is None:
        if isinstance(leaf, Rows):
            raise NoRowRule("an output that mixes the rows")
        return leaf
    if isinstance(leaf, Rows) and leaf.is_batch and axis == 0:
        return leaf.stored
    value = leaf.value if isinstance(leaf, Rows) else leaf.unsqueeze(0).expand(rows, *leaf.shape)
    if axis < 0:
        # The model itself drops the axis where there is one row.
        others = value.shape[1:]
        return value.squeeze() if all(type(n) is int and n != 1 for n in others) else value
    shape = value.shape[1:]
    return value.movedim(0, axis).reshape(*shape[:axis], rows, *shape[axis + 1 :])


class BatchFirst(Flat):
    """A model that takes the batch of each input as its first axis, wherever the model has it.

    Args:
        flat: the model as it is.
        places: which axis of each input is the batch for it.
    """

    def __init__(self, flat: Flat, places: Sequence[int | None]) -> None:
        super().__init__(flat.model, flat.call)
        vars(self).update(vars(flat))  # what is known of earlier runs
        self._places = places

    def answer(self, tensors: Mapping[str, Tensor]) -> Any:
        """Return what the model itself returns."""
        own = [
            tensor.movedim(0, place) if place else tensor
            for tensor, place in zip(tensors.values(), self._places, strict=True)
        ]
        return super().answer(dict(zip(tensors, own, strict=True)))


def batch_first(args: Sequence[Tensor], places: Sequence[int | None]) -> list[Tensor]:
    """Return inputs with the batch as their first axis."""
    pairs = zip(args, places, strict=True)
    return [arg.movedim(place, 0) if place else arg for arg, place in pairs]


def row_of(args: Sequence[Tensor], batched: Sequence[bool], row: int) -> list[Tensor]:
    """Return the inputs of one row, as a batch of one."""
    pairs = zip(args, batched, strict=True)
    return [arg[row : row + 1] if has_rows else arg for arg, has_rows in pairs]


def distinct_rows(
    flat: Flat, args: Sequence[Tensor], batched: Sequence[bool], rehearsal: Rehearsal
) -> tuple[Sequence[Tensor], Rehearsal]:
    """Return inputs whose rows differ, and what the eager model does with them.

    Equal rows, as in a repeated example, do not show whether rows depend on each other: `x` and
    `x.mean(0)` are then equal. In that case floating-point inputs are drawn, if the model runs on
    them.
    """
    pairs = list(zip(args, batched, strict=True))
    if not all(bool((arg == arg[:1]).all()) for arg, has_rows in pairs if has_rows):
        return args, rehearsal
    generator = torch.Generator().manual_seed(0)
    for draw in (torch.randn, torch.rand):
        drawn = [
            draw(arg.shape, generator=generator, dtype=arg.dtype)
            if has_rows and arg.is_floating_point()
            else arg
            for arg, has_rows in pairs
        ]
        with suppress(*NOT_RUN):
            found = rehearse(flat, drawn)
            is_alike = found.output_names == rehearsal.output_names
            if is_alike and all(bool(output.isfinite().all()) for output in found.outputs):
                return drawn, found
    return args, rehearsal


def row_axes(
    flat: Flat, args: Sequence[Tensor], batched: Sequence[bool], rehearsal: Rehearsal
) -> tuple[list[int | None], tuple[torch.dtype | None, ...]]:
    """Return the batch axis of each output, and what QNode calls return, from runs of single rows.

    The axis is None for an output that does not depend on the batch, and -1 for one that has no
    batch axis when the model runs on a single row.

    Raises:
        FixedBatch: the model does not treat rows one by one.
    """
    count = next(len(arg) for arg, has_rows in zip(args, batched, strict=True) if has_rows)
    rows = sorted({0, count - 1})
    alone = [rehearse(flat, row_of(args, batched, row)) for row in rows]
    if any(one.output_names != rehearsal.output_names for one in alone):
        raise FixedBatch("the number of outputs depends on the batch")
    axes: list[int | None] = []
    for together, *singles in zip(rehearsal.outputs, *(one.outputs for one in alone), strict=True):
        if any(single.shape != singles[0].shape for single in singles):
            raise FixedBatch("the shape of an output depends on the numbers in a row")
        axis = _batch_axis(together, singles[0], count)
        for row, single in zip(rows, singles, strict=True):
            piece = together
            if axis is not None:
                piece = together.select(max(axis, 0), row)
                single = single if axis < 0 else single.select(axis, 0)
            if not rows_agree(piece, single):
                raise FixedBatch("the rows of the batch depend on each other")
        axes.append(axis)
    return axes, alone[0].dtypes


CHANGES: tuple[Callable[[Any], Any], ...] = (
    lambda x: -x,
    lambda x: 10 * x,
    lambda x: x + 10,
    lambda x: 0 * x,
    lambda x: x + float("inf"),
    lambda x: x * float("nan"),
)
"""Changes of inputs, arrays or tensors, that lead a model to other sides of its branches."""


def check_apart(
    flat: Flat, args: Sequence[Tensor], batched: Sequence[bool], axes: Sequence[int | None]
) -> None:
    """Refuse a model in which the change of one row changes the results of another one.

    A branch that asks for the largest number of a batch may take the same side for each row of the
    example alone and for all of them.

    Args:
        flat: the model, whose graph of one row selects between two sides of a branch.
        args: inputs of several rows.
        batched: which of them have the batch as their first axis.
        axes: the batch axis of each output, as `row_axes` returns them.

    Raises:
        FixedBatch: the rows depend on each other.
    """
    before = rehearse(flat, args).outputs
    for change in CHANGES:
        changed = [
            torch.cat([change(arg[:1]), arg[1:]]) if has_rows and arg.is_floating_point() else arg
            for arg, has_rows in zip(args, batched, strict=True)
        ]
        with suppress(*NOT_RUN):
            after = rehearse(flat, changed).outputs
            for one, other, axis in zip(before, after, axes, strict=True):
                if axis is not None:
                    one, other = (each.movedim(max(axis, 0), 0)[1:] for each in (one, other))
                if not rows_agree(one, other):
                    raise FixedBatch("a branch makes the rows of the batch depend on each other")


def _batch_axis(together: Tensor, single: Tensor, count: int) -> int | None:
    long, short = tuple(together.shape), tuple(single.shape)
    if long == short:
        return None
    if long == (count, *short):
        return -1
    for axis, length in enumerate(long):
        if length == count and short == (*long[:axis], 1, *long[axis + 1 :]):
            return axis
    raise FixedBatch("an output has no axis that follows the batch")
