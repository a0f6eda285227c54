"""Measure hybridx against its peers: `make bench`, `make bench-quick`.

All peers of a cell (workload, wires, layers, batch, threads) run in turns, in several rounds, so
that what else the machine does hits all alike. Each peer is a process in a virtual environment of
its own, and its results are compared with PennyLane in float64 before it is timed. Cells are
appended to a file as they are done; an interrupted run continues where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.records import EAGER, GEMM, HYBRIDX, Cell, gather, read_lines
from benchmarks.reference import evaluate
from benchmarks.report import write_report
from benchmarks.workers import BUILD, LONGEST_LOAD, ROOT, Peer, Workers
from benchmarks.workloads import WORKLOADS, Array, make

ALL_PEERS = (
    Peer(HYBRIDX, "onnxruntime", holds_state=False),
    Peer(GEMM, "onnxruntime", holds_state=False),
    Peer(EAGER, "pennylane", "default.qubit"),
    Peer("PennyLane lightning.qubit", "pennylane", "lightning.qubit"),
    Peer("TorchScript", "pennylane", "TorchScript"),
    Peer("JAX", "jax"),
    Peer("TensorCircuit", "tensorcircuit", holds_state=False),
    Peer("Catalyst", "catalyst"),
    Peer("DeepQuantum", "deepquantum"),
    Peer("TorchQuantum", "torchquantum"),
    Peer("Qiskit Aer", "qiskit"),
)
QUICK_PEERS = (HYBRIDX, EAGER, "JAX")

TOLERANCE = 1e-4  # |result - expected| / max(1, |expected|); peers compute in float32 or better
CHECKED_ROWS = 4
LONGEST_EAGER = 60.0  # seconds; cells where the eager model takes longer are left out
LONGEST_CALL = 20.0  # of any other peer; slower ones are left out of a cell
ONE_CALL = 2.0  # calls that take longer are timed once, by the second of their loading
ENOUGH = 1.0  # second of medians: slow calls have fewer rounds
MOST_STATE_BYTES = 2**31  # of a batch of states in complex128


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a cell is measured: rounds of so many seconds a peer, all within a budget."""

    rounds: int
    seconds: float
    budget: float


FULL, QUICK = Effort(5, 0.1, 60.0), Effort(3, 0.05, 5.0)


TWO_THREADS_WIRES, TWO_THREADS_BATCHES = (4, 6, 8, 12, 16, 32), (1, 256)  # a part of the grid
WIDEST = 20  # wires of a whole state: these cells come last, they take as long as all others


def all_cells() -> Iterator[Cell]:
    """Yield the cells of a full run: the tables, W1 over its layers, what takes longest."""
    cells = [
        Cell(name, wires, kind.layers, batch, threads)
        for threads in (1, 2)
        for name, kind in WORKLOADS.items()
        for wires in kind.wires
        for batch in kind.batches
        if threads == 1 or (wires in TWO_THREADS_WIRES and batch in TWO_THREADS_BATCHES)
    ]
    widest = [cell for cell in cells if cell.wires == WIDEST and cell.workload != "W5"]
    yield from (cell for cell in cells if cell not in widest)
    for layers in (1, 2, 5, 10, 20):
        yield Cell("W1", 8, layers, 32, 1)
    yield from widest


def quick_cells() -> Iterator[Cell]:
    """Yield a few cells of W1."""
    for wires in (4, 8, 10, 12):
        for batch in (1, 256):
            yield Cell("W1", wires, WORKLOADS["W1"].layers, batch, 1)


@dataclass(slots=True)
class Bench:
    """A run: what is done so far, and how further cells are measured.

    Attributes:
        peers: who takes part.
        effort: how long a cell takes.
        lines: the file that grows.
        exports: what exporting said, by (workload, wires, layers).
        last: the batch and the seconds that each peer was measured at last, by peer and the cell
            without its batch.
    """

    peers: Sequence[Peer]
    effort: Effort
    lines: Path
    exports: dict[tuple[str, int, int], dict[str, Any]] = field(default_factory=dict)
    last: dict[tuple[str, Cell], tuple[int, float]] = field(default_factory=dict)

    def run(self, cells: Sequence[Cell]) -> None:
        """Measure the cells that are not in the file yet."""
        done = set()
        for line in read_lines(self.lines):
            if "cell" in line:
                cell = Cell(**line["cell"])
                done.add(cell)
                self._remember(cell, line.get("peers", {}))
            if "export" in line:
                self.exports[line["workload"], line["wires"], line["layers"]] = line["export"]
        for threads in sorted({cell.threads for cell in cells}):
            workers = Workers(threads)
            try:
                for number, cell in enumerate(cells, 1):
                    if cell.threads == threads and cell not in done:
                        print(f"[{number}/{len(cells)}] {cell}", file=sys.stderr, flush=True)
                        self._append({"cell": asdict(cell)} | self._measure(cell, workers))
            finally:
                self._append({"versions": {n: w.versions for n, w in workers.running.items()}})
                workers.close()

    def _measure(self, cell: Cell, workers: Workers) -> dict[str, Any]:
        """Return the times of all peers in a cell, or why it is left out."""
        circuit = cell.workload, cell.wires, cell.layers
        eager = self._foresee(EAGER, cell)
        if eager > LONGEST_EAGER:
            return {"cut": f"eager would take {eager:.0f} s"}
        exported = self._export(*circuit)
        workload = make(*circuit)
        rows = workload.inputs(cell.batch)
        checked = np.unique(np.linspace(0, cell.batch - 1, CHECKED_ROWS).astype(int))
        expected = evaluate(workload, rows[checked])
        np.save(BUILD / "rows.npy", rows)
        entries: dict[str, dict[str, Any]] = {}
        for peer in self.peers:
            state_bytes = 16 * 2**cell.wires * cell.batch if peer.holds_state else 0
            seconds = self._foresee(peer.name, cell)
            if state_bytes > MOST_STATE_BYTES:
                refused = f"the states of a batch would need {state_bytes / 2**30:.0f} GiB"
                entries[peer.name] = {"refused": refused}
            elif peer.name != EAGER and seconds > LONGEST_CALL:
                entries[peer.name] = {"refused": f"a call would take {seconds:.0f} s"}
            elif (reason := self._cannot_win(peer.name, cell)) is not None:
                entries[peer.name] = {"refused": reason}
            elif peer.name == HYBRIDX and "refused" in exported:
                entries[peer.name] = {"refused": exported["refused"]}
            elif peer.name == GEMM:
                self._load_gemm(cell, exported, workers, peer, entries)
            else:
                entries[peer.name] = self._load(cell, workers, peer, checked, expected)
        self._rounds(workers, entries)
        self._remember(cell, entries)
        return {"peers": entries}

    def _load(
        self, cell: Cell, workers: Workers, peer: Peer, checked: Array, expected: Array
    ) -> dict[str, Any]:
        """Let a peer get ready; return how that went and how far off its results are."""
        results = BUILD / f"results-{peer.folder}.npy"
        request = {
            "load": cell.workload,
            "wires": cell.wires,
            "layers": cell.layers,
            "rows": str(BUILD / "rows.npy"),
            "model": str(folder_of(cell.workload, cell.wires, cell.layers) / "model.onnx"),
            "results": str(results),
        }
        reply = workers.ask(peer, request, LONGEST_LOAD)
        if "refused" in reply:
            return reply
        found = np.load(results)[checked]
        if found.shape != expected.shape:
            return {"refused": f"wrong shape {found.shape}, not {expected.shape}"}
        error = float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())
        if not error <= TOLERANCE:
            return {"refused": f"wrong results: off by {error:.1e}"}
        return reply | {"error": error}

    def _load_gemm(
        self,
        cell: Cell,
        exported: Mapping[str, Any],
        workers: Workers,
        peer: Peer,
        entries: dict[str, dict[str, Any]],
    ) -> None:
        """Load a matrix product with as many multiply-adds as the exported circuit has."""
        if make(cell.workload, cell.wires, cell.layers).dense or not exported.get("gemm"):
            return
        height, width = exported["gemm"]
        multiply_adds = cell.batch * exported["multiply_adds"]
        rows = min(max(1, round(multiply_adds / (height * width))), 2**28 // height)
        np.save(BUILD / "gemm.npy", np.ones((rows, height), dtype=np.float32))
        request = {
            "load": cell.workload,
            "wires": cell.wires,
            "layers": cell.layers,
            "rows": str(BUILD / "gemm.npy"),
            "model": str(folder_of(cell.workload, cell.wires, cell.layers) / "gemm.onnx"),
            "results": str(BUILD / "results-gemm.npy"),
        }
        reply = workers.ask(peer, request, LONGEST_LOAD)
        entries[peer.name] = reply | {"multiply_adds": rows * height * width}

    def _rounds(self, workers: Workers, entries: dict[str, dict[str, Any]]) -> None:
        """Time all peers in turns and write the median of their rounds into their entries."""
        medians: dict[str, list[float]] = {}
        for name, entry in entries.items():
            if "call" in entry:
                medians[name] = [entry["call"]] if entry["call"] > ONE_CALL else []
        able = [peer for peer in self.peers if medians.get(peer.name) == []]
        deadline = time.perf_counter() + self.effort.budget
        for _ in range(self.effort.rounds):
            for peer in able:
                if sum(medians[peer.name]) > ENOUGH:
                    continue
                reply = workers.ask(peer, {"time": self.effort.seconds}, LONGEST_LOAD)
                if "refused" in reply:
                    entries[peer.name] = reply
                    del medians[peer.name]
                else:
                    medians[peer.name].append(statistics.median(reply["seconds"]))
            able = [peer for peer in able if peer.name in medians]
            if time.perf_counter() > deadline:
                break
        for name, times in medians.items():
            entries[name] |= {"median": statistics.median(times), "rounds": times}

    def _export(self, name: str, wires: int, layers: int) -> dict[str, Any]:
        """Export a workload, once in a run."""
        key = name, wires, layers
        folder = folder_of(*key)
        if key not in self.exports or not folder.exists():
            words = [sys.executable, "-m", "benchmarks.exports", *map(str, key), str(folder)]
            try:
                finished = subprocess.run(
                    words, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
                )
                output = finished.stdout.splitlines() or [""]
                self.exports[key] = (
                    json.loads(output[-1])
                    if finished.returncode == 0
                    else {"refused": f"export failed: {finished.stderr.strip()[-200:]}"}
                )
            except subprocess.TimeoutExpired:
                self.exports[key] = {"refused": "export took over 900 s"}
            self._append(
                {"workload": name, "wires": wires, "layers": layers, "export": self.exports[key]}
            )
        return self.exports[key]

    def _foresee(self, peer: str, cell: Cell) -> float:
        """Return the most a call would take by what is known of fewer rows; 0 at the first."""
        batch, seconds = self.last.get((peer, replace(cell, batch=1)), (1, 0.0))
        return seconds * cell.batch / batch

    def _cannot_win(self, peer: str, cell: Cell) -> str | None:
        """Return why a peer needs no turn: fewer rows took longer than all take the fastest.

        More rows never take less time, and at most in proportion more.
        """
        others = {one.name for one in self.peers} - {HYBRIDX, GEMM, EAGER}
        times = [time for one in others if (time := self._foresee(one, cell))]
        _, seconds = self.last.get((peer, replace(cell, batch=1)), (1, 0.0))
        if peer not in others or not times or seconds <= min(times):
            return None
        return "with fewer rows it already took longer than the fastest can take here"

    def _remember(self, cell: Cell, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep how long the peers take for a row."""
        for peer, entry in entries.items():
            if "median" in entry:
                self.last[peer, replace(cell, batch=1)] = cell.batch, entry["median"]

    def _append(self, line: Mapping[str, Any]) -> None:
        with self.lines.open("a") as file:
            file.write(json.dumps(line) + "\n")


def folder_of(name: str, wires: int, layers: int) -> Path:
    """Return where the export of a workload is kept."""
    return BUILD / "models" / f"{name}-{wires}-{layers}"


def describe_run() -> dict[str, Any]:
    """Return the machine and the compiler: lines of different ones do not mix."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="W1 against JAX and eager only")
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run")
    parser.add_argument("--report", action="store_true", help="write the report of what is there")
    parser.add_argument("--workloads", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--wires", nargs="+", type=int, help="only these")
    parser.add_argument("--batches", nargs="+", type=int, help="only these")
    parser.add_argument("--threads", nargs="+", type=int, help="only these")
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only these, and hybridx")
    arguments = parser.parse_args()
    wanted = [HYBRIDX, *arguments.peers] if arguments.peers else None
    if arguments.quick:
        wanted = wanted or list(QUICK_PEERS)
    peers = [peer for peer in ALL_PEERS if wanted is None or peer.name in wanted]
    cells = [
        cell
        for cell in (quick_cells() if arguments.quick else all_cells())
        if cell.workload in (arguments.workloads or WORKLOADS)
        and cell.wires in (arguments.wires or [cell.wires])
        and cell.batch in (arguments.batches or [cell.batch])
        and cell.threads in (arguments.threads or [cell.threads])
    ]
    BUILD.mkdir(parents=True, exist_ok=True)
    lines = BUILD / ("quick.jsonl" if arguments.quick else "cells.jsonl")
    report = BUILD / "quick.md" if arguments.quick else ROOT / "benchmarks" / "RESULTS.md"
    if not arguments.report:
        if arguments.quick or arguments.fresh:
            lines.unlink(missing_ok=True)
        begin(lines, parser.error)
        Bench(peers, QUICK if arguments.quick else FULL, lines).run(cells)
    choices = [] if arguments.quick else read_lines(BUILD / "choice.jsonl")
    write_report(gather(read_lines(lines) + choices), report)
    print(report.read_text() if arguments.quick else f"{report} is written")


def begin(lines: Path, refuse: Callable[[str], None]) -> None:
    """Write the first line of a run, or see that the one that is there is of this machine."""
    run, earlier = describe_run(), read_lines(lines)
    if not earlier:
        lines.write_text(json.dumps({"run": run}) + "\n")
    elif earlier[0]["run"] != run:
        refuse(f"{lines} is of another compiler or machine; --fresh begins again")


if __name__ == "__main__":
    main()
