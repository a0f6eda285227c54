"""Long lists of similar cases, of which the quick suite runs a part and the slow one the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some(names: Iterable[str], *, every: int, first: int = 0) -> list[Any]:
    """Return parameters for pytest; all but each `every`-th, from number `first`, are slow."""
    return [
        pytest.param(
            name, id=name, marks=() if index % every == first % every else pytest.mark.slow
        )
        for index, name in enumerate(names)
    ]
