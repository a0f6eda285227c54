"""How fast peers have been so far, and which of them cannot be the fastest in a further cell.

More rows take a peer at most in proportion more time, and each further row at least half of what
the rows between the two batches before took. Several threads never take it more time than one, and
divide its time at most by their number. So what was measured with fewer rows or fewer threads
bounds a call from both sides, and a peer whose least time is more than the most that another one
takes need not be run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.records import Cell

A_FURTHER_ROW = 0.5  # takes at least so much of what a row took on average between two batches
LONGEST_CALL = 5.0  # seconds
MUCH = 4.0
CANNOT_WIN = "cannot be the fastest"
TOO_SLOW = (
    f"a call would take over {LONGEST_CALL:.0f} s and {MUCH:.0f} times as long as the fastest"
)


@dataclass(frozen=True, slots=True)
class Paces:
    """What the cells so far say about further ones.

    Attributes:
        measured: seconds a call of each peer, by the peer and the cell at one row and one thread.
        ended: cells in which a process of a peer took too long or died, and what it said.
    """

    measured: dict[tuple[str, Cell], dict[Cell, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    ended: dict[tuple[str, str], list[tuple[Cell, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def remember(self, cell: Cell, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep what the peers did in a cell."""
        for peer, entry in entries.items():
            if "median" in entry:
                self.measured[peer, _family(cell)][cell] = entry["median"]
            elif entry.get("ended"):
                self.ended[peer, cell.workload].append((cell, entry["refused"]))

    def why_not(self, peer: str, rivals: Iterable[str], cell: Cell) -> str | None:
        """Return why a peer need not be run in a cell, if it need not."""
        if (ended := self._why_ended(peer, cell)) is not None:
            return ended
        name, seconds = self.fastest(rivals, cell) or (peer, 0.0)
        if name == peer:
            return None
        if self.least(peer, cell) > seconds:
            return CANNOT_WIN
        most = self.most(peer, cell) or 0.0
        return TOO_SLOW if most > max(LONGEST_CALL, MUCH * seconds) else None

    def most(self, peer: str, cell: Cell) -> float | None:
        """Return the most seconds a call can take, if the peer was measured with less."""
        known = self._nearest(peer, cell)
        return known[0][1] * cell.batch / known[0][0].batch if known else None

    def least(self, peer: str, cell: Cell) -> float:
        """Return the least seconds a call can take."""
        known = self._nearest(peer, cell)
        if not known:
            return 0.0
        last, seconds = known[0]
        a_row = 0.0
        if before := [item for item in known[1:] if item[0].threads == last.threads]:
            a_row = max(0.0, (seconds - before[0][1]) / (last.batch - before[0][0].batch))
        least = seconds + A_FURTHER_ROW * a_row * (cell.batch - last.batch)
        return least * last.threads / cell.threads

    def fastest(self, peers: Iterable[str], cell: Cell) -> tuple[str, float] | None:
        """Return the peer for which the most seconds are least, and those seconds."""
        times = {peer: most for peer in peers if (most := self.most(peer, cell)) is not None}
        return min(times.items(), key=lambda item: item[1]) if times else None

    def _why_ended(self, peer: str, cell: Cell) -> str | None:
        """Return what a peer said in a cell of no more work in which its process ended."""
        for other, why in self.ended.get((peer, cell.workload), ()):
            if all(
                getattr(other, size) <= getattr(cell, size)
                for size in ("wires", "layers", "batch", "threads")
            ):
                return f"{why} ({other.wires} wires, batch {other.batch})"
        return None

    def _nearest(self, peer: str, cell: Cell) -> list[tuple[Cell, float]]:
        """Return cells with at most as many rows and threads, and their seconds; nearest first."""
        known = self.measured.get((peer, _family(cell)), {})
        smaller = [
            (other, seconds)
            for other, seconds in known.items()
            if other.batch <= cell.batch and other.threads <= cell.threads
        ]
        return sorted(smaller, key=lambda item: (item[0].batch, item[0].threads), reverse=True)


def _family(cell: Cell) -> Cell:
    return replace(cell, batch=1, threads=1)
