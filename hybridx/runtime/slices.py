"""Slices of many rows: each runs alone, by whoever takes it, and knows where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from hybridx.circuit import BATCH
from hybridx.errors import InputRangeError
from hybridx.runtime.engines import DeviceEngine
from hybridx.runtime.executor import Place
from hybridx.runtime.session import Session
from hybridx.storage import Array


class Runner(Protocol):
    """Runs slices, here or in other processes."""

    def __call__(
        self, slices: Iterable[Mapping[str, Array]], row: int, repeat: int = 0
    ) -> Iterator[Mapping[str, Array]]:
        """Yield the outputs of each slice, in their order.

        Args:
            slices: inputs, each of the rows behind those of the slice before it.
            row: how many rows stand in front of the first slice.
            repeat: how many runs of all rows there were before.
        """
        ...


def run_slice(
    session: Session, inputs: Mapping[str, Array], row: int, repeat: int = 0
) -> dict[str, Array]:
    """Return the outputs of a slice of many rows.

    Whoever runs a slice, and how often, a device is known to be sent the same: samples with a seed
    are the same, and a journal finds what was paid for already.

    Args:
        session: a loaded model.
        inputs: of the rows of the slice, by name.
        row: the number of rows in front of it. It is part of what a journal knows submissions by.
        repeat: how many runs of all rows there were before.

    Raises as `Session.run`; an `InputRangeError` counts rows from the first row of all.
    """
    engine = session._engine
    with rows_from(row):
        if not isinstance(engine, DeviceEngine):
            return session.run(inputs)
        with session._turn:
            engine.executor.begin(Place(row, repeat))
            return session.run(inputs)


def running_here(session: Session) -> Runner:
    """Return what runs slices in this process, one after another."""

    def run(
        slices: Iterable[Mapping[str, Array]], row: int, repeat: int = 0
    ) -> Iterator[Mapping[str, Array]]:
        for one in slices:
            outputs = run_slice(session, one, row, repeat)
            row += rows_of(session, one)
            yield outputs

    return run


def rows_of(session: Session, inputs: Mapping[str, Array]) -> int:
    """Return how many rows a slice has; 0 if no input has a row for each of them."""
    return max((len(inputs[name]) for name in sliced_inputs(session) & inputs.keys()), default=0)


def sliced_inputs(session: Session) -> frozenset[str]:
    """Return the names of the inputs that have a row for each row of the outputs."""
    return frozenset(one.name for one in session.inputs if one.shape[:1] == (BATCH,))


@contextmanager
def rows_from(rows: int) -> Iterator[None]:
    """While active, errors count the rows of a slice behind the given number of earlier rows."""
    try:
        yield
    except InputRangeError as error:
        row = error.row + rows
        raise InputRangeError(error.name, error.value, row, error.dtype, error.taken) from None
