"""Random circuits and inputs for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from hybridx.circuit import GATES, Apply, Circuit, Expectation, Parameter, PauliTerm

ANGLES = (0.0, np.pi, -np.pi, 4 * np.pi, 1e-8, 0.3, -2.4)


@st.composite
def angles(draw, parameters):
    number = st.sampled_from(ANGLES) | st.floats(-7.0, 7.0)
    if parameters == 0 or draw(st.booleans()):
        return draw(number)
    scale = draw(st.sampled_from((1.0, -1.0, 0.5, 3.14)))
    offset = draw(st.sampled_from((0.0, 0.0, 1.2)))
    return Parameter(draw(st.integers(0, parameters - 1)), scale, offset)


@st.composite
def operations(draw, wires, parameters):
    order = draw(st.permutations(range(wires)))
    gate = draw(st.sampled_from([gate for gate in GATES.values() if gate.wires <= wires]))
    spare = order[gate.wires :]
    controls = tuple(spare[: draw(st.integers(0, min(2, len(spare))))])
    return Apply(
        gate=gate.name,
        wires=tuple(order[: gate.wires]),
        angle=draw(angles(parameters)) if gate.takes_angle else None,
        adjoint=draw(st.booleans()),
        controls=controls,
        control_values=tuple(draw(st.booleans()) for _ in controls),
    )


@st.composite
def terms(draw, wires):
    chosen = draw(st.lists(st.integers(0, wires - 1), unique=True, max_size=wires))
    letters = "".join(draw(st.sampled_from("XYZ")) for _ in chosen)
    coefficient = draw(st.sampled_from((1.0, -0.5, 2.25)))
    return PauliTerm(coefficient, letters, tuple(chosen))


@st.composite
def circuits(draw, max_wires=4, max_gates=12, max_parameters=3):
    wires = draw(st.integers(1, max_wires))
    parameters = draw(st.integers(0, max_parameters))
    measurements = draw(
        st.lists(st.lists(terms(wires), min_size=1, max_size=3), min_size=1, max_size=3)
    )
    return Circuit(
        wires=wires,
        parameters=parameters,
        operations=tuple(draw(st.lists(operations(wires, parameters), max_size=max_gates))),
        measurements=tuple(Expectation(tuple(sum_)) for sum_ in measurements),
        shots=draw(st.none() | st.integers(1, 1000)),
    )


def inputs(circuit, batch, seed=0):
    """Parameters for a circuit, shape `(batch, P)`."""
    return np.random.default_rng(seed).uniform(-4, 4, (batch, circuit.parameters))
