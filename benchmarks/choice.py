"""Is the compiler's choice a good one? Every strategy that applies is exported and measured.

`python -m benchmarks.choice`: for each circuit of a grid and each batch size, the time of the
strategy that the compiler chooses over the time of the best one. Strategies that it predicts to
be hopeless are named but not measured. Circuits are appended to a file as they are done; an
interrupted run continues where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnxruntime
import torch

import hybridx
from benchmarks.modules import torch_model
from benchmarks.records import CHOICES, begin, read_lines
from benchmarks.workloads import Workload, make

GRID = (
    *(("W1", wires, layers) for wires in (4, 6, 8, 10, 12, 14) for layers in (1, 3)),
    *(("W2", wires, 1) for wires in (4, 6, 8, 10, 12)),
    *(("W3", wires, 3) for wires in (4, 8, 10, 12)),
    *(("W4", wires, 3) for wires in (4, 6, 8, 10, 12)),
    *(("W5", wires, layers) for wires in (8, 12, 16) for layers in (1, 2)),
)
BATCHES = (1, 32, 256)
HOPELESS = 10.0  # times the predicted time of the chosen one
BOUND = 1.3  # a choice is good if its time is within so many times of the best one's
ROUNDS, SECONDS, ENOUGH = 5, 0.05, 1.0  # rounds of so many seconds, until there are enough


def measure_circuit(name: str, wires: int, layers: int) -> list[dict[str, Any]]:
    """Return a line for each batch: the chosen strategy and the times of all."""
    workload = make(name, wires, layers)
    with tempfile.TemporaryDirectory() as folder:
        chosen, left_out, sessions = export_all(workload, Path(folder))
    return [
        {
            "workload": name,
            "wires": wires,
            "layers": layers,
            "batch": batch,
            "strategy": chosen,
            "left_out": left_out,
            "seconds": measure(sessions, workload, batch),
        }
        for batch in BATCHES
    ]


def export_all(
    workload: Workload, folder: Path
) -> tuple[str, list[str], dict[str, onnxruntime.InferenceSession]]:
    """Return the chosen strategy, those that are hopeless, and a session of each other one."""
    model = torch_model(workload, "default.qubit")
    example = torch.from_numpy(workload.inputs(2))

    def session(strategy: str | None) -> tuple[Any, onnxruntime.InferenceSession]:
        path = folder / f"{strategy}.onnx"
        report = hybridx.export(model, (example,), path, strategy=strategy, verify=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return report.circuits[0], onnxruntime.InferenceSession(path, options)

    circuit, first = session(None)
    costs = {one.strategy: one.cost.time() for one in circuit.candidates if one.cost is not None}
    most = HOPELESS * costs[circuit.strategy]
    left_out = [name for name, cost in costs.items() if cost > most]
    others = costs.keys() - {circuit.strategy, *left_out}
    sessions = {circuit.strategy: first} | {name: session(name)[1] for name in sorted(others)}
    return circuit.strategy, left_out, sessions


def measure(
    sessions: Mapping[str, onnxruntime.InferenceSession], workload: Workload, batch: int
) -> dict[str, float]:
    """Return the median seconds of each strategy; they take turns."""
    feed = {next(iter(sessions.values())).get_inputs()[0].name: workload.inputs(batch)}
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            if sum(times[name]) < ENOUGH:
                times[name].append(one_round(lambda session=session: session.run(None, feed)))
    return {name: statistics.median(rounds) for name, rounds in times.items()}


def one_round(call: Callable[[], Any]) -> float:
    """Return the median of the calls that fit after one that warms up, or of one long call."""
    times = [_timed(call)]
    if times[0] < SECONDS:
        deadline = time.perf_counter() + SECONDS
        times = [_timed(call)]
        while time.perf_counter() < deadline:
            times.append(_timed(call))
    return statistics.median(times)


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def describe(line: Mapping[str, Any]) -> str:
    """Return a line as text: what was chosen, and its time over that of the best."""
    seconds = line["seconds"]
    times = ", ".join(f"{name} {1e3 * one:.3g} ms" for name, one in seconds.items())
    place = f"{line['workload']} {line['wires']:2} wires {line['layers']} layers"
    return f"{place} batch {line['batch']:3}  {line['strategy']:12} {ratio(line):5.2f}   {times}"


def ratio(line: Mapping[str, Any]) -> float:
    """Return the time of the chosen strategy over that of the best one."""
    seconds: Mapping[str, float] = line["seconds"]
    return seconds[line["strategy"]] / min(seconds.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run")
    parser.add_argument("--workloads", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--wires", nargs="+", type=int, help="only these")
    arguments = parser.parse_args()
    begin(CHOICES, fresh=arguments.fresh, refuse=parser.error)
    lines = [line["choice"] for line in read_lines(CHOICES) if "choice" in line]
    done = {(line["workload"], line["wires"], line["layers"]) for line in lines}
    grid = [
        place
        for place in GRID
        if place[0] in (arguments.workloads or [place[0]])
        and place[1] in (arguments.wires or [place[1]])
        and place not in done
    ]
    begun = time.perf_counter()
    for number, place in enumerate(grid, 1):
        measured = measure_circuit(*place)
        with CHOICES.open("a") as file:
            file.write("".join(json.dumps({"choice": line}) + "\n" for line in measured))
        lines += measured
        print("\n".join(map(describe, measured)), flush=True)
        minutes = (time.perf_counter() - begun) / 60
        print(f"[{number}/{len(grid)}] {minutes:.1f} min so far", file=sys.stderr, flush=True)
    ratios = [ratio(line) for line in lines]
    good = sum(one <= BOUND for one in ratios)
    print(f"{good} of {len(ratios)} choices within {BOUND}; the worst takes {max(ratios):.2f}")


if __name__ == "__main__":
    main()
