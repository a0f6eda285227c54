"""Every strategy computes what the reference computes, and is chosen where it is cheap."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from onnx import helper

from hybridx.circuit import (
    Circuit,
    Parameter,
    Prepare,
    Probabilities,
    State,
    parse,
    result_count,
    simulate,
)
from hybridx.errors import CircuitTooLargeError, IllFormedCircuitError, OptionError
from hybridx.lowering import MACHINES, STRATEGIES, Reason, choose, consider, rows_at_once
from hybridx.lowering.strategies import bipartite, fourier
from hybridx.program import Constant, run
from hybridx.program.to_onnx import emit_body
from tests import pennylane_oracle
from tests.circuits import circuits, expectations, inputs
from tests.lowering.agreement import assert_agrees, plans_of
from tests.lowering.encoded import (
    brickwork,
    encoded,
    fitting,
    repeated,
    reuploading,
    strongly_entangling,
    uploaded,
)
from tests.tolerances import EXACT, FLOAT32

NAMES = [strategy.name for strategy in STRATEGIES]


@settings(max_examples=100, deadline=None)
@given(encoded())
def test_every_strategy_agrees_where_parameters_come_first(circuit):
    assert_agrees(circuit)


@settings(max_examples=50, deadline=None)
@given(encoded(measured=expectations))
def test_means_of_encoded_circuits_are_multilinear(circuit):
    assert_agrees(circuit, "multilinear")


@settings(max_examples=100, deadline=None)
@given(circuits())
def test_every_strategy_that_says_it_applies_agrees(circuit):
    assert_agrees(circuit)


BODIES = [
    parse(text)
    for text in (
        "RX 0 p[0]; CNOT 0 1; RZ 1 0.3; Hadamard 2; RY 2 p[1];"
        "expval 0.5*X0@Y1 + Z1; expval Z2 + 3.0*I",
        "RY 0 (2.0*p[0] + 0.5); adj RX 0 p[0]; RY 1 -1.0*p[1]; CZ 0 1; expval Y0; expval X0@Z1",
        "parameters 1; RX 0 0.4; CNOT 0 1; expval Z1",
        "RX 0 0.4; CNOT 0 1; expval Z1; expval Z0",
    )
]


@pytest.mark.parametrize(
    ("circuit", "name"),
    [(circuit, name) for circuit in BODIES for name in plans_of(circuit)],
    ids=lambda value: value if isinstance(value, str) else f"{value.wires} wires",
)
def test_bodies_agree_in_onnx_runtime(circuit, name):
    assert_body_agrees(circuit, name, (0, 1, 5))


@pytest.mark.parametrize("name", ["sweep", "statevector"])
def test_a_wide_state_is_computed_a_few_rows_at_a_time(name):
    circuit = strongly_entangling(12, layers=1)
    cpu = MACHINES["cpu"]
    narrower = strongly_entangling(11, layers=1)
    assert rows_at_once(choose(circuit, name).plan.build(), cpu) == 8
    assert rows_at_once(choose(narrower, name).plan.build(), cpu) is None
    assert_body_agrees(circuit, name, (0, 1, 8, 19))


def assert_body_agrees(circuit, name, batches):
    session = body_session(choose(circuit, name).plan, "float32")
    for batch in batches:
        parameters = inputs(circuit, batch)
        (results,) = session.run(None, {"x": parameters.astype(np.float32)})
        expected = simulate(circuit, parameters)
        np.testing.assert_allclose(results, expected, atol=4 * FLOAT32)


def body_session(plan, dtype):
    circuit, program = plan.circuit, plan.build()
    rows = rows_at_once(program, MACHINES["cpu"])
    nodes = emit_body(
        program,
        dtype=np.dtype(dtype),
        parameters="x",
        results="y",
        rows=rows,
        may_be_empty=True,
    )
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "body",
        [helper.make_tensor_value_info("x", kind, ["batch", circuit.parameters])],
        [helper.make_tensor_value_info("y", kind, ["batch", result_count(circuit)])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.slow
def test_a_deep_wide_circuit_keeps_its_digits():
    # Seen: 7e-7 and 1e-6 in float32, 7e-15 and 3e-15 in float64, of a state of norm 1.
    deep = strongly_entangling(16, layers=20)
    circuit = Circuit(deep.wires, deep.parameters, deep.operations, (State(),))
    plans = plans_of(circuit)
    assert list(plans) == ["sweep", "statevector"]
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-10)):
        parameters = inputs(circuit, 1).astype(dtype)
        expected = simulate(circuit, parameters.astype(np.float64))
        for plan in plans.values():
            (results,) = body_session(plan, dtype).run(None, {"x": parameters})
            assert np.linalg.norm(results.astype(np.float64) - expected) < tolerance


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [0, 1])
def test_few_rows_give_few_rows(name, batch):
    circuit = fitting(name)
    assert run(choose(circuit, name).plan.build(), inputs(circuit, batch)).shape == (batch, 6)


def test_amplitudes_from_outside_need_no_matrix():
    wires = 14
    entries = tuple(map(Parameter, range(2**wires)))
    gates = strongly_entangling(wires).operations[wires:]
    start = Prepare(tuple(range(wires)), entries)
    choice = choose(Circuit(wires, 2**wires, (start, *gates), (Probabilities(start.wires),)))
    # Some steps and vectors as long as the state; a matrix of its size would be 1 GB.
    assert constant_bytes(choice.plan.build()) < 40e6


@pytest.mark.parametrize("name", ["multilinear", "unitary"])
def test_layers_behind_an_embedding_are_as_many_steps_on_any_number_of_wires(name):
    kinds = [
        [type(step) for step in choose(strongly_entangling(wires), name).plan.build().steps]
        for wires in (4, 8)
    ]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("wires", [4, 5, 6, 8, 10])
def test_layers_behind_an_embedding_are_folded(wires):
    assert choose(strongly_entangling(wires)).strategy in ("multilinear", "unitary")


def test_counted_constants_are_those_of_the_program():
    circuit = strongly_entangling(7)
    for name in ("multilinear", "unitary"):
        choice = choose(circuit, name)
        counted = next(one.cost for one in choice.candidates if one.strategy == name)
        assert constant_bytes(choice.plan.build()) == pytest.approx(
            counted.constant_bytes, rel=0.05
        )


def test_a_wide_shallow_circuit_is_small():
    choice = choose(brickwork(24))
    assert choice.strategy == "cones"
    assert constant_bytes(choice.plan.build()) < 200_000


def test_cones_agree_where_they_overlap():
    assert_agrees(brickwork(8), "cones")


def test_words_of_one_mean_may_lie_in_different_cones():
    circuit = parse("RX 0 p[0]; RX 1 p[1]; CNOT 1 2; expval 2.0*Z0 + 0.5*Z2 + 3.0*I; expval X1")
    assert_agrees(circuit, "cones")


def test_every_strategy_says_why_it_does_not_apply():
    choice = choose(parse("CNOT 0 1; RX 1 p[0]; expval Z1"))
    assert choice.strategy == "fourier"
    reasons = {one.strategy: one.reason for one in choice.candidates}
    assert reasons["multilinear"] == "a parameter enters after wires have met"
    assert reasons["cones"] == "all results need the same light cone"


def test_phases_pass_matrices_only_on_other_wires():
    circuit = parse(
        "Hadamard 0; Hadamard 1; RZ 0 p[0]; PauliX 1; CNOT 1 0; RX 1 0.4; RZ 0 p[1]; CNOT 0 2; "
        "RZ 2 p[2]; SWAP 1 2; RZ 1 p[0]; T 2; expval X0; expval Y1; expval Z2"
    )
    assert_agrees(circuit, "alternation")


@settings(max_examples=50, deadline=None)
@given(uploaded())
def test_halves_agree_where_parameters_enter_again(circuit):
    if not isinstance(bipartite.plan(circuit), Reason):
        assert_agrees(circuit, "halves")


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 20])
@pytest.mark.parametrize("name", ["sweep", "statevector"])
def test_errors_do_not_grow_with_layers_at_sixteen_wires(name, layers):
    """Seen: 1e-15 and 1e-6 after one layer; less after twenty, where the means are smaller."""
    assert_agrees(strongly_entangling(16, layers), name)


def test_halves_say_why_they_do_not_apply():
    def reason(text):
        return {one.strategy: one.reason for one in choose(parse(text)).candidates}["halves"]

    assert reason("RX 0 p[0]; CNOT 0 1; expval Z1") == "its parameters enter once"
    assert reason("IsingZZ 0 1 p[0]; RX 0 p[0]; expval Z1") == (
        "a gate with a parameter joins the halves"
    )
    assert reason("RX 0 p[0]; expval Z0") == "the halves of 1 wires are no small matrices"


@settings(max_examples=150, deadline=None)
@given(repeated())
def test_fourier_agrees_where_parameters_enter_again(circuit):
    assume(not isinstance(fourier.plan(circuit, MACHINES["cpu"]), Reason))
    assert_agrees(circuit, "fourier")


def test_fourier_agrees_with_pennylane():
    layer = (
        "RX 0 p[0]; RY 1 (2.0*p[1] + 0.3); CRZ 0 1 -1.0*p[0]; IsingZZ 1 2 0.5*p[1]; Hadamard 2; "
        "ctrl[!2] PhaseShift 0 p[0]; SingleExcitation 0 2 p[1]; T 1; CNOT 2 1"
    )
    circuit = parse(f"{layer}; {layer}; expval 0.5*X0@Y1 + Z2; probs 2 0; expval Y1@Y2")
    parameters = inputs(circuit, batch=3)
    results = run(choose(circuit, "fourier").plan.build(), parameters)
    expected = pennylane_oracle.simulate(circuit, parameters)
    np.testing.assert_allclose(results, expected, atol=EXACT)


def uploads(wires, columns, times):
    """RX of a column on each wire, RY and a ring of CNOTs, again and again; <Z> on wire 0."""
    layer = "; ".join(
        f"RX {wire} p[{wire % columns}]; RY {wire} 0.{wire + 3}" for wire in range(wires)
    )
    ring = "; ".join(f"CNOT {wire} {(wire + 1) % wires}" for wire in range(wires))
    return parse(f"{'; '.join([layer, ring] * times)}; expval Z0; expval X1")


@pytest.mark.parametrize(
    ("wires", "columns", "times", "modes"), [(3, 1, 10, 61), (4, 2, 5, 21**2), (5, 3, 2, 5**3)]
)
def test_fourier_has_a_mode_for_each_combination_of_uploads(wires, columns, times, modes):
    circuit = uploads(wires, columns, times)
    choice = choose(circuit)
    assert choice.strategy == "fourier"
    assert constant_bytes(choice.plan.build()) <= 4 * modes * (2 + 2 * (columns + 1))
    assert_agrees(circuit, "fourier")


def test_fourier_counts_the_constants_of_its_program():
    circuit = uploads(4, 2, 5)
    choice = choose(circuit, "fourier")
    counted = next(one.cost for one in choice.candidates if one.strategy == "fourier")
    assert constant_bytes(choice.plan.build()) <= counted.constant_bytes
    assert constant_bytes(choice.plan.build()) == pytest.approx(counted.constant_bytes, rel=0.3)


def test_many_modes_are_left_to_other_strategies():
    """RX and RZ of each column, three times: 13^4 and 13^6 modes."""
    assert choose(reuploading(4)).strategy != "fourier"
    assert "fourier" not in plans_of(reuploading(6))


def test_modes_that_cancel_are_left_out():
    """RX(x) RX(x) has no frequency of one, and p[1] enters outside the light cone."""
    circuit = parse("RX 0 p[0]; RX 0 p[0]; CNOT 1 0; RX 0 p[1]; expval X0@Z1; expval Z1")
    program = choose(circuit, "fourier").plan.build()
    assert constant_bytes(program) <= 4 * 5
    assert_agrees(circuit, "fourier")
    assert_agrees(parse("RX 0 p[0]; RX 0 p[0]; CNOT 0 1; expval Z1"), "fourier")


def test_fourier_says_why_it_does_not_apply():
    def reason(text):
        return {one.strategy: one.reason for one in consider(parse(text))}["fourier"]

    assert reason("CNOT 0 1; expval Z1") == "it has no parameters"
    assert reason("RX 0 p[0]; var Z0") == (
        "a measurement is neither an expectation value nor probabilities"
    )
    assert reason("RX 0 p[1]; prepare 1 [p[0], 0]; expval Z0") == (
        "a state or a matrix holds a parameter"
    )
    noise = "channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]"
    assert reason(f"RX 0 p[0]; {noise}; expval Z0") == "a channel leaves no amplitudes"
    many = "; ".join(f"RX 0 p[{column}]" for column in range(15))
    assert reason(f"{many}; expval Z0") == "15 distinct parameters are too many"
    several = "; ".join(f"RX 0 p[{column}]" for column in range(6))
    assert reason(f"{'; '.join([several] * 8)}; expval Z0") == (
        "its constants would take more than 48 MB"
    )
    wide = "; ".join(f"RX {wire} p[0]; CNOT {wire} {(wire + 1) % 20}" for wire in range(20))
    assert reason(f"{wide}; {wide}; expval Z0; expval Z1") == (
        "81 Fourier modes of 20 wires are too many to find"
    )


def test_a_strategy_can_be_forced_only_where_it_applies():
    circuit = parse("CNOT 0 1; RX 1 p[0]; expval Z1")
    assert choose(circuit, "statevector").strategy == "statevector"
    with pytest.raises(OptionError) as raised:
        choose(circuit, "multilinear")
    assert raised.value.choices == "fourier, alternation, sweep, statevector"


@pytest.mark.slow  # plans a thousand wires
def test_a_thousand_wires_are_counted_without_overflow():
    text = "; ".join(f"RX {wire} p[{wire}]; RY {wire} p[{wire}]" for wire in range(1000))
    links = "; ".join(f"CNOT {wire} {wire + 1}" for wire in range(999))
    with pytest.raises(CircuitTooLargeError):
        choose(parse(f"{text}; {links}; expval Z999; expval Z0"))
    choice = choose(parse(f"{text}; expval Z999; expval Z0"))
    assert choice.strategy == "cones"


def test_a_circuit_that_is_too_large_is_refused():
    ring = "; ".join(f"CNOT {wire} {(wire + 1) % 30}" for wire in range(30))
    circuit = parse(f"{ring}; RX 0 p[0]; {ring}; expval Z0; expval Z1")
    with pytest.raises(CircuitTooLargeError):
        choose(circuit)


def test_an_ill_formed_circuit_is_refused():
    with pytest.raises(IllFormedCircuitError):
        choose(parse("RX 0 p[0]; expval Z0; parameters 0"))


def constant_bytes(program):
    return sum(4 * step.array.size for step in program.steps if isinstance(step, Constant))


def test_probabilities_of_many_wires_take_no_matrix():
    layer = "; ".join(f"RX {wire} p[{wire}]; CNOT {wire} {(wire + 1) % 14}" for wire in range(14))
    choice = choose(parse(f"{layer}; probs {' '.join(map(str, range(14)))}"), "statevector")
    (cost,) = [c.cost for c in choice.candidates if c.strategy == "statevector"]
    assert cost.constant_bytes < 1e6


def test_many_parameters_on_few_wires_are_planned_at_once():
    """A wire with eighty rotations of its own has 3^80 Fourier modes, of which none may be made."""
    turns = "; ".join(f"R{'XY'[n // 2 % 2]} {n % 2} p[{n}]" for n in range(80))
    circuit = parse(f"wires 2; {turns}; expval Z0")
    found = {one.strategy: one.plan for one in consider(circuit)}
    assert isinstance(found["unitary"], Reason)
    assert isinstance(found["multilinear"], Reason)


def test_the_last_of_many_parameters_turns_as_the_first_does():
    """The weight of a parameter in the choice of a basis must not vanish with its number."""
    turns = "; ".join(f"RX {n % 2} p[{n}]; CNOT {n % 2} {1 - n % 2}" for n in range(90))
    circuit = parse(f"wires 2; {turns}; expval Z0")
    rows = np.random.default_rng(3).normal(size=(3, 90))
    program = choose(circuit, "alternation").plan.build()
    assert np.abs(run(program, rows) - simulate(circuit, rows)).max() < 1e-12


@pytest.mark.parametrize(
    ("circuit", "strategy"),
    [
        (strongly_entangling(4), "multilinear"),
        (strongly_entangling(8), "multilinear"),
        (strongly_entangling(10), "multilinear"),
        (strongly_entangling(12), "sweep"),
        (strongly_entangling(14), "sweep"),
        (reuploading(8), "halves"),
    ],
)
def test_a_gpu_gets_few_steps_and_large_products(circuit, strategy):
    # `docs/gpu.md` says so.
    assert choose(circuit, machine=MACHINES["cuda"]).strategy == strategy
