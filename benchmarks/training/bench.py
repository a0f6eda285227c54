"""Measure steps of training in hybridx and its peers: `make bench-train`.

A step is forward, loss, backward and Adam. All peers of a cell run in turns, in several rounds,
each in a process of its own. The loss and the gradients of the first step are compared with
PennyLane in float64 before a peer is timed. Each finished cell is appended to a file; an
interrupted run continues after the last one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.records import (
    BUILD,
    EAGER,
    FLOOR,
    HYBRIDX,
    LIGHTNING,
    PENNYLANE,
    ROOT,
    Cell,
    begin,
    gather,
    read_lines,
)
from benchmarks.runs import ONE_CALL, Effort, Run, tell
from benchmarks.training.cells import MEMORY_BATCH, MEMORY_LAYERS, MEMORY_WIRES, all_cells
from benchmarks.training.lessons import Lesson, lesson
from benchmarks.training.reference import first_step, read_first_step
from benchmarks.training.report import write_report
from benchmarks.training.steps import OUT_OF_MEMORY
from benchmarks.workers import Peer, Workers
from benchmarks.workloads import make

ALL_PEERS = tuple(
    replace(peer, program="train")
    for peer in (
        Peer(HYBRIDX, "pennylane", "hybridx"),
        Peer(FLOOR, "pennylane", "floor"),
        Peer(EAGER, "pennylane", "default.qubit", compiles=False),
        Peer(LIGHTNING, "pennylane", "lightning.qubit", compiles=False),
        Peer("JAX", "jax"),
        Peer("TensorCircuit", "tensorcircuit"),
        Peer("Catalyst", "catalyst"),
        Peer("DeepQuantum", "deepquantum", compiles=False),
        Peer("TorchQuantum", "torchquantum", compiles=False),
    )
)
ALWAYS = (HYBRIDX, FLOOR, EAGER)  # another peer is left out of a cell if it cannot be the fastest
IN_MEMORY = (HYBRIDX, EAGER, LIGHTNING, "JAX")

REPORT = ROOT / "benchmarks" / "TRAINING.md"
PICTURES = ROOT / "docs"  # the page about training shows the plot as well

LONGEST_STEP = 60.0  # seconds
OVER = f"over {LONGEST_STEP:.0f} s"
LONGEST_FIRST = 180.0  # of a step that compiles itself, with tracing
TOLERANCE = 1e-3  # of the largest gradient; peers compute in float32 or better
MOST_LETTERS = 120  # of a reason in the report
EFFORT = Effort(7, 0.1, 2.0)
MOST_BYTES = 16 * 2**30  # of a peer's process


@dataclass(slots=True)
class Bench(Run):
    """A run of training steps."""

    def measure(self, cell: Cell, workers: Workers) -> dict[str, Any]:
        """Return the times of a step of all peers in a cell."""
        given = lesson(make(cell.workload, cell.wires, cell.layers), cell.batch)
        entries: dict[str, dict[str, Any]] = {}
        for peer in self.peers:
            refused = self._leave_out(peer, cell)
            entries[peer.name] = (
                {"refused": refused}
                if refused is not None
                else _load(cell, given, workers, peer, self.clock(cell.threads))
            )
        self.rounds(workers, entries)
        self.paces.remember(cell, entries)
        return {"peers": entries}

    def measure_memory(self) -> None:
        """Measure the peak of memory of a step, each peer in a new process."""
        done = {
            (line["memory"], line["layers"]) for line in read_lines(self.lines) if "memory" in line
        }
        for layers in MEMORY_LAYERS:
            cell = Cell("W1", MEMORY_WIRES, layers, MEMORY_BATCH, 1)
            given = lesson(make(cell.workload, cell.wires, cell.layers), cell.batch)
            for peer in self.peers:
                if peer.name not in IN_MEMORY or (peer.name, layers) in done:
                    continue
                tell(f"memory of {peer.name}, {cell} ... ")
                workers = Workers(1, MOST_BYTES)
                try:
                    reply = _load(cell, given, workers, peer, self.clock(cell.threads))
                finally:
                    workers.close()
                kept = {name: reply[name] for name in reply if name.endswith(("bytes", "refused"))}
                self.append({"memory": peer.name, "layers": layers} | kept)
                tell(f"{kept}\n")

    def _leave_out(self, peer: Peer, cell: Cell) -> str | None:
        """Return why a peer is left out of a cell, or None."""
        least = self.paces.least(peer.name, cell)
        if least > LONGEST_STEP:
            return OVER
        if peer.name in ALWAYS:
            return self.paces.why_ended(peer.name, cell)
        rivals = [one.name for one in self.peers if one.name not in (HYBRIDX, FLOOR)]
        if peer.name in PENNYLANE:
            rivals = list(PENNYLANE)
        return self.paces.why_not(peer.name, rivals, cell)


def _load(cell: Cell, given: Lesson, workers: Workers, peer: Peer, clock: str) -> dict[str, Any]:
    """Let a peer take a first step; return its reply and the errors of loss and gradients."""
    rows, results = BUILD / "lesson.npz", BUILD / f"first-step-{peer.folder}.npz"
    np.savez(rows, rows=given.rows, targets=given.targets)
    request = {
        "load": cell.workload,
        "wires": cell.wires,
        "layers": cell.layers,
        "rows": str(rows),
        "results": str(results),
        "once": LONGEST_FIRST if peer.compiles else ONE_CALL,
        "clock": clock,
    }
    reply = workers.ask(peer, request, LONGEST_FIRST if peer.compiles else LONGEST_STEP)
    if "refused" in reply:
        return _explained(reply)
    if peer.name == FLOOR:
        return reply
    return reply | compare(read_first_step(results), first_step(given))


def _explained(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal in the words of the report; it holds for all larger cells."""
    why = reply["refused"]
    if why == f"no result within {LONGEST_STEP:.0f} s":
        why = OVER
    elif OUT_OF_MEMORY in why or "status -9" in why:
        why = OUT_OF_MEMORY
    return {
        "refused": why if len(why) <= MOST_LETTERS else f"{why[:MOST_LETTERS]} …",
        "ended": True,
    }


def compare(
    found: tuple[float, dict[str, Any]], expected: tuple[float, dict[str, Any]]
) -> dict[str, Any]:
    """Return the largest errors of a first step, or the refusal of a wrong one.

    Args:
        found: loss and gradients of a peer.
        expected: those of PennyLane in float64.
    """
    (loss, slopes), (right_loss, right) = found, expected
    if slopes.keys() != right.keys():
        return {
            "refused": f"wrong: no gradients of {', '.join(sorted(right.keys() - slopes.keys()))}"
        }
    scale = max(float(np.abs(slope).max()) for slope in right.values())
    errors = [abs(loss - right_loss) / max(1.0, abs(right_loss))]
    for name, slope in right.items():
        if slopes[name].size != slope.size:
            return {"refused": f"wrong shape of the gradient of {name}"}
        difference = np.abs(slopes[name].reshape(slope.shape) - slope).max()
        errors.append(float(difference) / scale)
    error = float(np.max(errors))  # not a number if one of them is none
    if not error <= TOLERANCE:
        return {"refused": f"wrong: off by {error:.1e}"}
    return {"error": error}


def chosen(patterns: Sequence[str]) -> Iterator[Cell]:
    """Yield the cells with names like one of the patterns; all, if there are none."""
    for name, cell in all_cells().items():
        if not patterns or any(fnmatch(name, pattern) for pattern in patterns):
            yield cell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run")
    parser.add_argument("--report", action="store_true", help="write the report of what is there")
    parser.add_argument("--cpu", action="store_true", help="count CPU time; the machine is busy")
    parser.add_argument("--list", action="store_true", help="print the names of all cells")
    parser.add_argument(
        "--cells", nargs="+", default=[], metavar="NAME", help="only these, as W1-8x*"
    )
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only these, and hybridx")
    parser.add_argument("--lines", type=Path, default=BUILD / "training.jsonl", help="of the run")
    parser.add_argument("--to", type=Path, default=REPORT, help="the report; its plot is beside it")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(all_cells()))
        return
    peers = [
        peer
        for peer in ALL_PEERS
        if not arguments.peers or peer.name in (HYBRIDX, FLOOR, *arguments.peers)
    ]
    if not arguments.report:
        BUILD.mkdir(parents=True, exist_ok=True)
        clock = "cpu" if arguments.cpu else "wall"
        begin(arguments.lines, fresh=arguments.fresh, refuse=parser.error, clock=clock)
        run = Bench(peers, replace(EFFORT, clock=clock), arguments.lines, most_bytes=MOST_BYTES)
        run.run(list(chosen(arguments.cells)))
        if not arguments.cells:
            run.measure_memory()
    folder = PICTURES if arguments.to == REPORT else arguments.to.parent
    write_report(gather(read_lines(arguments.lines)), arguments.to, folder)
    print(f"{arguments.to} is written")


if __name__ == "__main__":
    main()
