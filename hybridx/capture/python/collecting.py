"""Collect all refusals of a model: an error is noted, and the run goes on with a stand-in.

The stand-in of a QNode call is what the eager model's call returned; an operator is left out; of a
branch whose sides do not fit each other one side is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hybridx.capture.python.patches import intercepting
from hybridx.errors import HybridxError


class Collector:
    """What was refused in a model, and what stands in for it.

    Attributes:
        errors: in the order in which they were met, each once.
        answers: what each QNode call of the eager model returned, in order.
    """

    def __init__(self) -> None:
        self.errors: list[HybridxError] = []
        self.answers: list[Any] = []

    def note(self, error: HybridxError) -> None:
        """Add an error, unless it is there already."""
        if str(error) not in map(str, self.errors):
            self.errors.append(error)


@contextmanager
def collecting() -> Iterator[Collector]:
    """While active, refusals in this thread are collected, as far as stand-ins go."""
    collector = Collector()
    with intercepting(collector=collector):
        yield collector
