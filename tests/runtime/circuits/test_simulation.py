"""Circuits that a simulator of this machine cannot hold are refused before it gets them."""

from __future__ import annotations

import pytest

import hybridx
from hybridx.circuit import parse
from hybridx.errors import BeyondReadingError, TooLargeError
from hybridx.runtime.circuits.simulation import check_simulation

WIDE = parse("; ".join([*(f"CNOT {wire} {wire + 1}" for wire in range(40)), "expval Z40"]))
LONG = parse("; ".join([*(f"RX {gate % 12} p[0]" for gate in range(60_000)), "expval Z0"]))
SMALL = parse("RX 0 p[0]; CNOT 0 1; expval Z1")


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit", "default.mixed"])
def test_a_state_that_does_not_fit_is_refused(device):
    check_simulation([SMALL], device)
    refusals = (TooLargeError, BeyondReadingError)
    with pytest.raises(refusals, match="memory for the state"):
        check_simulation([SMALL, WIDE], device)


def test_gates_are_counted():
    with pytest.raises(TooLargeError, match="time for a row") as caught:
        check_simulation([LONG], "default.qubit")
    with hybridx.limits(run_seconds=int(caught.value.needed)):
        check_simulation([LONG], "default.qubit")


@pytest.mark.parametrize("device", ["default.clifford", "default.tensor", "qiskit.remote", "mine"])
def test_devices_without_a_state_are_not_asked(device):
    check_simulation([WIDE, LONG], device)
