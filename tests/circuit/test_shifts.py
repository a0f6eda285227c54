"""Shifted parameters give the derivatives of a circuit."""

import msgspec
import numpy as np
import pytest

from hybridx.circuit import (
    GATES,
    apart,
    by_shifts,
    column_count,
    derivative_blocks,
    evaluations,
    parse,
    result_count,
    simulate,
)

SHARED = "RX 0 p[0]; RY 1 (2.0*p[1] + 0.3); CNOT 0 1; CRX 0 1 p[0]; "
MEASURED = {
    "expectations": "expval Z0; expval 0.5*X0@Y1 + 1.0*Z1",
    "variance": "var X0@Y1",
    "probabilities": "probs 0 1",
    "state": "state",
    "density matrix": "density 1",
    "purity": "purity 0",
}


def derived(text, order):
    return msgspec.structs.replace(parse(text), derivative=order)


def columns(circuit, rows=2):
    return np.random.default_rng(3).normal(size=(rows, column_count(circuit)))


def slopes(circuit, columns, step=1e-5):
    """Return the gradient of `cotangent . results` by difference quotients."""
    inner = msgspec.structs.replace(circuit, derivative=circuit.derivative - 1)
    count = column_count(inner)
    x, cotangents = columns[:, :count], columns[:, count:]
    moves = step * np.eye(count)
    return np.stack(
        [
            ((simulate(inner, x + move) - simulate(inner, x - move)) * cotangents).sum(1)
            / (2 * step)
            for move in moves
        ],
        axis=1,
    )


@pytest.mark.parametrize("measured", MEASURED)
@pytest.mark.parametrize("order", [1, 2])
def test_a_derivative_is_the_limit_of_quotients(measured, order):
    circuit = derived(SHARED + MEASURED[measured], order)
    given = columns(circuit, rows=1)
    np.testing.assert_allclose(simulate(circuit, given), slopes(circuit, given), atol=1e-7)


@pytest.mark.parametrize("gate", [gate for gate in GATES.values() if gate.takes_angle])
def test_every_gate_has_a_rule(gate):
    wires = " ".join(map(str, range(gate.wires)))
    start = "; ".join(f"RY {wire} 0.{wire + 4}; RX {wire} 0.3" for wire in range(gate.wires + 1))
    text = f"{start}; ctrl[!{gate.wires}] adj {gate.name} {wires} p[0]; {gate.name} {wires} p[0]; "
    for measured in ("probs 0; expval X0", "var Y0", "state"):
        circuit = derived(text + measured, 1)
        given = columns(circuit, rows=1)
        np.testing.assert_allclose(simulate(circuit, given), slopes(circuit, given), atol=1e-7)


def test_a_rotation_needs_two_points_and_a_controlled_one_four():
    rules = apart(derived("RX 0 p[0]; CRX 0 1 p[1]; expval Z0", 1)).rules
    assert [len(rule) for rule in rules] == [2, 4]


@pytest.mark.parametrize(
    "text",
    [
        "prepare 0 [p[0], p[1]]; RX 1 p[2]; CNOT 0 1; expval Z1",
        "RX 0 0.4; channel 0 [p[0], 0.0, 0.0, p[0], 0.0, p[1], p[1], 0.0]; purity 0",
    ],
)
def test_entries_of_states_and_channels_are_shifted(text):
    circuit = derived(text, 1)
    given = columns(circuit, rows=1)
    np.testing.assert_allclose(simulate(circuit, given), slopes(circuit, given), atol=1e-7)
    assert apart(circuit).has_entries


def test_the_circuit_is_run_once_at_distinct_points():
    circuit = derived("RX 0 p[0]; RY 0 p[1]; expval Z0", 2)
    runs = []

    def evaluate(one, rows):
        runs.append(rows)
        return simulate(one, rows)

    given = columns(circuit)
    results = by_shifts(circuit, given, evaluate)
    assert results.shape == (2, result_count(circuit))
    (rows,) = runs
    assert len(np.unique(rows, axis=0)) == len(rows) <= 2 * evaluations(circuit)


def test_a_row_of_nan_leaves_the_others():
    circuit = derived("RX 0 p[0]; expval Z0", 1)
    given = columns(circuit, rows=3)
    given[1, 0] = np.nan
    expected = simulate(circuit, given[[0, 2]])

    def evaluate(one, rows):
        found = np.full((len(rows), 1), np.nan)
        whole = np.isfinite(rows).all(1)
        found[whole] = simulate(one, rows[whole])
        return found

    results = by_shifts(circuit, given, evaluate)
    np.testing.assert_array_equal(results[[0, 2]], expected)
    assert np.isnan(results[1]).all()


def test_a_derivative_of_a_circuit_without_parameters_has_no_results():
    circuit = derived("RX 0 0.3; expval Z0", 1)
    assert derivative_blocks(circuit) == ((0, 1), (0,))
    assert simulate(circuit, np.ones((2, 1))).shape == (2, 0)
