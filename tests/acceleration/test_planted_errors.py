"""A sign error planted in each rule: `accelerate` sees it, and so do the other tests here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.acceleration import calls
from hybridx.acceleration import circuit as live_circuit
from hybridx.kernels.tape import Kind
from tests.acceleration.against_eager import compare

pytestmark = pytest.mark.filterwarnings("ignore")  # PennyLane itself uses what NumPy deprecates

WIRES = 3


class Everything(nn.Module):
    """A circuit with a step of each kind, whose angles are data and weights."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weights = nn.Parameter(torch.rand(8))

        @qml.qnode(qml.device("default.qubit", wires=WIRES))
        def circuit(x, w):
            qml.AmplitudeEmbedding(x, wires=[0, 1], normalize=True)
            qml.Hadamard(2)
            qml.RZ(w[0], wires=0)
            qml.RZ(x[..., 0], wires=1)
            qml.RY(w[1], wires=0)
            qml.RY(x[..., 1], wires=1)
            qml.CNOT([0, 1])
            qml.CRX(w[2], wires=[1, 2])
            qml.RX(x[..., 2], wires=0)
            qml.IsingXX(w[3], wires=[0, 2])
            qml.IsingYY(x[..., 3], wires=[1, 2])
            qml.QubitUnitary(np.array([[1, 1j], [-1, 1j]]) / 2**0.5, wires=1)
            qml.ControlledPhaseShift(w[4], wires=[0, 1])
            qml.CNOT([1, 2])
            qml.CNOT([0, 1])
            qml.RX(w[5], wires=1)
            qml.RY(w[6], wires=2)
            return (
                qml.expval(qml.Z(0) @ qml.Z(1)),
                qml.expval(qml.X(1) @ qml.X(2)),
                qml.probs(wires=[2, 0]),
                qml.state(),
            )

        self.circuit = circuit

    def forward(self, x):
        first, second, chances, state = self.circuit(x, self.weights)
        return torch.cat([first[:, None], second[:, None], chances], 1), state


X = torch.rand(3, 4) + 0.2


def of_kind(kind):
    """Turn the generators of all steps of a kind round, and what phases take from angles."""

    def change(tape, cotangent):
        chosen = tape.steps[tape.steps[:, 0] == kind]
        assert len(chosen)
        if kind is Kind.PHASES:
            numbers = tape.mode_numbers * [-1, 1]
            return replace(tape, mode_numbers=numbers), cotangent
        if kind is Kind.PERMUTE:
            places = tape.places.copy()
            for first in chosen[:, 9]:
                places[first : first + 2 ** (WIRES + 1)] = np.roll(
                    places[first : first + 2 ** (WIRES + 1)], 2**WIRES
                )
            return replace(tape, places=places), cotangent
        generators = tape.generators.copy()
        for _, _, _, _, _, _, _, first, wires, _ in chosen:
            size = 4**wires if kind is Kind.DENSE else 4
            generators[first : first + size] *= -1
        return replace(tape, generators=generators), cotangent

    return change


def start(tape, cotangent):
    assert len(tape.start)
    return replace(tape, start_numbers=tape.start_numbers * [-1, 1, -1, 1]), cotangent


def words(part):
    def change(tape, cotangent):
        coefficients = tape.coefficients.copy()
        diagonal = len(tape.diagonal_words)
        assert diagonal
        assert len(tape.words)
        coefficients[part(diagonal)] *= -1
        return replace(tape, coefficients=coefficients), cotangent

    return change


def columns(first, last):
    def change(tape, cotangent):
        turned = cotangent.copy()
        turned[:, first:last] *= -1
        return tape, turned

    return change


PLANTED = {
    **{kind.name.lower(): of_kind(kind) for kind in Kind if kind is not Kind.PAIR},
    "state preparation": start,
    "words of Z": words(lambda diagonal: slice(diagonal)),
    "other words": words(lambda diagonal: slice(diagonal, None)),
    "probabilities": columns(2, 6),
    "state": columns(6, 6 + 2 * 2**WIRES),
}
"""By the rule that is wrong on the way back: no gate of the table is a pair with an angle."""


def planted(change, monkeypatch):
    right = live_circuit.gradients

    def wrong(tape, data, shared, kept, cotangent, **options):
        tape, cotangent = change(tape, cotangent)
        return right(tape, data, shared, kept, cotangent, **options)

    monkeypatch.setattr(live_circuit, "gradients", wrong)


def test_without_an_error_it_is_compiled():
    outcome = compare(Everything, ((X,), {}), ((X,), {}))
    assert [layer.reason for layer in outcome.layers] == [None]
    assert max(outcome.differences) < 1e-9


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_sign_is_not_swapped_in(name, monkeypatch):
    planted(PLANTED[name], monkeypatch)
    report = hybridx.accelerate(Everything(), (X,))
    assert report.layers[0].reason == "its gradients differ from PennyLane's"


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_sign_is_seen_by_the_tests(name, monkeypatch):
    """The comparison of `accelerate` itself is left out."""
    planted(PLANTED[name], monkeypatch)
    monkeypatch.setattr(calls, "difference", lambda *_: None)
    outcome = compare(Everything, ((X,), {}), ((X,), {}))
    assert [layer.reason for layer in outcome.layers] == [None]
    assert outcome.differences[1] > 1e-3
