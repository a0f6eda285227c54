"""Rows of a TOML file as values of a dataclass that has a field for each key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_Row = TypeVar("_Row")


def read_rows(path: Path, kind: Callable[..., _Row]) -> dict[str, _Row]:
    """Return the tables of a file by their names, each made by its name and its keys.

    Lists become tuples.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: kind(name, **{key: tuple(v) if isinstance(v, list) else v for key, v in one.items()})
        for name, one in tables.items()
    }
