"""Circuits for the strategies: parameters first, and shallow ones with small light cones."""

import msgspec
import numpy as np
from hypothesis import strategies as st

from hybridx.circuit import (
    Apply,
    Circuit,
    Expectation,
    Parameter,
    PauliTerm,
    Prepare,
    Probabilities,
    parse,
)
from tests.circuits import circuits, expectations, measurements, operations, unitaries


@st.composite
def encoded(draw, max_wires=4, measured=measurements):
    """Gates with parameters on single wires, then constant gates on any."""
    wires = draw(st.integers(1, max_wires))
    parameters = draw(st.integers(0, 3))
    first = [
        msgspec.structs.replace(operation, wires=(wire,))
        for wire in range(wires)
        for operation in draw(st.lists(operations(1, parameters), max_size=3))
    ]
    then = draw(st.lists(st.one_of(operations(wires, 0), unitaries(wires)), max_size=8))
    return Circuit(
        wires=wires,
        parameters=parameters,
        operations=(*draw(st.permutations(first)), *then),
        measurements=tuple(draw(st.lists(measured(wires), min_size=1, max_size=3))),
    )


def strongly_entangling(wires, layers=3, rotation="RY"):
    """AngleEmbedding, StronglyEntanglingLayers and <Z> on every wire."""
    rng = np.random.default_rng(wires)
    gates = [Apply(rotation, (wire,), Parameter(wire)) for wire in range(wires)]
    for layer in range(layers):
        for wire in range(wires):
            angles = rng.uniform(0, 2 * np.pi, 3).tolist()
            gates += [
                Apply(name, (wire,), angle)
                for name, angle in zip(("RZ", "RY", "RZ"), angles, strict=True)
            ]
        reach = layer % (wires - 1) + 1
        gates += [Apply("CNOT", (wire, (wire + reach) % wires)) for wire in range(wires)]
    return Circuit(wires, wires, tuple(gates), _means(wires))


def reuploading(wires, uploads=3):
    """RX and RZ of a column on each wire, RX, a ring of CNOTs, and again; <Z> on every wire."""
    rng = np.random.default_rng(wires)
    gates = []
    for _ in range(uploads):
        for wire in range(wires):
            gates += [Apply(name, (wire,), Parameter(wire)) for name in ("RX", "RZ")]
        angles = rng.uniform(0, 2 * np.pi, wires).tolist()
        gates += [Apply("RX", (wire,), angle) for wire, angle in enumerate(angles)]
        gates += [Apply("CNOT", (wire, (wire + 1) % wires)) for wire in range(wires)]
    return Circuit(wires, wires, tuple(gates), _means(wires))


@st.composite
def uploaded(draw, max_wires=4):
    """Gates with parameters on single wires, then constant gates on any, several times."""
    uploads = draw(st.lists(encoded(max_wires), min_size=2, max_size=3))
    wires = max(one.wires for one in uploads)
    return Circuit(
        wires=wires,
        parameters=max(one.parameters for one in uploads),
        operations=tuple(operation for one in uploads for operation in one.operations),
        measurements=uploads[0].measurements,
    )


@st.composite
def repeated(draw):
    """Gates with and without parameters on any wires, all of them two or three times."""
    once = draw(circuits(max_wires=3, max_gates=6, max_parameters=2, measured=_linear))
    prepared = tuple(op for op in once.operations if isinstance(op, Prepare))
    times = draw(st.integers(2, 3))
    gates = once.operations[len(prepared) :] * times
    return msgspec.structs.replace(once, operations=prepared + gates)


def _linear(wires):
    """What is linear in the density matrix."""
    chosen = st.lists(st.integers(0, wires - 1), unique=True, min_size=1)
    return expectations(wires) | chosen.map(lambda on: Probabilities(tuple(on)))


def brickwork(wires, layers=2):
    """Nearest neighbours meet in layers; <Z> on every wire."""
    rng = np.random.default_rng(wires)
    gates = [Apply("RY", (wire,), Parameter(wire)) for wire in range(wires)]
    for layer in range(layers):
        angles = rng.uniform(0, 2 * np.pi, wires).tolist()
        gates += [Apply("RX", (wire,), angle) for wire, angle in enumerate(angles)]
        gates += [Apply("CZ", (wire, wire + 1)) for wire in range(layer % 2, wires - 1, 2)]
    gates += [Apply("RX", (wire,), 0.7) for wire in range(wires)]
    return Circuit(wires, wires, tuple(gates), _means(wires))


def fitting(strategy):
    """A circuit of 6 wires with 6 results, to which a strategy applies."""
    if strategy == "halves":
        return reuploading(6)
    circuit = brickwork(6)
    if strategy == "density":
        noise = parse("channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; expval Z0").operations
        circuit = msgspec.structs.replace(circuit, operations=circuit.operations + noise)
    return circuit


def _means(wires):
    return tuple(Expectation((PauliTerm(1.0, "Z", (wire,)),)) for wire in range(wires))
