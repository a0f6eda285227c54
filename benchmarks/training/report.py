"""TRAINING.md and its plot, generated from the lines of a run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from benchmarks.paces import CANNOT_WIN, TOO_SLOW
from benchmarks.plots import plot_training
from benchmarks.records import EAGER, FLOOR, HYBRIDX, PENNYLANE, Cell, Results
from benchmarks.tables import figure, grid, machine, milliseconds, percent, refusals
from benchmarks.targets import Target, judge
from benchmarks.training.cells import MEMORY_BATCH, MEMORY_WIRES, all_cells, name_of
from benchmarks.training.targets import (
    CIRCUITS,
    NEAR,
    TARGETS,
    against,
    is_near,
    over_floor,
)
from benchmarks.workloads import TRAINED, WORKLOADS

INTRODUCTION = f"""\
# Results of `make bench-train`

`benchmarks/training/report.py` generates this page. Each time is that of one step of training:
forward, the mean of squared differences, backward and Adam. In torch it is the loop that people
write, in JAX one jitted function with optax's Adam. It is the median of several rounds, in which
all peers of a cell take turns; a step of over two seconds is timed once. The loss and the gradients
of the first step of every peer were compared with PennyLane's default.qubit in float64 before it
was timed; a peer that computes something else is refused as wrong. hybridx is the same torch model
after `hybridx.accelerate`, and no call of its circuits reaches a device of PennyLane.

The *floor* is the same script with a `torch.nn.Linear` in the place of each circuit. A cell within
{NEAR:.0f} times the floor is won, whatever the ratios are. *PennyLane* is the faster one of
default.qubit by backpropagation and lightning.qubit by the adjoint method. A ratio above 1 means
that hybridx is faster. Weights are in float32.
"""


HEADLINE = Cell("W1", 8, 3, 32, 1)


def write_report(results: Results, path: Path, folder: Path) -> None:
    """Write the tables to `path` and the plot into `folder`."""
    pictures = [
        f"![{title}]({Path(os.path.relpath(plot, path.parent)).as_posix()})\n"
        for title, plot in plot_training(results, folder)
    ]
    sections = [
        INTRODUCTION,
        _headline(results),
        *pictures,
        machine(results),
        _cells(results),
        _peers(results),
        _first(results),
        _memory(results),
        refusals(results),
        _targets(results),
    ]
    path.write_text("\n".join(section for section in sections if section))


def _headline(results: Results) -> str:
    """Return the one figure that documents may cite, in words."""
    if HEADLINE not in results.cells or (ours := results.median(HEADLINE, HYBRIDX)) is None:
        return ""
    eager, best = results.best(HEADLINE, PENNYLANE), results.best(HEADLINE)
    floor, ratio = results.median(HEADLINE, FLOOR), against(results, HEADLINE, PENNYLANE)
    if eager is None or best is None:
        return ""
    cell = HEADLINE
    return (
        f"**A step of {cell.layers} layers on {cell.wires} wires with {cell.batch} rows takes "
        f"{milliseconds(ours)} ms; {figure(ratio)} times as long, {milliseconds(eager[1])} ms, "
        f"without `hybridx.accelerate` ({eager[0]}); {milliseconds(best[1])} ms with {best[0]}, "
        f"the fastest of the others; and {milliseconds(floor)} ms with a Linear in the circuit's "
        "place.**\n"
    )


def _ordered(results: Results) -> list[Cell]:
    """Return the cells that were measured: workload by workload, small ones first."""
    names = list(WORKLOADS | TRAINED)
    return sorted(
        results.cells,
        key=lambda one: (
            names.index(one.workload), one.threads, one.wires, one.layers, one.batch
        ),
    )  # fmt: skip


def _cells(results: Results) -> str:
    rows = []
    for cell in _ordered(results):
        ours = results.median(cell, HYBRIDX)
        others: list[str] = []
        for among in (PENNYLANE, ()):
            peer, seconds = results.best(cell, among) or ("", None)
            others += [peer, milliseconds(seconds), figure(against(results, cell, among))]
        rows.append(
            (
                name_of(cell),
                milliseconds(ours),
                figure(over_floor(results, cell)) + (" (won)" if is_near(results, cell) else ""),
                *others,
            )
        )
    kinds = {cell.workload for cell in results.cells}
    titles = "".join(
        f"* {name}: {kind.title}; {kind.layers} layers if nothing else is said\n"
        for name, kind in (WORKLOADS | TRAINED).items()
        if name in kinds
    )
    heads = (
        "cell",
        "hybridx",
        "over floor",
        "PennyLane",
        "its time",
        "ratio",
        "best peer",
        "its time",
        "ratio",
    )
    said = (
        "A cell is named by its workload, wires × batch; one thread if nothing else is said. Times "
        "are in ms."
    )
    return f"## Steps\n\n{said}\n\n{titles}\n" + grid(heads, rows)


def _peers(results: Results) -> str:
    """Return the time of every peer in every cell, or in a word why there is none."""
    peers = list(dict.fromkeys(name for entries in results.cells.values() for name in entries))
    rows = [
        (name_of(cell), *(_word(results.cells[cell].get(peer, {})) for peer in peers))
        for cell in _ordered(results)
    ]
    said = (
        "Milliseconds of a step. Slower: the peer was left out, because by its times with fewer "
        "rows it cannot be the fastest. No: it cannot compute the cell; the reason is below."
    )
    return f"## Every peer\n\n{said}\n\n" + grid(("cell", *peers), rows)


def _word(entry: dict[str, object]) -> str:
    median = entry.get("median")
    if isinstance(median, float):
        return milliseconds(median)
    why = str(entry.get("refused", "–"))
    if why in (CANNOT_WIN, TOO_SLOW):
        return "slower"
    short = ("over", "out of memory", "wrong", "no result within")
    return why.partition(":")[0].partition(" (")[0] if why.startswith((*short, "–")) else "no"


def _first(results: Results) -> str:
    """Return the seconds to the first loss: what compiling costs."""
    peers = (HYBRIDX, EAGER, "JAX", "TensorCircuit", "Catalyst")
    rows = [
        (
            name_of(cell),
            *(figure(results.cells[cell].get(peer, {}).get("prepared")) for peer in peers),
        )
        for cell in _ordered(results)
    ]
    said = (
        "From the model to the first loss, in seconds, after imports. For hybridx that is "
        "`accelerate` with its comparison, and a step."
    )
    return f"## The first step\n\n{said}\n\n" + grid(("cell", *peers), rows)


def _memory(results: Results) -> str:
    rows = [
        (
            peer,
            str(layers),
            _megabytes(one.get("step_bytes")),
            _megabytes(one.get("first_bytes")),
            one.get("refused", ""),
        )
        for (peer, layers), one in results.memory.items()
    ]
    heads = ("peer", "layers", "a step, MB", "the first, MB", "")
    said = (
        f"The most memory of a process that takes steps of W1 at {MEMORY_WIRES} wires, batch "
        f"{MEMORY_BATCH}, each in a new process: in a step, and until the first loss, in which JAX "
        "compiles and hybridx compares its gradients with PennyLane's backpropagation."
    )
    return f"## Memory\n\n{said}\n\n" + grid(heads, rows) if rows else ""


def _megabytes(count: float | None) -> str:
    return figure(None if count is None else count / 1e6)


def _targets(results: Results) -> str:
    near = [name_of(cell) for cell in _ordered(results) if is_near(results, cell)]
    rows = []
    for target in TARGETS:
        verdict = judge(target, results)
        worst, place = "", ""
        if verdict.worst is not None:
            worst, place = f"{figure(verdict.figures[verdict.worst])} times", _named(verdict.worst)
        total = len(verdict.figures)
        count = f"{total - len(verdict.missed)} of {total}" if total else ""
        rows.append((target.sentence, verdict.word, worst, place, count))
    heads = ("target", "", "worst figure", "where", "cells that meet it")
    said = f"Cells within {NEAR:.0f} times the floor are left out here: {_list(near)}."
    missing = [name for name, cell in all_cells().items() if cell not in results.cells]
    rest = f" Not measured: {_list(missing)}." if missing else ""
    return f"## Targets\n\n{said}{rest}\n\n" + grid(heads, rows) + _missed(results)


def _missed(results: Results) -> str:
    rows = [
        (
            _named(place),
            figure(target.bound),
            figure(verdict.figures[place]),
            _rival(results, target, place),
            *_account(results, place),
        )
        for target in TARGETS
        for verdict in (judge(target, results),)
        for place in verdict.missed
    ]
    if not rows:
        return ""
    heads = ("cell", "wanted", "reached", "against", "floor", "interpreter", "rest", "ns", "bare")
    said = (
        "Floor, interpreter and rest are the parts of the step: the same script with a Linear, "
        "what the compiled interpreter of gates takes forward and backward, and what is left for "
        "looking at the call and for torch around it. *ns* are the nanoseconds of the interpreter "
        "for each amplitude and each of its steps, *bare* those in which the machine multiplies an "
        "amplitude in the cache by a number. No step can take less: forward it is one pass, "
        "backward two and a sum of products."
    )
    return f"\n### What limits the rest\n\n{said}\n\n" + grid(heads, rows)


def _rival(results: Results, target: Target, place: Cell | str) -> str:
    """Return the peer against which a ratio was taken."""
    if not isinstance(place, Cell):
        return ""
    among = PENNYLANE if target.sentence.endswith("PennyLane") else ()
    best = results.best(place, among)
    return best[0] if best else ""


def _account(results: Results, place: Cell | str) -> tuple[str, ...]:
    """Return the parts of a step, and the cost of an amplitude in a bare circuit."""
    account = results.cells[place][HYBRIDX].get("account") if isinstance(place, Cell) else None
    if not account or not (ours := results.median(place, HYBRIDX)):
        return ("–",) * 5
    floor, interpreter = results.median(place, FLOOR) or 0.0, account["interpreter"]
    rest = max(0.0, ours - floor - interpreter)
    shares = tuple(percent(part / ours) for part in (floor, interpreter, rest))
    if place.workload not in CIRCUITS:
        return (*shares, "–", "–")
    amplitudes = account["steps"] * 2**place.wires * place.batch
    return (*shares, figure(1e9 * interpreter / amplitudes), figure(1e9 * account["bare_pass"]))


def _named(place: Cell | str) -> str:
    return name_of(place) if isinstance(place, Cell) else place


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
