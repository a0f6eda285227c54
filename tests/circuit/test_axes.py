"""A matrix on some axes does what PennyLane's simulator does with it on these wires."""

import numpy as np
import pennylane as qml
import pytest
from pennylane.devices.qubit import apply_operation

from hybridx.circuit import apply_to_axes
from tests.tolerances import EXACT

RNG = np.random.default_rng(5)


def draw(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


@pytest.mark.parametrize("wires", [(0,), (2,), (0, 1), (3, 1), (2, 0, 3), (3, 2, 1, 0)], ids=str)
def test_pennylane_agrees(wires):
    unitary = np.linalg.qr(draw(2 ** len(wires), 2 ** len(wires)))[0]
    state = draw(2, 2, 2, 2)
    state /= np.linalg.norm(state)
    expected = apply_operation(qml.QubitUnitary(unitary, wires), state)
    np.testing.assert_allclose(apply_to_axes(unitary, wires, state), expected, atol=EXACT)
