"""A circuit as a PennyLane function gives the numbers of the reference simulator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.circuit import (
    GATES,
    Apply,
    Circuit,
    Expectation,
    Parameter,
    PauliTerm,
    result_layout,
    simulate,
    to_python,
)
from hybridx.errors import IllFormedCircuitError
from tests.circuits import circuits, entropies, noisy

# float64 on both sides; matrices are completed and normalised to 1e-8 at worst.
EXACT = 1e-7

Z = (Expectation((PauliTerm(1.0, "Z", (0,)),)),)
PLAIN = Circuit(1, 1, (Apply("RX", (0,), Parameter(0)),), Z)


def qnodes(source):
    """The QNodes of a module, by name."""
    names = {}
    exec(compile(source, "module.py", "exec"), names)
    return {name: value for name, value in names.items() if hasattr(value, "construct")}


def columns(returned, circuit):
    """What a function returns, as the columns of `results`."""
    layout = result_layout(circuit)
    results = returned if len(layout) > 1 else (returned,)
    found = []
    for result, place in zip(results, layout, strict=True):
        flat = np.asarray(result).reshape(-1)
        found += [flat.real, flat.imag] if place.is_complex else [np.real(flat)]
    return np.concatenate(found)


def check_equal(circuit):
    parameters = np.random.default_rng(3).uniform(-2, 2, (1, circuit.parameters))
    (function,) = qnodes(to_python({"/net/it": circuit})).values()
    found = columns(function(parameters[0]), circuit)
    np.testing.assert_allclose(found, simulate(circuit, parameters)[0], rtol=0, atol=EXACT)


@settings(max_examples=40, deadline=None)
@given(circuits())
def test_random_circuits_give_the_same_numbers(circuit):
    check_equal(circuit)


@settings(max_examples=10, deadline=None)
@given(noisy(max_wires=2))
def test_so_do_noisy_ones(circuit):
    check_equal(circuit)


@settings(max_examples=10, deadline=None)
@given(circuits(max_wires=3, measured=entropies))
def test_so_do_entropies(circuit):
    check_equal(circuit)


@pytest.mark.parametrize("gate", GATES.values(), ids=lambda gate: gate.name)
def test_every_gate_has_its_function(gate):
    angle = Parameter(0, 0.7, 0.2) if gate.takes_angle else None
    wires = tuple(range(gate.wires))
    first = tuple(Apply("RY", (wire,), 0.4 + wire) for wire in wires)
    last = (Apply(gate.name, wires, angle), Apply("RX", (0,), Parameter(0)))
    measured = tuple(Expectation((PauliTerm(1.0, "Y", (wire,)),)) for wire in wires)
    check_equal(Circuit(gate.wires, 1, (*first, *last), measured))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=3, unique=True))
def test_names_of_any_kind_give_a_module(names):
    assert len(qnodes(to_python(dict.fromkeys(names, PLAIN)))) == len(names)


@pytest.mark.parametrize("name", ['"""', "x\\", "class", "3", "a\nimport os", "np", "parameters"])
def test_no_name_is_taken_for_code(name):
    (function,) = qnodes(to_python({name: PLAIN})).values()
    assert float(function(np.array([0.5]))) == pytest.approx(np.cos(0.5))


def test_an_ill_formed_circuit_is_refused():
    with pytest.raises(IllFormedCircuitError):
        to_python({"it": Circuit(1, 0, (Apply("RX", (0,), float("inf")),), Z)})
