"""A plan is a value: counted, shown and built without finding anything out a second time."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import pytest

import hybridx
from hybridx.circuit import Circuit, parse
from hybridx.lowering import STRATEGIES, Plan, Reason, Strategy, choose, consider, select
from hybridx.lowering.plan import MOST_LINES
from hybridx.lowering.strategies import (
    bipartite,
    blocked_statevector,
    dense_diagonal,
    folded_unitary,
    fourier,
    light_cones,
    multilinear,
    pauli_transfer,
    statevector,
)
from hybridx.program import Parameters, Reshape, check
from tests import sample_models
from tests.lowering.encoded import brickwork, fitting, reuploading, strongly_entangling

NAMES = [strategy.name for strategy in STRATEGIES]
MODULES = (
    bipartite,
    blocked_statevector,
    dense_diagonal,
    folded_unitary,
    fourier,
    light_cones,
    multilinear,
    pauli_transfer,
    statevector,
)


@pytest.fixture
def planned(monkeypatch):
    """Count how often each strategy plans each circuit."""
    counts: Counter[tuple[str, Circuit]] = Counter()

    def counted(strategy):
        def plan(circuit, machine):
            counts[strategy.name, circuit] += 1
            return strategy.plan(circuit, machine)

        return Strategy(strategy.name, plan)

    monkeypatch.setattr(select, "STRATEGIES", tuple(map(counted, STRATEGIES)))
    return counts


def repeated_block(blocks):
    """Blocks of two wires, equal but for the first, each with a result of its own."""
    gates = [f"RX {2 * n} p[{min(n, 1)}]; CNOT {2 * n} {2 * n + 1}" for n in range(blocks)]
    return parse("; ".join(gates + [f"expval Z{2 * n + 1}" for n in range(blocks)]))


@pytest.mark.parametrize("circuit", [strongly_entangling(4), reuploading(4), brickwork(8)])
def test_a_strategy_plans_a_circuit_and_its_parts_once(circuit, planned):
    choose(circuit).plan.build()
    assert set(planned.values()) == {1}
    assert {name for name, one in planned if one == circuit} == set(NAMES)


def test_equal_parts_share_a_plan(planned):
    plan = choose(repeated_block(4), "cones").plan
    assert isinstance(plan, light_cones.LightConesPlan)
    assert len({id(part.plan) for part in plan.parts}) == 2
    assert set(planned.values()) == {1}


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_an_export_and_its_report_plan_each_circuit_once(format, planned, tmp_path):
    model, example = sample_models.make("two_heads")
    report = hybridx.export(model, (example,), tmp_path / "model", format=format)
    assert len({circuit for _, circuit in planned}) >= len(report.circuits) == 3
    assert set(planned.values()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_that_is_counted_is_the_one_that_is_built(name, monkeypatch):
    choice = choose(fitting(name), name)
    (candidate,) = [one for one in choice.candidates if one.strategy == name]
    assert candidate.plan is choice.plan
    assert candidate.cost is choice.plan.cost
    for module in MODULES:
        monkeypatch.setattr(module, "plan", None)
    check(choice.plan.build())


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_says_in_a_few_lines_what_it_found(name):
    text = str(choose(fitting(name), name).plan)
    lines = text.splitlines()
    assert 1 <= len(lines) <= 20
    assert all(0 < len(line) <= 120 for line in lines)


def test_a_long_plan_is_cut_short():
    lines = str(choose(reuploading(6, uploads=40), "alternation").plan).splitlines()
    assert len(lines) == 1 + MOST_LINES
    assert lines[-1] == "and 57 more like these"


def test_a_reason_is_a_sentence_without_capital_and_stop():
    reasons = [
        one.plan
        for text in ("RX 0 p[0]; state", "channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; expval Z0")
        for one in consider(parse(text))
        if not isinstance(one.plan, Plan)
    ]
    assert len(reasons) > 8
    for reason in reasons:
        assert isinstance(reason, Reason)
        assert str(reason)[0].islower()
        assert not str(reason).endswith(".")


def test_lowering_remembers_nothing_between_calls():
    """A cache of a module would keep circuits alive, and hide that one is planned twice."""
    folder = Path(hybridx.lowering.__file__).parent
    texts = {path.name: path.read_text() for path in folder.rglob("*.py")}
    assert len(texts) > 20
    caching = re.compile(r"\blru_cache\b|\bfunctools\.cache\b|\bimport cache\b")
    assert [name for name, text in texts.items() if caching.search(text)] == []


@pytest.mark.parametrize("circuit", [strongly_entangling(6, 2), reuploading(6, 2), brickwork(6, 1)])
def test_a_cost_counts_the_numbers_that_its_program_writes(circuit):
    for one in consider(circuit):
        # The modes of `fourier` that cancel are found when its program is built.
        if not isinstance(one.plan, Plan) or one.strategy == "fourier":
            continue
        program = one.plan.build()
        written = sum(
            math.prod(size or 1 for size in shape)
            for step, shape in zip(program.steps, program.shapes, strict=True)
            if None in shape and not isinstance(step, Parameters | Reshape)
        )
        assert one.plan.cost.numbers == pytest.approx(written, rel=0.4), one.strategy
