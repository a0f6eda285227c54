"""Entropies and mutual information as people write them."""

from __future__ import annotations

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from tests.capture.qnode.test_channels import embed


class Layer(nn.Module):
    def __init__(self, function, device):
        super().__init__()
        self.circuit = qml.QNode(function, device)

    def forward(self, x):
        return torch.stack(tuple(self.circuit(x)), dim=-1)


def entangled(inputs):
    embed(inputs)
    return (
        qml.vn_entropy(wires=0),
        qml.vn_entropy(wires=[2, 0], log_base=2),
        qml.mutual_info(wires0=[0], wires1=[1, 2]),
    )


def product(inputs):
    qml.AngleEmbedding(inputs, wires=range(3))
    return qml.vn_entropy(wires=[1]), qml.mutual_info(wires0=[0], wires1=[2], log_base=10)


def noisy(inputs):
    embed(inputs)
    qml.AmplitudeDamping(0.3, wires=1)
    return qml.vn_entropy(wires=[0, 1]), qml.mutual_info(wires0=[0], wires1=[2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("function", "device"),
    [(entangled, "default.qubit"), (product, "default.qubit"), (noisy, "default.mixed")],
    ids=["entangled", "product", "noisy"],
)
def test_entropies_export(function, device, dtype, tmp_path):
    model = Layer(function, qml.device(device, wires=3))
    example = torch.rand(3, 3, generator=torch.Generator().manual_seed(1))
    path = tmp_path / "m.onnx"
    hybridx.export(model, (example,), path, dtype=dtype)
    again = hybridx.verify(path, device=device)
    assert again.worst <= again.tolerance


@pytest.mark.parametrize(
    "measure",
    [
        lambda: qml.vn_entropy(wires=range(4)),
        lambda: qml.mutual_info(wires0=[0, 1], wires1=[2, 3]),
    ],
)
def test_entropies_of_many_wires_are_refused(measure, tmp_path):
    def function(inputs):
        qml.AngleEmbedding(inputs, wires=range(8))
        return measure()

    node = qml.QNode(function, qml.device("default.qubit", wires=8))
    with pytest.raises(hybridx.HybridxError, match="4 wires are over the limit of 3"):
        hybridx.export(qml.qnn.TorchLayer(node, {}), (torch.rand(3, 8),), tmp_path / "m.onnx")
