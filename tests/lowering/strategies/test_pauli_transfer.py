"""Noise lowered: density matrices agree with the reference, gate by gate and as whole circuits."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.circuit import GATES, Apply, Channel, Circuit, Parameter, Unitary, parse, simulate
from hybridx.errors import CircuitTooLargeError
from hybridx.lowering import choose, consider
from hybridx.passes import run_passes
from hybridx.program import run
from tests import pennylane_oracle
from tests.circuits import inputs, noisy
from tests.lowering.agreement import assert_agrees
from tests.tolerances import EXACT

DAMPED = "channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]"


@settings(max_examples=80, deadline=None)
@given(noisy())
def test_noise_agrees_with_both_sources(circuit):
    parameters = inputs(circuit, batch=2)
    expected = simulate(circuit, parameters)
    np.testing.assert_allclose(pennylane_oracle.simulate(circuit, parameters), expected, atol=EXACT)
    assert_agrees(circuit)


@settings(max_examples=40, deadline=None)
@given(noisy())
def test_passes_keep_what_is_measured(circuit):
    parameters = inputs(circuit, batch=2)
    simple = run_passes(circuit)
    np.testing.assert_allclose(
        simulate(simple, parameters), simulate(circuit, parameters), atol=EXACT
    )


# Seconds each.
LONG = ("DoubleExcitation", "DoubleExcitationPlus", "DoubleExcitationMinus")


@pytest.mark.parametrize(
    "gate",
    [
        pytest.param(gate, id=name, marks=pytest.mark.slow if name in LONG else ())
        for name, gate in GATES.items()
    ],
)
def test_every_gate_has_a_matrix_over_words(gate):
    wires = tuple(range(gate.wires))
    angle = Parameter(0, 1.5, 0.25) if gate.takes_angle else None
    before = "; ".join(f"RY {wire} {0.4 + wire}; RX {wire} {1.1 - wire}" for wire in wires)
    start = parse(f"{before}; {DAMPED}; density {' '.join(map(str, wires))}")
    controlled = Apply(gate.name, wires, angle, controls=(gate.wires,), control_values=(False,))
    operations = (
        *start.operations,
        Apply(gate.name, wires, angle),
        Apply("Hadamard", (gate.wires,)),
        controlled,
    )
    circuit = Circuit(gate.wires + 1, 1, operations, start.measurements)
    assert_agrees(circuit, "density")


def as_parameters(operations):
    """Return the operations with every entry a parameter, and the numbers behind them."""
    numbers = []

    def slot(entry):
        numbers.append(entry)
        return Parameter(len(numbers) - 1)

    moved = tuple(
        msgspec.structs.replace(
            operation,
            real=tuple(map(slot, operation.real)),
            imaginary=tuple(map(slot, operation.imaginary)),
        )
        for operation in operations
    )
    return moved, numbers


@pytest.mark.parametrize(
    "text",
    [
        DAMPED,
        "channel 0 [0.6, 0, 0, 0.6, 0, 0, 0, 0] + i[0, 0, 0, 0, 0, 0.8, 0.8, 0]",
        "unitary 2 0 [0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0]",
        "prepare 1 0 [0.1, 0.5, 0.7, 0.5] + i[0.0, 0.0, 0.0, 0.0]",
        "prepare 2 1 0 [0.5, 0, 0.5, 0, 0.5, 0, 0, 0] + i[0, 0.5, 0, 0, 0, 0, 0, 0]",
        "prepare 1 [0.6, 0.8]",
    ],
)
def test_entries_may_be_parameters(text):
    moved, numbers = as_parameters(parse(f"{text}; expval I").operations)
    rest = parse(
        f"RX 2 0.3; CNOT 0 2; {DAMPED}; CNOT 1 0; density 2 0; purity 1; probs 0 2; var Y0"
    )
    if not text.startswith("prepare"):
        moved = (*parse("RX 0 0.7; RY 2 0.4; CNOT 2 0; expval I").operations, *moved)
    circuit = Circuit(3, len(numbers), (*moved, *rest.operations), rest.measurements)
    parameters = np.array([numbers, numbers])
    actual = run(choose(circuit, "density").plan.build(), parameters)
    np.testing.assert_allclose(actual, simulate(circuit, parameters), atol=EXACT)


def test_constant_neighbours_are_one_matrix():
    noise = "; ".join(f"channel {w} [1, 0, 0, 0.8, 0, 0.6, 0, 0]" for w in (0, 1))
    few = choose(parse(f"RX 0 p[0]; CNOT 0 1; expval Z0; expval Z1; {DAMPED}")).plan.build()
    many = choose(parse(f"RX 0 p[0]; CNOT 0 1; {noise}; RY 1 0.3; {noise}; expval Z0; expval Z1"))
    assert len(many.plan.build().steps) == len(few.steps)


def test_other_strategies_say_why_they_do_not_apply():
    reasons = {one.strategy: one.reason for one in consider(parse(f"{DAMPED}; expval Z0"))}
    for name in ("multilinear", "unitary", "statevector"):
        assert reasons[name] == "a channel leaves no amplitudes"
    reasons = {one.strategy: one.reason for one in consider(parse("RX 0 0.1; expval Z0"))}
    assert reasons["density"] == "it has no channel"


def test_cones_keep_noise_small():
    text = "; ".join(f"RX {w} p[{w}]; channel {w} [1, 0, 0, 0.8, 0, 0.6, 0, 0]" for w in range(20))
    circuit = parse(f"{text}; {'; '.join(f'expval Z{w}' for w in range(20))}")
    choice = choose(circuit)
    assert choice.strategy == "cones"
    parameters = inputs(circuit, batch=2)
    expected = 1 - (1 - np.cos(parameters)) * 0.64
    np.testing.assert_allclose(run(choice.plan.build(), parameters), expected, atol=EXACT)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("; ".join(f"CNOT {w} {w + 1}" for w in range(8)) + f"; {DAMPED}; probs 8", "1 MiB a row"),
        ("ctrl[1, 2, 3, 4, 5, 6] RX 0 0.1; " + DAMPED + "; expval Z0", "7 wires"),
    ],
)
def test_noise_that_is_too_large_is_refused(text, needed):
    with pytest.raises(CircuitTooLargeError) as raised:
        choose(parse(text))
    assert needed in raised.value.needed


def test_a_channel_is_no_unitary():
    channel, unitary = Channel((0,), (0.6, 0.8, 0.8, -0.6)), Unitary((0,), (0.6, 0.8, 0.8, -0.6))
    measured = parse("expval X0; expval Z0").measurements
    first, second = (
        simulate(Circuit(1, 0, (one,), measured), np.zeros((1, 0))) for one in (channel, unitary)
    )
    np.testing.assert_allclose(first, second, atol=EXACT)
