"""What lies outside a light cone changes no result, and what may change one is kept."""

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.circuit import cone_of, parse, restrict, result_layout, show, simulate
from tests.circuits import circuits, inputs, noisy
from tests.tolerances import EXACT


@settings(max_examples=100, deadline=None)
@given(circuits() | noisy())
def test_each_measurement_needs_its_cone_only(circuit):
    parameters = inputs(circuit, 2)
    whole = simulate(circuit, parameters)
    for measurement, result in zip(circuit.measurements, result_layout(circuit), strict=True):
        alone = simulate(restrict(circuit, [measurement]), parameters)
        expected = whole[:, result.offset : result.offset + result.width]
        np.testing.assert_allclose(alone, expected, atol=EXACT * max(1.0, np.abs(whole).max()))


@pytest.mark.parametrize(
    ("text", "wires", "places", "cone"),
    [
        ("RX 0 p[0]; RX 1 0.5; expval Z0; expval Z1", {0}, (0,), {0}),
        ("RX 0 p[0]; CNOT 1 0; RX 1 0.5; expval Z0; expval Z1", {0}, (0, 1), {0, 1}),
        ("ctrl[1] RX 0 p[0]; expval Z0", {1}, (0,), {0, 1}),
        # Known to be unitary, and a matrix that data may make anything.
        ("unitary 1 [0, 1, 1, 0]; expval Z0", {0}, (), {0}),
        ("unitary 1 [0, 2, 1, 0]; expval Z0", {0}, (0,), {0, 1}),
        ("unitary 1 [p[0], 1, 1, p[1]]; expval Z0", {0}, (0,), {0, 1}),
        ("prepare 1 [0.6, 0.8]; expval Z0", {0}, (), {0}),
        ("prepare 1 [0.6, 0.6]; expval Z0", {0}, (0,), {0, 1}),
        ("channel 1 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; expval Z0", {0}, (), {0}),
        ("channel 1 [1, 0, 0, p[0], 0, p[1], 0, 0]; expval Z0", {0}, (0,), {0, 1}),
    ],
)
def test_the_cone_of_wires(text, wires, places, cone):
    assert cone_of(parse(text), wires) == (places, cone)


def test_wires_that_are_left_keep_their_order():
    circuit = parse("RY 3 p[1]; CNOT 3 1; H 0; RX 2 p[0]; expval Z1@X3".replace("H", "Hadamard"))
    assert show(restrict(circuit, circuit.measurements)) == "RY 1 p[1]; CNOT 1 0; expval Z0@X1"


def test_a_word_of_no_wires_leaves_one_wire():
    circuit = parse("RX 0 p[0]; RX 1 p[1]; expval I")
    assert show(restrict(circuit, circuit.measurements)) == "parameters 2; expval I"
