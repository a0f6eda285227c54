"""Plans for every machine compute what two independent sources compute, with and without a loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from hybridx.artifact import PARAMETERS, RESULTS
from hybridx.circuit import column_count, parse, result_count, simulate
from hybridx.errors import OptionError
from hybridx.lowering import (
    MACHINE_NAMES,
    MACHINES,
    Cost,
    bytes_at_once,
    choose,
    machine_of,
    rows_at_once,
)
from hybridx.program import parse as parse_program
from hybridx.runtime import compiled_circuit
from tests import pennylane_oracle
from tests.circuits import inputs
from tests.lowering.agreement import plans_of
from tests.lowering.encoded import brickwork, reuploading, strongly_entangling
from tests.tolerances import EXACT, FLOAT32

DAMPED = "channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]"
CIRCUITS = {
    "layers": strongly_entangling(4),
    "uploads": reuploading(3),
    "uploads on seven wires": reuploading(7),
    "cones": brickwork(6),
    "noise": parse(f"RX 0 0.3; CNOT 0 1; RX 0 p[0]; {DAMPED}; CNOT 1 2; RY 2 p[1]; expval Z0@Y2"),
    "numbers first": parse("RX 0 0.4; CNOT 0 1; RZ 1 p[0]; RX 1 0.2; expval Y1"),
    "amplitudes": parse("prepare 0 1 [p[0], 0.1, p[1], 0.2]; RX 0 p[2]; CNOT 0 1; expval Z0"),
    "entropy": parse("RX 0 p[0]; RY 1 p[1]; CNOT 0 1; CNOT 1 2; entropy 0 1; probs 2"),
}
WIDE = strongly_entangling(12, layers=3)


def body(circuit, strategy, machine, dtype="float64", *, loops=True):
    """The body of a circuit as a model."""
    choice = choose(circuit, strategy, MACHINES[machine])
    program = choice.plan.build()
    made = compiled_circuit(circuit, choice, np.dtype(dtype), program, loops=loops)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        made.body,
        "body",
        [helper.make_tensor_value_info(PARAMETERS, kind, ["batch", column_count(circuit)])],
        [helper.make_tensor_value_info(RESULTS, kind, ["batch", result_count(circuit)])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def results(model, parameters):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {PARAMETERS: parameters})[0]


@pytest.mark.parametrize("machine", MACHINE_NAMES)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * ("seven" in name)) for name in CIRCUITS],
)
def test_every_plan_for_a_machine_agrees_with_both_sources(name, machine):
    circuit = CIRCUITS[name]
    given = inputs(circuit, 7)
    exact = simulate(circuit, given)
    np.testing.assert_allclose(
        exact[:2], pennylane_oracle.simulate(circuit, given[:2]), atol=EXACT, rtol=EXACT
    )
    for strategy in plans_of(circuit):
        model = body(circuit, strategy, machine)
        for rows in (0, 1, 7):
            found = results(model, given[:rows])
            np.testing.assert_allclose(found, exact[:rows], atol=1e-9, rtol=1e-9, err_msg=strategy)


@pytest.mark.parametrize(
    ("machine", "loops", "looped"),
    [("cpu", True, True), ("cpu", False, False), ("cuda", True, False), ("web", True, False)],
)
def test_only_a_cpu_has_a_loop_for_a_wide_state(machine, loops, looped):
    model = body(WIDE, "sweep", machine, "float32", loops=loops)
    assert ("Loop" in {node.op_type for node in model.graph.node}) == looped
    given = inputs(WIDE, 19).astype(np.float32)
    exact = simulate(WIDE, given[:3])
    for rows in (0, 1, 3, 19) if loops else (1, 3, 19):
        found = results(model, given[:rows])
        assert found.shape == (rows, result_count(WIDE))
        np.testing.assert_allclose(found[:3], exact[:rows], atol=4 * FLOAT32)


def test_the_evaluator_of_onnx_runs_a_loop():
    circuit = strongly_entangling(12, layers=1)
    evaluator = ReferenceEvaluator(body(circuit, "sweep", "cpu"))
    given = inputs(circuit, 9)
    (found,) = evaluator.run(None, {PARAMETERS: given})
    np.testing.assert_allclose(found, simulate(circuit, given), atol=EXACT)


def test_rows_follow_from_the_machine_and_the_program():
    cpu, cuda = MACHINES["cpu"], MACHINES["cuda"]
    small = parse_program("v0: (batch, 1) = parameters; v1: (batch, 1) = sqrt v0")
    assert rows_at_once(small, cpu) is None
    for state, rows in ((2**12, None), (2**13, 8), (2**14, 4), (2**16, 1), (2**20, 1)):
        program = replace(small, state=state)
        assert rows_at_once(program, cpu) == rows
        assert rows_at_once(program, cuda) is None
    wide = parse_program(
        "v0: (batch, 1) = parameters; v1: (batch, 2000000) = gather v0 axis 1 [0"
        + ", 0" * 1_999_999
        + "]; v2: (batch, 2000000) = sqrt v1"
    )
    assert 1 <= rows_at_once(wide, cpu) <= 33  # 2^26 numbers at most
    assert rows_at_once(wide, cuda) is None
    assert bytes_at_once(wide, 256, 4) >= 256 * 4 * 2_000_000


def test_tables_say_how_long_a_product_takes():
    machine = replace(
        MACHINES["cuda"],
        ns_per_multiply_add=((1, 1.0), (100, 0.1)),
        far_bytes=10.0,
        far=2.0,
        ns_per_number=0.5,
        ns_per_element=3.0,
        ns_per_step=7.0,
        ns_per_call=100.0,
    )
    assert machine.batches == (1, 100)
    times = [machine.product(batch, 0) for batch in (1, 10, 100, 1000)]
    assert times == pytest.approx([1.0, 10**-0.5, 0.1, 0.1])
    assert machine.product(1, 11.0) == 2.0
    cost = Cost(10.0, 4.0, 3, 0.0, 6.0)
    assert cost.predict(1, machine) == pytest.approx(3 * 7 + 10 + 4 * 3 + 6 * 0.5)
    assert cost.predict(100, machine) == pytest.approx(3 * 7 + 100 * (1 + 12 + 3))
    expected = ((100 + 46) * (100 + 1621)) ** 0.5
    assert cost.time(machine) == pytest.approx(expected)


@pytest.mark.parametrize("name", MACHINE_NAMES)
def test_a_table_is_complete(name):
    machine = machine_of(name)
    assert machine is MACHINES[name]
    assert machine.name == name
    lengths = [length for length, _ in machine.ns_per_multiply_add]
    assert lengths == sorted({*lengths})
    assert min(time for _, time in machine.ns_per_multiply_add) > 0


def test_another_name_is_refused():
    with pytest.raises(OptionError, match="cpu, cuda, web"):
        machine_of("gpu")


def test_machines_have_other_plans():
    circuit = strongly_entangling(4)
    chosen = {name: choose(circuit, machine=MACHINES[name]).strategy for name in MACHINE_NAMES}
    assert chosen["cpu"] != chosen["cuda"]
