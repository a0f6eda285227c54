"""Refuse models whose outputs depend on earlier calls: no file keeps anything between calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from hybridx.capture.model.changed_line import ChangedLine
from hybridx.capture.model.flat import Flat
from hybridx.errors import EarlierCallsError

_MANY = (1000, 1_000_003)
"""The numbers of calls after which outputs are compared, where a model counts its calls."""


def refuse_earlier_calls(flat: Flat, args: Sequence[Tensor]) -> None:
    """Compare a first call with a second one, which finds what a call with other inputs left.

    With the same inputs some state does not show, such as the mean of this output and the one
    before. Numbers that a call changes, such as counters, are also tried as they would be after
    many calls.

    Args:
        flat: the model, in which a call has changed something.
        args: of the call.

    Raises:
        EarlierCallsError: the outputs differ.
    """
    if {*flat.kept} <= flat.examined:
        return
    flat.examined = frozenset(flat.kept)
    outputs = flat(*args)
    second = ((first, _later(flat, first, args)) for first in _other_inputs(args))
    first, later = next((pair for pair in second if pair[1] is not None), (args, None))
    found = [later, *(_later(flat, first, args, calls=calls) for calls in _MANY)]
    for calls, later in zip((1, *_MANY), found, strict=True):
        if later is not None and not _agree(outputs, later):
            names = _deciding(flat, first, args, outputs, calls)
            listed = " and ".join(repr(name) for name in names)
            raise EarlierCallsError(listed, _line(flat, first, names))


def _other_inputs(args: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield inputs for the call before; a model may refuse some, such as what is no probability."""
    flipped = [arg.flip(tuple(range(arg.dim()))) for arg in args]
    yield [
        arg * 0.75 if arg.is_floating_point() or arg.is_complex() else other
        for arg, other in zip(args, flipped, strict=True)
    ]
    yield flipped
    yield list(args)


def _later(
    flat: Flat,
    first: Sequence[Tensor],
    args: Sequence[Tensor],
    *,
    calls: int = 1,
    only: Collection[str] | None = None,
) -> tuple[Tensor, ...] | None:
    """Return the outputs of a later call; None if there are none, as the model does not run."""
    try:
        return flat.later(first, args, calls=calls, only=only)
    except Exception:  # the model is the user's own code and may raise anything
        return None


def _agree(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    return len(left) == len(right) and all(
        a.shape == b.shape
        and a.dtype == b.dtype
        and torch.allclose(a, b, rtol=1e-6, atol=1e-7, equal_nan=True)
        for a, b in zip(left, right, strict=True)
    )


def _deciding(
    flat: Flat,
    first: Sequence[Tensor],
    args: Sequence[Tensor],
    outputs: Sequence[Tensor],
    calls: int,
) -> list[str]:
    """Return the kept things each of which alone changes the outputs; all if none does alone."""
    found = []
    for name in flat.kept:
        later = _later(flat, first, args, calls=calls, only=[name])
        if later is not None and not _agree(outputs, later):
            found.append(name)
    return found or list(flat.kept)


def _line(flat: Flat, first: Sequence[Tensor], names: Collection[str]) -> str:
    """Return the line that changes one of these first."""
    with flat.restored() as snapshot:
        change = ChangedLine(
            flat.model, lambda: next((one for one in snapshot.changed() if one in names), None)
        )
        with change.watching():
            flat.run(first)
    return change.place
