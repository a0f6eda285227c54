"""Many random circuits with every operation, each computed in three ways; takes minutes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.circuit import simulate
from hybridx.passes import run_passes
from hybridx.program import run
from tests import pennylane_oracle
from tests.circuits import circuits, inputs
from tests.lowering.agreement import plans_of

# Forty gates on eight wires in complex128.
EXACT = 1e-11


@pytest.mark.slow
@settings(max_examples=2000)
@given(circuits(max_wires=8, max_gates=40, max_parameters=6))
def test_every_source_agrees(circuit):
    parameters = inputs(circuit, batch=2)
    expected = simulate(circuit, parameters)
    np.testing.assert_allclose(pennylane_oracle.simulate(circuit, parameters), expected, atol=EXACT)
    simple = run_passes(circuit)
    plans = plans_of(simple)
    assert "statevector" in plans
    for name, plan in plans.items():
        actual = run(plan.build(), parameters)
        np.testing.assert_allclose(actual, expected, atol=EXACT, err_msg=name)
