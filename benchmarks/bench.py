"""Measure hybridx against its peers: `make bench`, `make bench-quick`.

All peers of a cell (workload, wires, layers, batch, threads) run in turns, in several rounds, so
that other load on the machine affects all of them alike. Each peer is a process in its own virtual
environment. Its results are compared with PennyLane in float64 before it is timed. Each finished
cell is appended to a file; an interrupted run continues after the last one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.exports import write_product
from benchmarks.grid import all_cells, quick_cells
from benchmarks.records import (
    BOUNDS,
    BUILD,
    CHOICES,
    EAGER,
    FLOOR,
    GEMM,
    HYBRIDX,
    PRODUCT,
    ROOT,
    SQUARE,
    Cell,
    begin,
    gather,
    read_lines,
)
from benchmarks.reference import evaluate
from benchmarks.report import write_report
from benchmarks.runs import ONE_CALL, Effort, Run
from benchmarks.workers import LONGEST_LOAD, Peer, Workers
from benchmarks.workloads import WORKLOADS, Array, make

ALL_PEERS = (
    Peer(HYBRIDX, "onnxruntime", holds_state=False),
    *(Peer(name, "onnxruntime", holds_state=False) for name in BOUNDS),
    Peer(EAGER, "pennylane", "default.qubit", compiles=False),
    Peer("PennyLane lightning.qubit", "pennylane", "lightning.qubit", compiles=False),
    Peer("TorchScript", "pennylane", "TorchScript"),
    Peer("JAX", "jax"),
    Peer("TensorCircuit", "tensorcircuit", holds_state=False),
    Peer("Catalyst", "catalyst"),
    Peer("DeepQuantum", "deepquantum", compiles=False),
    Peer("TorchQuantum", "torchquantum", compiles=False),
    Peer("Qiskit Aer", "qiskit", compiles=False),
)
OURS = (HYBRIDX, FLOOR, PRODUCT)  # are measured whatever the peers
QUICK_PEERS = (EAGER, "JAX")

ALWAYS = (HYBRIDX, *BOUNDS, EAGER)  # another peer is left out of a cell if it cannot be the fastest

TOLERANCE = 1e-4  # |result - expected| / max(1, |expected|); peers compute in float32 or better
CHECKED_ROWS = (
    0,
    31,
    255,
    1023,
)  # those that a batch has: the first row, and the last row of each batch size
LONGEST_EAGER = 60.0  # seconds; cells where the eager model takes longer are left out
LONGEST_EXPORT = 600.0
MOST_STATE_BYTES = 2**31  # for the states of a batch in complex128
MOST_ROW_BYTES = 2**28  # for the rows of a batch
MOST_GEMM_ELEMENTS = 2**24  # in either operand

FULL, QUICK = Effort(5, 0.05, 2.0), Effort(3, 0.05, 0.5)


@dataclass(slots=True)
class Bench(Run):
    """A run against the peers.

    Attributes:
        exports: the report of each export, by (workload, wires, layers).
    """

    exports: dict[tuple[str, int, int], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.exports = {
            (line["workload"], line["wires"], line["layers"]): line["export"]
            for line in read_lines(self.lines)
            if "export" in line
        }

    def measure(self, cell: Cell, workers: Workers) -> dict[str, Any]:
        """Return the times of all peers in a cell, or why the cell is left out."""
        eager = self.paces.most(EAGER, cell) or 0.0
        if eager > LONGEST_EAGER:
            return {"cut": f"eager would take over {LONGEST_EAGER:.0f} s"}
        workload = make(cell.workload, cell.wires, cell.layers)
        row_bytes = 4 * cell.batch * prod(workload.shape)
        if row_bytes > MOST_ROW_BYTES:
            return {"cut": f"the rows of a batch would need {row_bytes / 2**30:.0f} GiB"}
        exported = self._export(cell.workload, cell.wires, cell.layers)
        np.save(BUILD / "rows.npy", workload.inputs(cell.batch))
        entries: dict[str, dict[str, Any]] = {}
        for peer in self.peers:
            refused = self._leave_out(peer, cell)
            if refused is not None:
                entries[peer.name] = {"refused": refused}
            elif peer.name in (HYBRIDX, FLOOR) and "refused" in exported:
                entries[peer.name] = {"refused": exported["refused"]}
            elif peer.name == GEMM:
                self._load_gemm(cell, exported, workers, peer, entries)
            elif peer.name == FLOOR:
                model = folder_of(cell.workload, cell.wires, cell.layers) / "floor.onnx"
                entries[peer.name] = _load_bound(cell, workers, peer, model, BUILD / "rows.npy")
            elif peer.name == PRODUCT:
                entries[peer.name] = _load_product(cell, workers, peer)
            else:
                entries[peer.name] = self._load(cell, workers, peer)
        self.rounds(workers, entries)
        self.paces.remember(cell, entries)
        return {"peers": entries}

    def _leave_out(self, peer: Peer, cell: Cell) -> str | None:
        """Return why a peer is left out of a cell, or None."""
        if peer.holds_state and 16 * 2**cell.wires * cell.batch > MOST_STATE_BYTES:
            return f"the states of a batch would need over {MOST_STATE_BYTES / 2**30:.0f} GiB"
        if peer.name in ALWAYS:
            return None
        rivals = [one.name for one in self.peers if one.name not in (HYBRIDX, *BOUNDS)]
        return self.paces.why_not(peer.name, rivals, cell)

    def _load(self, cell: Cell, workers: Workers, peer: Peer) -> dict[str, Any]:
        """Let a peer load a cell; return its reply and the error of its results."""
        results = BUILD / f"results-{peer.folder}.npy"
        checked = [row for row in CHECKED_ROWS if row < cell.batch]
        request = {
            "load": cell.workload,
            "wires": cell.wires,
            "layers": cell.layers,
            "rows": str(BUILD / "rows.npy"),
            "model": str(folder_of(cell.workload, cell.wires, cell.layers) / "model.onnx"),
            "checked": checked,
            "results": str(results),
            "once": LONGEST_LOAD if peer.compiles else ONE_CALL,
        }
        reply = workers.ask(peer, request, LONGEST_LOAD)
        if "refused" in reply:
            return reply
        found = np.load(results)
        expected = np.stack(
            [expected_row(cell.workload, cell.wires, cell.layers, row) for row in checked]
        )
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
        """Load a matrix product with as many multiply-adds as the exported circuit has.

        It has fewer if the operands would be large, because only its speed is used.
        """
        if make(cell.workload, cell.wires, cell.layers).dense or not exported.get("gemm"):
            return
        height, width = exported["gemm"]
        multiply_adds = cell.batch * exported["multiply_adds"]
        wanted = max(1, round(multiply_adds / (height * width)))
        rows = min(wanted, MOST_GEMM_ELEMENTS // max(height, width))
        np.save(BUILD / "gemm.npy", np.ones((rows, height), dtype=np.float32))
        model = folder_of(cell.workload, cell.wires, cell.layers) / "gemm.onnx"
        reply = _load_bound(cell, workers, peer, model, BUILD / "gemm.npy")
        entries[peer.name] = reply | {"multiply_adds": rows * height * width}

    def _export(self, name: str, wires: int, layers: int) -> dict[str, Any]:
        """Export a workload, at most once in a run."""
        key = name, wires, layers
        folder = folder_of(*key)
        if key not in self.exports or not folder.exists():
            words = [sys.executable, "-m", "benchmarks.exports", *map(str, key), str(folder)]
            try:
                finished = subprocess.run(
                    words,
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    timeout=LONGEST_EXPORT,
                    check=False,
                )
                output = finished.stdout.splitlines() or [""]
                self.exports[key] = (
                    json.loads(output[-1])
                    if finished.returncode == 0
                    else {"refused": f"export failed: {finished.stderr.strip()[-200:]}"}
                )
            except subprocess.TimeoutExpired:
                self.exports[key] = {"refused": f"export took over {LONGEST_EXPORT:.0f} s"}
            self.append(
                {"workload": name, "wires": wires, "layers": layers, "export": self.exports[key]}
            )
        return self.exports[key]


def _load_product(cell: Cell, workers: Workers, peer: Peer) -> dict[str, Any]:
    """Load a square matrix product."""
    model, rows = BUILD / "product.onnx", BUILD / "product.npy"
    if not model.exists():
        ones = np.ones((SQUARE, SQUARE), dtype=np.float32)
        np.save(rows, ones)
        write_product(ones, model)
    return _load_bound(cell, workers, peer, model, rows) | {"multiply_adds": SQUARE**3}


def _load_bound(
    cell: Cell, workers: Workers, peer: Peer, model: Path, rows: Path
) -> dict[str, Any]:
    """Load a file whose results are not compared, for its speed; return the reply."""
    request = {
        "load": cell.workload,
        "wires": cell.wires,
        "layers": cell.layers,
        "rows": str(rows),
        "model": str(model),
        "checked": [],
        "results": "",
        "once": LONGEST_LOAD,
    }
    return workers.ask(peer, request, LONGEST_LOAD)


@cache
def expected_row(name: str, wires: int, layers: int, row: int) -> Array:
    """Return the reference results of a row, which is the same in every batch."""
    workload = make(name, wires, layers)
    return evaluate(workload, workload.inputs(row + 1)[-1:])[0]


def folder_of(name: str, wires: int, layers: int) -> Path:
    """Return the folder with the export of a workload."""
    return BUILD / "models" / f"{name}-{wires}-{layers}"


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
    wanted = [*OURS, *arguments.peers] if arguments.peers else None
    if arguments.quick:
        wanted = wanted or [*OURS, *QUICK_PEERS]
    peers = [peer for peer in ALL_PEERS if wanted is None or peer.name in wanted]
    cells = [
        cell
        for cell in (quick_cells() if arguments.quick else all_cells())
        if cell.workload in (arguments.workloads or WORKLOADS)
        and cell.wires in (arguments.wires or [cell.wires])
        and cell.batch in (arguments.batches or [cell.batch])
        and cell.threads in (arguments.threads or [cell.threads])
    ]
    lines = BUILD / ("quick.jsonl" if arguments.quick else "cells.jsonl")
    report = BUILD / "quick.md" if arguments.quick else ROOT / "benchmarks" / "RESULTS.md"
    if not arguments.report:
        begin(lines, fresh=arguments.quick or arguments.fresh, refuse=parser.error)
        Bench(peers, QUICK if arguments.quick else FULL, lines).run(cells)
    written, choices = read_lines(lines), read_lines(CHOICES)
    if not arguments.quick and choices[:1] == written[:1]:  # of the same compiler and machine
        written += choices[1:]
    write_report(gather(written), report)
    print(report.read_text() if arguments.quick else f"{report} is written")


if __name__ == "__main__":
    main()
