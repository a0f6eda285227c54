"""Every pass keeps its promise, and does something."""

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.circuit import (
    Apply,
    Circuit,
    Expectation,
    Parameter,
    PauliTerm,
    Probabilities,
    Purity,
    State,
    measured_wires,
    parse,
    show,
    simulate,
    wires_of,
)
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


def narrow(wires):
    """What looks at one wire or two, so that a cone leaves something out."""
    few = st.permutations(range(wires)).map(lambda order: tuple(order[:2]))
    words = st.builds(
        lambda letter, wire: PauliTerm(1.0, letter, (wire,)),
        st.sampled_from("XYZ"),
        st.integers(0, wires - 1),
    )
    return st.one_of(
        st.builds(Expectation, st.tuples(words)),
        st.builds(Probabilities, few),
        st.builds(Purity, few),
    )


def kind(operation):
    """An operation but for the numbers of its wires."""
    blank = msgspec.structs.replace(operation, wires=(0,) * len(operation.wires))
    if isinstance(operation, Apply):
        blank = msgspec.structs.replace(blank, controls=(0,) * len(operation.controls))
    return blank


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


FIXTURES = Path(__file__).parent / "fixtures"
PAIRS = [(one, path) for one in PASSES for path in sorted((FIXTURES / one.__name__).glob("*.txt"))]


@pytest.mark.parametrize(("one", "path"), PAIRS, ids=[path.stem for _, path in PAIRS])
def test_a_pass_turns_one_text_into_the_other(one, path):
    before, after = path.read_text().split("---\n")
    changed = one(parse(before))
    assert show(changed).replace("; ", "\n") + "\n" == after
    assert_equal_results(parse(before), changed)


def test_every_pass_has_texts_that_change_and_texts_that_stay():
    assert {path.name for path in FIXTURES.iterdir()} == {one.__name__ for one in PASSES}
    for one in PASSES:
        texts = [path.read_text().split("---\n") for of, path in PAIRS if of is one]
        changed = [before != after for before, after in texts]
        assert len(texts) >= 5
        assert any(changed)
        assert not all(changed)


@settings(max_examples=100, deadline=None)
@given(circuits(max_wires=5, max_gates=8, measured=narrow))
def test_nothing_is_left_outside_of_the_cone(circuit):
    done = light_cone(circuit)
    assert light_cone(done) == done
    seen = set().union(*(measured_wires(one, done.wires) for one in done.measurements))
    for operation in reversed(done.operations):
        on = set(wires_of(operation))
        # A matrix, a preparation or noise that does not keep the norm is seen everywhere.
        assert on & seen or not isinstance(operation, Apply)
        seen |= on
    assert seen == set(range(done.wires)) or (not seen and done.wires == 1)


@settings(max_examples=100, deadline=None)
@given(circuits(max_wires=5, max_gates=8, measured=narrow))
def test_the_cone_only_drops(circuit):
    """What is left is part of what was there, in its order; wires only get new numbers."""
    done = light_cone(circuit)
    kinds = iter(map(kind, circuit.operations))
    assert all(kind(operation) in kinds for operation in done.operations)
    assert done.wires <= circuit.wires
    assert (done.parameters, done.shots) == (circuit.parameters, circuit.shots)
    assert len(done.measurements) == len(circuit.measurements)


@settings(max_examples=100, deadline=None)
@given(rotations())
def test_merging_leaves_nothing_to_merge(circuit):
    done = merge_rotations(circuit)
    assert merge_rotations(done) == done
    assert len(done.operations) <= len(circuit.operations)
    assert (done.wires, done.measurements) == (circuit.wires, circuit.measurements)
    last = {}
    for place, operation in enumerate(done.operations):
        places = {last.get(wire) for wire in wires_of(operation)}
        if len(places) == 1 and places != {None}:
            neighbour = done.operations[places.pop()]
            alike = (neighbour.gate, neighbour.wires) == (operation.gate, operation.wires)
            columns = {
                angle.column
                for angle in (neighbour.angle, operation.angle)
                if isinstance(angle, Parameter)
            }
            assert not alike or len(columns) == 2
        last.update(dict.fromkeys(wires_of(operation), place))


def test_random_circuits_give_every_pass_something_to_do():
    fired = Counter()

    @settings(max_examples=50, database=None)
    @given(circuits(max_wires=5, max_gates=8, measured=narrow), rotations())
    def count(any_circuit, turning):
        fired["light_cone"] += light_cone(any_circuit) != any_circuit
        fired["merge_rotations"] += merge_rotations(turning) != turning

    count()
    assert all(fired[one.__name__] > 5 for one in PASSES), fired


def test_an_ill_formed_circuit_is_refused():
    with pytest.raises(IllFormedCircuitError):
        run_passes(parse("RX 0 p[0]; expval Z0; parameters 0"))


def test_a_pass_that_never_ends_is_a_fault(monkeypatch):
    def flip(circuit):
        return msgspec.structs.replace(circuit, parameters=circuit.parameters + 1)

    monkeypatch.setattr("hybridx.passes.pipeline.PASSES", (flip,))
    with pytest.raises(RuntimeError, match=str(LIMIT)):
        run_passes(parse("RX 0 p[0]; expval Z0"))
