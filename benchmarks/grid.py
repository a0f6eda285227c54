"""The cells that are measured, in their order.

One thread comes before two and few wires before many, so that an interrupted run has whole tables.
The widest states come last, because they take as long as all others together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.records import Cell
from benchmarks.workloads import WORKLOADS

WIRES_WITH_TWO_THREADS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("W1", "W2", "W3", "W4"), (4, 8, 12, 16)),
    "W5": (8, 16, 32),
    "classifier": (6,),
    "quanvolution": (4,),
}
BATCHES_WITH_TWO_THREADS = (1, 256)
LAYERS = (1, 2, 5, 10, 20)  # of W1 when the number of layers varies
WIDEST = 20  # wires of the widest whole states


def all_cells() -> Iterator[Cell]:
    """Yield the cells of a full run: those of the tables, and W1 with varying layers."""
    for threads in (1, 2):
        cells = list(_tables(threads))
        wide = [cell for cell in cells if cell.wires == WIDEST and cell.workload != "W5"]
        yield from (cell for cell in cells if cell not in wide)
        if threads == 1:
            yield from (Cell("W1", 8, layers, 32, 1) for layers in LAYERS)
        yield from wide


def quick_cells() -> Iterator[Cell]:
    """Yield a few cells of W1."""
    for wires in (4, 8, 10, 12):
        for batch in (1, 256):
            yield Cell("W1", wires, WORKLOADS["W1"].layers, batch, 1)


def _tables(threads: int) -> Iterator[Cell]:
    for name, kind in WORKLOADS.items():
        wires, batches = kind.wires, kind.batches
        if threads > 1:
            wires, batches = WIRES_WITH_TWO_THREADS[name], BATCHES_WITH_TWO_THREADS
        for one in wires:
            for batch in batches:
                yield Cell(name, one, kind.layers, batch, threads)
