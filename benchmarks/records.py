"""The lines that a run of the benchmark writes, and their content."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.workloads import make

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
CHOICES = BUILD / "choice.jsonl"

HYBRIDX, GEMM = "hybridx", "GEMM"
EAGER, LIGHTNING = "PennyLane default.qubit", "PennyLane lightning.qubit"
FLOOR = "floor"  # an empty graph with as many inputs; of training: a Linear for each circuit
PRODUCT = "product"  # a square matrix product, at the speed that the machine has for products
SQUARE = 512  # its rows and columns: the matrices fit the cache of a core
BOUNDS = (GEMM, FLOOR, PRODUCT)  # are measured beside the peers and say what the engine can do
PENNYLANE = (EAGER, LIGHTNING)  # as people train with it: the faster one counts


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the tables: one workload at one size."""

    workload: str
    wires: int
    layers: int
    batch: int
    threads: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        sizes = f"{self.wires} wires, {self.layers} layers"
        return f"{self.workload}, {sizes}, batch {self.batch}, {threads}"


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a run.

    Attributes:
        run: the machine and the compiler.
        versions: packages of each peer.
        exports: the report of each export, by workload, wires and layers.
        cells: the result of each peer in each cell; empty if eager PennyLane would take too long.
        cuts: why cells were left out.
        choices: the times of all strategies of some circuits, as `choice.py` writes them.
        memory: what a step of training in a new process needs, by peer and layers.
    """

    run: Mapping[str, Any]
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    exports: dict[tuple[str, int, int], dict[str, Any]] = field(default_factory=dict)
    cells: dict[Cell, dict[str, dict[str, Any]]] = field(default_factory=dict)
    cuts: dict[Cell, str] = field(default_factory=dict)
    choices: list[dict[str, Any]] = field(default_factory=list)
    memory: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)

    def median(self, cell: Cell, peer: str) -> float | None:
        """Return the median seconds of a call of a peer."""
        seconds: float | None = self.cells[cell].get(peer, {}).get("median")
        return seconds

    def best(self, cell: Cell, among: Collection[str] = ()) -> tuple[str, float] | None:
        """Return the fastest peer other than hybridx, of some or of all, and its seconds."""
        peers = self.cells[cell].keys() - {HYBRIDX, *BOUNDS}
        if among:
            peers &= set(among)
        times = {peer: seconds for peer in peers if (seconds := self.median(cell, peer))}
        return min(times.items(), key=lambda item: item[1]) if times else None

    def ratio(self, cell: Cell, peer: str | None = None) -> float | None:
        """Return how many times faster hybridx is than a peer, or than the best one."""
        ours = self.median(cell, HYBRIDX)
        if peer is None:
            best = self.best(cell)
            theirs = best[1] if best else None
        else:
            theirs = self.median(cell, peer)
        return theirs / ours if ours and theirs else None

    def over_floor(self, cell: Cell) -> float | None:
        """Return the time of a call over that of an empty graph with as many inputs."""
        ours, floor = self.median(cell, HYBRIDX), self.median(cell, FLOOR)
        return ours / floor if ours and floor else None

    def share(self, cell: Cell) -> float | None:
        """Return the share of a call that its products would take at the machine's best speed.

        The multiply-adds are those that the compiler counted in the circuits; None for models with
        layers around them, which are not counted.
        """
        export = self.exports.get((cell.workload, cell.wires, cell.layers), {})
        ours, product = self.median(cell, HYBRIDX), self.median(cell, PRODUCT)
        if not ours or not product or export.get("multiply_adds") is None:
            return None
        if make(cell.workload, cell.wires, cell.layers).dense:
            return None
        rate = self.cells[cell][PRODUCT]["multiply_adds"] / product
        return float(export["multiply_adds"]) * cell.batch / rate / ours


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines that a run has written; a line that was cut off is left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def gather(lines: Iterable[Mapping[str, Any]]) -> Results:
    """Return the lines of a run as its results; later lines replace earlier ones."""
    first, *others = lines
    results = Results(first["run"])
    for line in others:
        if "memory" in line:
            results.memory[line["memory"], line["layers"]] = dict(line)
        elif "choice" in line:
            results.choices.append(line["choice"])
        elif "export" in line:
            results.exports[line["workload"], line["wires"], line["layers"]] = line["export"]
        elif "cut" in line:
            results.cuts[Cell(**line["cell"])] = line["cut"]
        elif "cell" in line:
            results.cells[Cell(**line["cell"])] = line["peers"]
        else:
            results.versions.update(line["versions"])
    return results


def begin(lines: Path, *, fresh: bool, refuse: Callable[[str], None], **said: str) -> None:
    """Write the first line of a run, or check that the existing one is of this machine.

    Args:
        lines: the file.
        fresh: forget what is there.
        refuse: is told that the existing line is another one.
        said: of the run beside machine and compiler.
    """
    lines.parent.mkdir(parents=True, exist_ok=True)
    run, earlier = describe_run() | said, [] if fresh else read_lines(lines)
    if not earlier:
        lines.write_text(json.dumps({"run": run}) + "\n")
    elif earlier[0]["run"] != run:
        refuse(f"{lines} is of another compiler or machine; --fresh begins again")


def describe_run() -> dict[str, Any]:
    """Return the machine and the compiler; one file holds lines of one machine and compiler."""
    tree = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD:hybridx"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "hybridx": tree.stdout.strip(),
    }


def cpu_name() -> str:
    """Return the name of the processor as the system gives it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
