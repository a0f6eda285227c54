"""Every pass keeps its promise, and does something."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.circuit import Apply, Circuit, State, parse, show, simulate
from hybridx.errors import IllFormedCircuitError
from hybridx.passes import PASSES, light_cone, merge_rotations, run_passes
from hybridx.passes.pipeline import LIMIT
from tests.circuits import angles, circuits, inputs
from tests.tolerances import EXACT


def assert_equal_results(before, after):
    parameters = inputs(before, batch=3)
    expected = simulate(before, parameters)
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(simulate(after, parameters), expected, atol=EXACT * scale)


@st.composite
def rotations(draw):
    """Few kinds of rotations on few wires, so that neighbours are often alike."""
    kinds = (("RX", (0,)), ("RX", (1,)), ("CRZ", (0, 1)), ("CRZ", (1, 0)), ("PhaseShift", (1,)))
    operations = []
    for _ in range(draw(st.integers(0, 10))):
        name, wires = draw(st.sampled_from(kinds))
        operations.append(Apply(name, wires, draw(angles(2)), draw(st.booleans())))
    return Circuit(2, 2, tuple(operations), (State(),))


@pytest.mark.parametrize("one", [*PASSES, run_passes], ids=lambda one: one.__name__)
@settings(max_examples=100, deadline=None)
@given(circuit=circuits())
def test_measured_outputs_stay_equal(one, circuit):
    assert_equal_results(circuit, one(circuit))


@settings(max_examples=100, deadline=None)
@given(rotations())
def test_merging_keeps_the_state(circuit):
    assert_equal_results(circuit, merge_rotations(circuit))


@settings(max_examples=50, deadline=None)
@given(circuits())
def test_the_end_is_a_fixpoint(circuit):
    done = run_passes(circuit)
    assert all(one(done) == done for one in PASSES)
    assert done.parameters == circuit.parameters
    assert done.shots == circuit.shots


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RX 0 p[0]; RX 0 p[0]; expval Z0", "RX 0 2.0*p[0]; expval Z0"),
        ("RX 0 p[0]; RX 0 p[1]; expval Z0", "RX 0 p[0]; RX 0 p[1]; expval Z0"),
        ("RX 0 0.5; adj RX 0 p[0]; expval Z0", "RX 0 (-1.0*p[0] + 0.5); expval Z0"),
        ("CRX 0 1 0.5; CRX 0 1 0.25; expval Z1", "CRX 0 1 0.75; expval Z1"),
        ("CRX 0 1 0.5; CRX 1 0 0.25; expval Z1", "CRX 0 1 0.5; CRX 1 0 0.25; expval Z1"),
        (
            "ctrl[!1] RX 0 0.5; ctrl[1] RX 0 0.5; expval Z0",
            "ctrl[!1] RX 0 0.5; ctrl[1] RX 0 0.5; expval Z0",
        ),
        ("RX 0 0.5; CNOT 0 1; RX 0 0.5; expval Z1", "RX 0 0.5; CNOT 0 1; RX 0 0.5; expval Z1"),
    ],
)
def test_merge_rotations(before, after):
    assert show(merge_rotations(parse(before))) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("wires 9; RX 4 p[0]; CNOT 4 7; expval Z7", "RX 0 p[0]; CNOT 0 1; expval Z1"),
        ("RX 0 p[0]; ctrl[!2] RX 1 0.5; expval Z1", "parameters 1; ctrl[!1] RX 0 0.5; expval Z0"),
        ("CNOT 0 1; CNOT 1 2; expval 2.0*I", "expval 2.0*I"),
    ],
)
def test_light_cone(before, after):
    assert show(light_cone(parse(before))) == after


def test_the_state_needs_every_gate_and_wire():
    circuit = msgspec.structs.replace(
        parse("wires 3; RX 0 0.5; expval Z0"), measurements=(State(),)
    )
    assert light_cone(circuit) == circuit


def test_an_ill_formed_circuit_is_refused():
    with pytest.raises(IllFormedCircuitError):
        run_passes(parse("RX 0 p[0]; expval Z0; parameters 0"))


def test_a_pass_that_never_ends_is_a_fault(monkeypatch):
    def flip(circuit):
        return msgspec.structs.replace(circuit, parameters=circuit.parameters + 1)

    monkeypatch.setattr("hybridx.passes.pipeline.PASSES", (flip,))
    with pytest.raises(RuntimeError, match=str(LIMIT)):
        run_passes(parse("RX 0 p[0]; expval Z0"))
