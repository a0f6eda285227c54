"""Both routes of a sweep agree with the reference, whatever is mixed and measured last."""

import msgspec
import numpy as np
import pytest

from hybridx.circuit import Apply, parse, simulate
from hybridx.lowering.analysis.gate_blocks import COMPLEX, plan_windows
from hybridx.lowering.analysis.real_factors import MatrixFactor
from hybridx.lowering.strategies import blocked_statevector, statevector
from hybridx.program import check, run
from tests.circuits import inputs
from tests.tolerances import EXACT

ONE = ("RX", "RY", "RZ", "Hadamard", "S", "T", "PauliX", "SX")
TWO = ("CNOT", "CNOT", "CNOT", "CZ", "SWAP", "CRY", "IsingZZ", "CRZ")
MEASURED = (
    "expval Z0",
    "expval 0.3*Z1@Z4 + 2*Z2; expval Z5",
    "expval X0@Y3; expval Z1@X5",
    "probs",
)


def drawn(seed, wires, gates, measured, *, is_given, repeated=2):
    """Return a random circuit in layers, with a parameter in every fourth gate."""
    random = np.random.default_rng(seed)
    columns = 2**wires if is_given else 3
    lines = []
    if is_given:
        entries = ", ".join(f"p[{column}]" for column in range(columns))
        lines.append(f"prepare {' '.join(map(str, range(wires)))} [{entries}]")
    for _ in range(gates):
        name = str(random.choice(TWO if random.random() < 0.5 else ONE))
        on = random.choice(wires, 2 if name in TWO else 1, replace=False)
        angle = ""
        if name.startswith(("R", "C", "Is")) and name not in ("CNOT", "CZ"):
            has_parameter = random.random() < 0.25 and not is_given
            angle = (
                f" p[{random.integers(3)}]" if has_parameter else f" {random.uniform(-3, 3):.3f}"
            )
        lines.append(f"{name} {' '.join(map(str, on))}{angle}")
    every = " ".join(map(str, range(wires)))
    return parse("; ".join([*lines, f"probs {every}" if measured == "probs" else measured]))


@pytest.mark.parametrize("measured", MEASURED)
@pytest.mark.parametrize("is_given", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_both_routes_agree_with_the_reference(seed, is_given, measured):
    circuit = drawn(seed, 7 + seed % 2, 40, measured, is_given=is_given)
    parameters = inputs(circuit, batch=2)
    expected = simulate(circuit, parameters)
    scale = np.abs(expected).max(initial=1.0)
    for plan in blocked_statevector.routes(circuit):
        computed = run(check(plan.build()), parameters)
        np.testing.assert_allclose(computed, expected, atol=EXACT * scale)


def test_a_gate_that_no_window_can_hold_is_applied_by_itself():
    start = parse("; ".join([*(f"RY {w} p[0]" for w in range(11)), "expval Z1; expval X3"]))
    controls = tuple(range(10))
    wide = Apply("PauliX", (10,), None, controls=controls, control_values=(True,) * 10)
    circuit = msgspec.structs.replace(start, operations=(*start.operations, wide))
    for plan in blocked_statevector.routes(circuit):
        assert "paulix on wires 0-10 by itself" in plan.describe()


@pytest.mark.parametrize("is_given", [False, True])
@pytest.mark.parametrize("measured", MEASURED)
def test_both_routes_have_the_same_gradient(is_given, measured):
    circuit = drawn(9, 7, 25, measured, is_given=is_given)
    other = statevector.plan(circuit).build_vjp()
    rows = np.random.default_rng(0).standard_normal((2, other.shapes[0][1]))
    expected = run(other, rows)
    scale = np.abs(expected).max(initial=1.0)
    for plan in blocked_statevector.routes(circuit):
        np.testing.assert_allclose(run(check(plan.build_vjp()), rows), expected, atol=EXACT * scale)


def test_a_plan_has_more_steps_than_python_has_calls():
    # Two of these have more modes than one window may have.
    spectrum = {(mode,): np.eye(2) for mode in range(9)}
    factors = [MatrixFactor((0,), spectrum, 1, None) for _ in range(1100)]
    steps, left = plan_windows(factors, (COMPLEX, 0), everything=True, finish=lambda _: 0.0)
    assert [step.factors for step in steps] == [(factor,) for factor in factors]
    assert left == []
