"""Circuits in the second reader: every gate, random circuits, and what it refuses."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.circuit import (
    GATES,
    Apply,
    Circuit,
    Parameter,
    State,
    angles_of,
    column_count,
    decode,
    encode,
    parse,
    simulate,
)
from hybridx.errors import HybridxError
from tests.circuits import circuits, entropies, inputs, noisy
from tests.reader.changes import CHANGES, changed
from tests.reader.javascript import RefusedError
from tests.tolerances import EXACT

# Its results are those of the exact simulator but for the rounding of double precision.
# Jacobi's rotations find eigenvalues to 1e-15, of which an entropy near zero takes the logarithm.
ENTROPY = 1e-10


def on_every_state(gate, operation):
    """Return a circuit whose state shows a column of the matrix of a gate for each row."""
    wires = gate.wires + len(operation.controls)
    turns = [Apply("RY", (wire,), Parameter(wire)) for wire in range(wires)]
    phases = [Apply("RZ", (wire,), 0.3 + wire) for wire in range(wires)]
    columns = wires + gate.takes_angle
    return Circuit(wires, columns, (*turns, *phases, operation), (State(),))


@pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)
def test_every_gate(gate, reader):
    rng = np.random.default_rng(4)
    for controls, values in (((), ()), ((0,), (True,)), ((1, 0), (False, True))):
        order = tuple(rng.permutation(gate.wires).tolist())
        wires = tuple(len(controls) + wire for wire in order)
        count = len(controls) + gate.wires
        angle = Parameter(count, -1.5, 0.25) if gate.takes_angle else None
        for adjoint in (False, True):
            operation = Apply(gate.name, wires, angle, adjoint, controls, values)
            circuit = on_every_state(gate, operation)
            rows = rng.uniform(-7, 7, (4, circuit.parameters))
            found = reader.run(encode(circuit), rows)
            np.testing.assert_allclose(found, simulate(circuit, rows), rtol=0, atol=EXACT)


@pytest.mark.slow
@settings(max_examples=60)
@given(circuit=circuits() | noisy())
def test_random_circuits(circuit, reader):
    rows = inputs(circuit, batch=2)
    found = reader.run(encode(circuit), rows)
    np.testing.assert_allclose(found, simulate(circuit, rows), rtol=0, atol=EXACT)


@pytest.mark.slow
@settings(max_examples=40)
@given(circuit=circuits(measured=entropies))
def test_random_entropies(circuit, reader):
    rows = inputs(circuit, batch=2)
    found = reader.run(encode(circuit), rows)
    np.testing.assert_allclose(found, simulate(circuit, rows), rtol=0, atol=ENTROPY)


@pytest.mark.parametrize(
    "text",
    [
        "derivative 1; RX 0 p[0]; CRY 0 1 (2.0*p[1] + 0.3); RZ 1 p[0]; expval X0; expval Z1",
        "derivative 2; Hadamard 0; FermionicSWAP 0 1 p[0]; expval X0; probs 1",
        "derivative 1; RY 0 p[0]; CNOT 0 1; PSWAP 1 0 p[0]; var Z0; purity 1; state",
        "derivative 1; prepare 0 [p[0], p[1]]; channel 0 [1, 0, 0, 0.6, 0, 0.8, 0, 0]; density 0",
        "derivative 3; RX 0 p[0]; expval Z0",
        "derivative 1; RX 0 0.5; expval Z0",
    ],
)
def test_derivatives(text, reader):
    circuit = parse(text)
    rows = np.random.default_rng(5).normal(size=(2, column_count(circuit)))
    found = reader.run(encode(circuit), rows)
    np.testing.assert_allclose(found, simulate(circuit, rows), rtol=0, atol=1e-11)


TEXTS = [
    "unitary 1 0 [p[0], 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]; probs 0 1",
    "prepare 0 1 [p[0], p[1], 0.5, 0] + i[0, 0, p[2], 0]; H 2; state",
    "RY 0 p[0]; channel 0 [1, 0, 0, p[1], 0, p[2], 0, 0]; density 0; purity 0; probs 1 0",
    "RY 0 p[0]; CNOT 0 1; channel 1 [0.6, 0, 0, 0.6, 0, 0.8, 0.8, 0]; entropy 0 base 2.0",
    "RX 0 p[0]; CNOT 0 1; CNOT 1 2; mutual 0 | 2 1 base 3.0; entropy 0 1 2",
    "RX 0 p[0]; CNOT 0 1; channel 1 [1, 0, 0, 1]; var Z0@Z1; expval 2.0*I + -1.5*X0@Z1 + X0@Z1",
    "RX 0 1000000.0; RX 1 (1e-07*p[0] + 3.0); expval Y0; shots 5",
]


@pytest.mark.parametrize("text", TEXTS)
def test_operations_and_measurements(text, reader):
    circuit = parse(text.replace("H 2", "Hadamard 2"))
    rows = inputs(circuit, batch=3) / 4
    found = reader.run(encode(circuit), rows)
    np.testing.assert_allclose(found, simulate(circuit, rows), rtol=0, atol=ENTROPY)


def refuses(reader, text):
    try:
        reader.run(text, np.zeros((0, 1)))
    except RefusedError:
        return True
    return False


DOCUMENTS = [
    json.loads(encode(parse(text)))
    for text in (
        "RX 0 p[0]; ctrl[0, !2] RY 1 (2.0*p[1] + 0.5); adj S 0; expval X0@Y1 + 0.5*Z2; var Z0",
        "prepare 0 [0.6, 0.8]; unitary 1 [0, 1, 1, 0]; state; density 1 0; purity 0; mutual 0 | 1",
        "channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; probs 1 0; entropy 0 1 base 2.0; shots 9",
        "derivative 1; RX 0 p[0]; ctrl[1] RY 0 p[1]; expval X0@Z1; probs 1",
    )
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=["gates", "states", "noise", "derivative"])
def test_it_refuses_what_hybridx_refuses(document, reader):
    """And a change that neither refuses gives the same results."""
    rng = random.Random(11)
    refused = 0
    for _ in range(CHANGES):
        text = json.dumps(changed(document, rng))
        try:
            circuit = decode(text)
        except HybridxError:
            refused += 1
            assert refuses(reader, text), f"it takes {text}"
            continue
        # A circuit of 99 wires is one, too, but nothing simulates it.
        rows = inputs(circuit, batch=0 if circuit.wires > 9 else 1)
        expected = simulate(circuit, rows)
        try:
            found = reader.run(text, rows).reshape(expected.shape)
        except RefusedError as error:
            pytest.fail(f"it refuses {text}: {error}")
        # By a column with a factor, a derivative is so many times as large, and so is its rounding.
        factors = [
            abs(angle.scale)
            for operation in circuit.operations
            for angle in angles_of(operation)
            if isinstance(angle, Parameter) and circuit.derivative
        ]
        atol = ENTROPY * max([1, *factors])
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=atol, err_msg=text)
    assert CHANGES / 3 < refused < CHANGES
