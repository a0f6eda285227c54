"""The script that measures a GPU, tried without one: plans chosen for a GPU give right numbers."""

from __future__ import annotations

import pytest
import torch

from benchmarks.gpu import CELLS, FILE, FLOOR, GRAPH, JAX, MODULE, SCRIPT, measure, row
from benchmarks.records import Cell


@pytest.mark.slow
@pytest.mark.parametrize(("name", "wires"), [("W1", 12), ("W2", 6), ("W4", 4)])
def test_every_form_gives_right_numbers(name, wires):
    layers = {cell.workload: cell.layers for cell in CELLS}[name]
    found = measure(Cell(name, wires, layers, 9, 1), torch.device("cpu"), seconds=1e-3)
    assert {MODULE, SCRIPT, FILE} <= found["errors"].keys()
    assert max(found["errors"].values()) < 1e-5
    assert found["ms"].keys() >= {MODULE, SCRIPT, FILE, FLOOR}


@pytest.mark.parametrize(
    ("graph", "jax", "floor", "won"),
    [(1.0, 3.1, 0.1, "3 times"), (1.0, 2.9, 0.1, "no"), (1.0, 2.9, 0.7, "floor")],
)
def test_a_cell_is_won_over_jax_or_at_the_floor(graph, jax, floor, won):
    times = {GRAPH: graph, MODULE: 9.0, SCRIPT: 9.0, JAX: jax, FLOOR: floor}
    line = row(CELLS[0], {"ms": times, "errors": {GRAPH: 1e-7, JAX: 2e-7}})
    assert line[-2:] == (won, "2.0e-07")
    del times[JAX]
    assert row(CELLS[0], {"ms": times, "errors": {GRAPH: 1e-7}})[-2] == (
        "floor" if won == "floor" else "–"
    )
