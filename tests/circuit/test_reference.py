"""The oracle against the other source, PennyLane's own simulator."""

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.circuit import parse, simulate
from hybridx.errors import IllFormedCircuitError
from tests import pennylane_oracle
from tests.circuits import circuits, inputs
from tests.tolerances import EXACT


@settings(max_examples=60)
@given(circuits())
def test_agrees_with_pennylane_on_random_circuits(circuit):
    parameters = inputs(circuit, batch=2)
    expected = pennylane_oracle.simulate(circuit, parameters)
    np.testing.assert_allclose(simulate(circuit, parameters), expected, atol=EXACT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("expval Z0", [1.0]),
        ("PauliX 0; expval Z0", [-1.0]),
        ("Hadamard 0; expval X0; expval Y0; expval Z0", [1.0, 0.0, 0.0]),
        # RX(a) turns |0> so that <Y> = -sin a, <Z> = cos a.
        ("RX 0 0.3; expval Y0; expval Z0", [-np.sin(0.3), np.cos(0.3)]),
        ("Hadamard 0; CNOT 0 1; expval X0@X1; expval Y0@Y1; expval Z0", [1.0, -1.0, 0.0]),
        ("PauliX 1; expval Z0; expval Z1", [1.0, -1.0]),
        ("expval 0.25*I + -2.0*Z0", [-1.75]),
        # A bit flip of probability 0.36, and damping by 0.36 of what it flipped.
        ("channel 0 [0.8, 0, 0, 0.8, 0, 0.6, 0.6, 0]; expval Z0; purity 0", [0.28, 0.5392]),
        (
            "PauliX 0; channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; probs 0; var Z0",
            [0.36, 0.64, 1 - 0.28**2],
        ),
    ],
)
def test_gives_what_one_can_work_out_by_hand(text, expected):
    np.testing.assert_allclose(simulate(parse(text), np.zeros((1, 0))), [expected], atol=EXACT)


def test_refuses_parameters_of_another_width():
    with pytest.raises(ValueError, match="not \\(batch, 2\\)"):
        simulate(parse("RX 0 p[1]; expval Z0"), np.zeros((3, 1)))


def test_refuses_an_ill_formed_circuit():
    with pytest.raises(IllFormedCircuitError):
        simulate(parse("RX 0; expval Z0"), np.zeros((1, 0)))
