"""RESULTS.md and its plots, generated from the lines of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.grid import BATCHES_WITH_TWO_THREADS, WIRES_WITH_TWO_THREADS
from benchmarks.paces import LONGEST_CALL, MUCH
from benchmarks.plots import FAR, plot_all
from benchmarks.records import EAGER, FLOOR, GEMM, HYBRIDX, SQUARE, Cell, Results
from benchmarks.tables import figure, grid, machine, milliseconds, percent, refusals
from benchmarks.targets import AT_FLOOR, TARGETS, WON, Verdict, is_at_floor, judge
from benchmarks.workloads import WORKLOADS
from hybridx.lowering.machines.cpu import CPU

WORTH_A_LINE = 1.1  # times the time of the best strategy
BATCHES_AGAINST_THE_MACHINE = (1, 256)

LIMITS = {
    "cones": "Each part has a few steps on small tensors. Starting them takes most of a call.",
    "multilinear": (
        "The cosines of the Fourier modes of both halves are elementwise, and so are the product "
        "and the sum after the matrix product. At batch 1 the matrix is read from memory for one "
        "row."
    ),
    "fourier": "The cosines of the Fourier modes are elementwise. One matrix product follows.",
    "unitary": "The Fourier modes and the squared amplitudes are elementwise, 2^n numbers each.",
    "density": "Each operation is a product with a small matrix, on 4^n numbers.",
    "alternation": (
        "Each layer computes cosines and sines of 2^n phases and multiplies the state by them, "
        "elementwise. Only the matrices between the layers are matrix products."
    ),
    "halves": (
        "The matrices of a half differ from row to row, so their products are small. They are "
        "built from Fourier modes, elementwise."
    ),
    "sweep": (
        "Matrix products act on windows of a few wires, about 16 by 16, and are far slower than "
        "large ones. Between them each layer multiplies the whole state by phases, elementwise, "
        "and reads it from memory if the rows do not fit the cache. There are dozens of steps."
    ),
    "statevector": "Each gate is a product with a matrix of 2 or 4, a pass over the whole state.",
}


def _wires_with_two_threads() -> str:
    """Return the sizes that are measured with two threads."""
    sizes: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, wires in WIRES_WITH_TWO_THREADS.items():
        sizes[wires].append(name)
    return "; ".join(
        f"{', '.join(map(str, wires))} ({', '.join(names)})" for wires, names in sizes.items()
    )


INTRODUCTION = f"""\
# Results of `make bench`

`benchmarks/report.py` generates this page. Each time is that of one call on rows that are already
arrays of the peer's own library. It is the median of several rounds, in which all peers of a cell
take turns; a call of over two seconds is timed once. The results of every peer were compared with
PennyLane's default.qubit in float64 before it was timed. A ratio above 1 means that hybridx is
faster. Three more columns say what is left:

* floor: a call of a graph without a node and with as many inputs, on the same ONNX Runtime and
  rows.
* of limit: the share of the limit that the arithmetic sets. The multiply-adds that the compiler
  counted would take so much of the call at the speed of a product of two matrices of {SQUARE} rows
  and columns, with as many threads. Models with layers around their circuits have none.
* won: by at least {WON:.0f} times over the best peer, or because the call takes at most {AT_FLOOR}
  times the floor.

All of these take their turns with the peers.

What is left out:

* Cells where eager PennyLane (default.qubit) would take over a minute.
* A peer that cannot be the fastest in a cell, judged by its times with fewer rows. The time of the
  fastest grows at most in proportion to the rows. The time of another peer does not shrink, and
  grows for each further row by at least half the time of a row between the two batches before.
  Likewise a peer that took over twice as long as the fastest with one thread is left out with two.
  Eager PennyLane is always measured.
* A peer whose call would take over {LONGEST_CALL:.0f} seconds and {MUCH:.0f} times as long as the
  fastest one's, both in proportion to their times with fewer rows.
* Two threads, except at batches {" and ".join(map(str, BATCHES_WITH_TWO_THREADS))} and at these
  numbers of wires: {_wires_with_two_threads()}.
"""


def write_report(results: Results, path: Path) -> None:
    """Write the tables to `path` and the plots into the folder `plots` beside it."""
    plots = plot_all(results, path.parent / "plots")
    sections = [
        INTRODUCTION,
        machine(results),
        *(_table(results, name) for name in WORKLOADS),
        _curves(plots),
        _limits(results),
        _choices(results),
        _exports(results),
        refusals(results),
        _targets(results),
    ]
    path.write_text("\n".join(section for section in sections if section))


def _table(results: Results, name: str) -> str:
    """Return the tables of one workload, one for each number of threads."""
    kind = WORKLOADS[name]
    text = ""
    for threads in (1, 2):
        rows = [
            _row(results, cell)
            for cell in sorted(results.cells, key=lambda cell: (cell.wires, cell.batch))
            if (cell.workload, cell.threads, cell.layers) == (name, threads, kind.layers)
        ]
        if rows:
            heads = (
                "wires",
                "batch",
                "hybridx",
                "best peer",
                "its time",
                "ratio",
                "eager",
                "ratio",
                "floor",
                "of limit",
                "won",
            )
            text += f"\n{threads} thread{'s' * (threads > 1)}, times in ms:\n\n"
            text += grid(heads, rows)
    return f"## {name}: {kind.title}\n{text}" if text else ""


def _row(results: Results, cell: Cell) -> tuple[str, ...]:
    peer, seconds = results.best(cell) or ("none", None)
    return (
        str(cell.wires),
        str(cell.batch),
        milliseconds(results.median(cell, HYBRIDX)),
        peer,
        milliseconds(seconds),
        figure(results.ratio(cell)),
        milliseconds(results.median(cell, EAGER)),
        figure(results.ratio(cell, EAGER)),
        milliseconds(results.median(cell, FLOOR)),
        percent(results.share(cell)),
        _won(results, cell),
    )


def _won(results: Results, cell: Cell) -> str:
    """Return how a cell is won, or `no`; a dash if no peer was measured."""
    ratio = results.ratio(cell)
    if ratio is not None and ratio >= WON:
        return f"{WON:.0f} times"
    if is_at_floor(results, cell):
        return "floor"
    return "–" if ratio is None else "no"


def _curves(plots: Iterable[tuple[str, Path]]) -> str:
    pictures = [f"![{title}](plots/{path.name})\n" for title, path in plots]
    said = (
        f"A peer that is nowhere within {FAR:.0f} times the time of the best one is not drawn, "
        "except eager PennyLane. Missing points were not measured.\n"
    )
    return "\n".join(["## As work grows\n", said, *pictures]) if pictures else ""


@dataclass(frozen=True, slots=True)
class _Account:
    """The predicted seconds of the parts of a call, from counts and measured speeds.

    Attributes:
        products: its multiply-adds, at the speed of a plain matrix product in the same cell.
        elementwise: its elementwise passes, as the compiler counts them.
        starting: the starts of its steps, as the compiler counts them.
        call: an empty call.
    """

    products: float
    elementwise: float
    starting: float
    call: float = 1e-9 * CPU.ns_per_call


def _account(results: Results, cell: Cell) -> _Account | None:
    """Return the parts of a call in a cell, if a plain product was measured there."""
    export = results.exports.get((cell.workload, cell.wires, cell.layers), {})
    theirs = results.median(cell, GEMM)
    if theirs is None or export.get("multiply_adds") is None:
        return None
    multiply_adds = export["multiply_adds"] * cell.batch
    return _Account(
        products=theirs * multiply_adds / results.cells[cell][GEMM]["multiply_adds"],
        elementwise=export["elementwise"] * cell.batch / cell.threads,
        starting=export["starting"],
    )


def _limits(results: Results) -> str:
    """Return a table that compares each call with a plain matrix product and its own counts."""
    rows, strategies = [], set()
    for cell in sorted(results.cells, key=_place):
        account, ours = _account(results, cell), results.median(cell, HYBRIDX)
        if account is None or ours is None:
            continue
        export = results.exports[cell.workload, cell.wires, cell.layers]
        strategies.add(export["strategy"])
        if cell.threads > 1 or cell.batch not in BATCHES_AGAINST_THE_MACHINE:
            continue
        billions = 2e-9 * export["multiply_adds"] * cell.batch
        height, width = export["gemm"]
        rows.append(
            (
                cell.workload,
                str(cell.wires),
                str(cell.layers),
                str(cell.batch),
                export["strategy"],
                figure(billions / ours),
                f"{height} × {width}",
                figure(billions / account.products),
                percent(account.products / ours),
                percent(account.elementwise / ours),
                percent(account.starting / ours),
            )
        )
    if not rows:
        return ""
    heads = (
        "",
        "wires",
        "layers",
        "batch",
        "strategy",
        "GFLOP/s",
        "matrix",
        "its GFLOP/s",
        "share",
        "elementwise",
        "starting",
    )
    said = (
        "GFLOP/s are the multiply-adds that the compiler counted, two operations each, in the time "
        "of a call with one thread. They are compared with one matrix product by the largest "
        "constant factor of the body, with as many multiply-adds, on the same ONNX Runtime; share "
        "is the ratio of the two. The last two columns are the parts of the call that elementwise "
        "passes and starts of steps (0.4 µs each) take by the compiler's counts. Products smaller "
        "than the largest one, copies and the call itself take the rest."
    )
    reasons = "".join(f"* {name}: {LIMITS[name]}\n" for name in LIMITS if name in strategies)
    return f"## Against the machine\n\n{said}\n\n{reasons}\n" + grid(heads, rows)


def _choices(results: Results) -> str:
    """Return the chosen and the best strategy of circuits where they differ by more than noise."""
    rows = []
    for line in results.choices:
        seconds = line["seconds"]
        best = min(seconds, key=lambda name: seconds[name])
        ratio = seconds[line["strategy"]] / seconds[best]
        if ratio > WORTH_A_LINE:
            place = [line["workload"], *(str(line[key]) for key in ("wires", "layers", "batch"))]
            rows.append((*place, line["strategy"], best, figure(ratio)))
    if not results.choices:
        return ""
    said = (
        f"Every strategy was timed for {len(results.choices)} circuits and batch sizes, 1 thread. "
        f"The chosen one takes at most {WORTH_A_LINE} times as long as the best one"
    )
    heads = ("", "wires", "layers", "batch", "chosen", "best", "ratio")
    table = f", except for:\n\n{grid(heads, rows)}" if rows else ".\n"
    return f"## The choice of a strategy\n\n{said}{table}"


def _exports(results: Results) -> str:
    rows = [
        (
            name,
            str(wires),
            str(layers),
            one["strategy"],
            figure(one["seconds"]),
            figure(one["bytes"] / 1e6),
            figure(one["constant_bytes"] / 1e6),
            figure(None if one["peak_bytes"] is None else one["peak_bytes"] / 1e6),
        )
        for (name, wires, layers), one in sorted(results.exports.items())
        if "refused" not in one
    ]
    heads = ("", "wires", "layers", "strategy", "seconds", "file", "largest constant", "memory")
    said = (
        "Seconds are those of the first export in a process, after imports. Sizes are in MB. "
        "Memory is the peak during the export, minus the memory in use before it."
    )
    return f"## Exports\n\n{said}\n\n" + grid(heads, rows) if rows else ""


def _targets(results: Results) -> str:
    verdicts = [judge(target, results) for target in TARGETS]
    rows = []
    for one in verdicts:
        worst, place = "", ""
        if one.worst is not None:
            worst, place = f"{figure(one.figures[one.worst])} {one.target.unit}", str(one.worst)
        total = len(one.figures)
        count = f"{total - len(one.missed)} of {total}" if total else ""
        rows.append((one.target.sentence, one.word, worst, place, count))
    heads = ("target", "", "worst figure", "where", "places that meet it")
    return "## Targets\n\n" + grid(heads, rows) + _missed(results, verdicts)


def _missed(results: Results, verdicts: Iterable[Verdict]) -> str:
    """Return what limits each cell that misses a target."""
    rows = []
    for one in verdicts:
        for cell in one.missed:
            if not isinstance(cell, Cell) or (ours := results.median(cell, HYBRIDX)) is None:
                continue
            row = [cell.workload, *map(str, (cell.wires, cell.batch, cell.threads))]
            row += [figure(one.target.bound), figure(one.figures[cell])]
            if (account := _account(results, cell)) is None:
                rows.append((*row, *["–"] * 4))
                continue
            parts = account.products, account.elementwise, account.starting, account.call
            rows.append((*row, *(percent(part / ours) for part in parts)))
    if not rows:
        return ""
    heads = (
        "",
        "wires",
        "batch",
        "threads",
        "wanted",
        "reached",
        "products",
        "elementwise",
        "starting",
        "call",
    )
    empty = f"{CPU.ns_per_call / 1000:.0f} µs"
    said = (
        "These cells miss a target. The last columns predict the parts of their calls: the matrix "
        "products at the speed of a plain product with the largest factor, measured in the same "
        "cell; elementwise passes and starts of steps by the compiler's counts; and an empty call "
        f"({empty}). The predictions hold for typical sizes, so the parts do not add up to 100 %. "
        "If they come close, only fewer or other operations could be faster."
    )
    return f"\n### What limits the rest\n\n{said}\n\n" + grid(heads, rows)


def _place(cell: Cell) -> tuple[str, int, int, int, int]:
    return cell.workload, cell.threads, cell.wires, cell.layers, cell.batch
