"""Steps of training: what is trained, how a first step is judged, and the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.records import EAGER, FLOOR, HYBRIDX, LIGHTNING, PENNYLANE, Cell, gather
from benchmarks.training.cells import all_cells, name_of
from benchmarks.training.lessons import lesson, live_gates, parameters_of
from benchmarks.training.targets import NEAR, TARGETS, against, is_near, ratios
from benchmarks.workloads import Columns, make

CELL = Cell("W1", 8, 3, 32, 1)
FIRST = 0.25, {"weights": np.array([[1.0, -2.0]]), "head.bias": np.array([1e-3])}


@pytest.fixture(scope="module")
def bench():
    pytest.importorskip("torch")
    from benchmarks.training import bench

    return bench


@pytest.mark.parametrize("name", ["W1", "W2", "W4", "QLSTM"])
def test_live_angles_are_the_weights_in_their_order(name):
    workload = make(name, 4)
    flat = next(iter(workload.weights.values())).ravel()
    for gate, live in zip(workload.circuit.gates, live_gates(workload), strict=True):
        for angle, other in zip(gate.angles, live.angles, strict=True):
            assert angle == (other if isinstance(angle, Columns) else flat[other.place])


def test_a_right_first_step_is_told_with_its_error(bench):
    slopes = {name: slope + 1e-4 for name, slope in FIRST[1].items()}
    assert bench.compare((0.25, slopes), FIRST) == {"error": pytest.approx(5e-5)}


@pytest.mark.parametrize(
    ("loss", "changed"),
    [
        (0.26, {}),
        (0.25, {"weights": np.array([[1.0, 2.0]])}),
        (0.25, {"weights": np.array([[-2.0, 1.0]])}),
        (0.25, {"weights": np.array([[np.nan, -2.0]])}),
        (0.25, {"weights": np.array([1.0])}),
        (0.25, {"head.bias": np.array([1e-2])}),
    ],
)
def test_a_wrong_first_step_is_refused(bench, loss, changed):
    assert "wrong" in bench.compare((loss, FIRST[1] | changed), FIRST)["refused"]


def test_a_first_step_without_some_gradient_is_refused(bench):
    found = bench.compare((0.25, {"weights": FIRST[1]["weights"]}), FIRST)
    assert found == {"refused": "wrong: no gradients of head.bias"}


@pytest.mark.parametrize("name", ["W4", "classifier", "QLSTM", "rows"])
def test_the_functions_of_a_library_are_the_modules_of_torch(name):
    torch = pytest.importorskip("torch")
    import pennylane as qml

    from benchmarks.modules import torch_model
    from benchmarks.templates import template
    from benchmarks.training.lessons import model_of
    from benchmarks.training.with_torch import TORCH, train_function, train_module

    given = lesson(make(name, 4 if name != "classifier" else 6), 2)
    work = given.workload
    qnode = qml.QNode(template(work), qml.device("default.qubit", wires=work.wires))

    def circuit(columns, weights):
        results = qnode(columns, weights)
        return torch.stack(results, -1).float() if isinstance(results, list) else results.float()

    ways = (
        train_function(model_of(work, circuit, TORCH), given),
        train_module(torch_model(work, "default.qubit"), given),
    )
    (loss, one), (other_loss, other) = ((float(way.step()), way.gradients()) for way in ways)
    assert loss == pytest.approx(other_loss, abs=1e-6)
    assert one.keys() == other.keys() == parameters_of(work).keys()
    for slope_name, slope in one.items():
        assert np.abs(slope - other[slope_name]).max() < 1e-5


def test_cells_have_names_and_their_batches_ascend():
    cells = all_cells()
    assert len(cells) >= 50
    assert all(name_of(cell) == name for name, cell in cells.items())
    order = list(cells.values())
    assert len(set(order)) == len(order)
    for place, cell in enumerate(order):
        sizes = cell.workload, cell.wires, cell.layers
        for later in order[place:]:
            if sizes == (later.workload, later.wires, later.layers):
                assert (later.threads, later.batch) >= (cell.threads, cell.batch)


def results(**medians):
    names = {"ours": HYBRIDX, "floor": FLOOR, "eager": EAGER, "lightning": LIGHTNING, "JAX": "JAX"}
    peers = {names[name]: {"median": seconds} for name, seconds in medians.items()}
    peers[HYBRIDX]["account"] = {"interpreter": 7e-4, "steps": 20, "bare_pass": 2.5e-10}
    run = {"cpu": "one", "cores": 2, "system": "any", "python": "3.11", "hybridx": "0123abc"}
    cell = {"workload": "W1", "wires": 8, "layers": 3, "batch": 32, "threads": 1}
    return gather([
        {"run": run},
        {"cell": cell, "peers": peers | {"Catalyst": {"refused": "wrong: off by 1.0e+00"}}},
        {"memory": HYBRIDX, "layers": 1, "step_bytes": 4e8, "first_bytes": 5e8},
        {"memory": HYBRIDX, "layers": 20, "step_bytes": 8e8, "first_bytes": 9e8},
        {"versions": {"JAX": {"jax": "0.7.1"}}},
    ])  # fmt: skip


def test_pennylane_is_the_faster_of_its_two_ways_and_the_floor_is_no_peer():
    found = results(ours=1e-3, floor=1e-4, eager=2e-2, lightning=1e-2, JAX=5e-3)
    assert against(found, CELL, PENNYLANE) == pytest.approx(10)
    assert against(found, CELL) == pytest.approx(5)
    assert not is_near(found, CELL)
    assert ratios(lambda cell: True)(found) == {CELL: pytest.approx(5)}


def test_ratios_are_those_of_one_thread():
    found = results(ours=1e-3, floor=1e-4, eager=2e-2, JAX=5e-3)
    two = replace(CELL, threads=2)
    found.cells[two] = found.cells.pop(CELL)
    assert against(found, two) == pytest.approx(5)
    assert ratios(lambda cell: True)(found) == {}


def test_a_cell_near_the_floor_is_left_out_of_the_ratios():
    found = results(ours=1e-4 * NEAR, floor=1e-4, eager=2e-2, JAX=5e-5)
    assert is_near(found, CELL)
    assert ratios(lambda cell: True)(found) == {}


def test_the_report_has_each_cell_each_target_and_each_refusal(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.training.report import write_report

    path = tmp_path / "TRAINING.md"
    write_report(
        results(ours=1e-3, floor=1e-4, eager=2e-2, lightning=1e-2, JAX=5e-4), path, tmp_path
    )
    text = path.read_text()
    cells = (
        "| W1-8x32 | 1.00 | 10.0 | PennyLane lightning.qubit | 10.0 | 10.0 | JAX | 0.500 | 0.500 |"
    )
    assert cells in text
    assert "takes 1.00 ms; 10.0 times as long, 10.0 ms, without `hybridx.accelerate`" in text
    assert "| W1-8x32 | 1.00 | 0.100 | 20.0 | 10.0 | 0.500 | wrong |" in text
    assert "| Catalyst | W1 | 1 | 8 (32) | wrong: off by 1.0e+00 |" in text
    assert all(target.sentence in text for target in TARGETS)
    assert "| up to 12 wires: 2 times faster than the best peer | missed | 0.500 times |" in text
    assert "| hybridx | 20 | 800 | 900 |  |" in text
    limits = "| W1-8x32 | 2.00 | 0.500 | JAX | 10 % | 70 % | 20 % | 4.27 | 0.250 |"
    assert limits in text
