"""Sampled results are refused as often as is stated, and when they are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from hybridx.circuit import parse, simulate
from hybridx.errors import InconsistentResultError
from hybridx.parity.statistics import Sample, check_consistent, p_values
from hybridx.runtime.devices import make_device
from hybridx.runtime.pennylane import prepare

CIRCUIT = parse("""
RX 0 p[0]
RY 1 (2.0*p[1] + 0.3)
CNOT 0 1
expval Z0
expval 0.5*X0@Y1 + 0.8*Z1 + -0.3*I
var 2.0*Z1
probs 0 1
""")
ROWS = np.array([[0.4, -1.1], [2.0, 0.7], [0.0, 0.0]])


def sample(shots, seed, *, turned=0.0, circuit=CIRCUIT, rows=ROWS):
    """Run the circuit on a device that turns one angle too far."""
    device = make_device("default.qubit", circuit.wires, seed)
    results = prepare(circuit, rows + np.array([turned, 0.0]), device, shots).send()
    return Sample("the circuit", circuit, rows, results, shots)


def test_exact_values_are_those_of_the_reference_simulator():
    _, exact = p_values(sample(10, 0))
    # Both in float64; a dozen operations.
    np.testing.assert_allclose(exact, simulate(CIRCUIT, ROWS), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shots", [1, 7, 100, 5000])
def test_a_right_device_is_refused_no_more_often_than_stated(shots):
    """Under the null hypothesis P(p <= a) <= a for each result; 200 runs, a = 0.1."""
    small = np.zeros(7)
    for seed in range(200):
        p, _ = p_values(sample(shots, seed, rows=ROWS[:1]))
        small += p[0] <= 0.1
    # A binomial count of 200 with probability 0.1 exceeds 38 once in 10,000 times.
    assert (small <= 38).all()


def test_results_without_chance_are_no_evidence():
    """Row 2 leaves wire 0 in |0>: its mean is 1 whatever the shots."""
    found = check_consistent([sample(50, 1, rows=ROWS[2:])], significance=0.01, device="it")
    assert found.tests == 7
    assert found.untested == 0


@pytest.mark.parametrize("turned", [0.15, -0.15])
def test_an_angle_that_is_wrong_is_found(turned):
    """At angle 0.4, 0.15 rad move <Z> by 0.06: over five standard errors of 20,000 shots."""
    wrong = sample(20_000, 3, turned=turned)
    with pytest.raises(InconsistentResultError, match="20000 shots"):
        check_consistent([wrong], significance=0.01, device="it")
    check_consistent([sample(20_000, 3)], significance=0.01, device="it")


def test_an_outcome_that_cannot_be_is_refused_at_a_single_shot():
    right = sample(1, 0, rows=ROWS[2:])
    impossible = right.results.copy()
    impossible[0, 0] = -1.0
    with pytest.raises(InconsistentResultError, match="instead of the exact 1"):
        check_consistent(
            [Sample("c", CIRCUIT, ROWS[2:], impossible, 1)], significance=0.01, device="it"
        )


@pytest.mark.parametrize("column", range(7))
def test_every_kind_of_result_is_tested(column):
    right = sample(4000, 5)
    results = right.results.copy()
    results[1, column] += 0.3 if results[1, column] < 0.5 else -0.3
    with pytest.raises(InconsistentResultError, match=f"result {column} of the circuit in row 1"):
        check_consistent(
            [Sample("the circuit", CIRCUIT, ROWS, results, 4000)], significance=0.01, device="it"
        )


def test_what_has_no_test_is_counted():
    measured = parse("RX 0 0.3; var Z0 + 2.0*X1; expval Z0")
    one = Sample("c", measured, np.zeros((1, 0)), np.array([[0.1, 0.96]]), 100)
    found = check_consistent([one], significance=0.01, device="it")
    assert (found.tests, found.untested) == (1, 1)


def test_more_results_ask_for_stronger_evidence():
    one = sample(500, 11, rows=ROWS[:1])
    alone = check_consistent([one], significance=1e-9, device="it").p_value
    assert check_consistent([one] * 50, significance=1e-9, device="it").p_value == min(
        1.0, 50 * alone
    )
