"""The cells that are measured, by name and in their order.

The most telling ones come first, so that an interrupted run has them, and the widest states last,
because they take as long as all others together. Batches ascend, since a peer is left out of a cell
by its times with fewer rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.records import Cell
from benchmarks.workloads import TRAINED, WORKLOADS

BATCHES = (1, 32, 256)
_TABLE = (  # workload, wires, layers (None: as many as it has by default), batches, threads
    ("W1", 4, None, BATCHES, 1),
    ("W1", 8, None, BATCHES, 1),
    ("W1", 6, None, BATCHES, 1),
    ("W1", 10, None, BATCHES, 1),
    ("classifier", 6, None, (16,), 1),
    ("QLSTM", 4, None, (16,), 1),
    ("quanvolution", 4, None, (1, 32), 1),
    ("rows", 6, None, (32,), 1),
    ("W2", 4, None, BATCHES, 1),
    ("W2", 8, None, BATCHES, 1),
    ("W4", 4, None, BATCHES, 1),
    ("W4", 8, None, BATCHES, 1),
    ("W1", 12, None, BATCHES, 1),
    ("W1", 2, None, BATCHES, 1),
    ("W1", 6, 10, (32,), 1),
    ("W1", 12, 10, (32,), 1),
    ("W2", 12, None, (32,), 1),
    ("W4", 12, None, (32,), 1),
    ("W2", 2, None, (32,), 1),
    ("W2", 6, None, (32,), 1),
    ("W2", 10, None, (32,), 1),
    ("W4", 2, None, (32,), 1),
    ("W4", 6, None, (32,), 1),
    ("W4", 10, None, (32,), 1),
    ("W1", 4, None, (256,), 2),
    ("W1", 8, None, (256,), 2),
    ("W1", 12, None, (256,), 2),
    ("W1", 14, None, BATCHES, 1),
    ("W1", 16, None, BATCHES, 1),
    ("W2", 14, None, (1,), 1),
    ("W2", 16, None, (1,), 1),
    ("W4", 14, None, (1,), 1),
    ("W4", 16, None, (1,), 1),
)

MEMORY_WIRES, MEMORY_LAYERS, MEMORY_BATCH = 16, (1, 20), 1
"""A step of W1 whose peak of memory is measured, each peer in a process of its own."""


def all_cells() -> Mapping[str, Cell]:
    """Return the cells of a full run by their names."""
    return {name_of(cell): cell for cell in _cells()}


def name_of(cell: Cell) -> str:
    """Return the name of a cell.

    >>> name_of(Cell("W1", 8, 3, 32, 1)), name_of(Cell("W1", 12, 10, 32, 2))
    ('W1-8x32', 'W1-12x32-10-layers-2-threads')
    """
    name = f"{cell.workload}-{cell.wires}x{cell.batch}"
    if cell.layers != (WORKLOADS | TRAINED)[cell.workload].layers:
        name += f"-{cell.layers}-layers"
    return name + (f"-{cell.threads}-threads" if cell.threads > 1 else "")


def _cells() -> Iterator[Cell]:
    for name, wires, layers, batches, threads in _TABLE:
        for batch in batches:
            yield Cell(name, wires, layers or (WORKLOADS | TRAINED)[name].layers, batch, threads)
