"""The circuit that PennyLane is given."""

from __future__ import annotations

import itertools

import numpy as np
import pennylane as qml
import pytest

from hybridx.circuit import Circuit, Expectation, PauliTerm, Prepare, Variance, simulate
from hybridx.runtime.pennylane import measurement_process

# Three wires in complex128.
EXACT = 1e-12
TERMS = (
    PauliTerm(1.0, "ZX", (0, 1)),
    PauliTerm(0.5, "YZ", (0, 2)),
    PauliTerm(0.3, "XX", (1, 2)),
)


@pytest.mark.parametrize("kind", [Expectation, Variance])
def test_the_order_of_terms_does_not_matter_to_pennylane(kind):
    """PennyLane keeps the eigenvectors of the first of two sums that have the same terms."""
    generator = np.random.default_rng(3)
    state = generator.normal(size=8)
    state /= np.linalg.norm(state)
    for terms in itertools.permutations(TERMS):
        prepare = Prepare(wires=(0, 1, 2), real=tuple(map(float, state)), imaginary=())
        circuit = Circuit(3, 0, (prepare,), (kind(terms),), None)

        def quantum(measurement):
            qml.StatePrep(state, wires=(0, 1, 2))
            return measurement_process(measurement)

        node = qml.QNode(quantum, qml.device("default.qubit", wires=3))
        expected = simulate(circuit, np.zeros((1, 0)))[0, 0]
        assert float(node(kind(terms))) == pytest.approx(expected, rel=0, abs=EXACT)
