"""Random circuits and inputs for property tests."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import strategies as st

from hybridx.circuit import (
    GATES,
    Apply,
    Channel,
    Circuit,
    DensityMatrix,
    Entropy,
    Expectation,
    MutualInformation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    Purity,
    State,
    Unitary,
    Variance,
    column_count,
)

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
def unitaries(draw, wires):
    """A constant matrix: a random unitary of the QR decomposition, real or complex."""
    order = draw(st.permutations(range(wires)))
    count = draw(st.integers(1, min(2, wires)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    matrix = rng.standard_normal((2, 2**count, 2**count))
    is_complex = draw(st.booleans())
    unitary, _ = np.linalg.qr(matrix[0] + 1j * matrix[1] if is_complex else matrix[0])
    flat = unitary.reshape(-1)
    imaginary = tuple(flat.imag.tolist()) if is_complex else ()
    return Unitary(tuple(order[:count]), tuple(flat.real.tolist()), imaginary)


@st.composite
def preparations(draw, wires):
    """Amplitudes of some wires, normalised, real or complex."""
    order = draw(st.permutations(range(wires)))
    count = draw(st.integers(1, wires))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    amplitudes = rng.standard_normal(2**count) + 0j
    if draw(st.booleans()):
        amplitudes += 1j * rng.standard_normal(2**count)
    amplitudes /= np.linalg.norm(amplitudes)
    imaginary = tuple(amplitudes.imag.tolist()) if amplitudes.imag.any() else ()
    return Prepare(tuple(order[:count]), tuple(amplitudes.real.tolist()), imaginary)


@st.composite
def channels(draw, wires):
    """Random constant Kraus operators: blocks of a random isometry."""
    order = draw(st.permutations(range(wires)))
    count = draw(st.integers(1, min(2, wires)))
    kraus = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    tall = rng.standard_normal((2, kraus * 2**count, 2**count))
    is_complex = draw(st.booleans())
    isometry, _ = np.linalg.qr(tall[0] + 1j * tall[1] if is_complex else tall[0])
    flat = isometry.reshape(-1)
    imaginary = tuple(flat.imag.tolist()) if is_complex else ()
    return Channel(tuple(order[:count]), tuple(flat.real.tolist()), imaginary)


@st.composite
def measurements(draw, wires):
    chosen = tuple(draw(st.permutations(range(wires)))[: draw(st.integers(1, wires))])
    sums = st.lists(terms(wires), min_size=1, max_size=3).map(tuple)
    return draw(
        st.one_of(
            st.builds(Expectation, sums),
            st.builds(Variance, sums),
            st.sampled_from(
                (Probabilities(chosen), State(), DensityMatrix(chosen[:2]), Purity(chosen))
            ),
        )
    )


@st.composite
def circuits(draw, max_wires=4, max_gates=12, max_parameters=3, measured=measurements):
    wires = draw(st.integers(1, max_wires))
    parameters = draw(st.integers(0, max_parameters))
    prepared = draw(st.lists(preparations(wires), max_size=1))
    gates = st.one_of(
        operations(wires, parameters), operations(wires, parameters), unitaries(wires)
    )
    return Circuit(
        wires=wires,
        parameters=parameters,
        operations=(*prepared, *draw(st.lists(gates, max_size=max_gates))),
        measurements=tuple(draw(st.lists(measured(wires), min_size=1, max_size=3))),
        shots=draw(st.none() | st.integers(1, 1000)),
    )


@st.composite
def noisy(draw, max_wires=3, max_gates=10, max_parameters=3):
    """Circuits with at least one channel, anywhere after the state preparation."""
    plain = draw(circuits(max_wires, max_gates, max_parameters, measured=mixed_measurements))
    operations = list(plain.operations)
    first = sum(isinstance(operation, Prepare) for operation in operations)
    for channel in draw(st.lists(channels(plain.wires), min_size=1, max_size=4)):
        operations.insert(draw(st.integers(first, len(operations))), channel)
    return msgspec.structs.replace(plain, operations=tuple(operations))


def mixed_measurements(wires):
    """The measurements of a density matrix: all but the state."""
    return measurements(wires).filter(lambda measurement: not isinstance(measurement, State))


@st.composite
def entropies(draw, wires):
    """Entropies of up to three wires; with two wires or more, mutual information too."""
    chosen = draw(st.permutations(range(wires)))[: draw(st.integers(1, min(3, wires)))]
    base = draw(st.sampled_from((None, 2.0, 10.0)))
    if len(chosen) == 1 or draw(st.booleans()):
        return Entropy(tuple(chosen), base)
    return MutualInformation(tuple(chosen[:1]), tuple(chosen[1:]), base)


def expectations(wires):
    """Expectation values only."""
    return st.builds(Expectation, st.lists(terms(wires), min_size=1, max_size=3).map(tuple))


def inputs(circuit, batch, seed=0):
    """The columns that a circuit takes, shape `(batch, P)`."""
    return np.random.default_rng(seed).uniform(-4, 4, (batch, column_count(circuit)))
