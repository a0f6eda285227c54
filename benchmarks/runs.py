"""A run of a benchmark: its cells in order, its peers in turns, its lines in a file."""

from __future__ import annotations

import json
import statistics
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.paces import Paces
from benchmarks.records import Cell, read_lines
from benchmarks.workers import LONGEST_LOAD, Peer, Workers

ONE_CALL = 2.0  # calls that take longer are timed once, while they are loaded


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a peer is measured in a cell: rounds of some seconds, up to a total.

    Attributes:
        rounds: of each peer.
        seconds: of a round.
        enough: seconds after which a peer has no further round.
        clock: "wall", or "cpu" where the machine does other work as well.
    """

    rounds: int
    seconds: float
    enough: float
    clock: str = "wall"


@dataclass(slots=True)
class Run(ABC):
    """A run: its results so far, and how it measures further cells.

    Attributes:
        peers: the peers that are measured.
        effort: how long each is measured in a cell.
        lines: the file to which finished cells are appended.
        most_bytes: of memory that a peer may have.
        paces: the speed of each peer so far.
    """

    peers: Sequence[Peer]
    effort: Effort
    lines: Path
    most_bytes: int | None = None
    paces: Paces = field(default_factory=Paces)

    @abstractmethod
    def measure(self, cell: Cell, workers: Workers) -> dict[str, Any]:
        """Return the times of all peers in a cell, or why the cell is left out."""

    def run(self, cells: Sequence[Cell]) -> None:
        """Measure the cells that are not in the file yet."""
        done = self.resume()
        begun = time.perf_counter()
        for threads, group in groupby(enumerate(cells, 1), lambda item: item[1].threads):
            workers = Workers(threads, self.most_bytes)
            try:
                for number, cell in group:
                    if cell in done:
                        continue
                    tell(f"[{number}/{len(cells)}] {cell} ... ")
                    started = time.perf_counter()
                    line = {"cell": asdict(cell)} | self.measure(cell, workers)
                    now = time.perf_counter()
                    self.append(line | {"seconds": round(now - started, 1)})
                    tell(f"{now - started:.0f} s, {(now - begun) / 60:.1f} min so far\n")
            finally:
                self.append({"versions": {n: w.versions for n, w in workers.running.items()}})
                workers.close()

    def resume(self) -> set[Cell]:
        """Read the results in the file; return its cells."""
        done = set()
        for line in read_lines(self.lines):
            if "cell" in line:
                cell = Cell(**line["cell"])
                done.add(cell)
                self.paces.remember(cell, line.get("peers", {}))
        return done

    def clock(self, threads: int) -> str:
        """Return the clock for so many threads: several would be counted while they wait."""
        return self.effort.clock if threads == 1 else "wall"

    def rounds(self, workers: Workers, entries: dict[str, dict[str, Any]]) -> None:
        """Time all peers in turns and write the median of their rounds into their entries."""
        ready = {name: entry["call"] for name, entry in entries.items() if "call" in entry}
        medians = {name: [call] if call > ONE_CALL else [] for name, call in ready.items()}
        turns = [peer for peer in self.peers if medians.get(peer.name) == []]
        spent = {peer.name: 0.0 for peer in turns}
        for _ in range(self.effort.rounds):
            for peer in list(turns):
                started = time.perf_counter()
                reply = workers.ask(
                    peer,
                    {"time": self.effort.seconds, "clock": self.clock(workers.threads)},
                    LONGEST_LOAD,
                )
                spent[peer.name] += time.perf_counter() - started
                if "refused" in reply:
                    entries[peer.name] = reply
                    del medians[peer.name]
                    turns.remove(peer)
                    continue
                medians[peer.name].append(statistics.median(reply["seconds"]))
                if spent[peer.name] > self.effort.enough:
                    turns.remove(peer)
        for name, times in medians.items():
            entries[name] |= {"median": statistics.median(times), "rounds": times}

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line to the file."""
        with self.lines.open("a") as file:
            file.write(json.dumps(line) + "\n")


def tell(text: str) -> None:
    """Print a part of a line that shows the progress of the run."""
    print(text, end="", file=sys.stderr, flush=True)
