"""The report and the targets, from the lines of a run."""

from __future__ import annotations

import json

import pytest

from benchmarks.paces import CANNOT_WIN
from benchmarks.records import EAGER, HYBRIDX, Cell, gather, read_lines
from benchmarks.report import LIMITS, write_report
from benchmarks.targets import AT_FLOOR, TARGETS, WON, Target, faster, judge, won
from hybridx.lowering.select import STRATEGIES

RUN = {"cpu": "one", "cores": 2, "system": "any", "python": "3.11", "hybridx": "0123abc"}
EXPORT = {
    "seconds": 2.5,
    "bytes": 2_000_000,
    "peak_bytes": 30_000_000,
    "constant_bytes": 1_000_000,
    "strategy": "multilinear",
    "nodes": 7,
    "multiply_adds": 500_000,
    "elementwise": 1e-7,
    "starting": 2e-6,
    "gemm": [243, 216],
}


def cell(batch, wires=8):
    return {"workload": "W1", "wires": wires, "layers": 3, "batch": batch, "threads": 1}


def peers(ours, **others):
    return {name: {"median": seconds} for name, seconds in {HYBRIDX: ours, **others}.items()}


@pytest.fixture
def lines():
    return [
        {"run": RUN},
        {"workload": "W1", "wires": 8, "layers": 3, "export": EXPORT},
        {"cell": cell(1), "peers": peers(1e-5, JAX=8e-5) | {EAGER: {"median": 2e-3}}},
        {
            "cell": cell(256),
            "peers": peers(1e-4, JAX=2e-3, TensorCircuit=9e-4)
            | {"GEMM": {"median": 5e-5, "multiply_adds": 128_000_000}}
            | {"floor": {"median": 4e-6}, "product": {"median": 1e-3, "multiply_adds": 5e8}}
            | {"Catalyst": {"refused": "CannotError: no way | at all"}}
            | {"Qiskit Aer": {"refused": CANNOT_WIN}},
        },
        {"cell": cell(1024, wires=20), "cut": "eager would take 900 s"},
        {"versions": {"JAX": {"jax": "0.7.1"}}},
        {"choice": cell(32) | {"strategy": "unitary", "seconds": {"unitary": 3e-5, "sweep": 2e-5}}},
    ]


def test_the_best_peer_is_neither_ours_nor_the_bound(lines):
    results = gather(lines)
    large = Cell(**cell(256))
    assert results.best(large) == ("TensorCircuit", 9e-4)
    assert results.ratio(large) == pytest.approx(9)
    assert results.ratio(large, EAGER) is None


def test_a_target_is_judged_by_its_worst_place(lines):
    target = Target("a", 8.5, "times", faster(lambda cell: cell.wires == 8))
    verdict = judge(target, gather(lines))
    assert verdict.word == "missed"
    assert verdict.missed == (verdict.worst,) == (Cell(**cell(1)),)
    assert verdict.figures == {
        Cell(**cell(1)): pytest.approx(8),
        Cell(**cell(256)): pytest.approx(9),
    }


@pytest.mark.parametrize(
    ("theirs", "floor", "verdict", "said"),
    [
        (3.1e-5, None, "met", "3 times"),
        (2.9e-5, None, "missed", "no"),
        (1.1e-5, 1e-5 / AT_FLOOR, "met", "floor"),
        (0.5e-5, 1e-5 / AT_FLOOR, "met", "floor"),
        (2.9e-5, 0.99e-5 / AT_FLOOR, "missed", "no"),
        (3.1e-5, 1e-5, "met", "3 times"),
    ],
)
def test_a_cell_is_won_over_the_best_peer_or_at_the_floor(theirs, floor, verdict, said, tmp_path):
    bounds = {} if floor is None else {"floor": {"median": floor}}
    results = gather([{"run": RUN}, {"cell": cell(1), "peers": peers(1e-5, JAX=theirs) | bounds}])
    assert judge(Target("a", WON, "times", won(lambda _: True)), results).word == verdict
    path = tmp_path / "RESULTS.md"
    write_report(results, path)
    assert f"| {said} |" in path.read_text()


def test_layers_around_a_circuit_have_no_share_of_the_limit():
    place = {"workload": "classifier", "wires": 6, "layers": 3, "batch": 1, "threads": 1}
    export = {"workload": "classifier", "wires": 6, "layers": 3, "export": EXPORT}
    product = {"product": {"median": 1e-3, "multiply_adds": 5e8}}
    results = gather([{"run": RUN}, export, {"cell": place, "peers": peers(1e-4) | product}])
    assert results.share(Cell(**place)) is None
    bare = gather(
        [
            {"run": RUN},
            export | {"wires": 8, "workload": "W1"},
            {"cell": cell(1), "peers": peers(1e-4) | product},
        ]
    )
    assert bare.share(Cell(**cell(1))) == pytest.approx(0.01)


def test_a_target_without_figures_is_not_measured(lines):
    target = Target("a", 1, "times", faster(lambda cell: cell.wires == 9))
    assert judge(target, gather(lines)).word == "not measured"


def test_the_report_holds_every_section_and_every_target(lines, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "RESULTS.md"
    write_report(gather(lines), path)
    text = path.read_text()
    # 256 rows of 500,000 multiply-adds take 256 us at the speed of the product; no peer is faster.
    assert (
        "| 8 | 256 | 0.100 | TensorCircuit | 0.900 | 9.00 | – | – | 0.00400 | 256 % | 3 times |"
        in text
    )
    assert "| 8 | 1 | 0.0100 | JAX | 0.0800 | 8.00 | 2.00 | 200 | – | – | 3 times |" in text
    assert "| 2560 | 243 × 216 | 5120 | 50 % | 26 % | 2 % |" in text
    assert "| W1 | 8 | 3 | 32 | unitary | sweep | 1.50 |" in text
    assert "| W1 | 8 | 256 | 1 | 10.0 | 9.00 | 50 % | 26 % | 2 % | 6 % |" in text
    assert "no way \\| at all" in text
    assert "eager would take 900 s" in text
    assert "| Qiskit Aer | W1 | 1 | 8 (256) | cannot be the fastest |" in text
    assert all(target.sentence in text for target in TARGETS)
    assert (tmp_path / "plots" / "W1-batch.svg").read_text().startswith("<?xml")


def test_a_line_that_was_cut_off_is_left_out(lines, tmp_path):
    path = tmp_path / "cells.jsonl"
    path.write_text(json.dumps(lines[0]) + "\n" + json.dumps(lines[1])[:20])
    assert read_lines(path) == [lines[0]]


def test_it_is_said_of_every_strategy_what_limits_it():
    assert LIMITS.keys() == {strategy.name for strategy in STRATEGIES}
