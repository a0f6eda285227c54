"""What came of each sample when all were last run: the table behind `docs/support.md`.

`outcomes.txt` has a line for each operator and module; `python -m tests.operators --write` writes
it from the results of a whole run.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).with_name("outcomes.txt")


@dataclass(frozen=True)
class Expected:
    """What comes of a sample.

    Attributes:
        status: one of `trial.STATUSES`.
        code: of the refusal, or empty.
    """

    status: str
    code: str = ""


def read() -> dict[str, Expected]:
    """Return what is expected of each sample, by its name."""
    found = {}
    for line in PATH.read_text(encoding="utf-8").splitlines():
        called, _, cells = line.partition(": ")
        for cell in cells.split(", "):
            dtype, _, outcome = cell.partition(" ")
            status, _, code = outcome.partition(" HX")
            found[f"{called}/{dtype}"] = Expected(status, f"HX{code}" if code else "")
    return found


def write(outcomes: Mapping[str, Expected]) -> None:
    """Write the table of all samples."""
    cells: dict[str, list[str]] = defaultdict(list)
    for name in sorted(outcomes, key=str.casefold):
        called, _, dtype = name.rpartition("/")
        expected = outcomes[name]
        cells[called].append(f"{dtype} {expected.status} {expected.code}".rstrip())
    lines = [f"{called}: {', '.join(found)}\n" for called, found in cells.items()]
    PATH.write_text("".join(lines), encoding="utf-8")


def by_hash(names: Iterable[str], count: int) -> list[str]:
    """Return `count` of some names, always the same ones and of all kinds."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count]
