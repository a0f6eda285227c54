"""How fast peers have been so far, and which of them cannot be the fastest in a further cell.

The bounds on a call assume:

* The time grows at most in proportion to the rows.
* Each further row takes at least half the time of a row between the two batches before.
* Several threads never take more time than one, and divide the time at most by their number.

Measurements with fewer rows or fewer threads therefore bound a call from above and below. A peer
is not run if its lower bound is above the upper bound of another peer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.records import Cell

A_FURTHER_ROW = (
    0.5  # of the mean time of a row between two batches: the least time of a further row
)
LONGEST_CALL = 5.0  # seconds
MUCH = 4.0
CANNOT_WIN = "cannot be the fastest"
TOO_SLOW = (
    f"a call would take over {LONGEST_CALL:.0f} s and {MUCH:.0f} times as long as the fastest"
)


@dataclass(frozen=True, slots=True)
class Paces:
    """The measurements so far, as bounds on further cells.

    Attributes:
        measured: seconds of a call of each peer, by the peer and the cell at one row and thread.
        ended: cells in which the process of a peer took too long or died, with its message.
    """

    measured: dict[tuple[str, Cell], dict[Cell, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    ended: dict[tuple[str, str], list[tuple[Cell, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def remember(self, cell: Cell, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Add the results of the peers in a cell."""
        for peer, entry in entries.items():
            if "median" in entry:
                self.measured[peer, _family(cell)][cell] = entry["median"]
            elif entry.get("ended"):
                self.ended[peer, cell.workload].append((cell, entry["refused"]))

    def why_not(self, peer: str, rivals: Iterable[str], cell: Cell) -> str | None:
        """Return why a peer need not be run in a cell, or None."""
        if (ended := self.why_ended(peer, cell)) is not None:
            return ended
        name, seconds = self.fastest(rivals, cell) or (peer, 0.0)
        if name == peer:
            return None
        if self.least(peer, cell) > seconds:
            return CANNOT_WIN
        most = self.most(peer, cell) or 0.0
        return TOO_SLOW if most > max(LONGEST_CALL, MUCH * seconds) else None

    def most(self, peer: str, cell: Cell) -> float | None:
        """Return the upper bound on the seconds of a call, if there is a measurement."""
        known = self._nearest(peer, cell)
        return known[0][1] * cell.batch / known[0][0].batch if known else None

    def least(self, peer: str, cell: Cell) -> float:
        """Return the lower bound on the seconds of a call."""
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
        """Return the peer with the lowest upper bound, and that bound."""
        times = {peer: most for peer in peers if (most := self.most(peer, cell)) is not None}
        return min(times.items(), key=lambda item: item[1]) if times else None

    def why_ended(self, peer: str, cell: Cell) -> str | None:
        """Return the message of a peer whose process ended in a cell with no more work, or None."""
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
