"""How people write and call a QNode: each exported with a proof at several batch sizes."""

from __future__ import annotations

from functools import partial

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from tests.sampling import some

Z = qml.PauliZ
DEVICE = qml.device("default.qubit", wires=3)


def matrix_of_row(row, weights):
    """A matrix of one row, then a gate that all rows share."""
    cosine, sine = torch.cos(row[0]), torch.sin(row[0])
    qml.QubitUnitary(torch.stack([cosine, -sine, sine, cosine]).reshape(2, 2), 1)
    qml.RY(weights[0, 0], wires=0)
    return means()


def means():
    return [qml.expval(Z(wire)) for wire in range(3)]


def repeated(count, x):
    qml.AngleEmbedding(x, range(3))
    for _ in range(count):
        qml.CNOT([0, 1])
        qml.RX(0.2, 1)
    return means()


class Holder:
    """Its method is a quantum function."""

    count = 2

    def play(self, x):
        return repeated(self.count, x)


def plain(x):
    return repeated(1, x)


def options(x, flag, nothing, count=1):
    assert nothing is None
    qml.AngleEmbedding(x, range(3))
    qml.cond(flag, qml.RX)(0.3, wires=0)
    qml.cond(not flag, qml.RX, qml.RY)(0.4, wires=0)
    for _ in range(count):
        qml.CNOT([0, 1])
    return means()


def loops(x, weights):
    qml.AngleEmbedding(x, range(3))

    @qml.for_loop(0, 3, 1)
    def turn(wire):
        qml.RY(weights[0, wire], wires=wire)

    @qml.while_loop(lambda wire: wire < 2)
    def link(wire):
        qml.CNOT([wire, wire + 1])
        return wire + 1

    turn()
    link(0)
    return means()


def layers(x, weights):
    def layer(angles):
        for wire in range(3):
            qml.RX(angles[wire], wires=wire)
        qml.CNOT([0, 1])

    qml.AngleEmbedding(x, range(3))
    qml.layer(layer, 2, weights)
    return means()


def one_row(x, weights):
    qml.AngleEmbedding(x, range(3))
    qml.BasicEntanglerLayers(weights, range(3))
    return means()


def lists(x, weights):
    first, second, third = x
    qml.AmplitudeEmbedding([first, second, third, 2.0], wires=[0, 1], normalize=True)
    qml.AngleEmbedding([first * second, third], wires=[1, 2])
    qml.BasicEntanglerLayers(weights, range(3))
    return means()


def bias(weights):
    for wire in range(3):
        qml.RY(weights[0, wire], wires=wire)
    return means()


def several(x):
    qml.AngleEmbedding(x, range(3))
    return {"mean": qml.expval(Z(0)), "probabilities": qml.probs([2, 1])}


def _simplified(node):
    return qml.transforms.cancel_inverses(qml.transforms.merge_rotations(node))


CALLS = {
    "a partial function": (partial(repeated, 2), lambda node, x, _: stacked(node(x))),
    "a method": (Holder().play, lambda node, x, _: stacked(node(x))),
    "options": (options, lambda node, x, _: stacked(node(x, True, None, count=2))),
    "loops": (loops, lambda node, x, weights: stacked(node(x, weights))),
    "layers": (layers, lambda node, x, weights: stacked(node(x, weights))),
    "transforms": (plain, lambda node, x, _: stacked(_simplified(node)(x))),
    "other wires": (plain, lambda node, x, _: stacked(qml.map_wires(node, {0: 2, 2: 0})(x))),
    "a batch by PennyLane": (
        one_row, lambda node, x, weights: stacked(qml.batch_input(node, argnum=0)(x, weights))
    ),
    "a batch by torch": (
        one_row,
        lambda node, x, weights: torch.vmap(lambda row: stacked(node(x=row, weights=weights)))(x),
    ),
    "a batch by torch as columns": (
        one_row,
        lambda node, x, weights: torch.vmap(
            lambda row: torch.stack(node(row, weights)), out_dims=1
        )(x).T,
    ),
    "matrices in a batch by torch": (
        matrix_of_row,
        lambda node, x, weights: torch.vmap(lambda row: stacked(node(row, weights)))(x),
    ),
    "lists": (
        lists,
        lambda node, x, weights: torch.stack([torch.stack(node(row, weights)) for row in x]),
    ),
    "no data": (bias, lambda node, x, weights: x + torch.stack(node(weights))),
    "a dict": (
        several,
        lambda node, x, _: torch.cat([node(x)["mean"][:, None], node(x)["probabilities"]], dim=1),
    ),
}  # fmt: skip


def stacked(results):
    return torch.stack(list(results), dim=-1)


class Model(nn.Module):
    """A QNode and how it is called."""

    def __init__(self, function, call):
        super().__init__()
        self.circuit = qml.QNode(function, DEVICE)
        self.call = call
        generator = torch.Generator().manual_seed(2)
        self.weights = nn.Parameter(torch.rand(2, 3, generator=generator))

    def forward(self, x):
        return self.call(self.circuit, x, self.weights)


@pytest.mark.parametrize("name", some(CALLS, every=3))
def test_a_call_is_exported(name, tmp_path):
    example = torch.rand(3, 3, generator=torch.Generator().manual_seed(1))
    report = hybridx.export(Model(*CALLS[name]), (example,), tmp_path / "m.onnx")
    assert report.is_dynamic
    assert report.verification.worst <= report.verification.tolerance


def test_a_circuit_without_data_stays_a_node(tmp_path):
    path = tmp_path / "m.onnx"
    hybridx.export(Model(*CALLS["no data"]), (torch.rand(3, 3),), path)
    device = hybridx.verify(path, device="default.qubit")
    assert device.worst <= device.tolerance
