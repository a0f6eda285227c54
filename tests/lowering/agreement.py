"""Plans compared with the reference simulator."""

import numpy as np

from hybridx.circuit import simulate
from hybridx.lowering import Plan, consider
from hybridx.program import run
from tests.circuits import inputs
from tests.tolerances import EXACT, FLOAT32


def plans_of(circuit):
    """Return the plan of each strategy that applies, by its name."""
    return {one.strategy: one.plan for one in consider(circuit) if isinstance(one.plan, Plan)}


def assert_agrees(circuit, *names):
    """Build the plans of some strategies, or of all that apply, and compare their results."""
    parameters = inputs(circuit, batch=3)
    expected = simulate(circuit, parameters)
    scale = np.abs(expected).max(initial=1.0)
    plans = plans_of(circuit)
    for name in names or plans:
        program = plans[name].build()
        wide = run(program, parameters)
        np.testing.assert_allclose(wide, expected, atol=EXACT * scale, err_msg=name)
        narrow = run(program, parameters.astype(np.float32))
        assert narrow.dtype == np.float32
        np.testing.assert_allclose(narrow, expected, atol=FLOAT32 * scale, err_msg=name)
