"""What came of each server, kept in `results.json` beside this file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.servers.trial import Cell

KEPT = Path(__file__).with_name("results.json")
FOLDERS = "folders"
"""The name of what is checked of folders whose server is not started."""


@dataclass(frozen=True)
class Result:
    """What came of a server.

    Attributes:
        date: of the run.
        version: of the server.
        on: the Python that ran it.
        not_tried: why it cannot be had; empty if it ran.
        cells: what was tried.
    """

    date: str
    version: str
    on: str
    not_tried: str = ""
    cells: Mapping[str, Cell] = field(default_factory=dict)


def complaints(new: Result, old: Result | None, lacks: Sequence[str] = ()) -> list[str]:
    """Return what a server does not do and must, or that it was not tried and ran before.

    Args:
        new: what came of it.
        old: what had come of it before, if it was tried.
        lacks: columns that it is known not to have.
    """
    if new.not_tried:
        ran = old is not None and not old.not_tried
        return [f"it is not tried: {new.not_tried}"] if ran else []
    return [
        f"{name}: {cell.text}"
        for name, cell in new.cells.items()
        if not cell.is_so and name not in lacks
    ]


def read(path: Path = KEPT) -> dict[str, Result]:
    """Return the results of the servers by their names."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Result(**one | {"cells": {key: Cell(**cell) for key, cell in one["cells"].items()}})
        for name, one in kept.items()
    }


def write(results: Mapping[str, Result], path: Path = KEPT) -> None:
    """Keep results."""
    said = {name: asdict(one) for name, one in results.items()}
    path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
