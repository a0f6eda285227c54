"""`hybridx check`: everything that stands in the way of an export, and nothing written."""

from __future__ import annotations

import json

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from tests.cli.shell import command, listing

FAULTY = """
import pennylane as qml
import torch
from torch import nn

device = qml.device("default.qubit", wires=2)


@qml.qnode(device)
def exact(x):
    qml.AngleEmbedding(x, wires=range(2))
    return [qml.expval(qml.Z(wire)) for wire in range(2)]


@qml.set_shots(5)
@qml.qnode(device)
def sampled(x):
    qml.AngleEmbedding(x, wires=range(2))
    return qml.sample(wires=[0])


class Faulty(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        y = torch.stack(exact(self.linear(x)), -1)
        if y.sum() > 9:  # BRANCH
            y = y.cumsum(0)[:1]
        y = y + sampled(x).float().mean()
        y = y + torch.special.bessel_j0(y)  # ONE
        return y + torch.igamma(y.abs() + 1, y.abs() + 1)  # TWO


def good(x):
    return exact(x)
"""


def line_of(word):
    lines = FAULTY.lstrip().splitlines()
    return next(number for number, text in enumerate(lines, 1) if text.endswith(word))


@pytest.mark.slow  # an export, and a trace and three translations past what is refused
def test_all_refusals_are_listed_with_their_lines(tmp_path):
    (tmp_path / "faulty.py").write_text(FAULTY.lstrip())
    before = listing(tmp_path)
    words = ("check", "faulty.py:Faulty", "--shape", "N,2", "--json")
    finished = command(*words, folder=tmp_path)
    assert finished.code == 3
    refusals = json.loads(finished.out)["refusals"]
    assert [one["code"] for one in refusals] == ["HX104", "HX111", "HX130", "HX130"]
    assert "Sample" in refusals[0]["reason"]
    for refusal, word in zip(refusals[1:], ("BRANCH", "ONE", "TWO"), strict=True):
        assert f"faulty.py:{line_of(word)}" in refusal["reason"]
        assert refusal["remedy"]
    assert listing(tmp_path) == before


def test_a_model_without_any_is_described(tmp_path):
    (tmp_path / "faulty.py").write_text(FAULTY)
    before = listing(tmp_path)
    finished = command("check", "faulty.py:good", "--shape", "N,2", folder=tmp_path)
    assert finished.code == 0, finished.talk
    assert "can be exported" in finished.out
    assert "input   x: float32 (batch, 2)" in finished.out
    assert "2 wires, 2 gates" in finished.out
    assert "the function 'good'" in finished.talk
    assert listing(tmp_path) == before


def test_the_model_is_left_as_it_was():
    @qml.qnode(qml.device("default.mixed", wires=1, readout_prob=0.1))
    def circuit(x):
        qml.RX(x[..., 0], wires=0)
        return qml.expval(qml.Z(0))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            self.seen += 1
            return circuit(self.linear(x)) + self.linear(x).sum(-1)

    model = Model().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = hybridx.check(model, torch.ones(2, 2))
    assert not report.is_exportable
    assert "HX103" in {refusal.code for refusal in report.refusals}
    assert model.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
