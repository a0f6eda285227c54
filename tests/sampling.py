"""Long lists of similar cases, of which each suite runs a part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some(names: Iterable[str], *, every: int, first: int = 0, slow: int = 1) -> list[Any]:
    """Return parameters for pytest; all but each `every`-th, from number `first`, are slow.

    Of these the slow suite runs each `slow`-th, and `make test-corpus` the rest.
    """
    return [
        pytest.param(name, id=name, marks=_marks(index, every, first, slow))
        for index, name in enumerate(names)
    ]


def _marks(index: int, every: int, first: int, slow: int) -> tuple[pytest.MarkDecorator, ...]:
    if index % every == first % every:
        return ()
    is_rest = bool(index % slow)
    return (pytest.mark.slow, pytest.mark.exhaustive) if is_rest else (pytest.mark.slow,)
