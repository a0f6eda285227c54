"""Which axes of a QNode call's arguments are the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import Any, Final, TypeAlias

import torch

from hybridx.capture import Arguments, tape_batch

Axes: TypeAlias = tuple[int | None, ...]
"""For each tensor among the arguments of a call, the axis that is the batch, or None."""

_TRIES: Final = 64  # tapes that are made to find the axes: some milliseconds each


def closed(given: Arguments) -> Axes:
    """Return that no axis is the batch."""
    return (None,) * len(given.tensors)


def batch_axes(qnode: Any, given: Arguments) -> Axes:
    """Return which axes are the batch.

    They are those that must be longer together for the tape to have a larger batch.

    Returns:
        no axis, if the call has no batch or if it cannot be told which axes it is.
    """
    batch = tape_batch(qnode, given, given.tensors)
    if batch is None:
        return closed(given)

    def is_batch(some: Sequence[tuple[int, int]]) -> bool | None:
        """Return whether the batch grows with some axes, or None if the tape cannot be made."""
        tried = [tensor.detach() for tensor in given.tensors]
        for place, axis in some:
            last = tried[place].narrow(axis, tried[place].shape[axis] - 1, 1)
            tried[place] = torch.cat([tried[place], last], axis)
        try:
            return tape_batch(qnode, given, tried) == batch + 1
        except Exception:  # the user's own function and PennyLane's templates may raise anything
            return None

    needed = []
    for place, tensor in enumerate(given.tensors):
        for axis in [axis for axis, length in enumerate(tensor.shape) if length == batch]:
            answer = is_batch([(place, axis)])
            if answer:
                return _axes(given, [(place, axis)])
            if answer is None:
                needed.append((place, axis))
    for some in islice(_fewer_and_fewer(needed), _TRIES):
        if is_batch(some):
            for one in tuple(some):
                rest = [other for other in some if other != one]
                some = rest if rest and is_batch(rest) else some
            return _axes(given, some)
    return closed(given)


def _fewer_and_fewer(
    places: Sequence[tuple[int, int]],
) -> Iterator[list[tuple[int, int]]]:
    for count in range(len(places), 1, -1):
        yield from map(list, combinations(places, count))


def _axes(given: Arguments, some: Sequence[tuple[int, int]]) -> Axes:
    by_place = dict(some)
    return tuple(by_place.get(place) for place in range(len(given.tensors)))


def open_axes(given: Arguments, axes: Axes) -> Axes:
    """Return the axes that stay open in a call.

    There are none in a call of one row or of none: torch and models take these lengths apart, by
    `squeeze` for example.
    """
    lengths = {
        tensor.shape[axis]
        for tensor, axis in zip(given.tensors, axes, strict=True)
        if axis is not None
    }
    return axes if len(lengths) == 1 and min(lengths) > 1 else closed(given)


def with_rows(given: Arguments, axes: Axes, count: int) -> Arguments:
    """Return arguments with some rows alone, or with repeated ones."""

    def chosen(tensor: torch.Tensor, axis: int | None) -> torch.Tensor:
        if axis is None:
            return tensor
        return tensor.index_select(axis, torch.arange(count) % tensor.shape[axis])

    return given.with_tensors(
        [chosen(tensor, axis) for tensor, axis in zip(given.tensors, axes, strict=True)]
    )
