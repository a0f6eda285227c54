"""The nodes of circuits are named by where their QNodes stand, so that a file opens well."""

from __future__ import annotations

import onnx
import pennylane as qml
import torch
from torch import nn

import hybridx


def torch_layer(name="circuit", angle=0.3):
    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.RX(weights[0], wires=1)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

    circuit.func.__name__ = name
    layer = qml.qnn.TorchLayer(circuit, {"weights": 2})
    nn.init.constant_(layer.weights, angle)
    return layer


class Net(nn.Module):
    """Quantum layers inside another module, one of them called twice."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 2), torch_layer("first"))
        self.last = torch_layer("sec\udcffond", 0.5)

    def forward(self, x):
        return self.last(self.last(self.body(x)))


def nodes_of(path):
    return [node for node in onnx.load(path).graph.node if node.domain == "hybridx"]


def test_nodes_are_named_by_path_and_qnode_and_say_what_they_are(tmp_path):
    hybridx.export(Net(), (torch.zeros(3, 2),), tmp_path / "model.onnx")
    nodes = nodes_of(tmp_path / "model.onnx")
    assert [node.name for node in nodes] == ["/body/1/first", "/last/sec?ond", "/last/sec?ond_1"]
    assert nodes[0].doc_string.startswith("quantum circuit: 2 wires, 3 gates, 2 parameters")
    assert "RX 0 p[0]" in nodes[0].doc_string
    found = hybridx.inspect(tmp_path / "model.onnx")
    layers = [circuit.layers for circuit in found.circuits]
    assert layers == [("/body/1/first",), ("/last/sec?ond", "/last/sec?ond_1")]
    (output,) = found.outputs
    assert (output.name, output.dtype, output.shape) == ("output", "float32", ("batch", 2))


def test_a_qnode_outside_of_modules_has_its_own_name(tmp_path):
    @qml.qnode(qml.device("default.qubit", wires=1))
    def alone(x):
        qml.RX(x[:, 0], wires=0)
        return qml.expval(qml.PauliZ(0))

    hybridx.export(alone, (torch.zeros(3, 1),), tmp_path / "model.onnx")
    (node,) = nodes_of(tmp_path / "model.onnx")
    assert node.name.endswith("/alone")


def test_names_go_through_a_bundle_and_equal_models_give_equal_bytes(tmp_path):
    for name in ("one.onnx", "two.onnx"):
        torch.manual_seed(1)
        hybridx.export(Net(), (torch.zeros(3, 2),), tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    hybridx.convert(tmp_path / "one.onnx", tmp_path / "parts.bundle")
    hybridx.convert(tmp_path / "parts.bundle", tmp_path / "again.onnx")
    before, after = (nodes_of(tmp_path / f"{name}.onnx") for name in ("one", "again"))
    assert [(n.name, n.doc_string) for n in before] == [(n.name, n.doc_string) for n in after]
