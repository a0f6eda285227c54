"""Circuits that are too large to simulate, and wide circuits that are not."""

from __future__ import annotations

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.artifact import read_artifact
from hybridx.errors import CircuitTooLargeError, NoBodyError


def layer(wires, function):
    node = qml.QNode(function, qml.device("default.qubit", wires=wires))
    return qml.qnn.TorchLayer(node, {})


def entangled(wires):
    """Every observable depends on every wire."""

    def function(inputs):
        qml.AngleEmbedding(inputs, wires=range(wires))
        for wire in range(wires):
            qml.CNOT([wire, (wire + 1) % wires])
        return qml.expval(qml.PauliZ(0))

    return layer(wires, function)


def test_a_circuit_too_large_is_refused_before_anything_is_allocated(tmp_path):
    with pytest.raises(CircuitTooLargeError) as caught:
        hybridx.export(entangled(40), (torch.rand(3, 40),), tmp_path / "m.onnx")
    assert caught.value.wires == 40
    assert "body=False" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_body_it_is_written_for_devices(tmp_path):
    path = tmp_path / "m.onnx"
    model = nn.Sequential(nn.Linear(2, 40), entangled(40))
    report = hybridx.export(model, (torch.rand(3, 2),), path, body=False)
    assert report.verification is None
    assert any("devices only" in note for note in report.notes)
    (circuit,) = read_artifact(path).circuits.values()
    assert (circuit.wires, circuit.parameters) == (40, 40)
    assert hybridx.inspect(path).circuits[0].nodes == 0
    with pytest.raises(NoBodyError, match="run it on a PennyLane device"):
        hybridx.load(path)


def test_a_small_one_without_a_body_runs_on_a_device(tmp_path):
    path = tmp_path / "m.onnx"
    model = entangled(3)
    hybridx.export(model, (torch.rand(3, 3),), path, body=False)
    x = torch.rand(5, 3)
    (actual,) = hybridx.load(path, device="default.qubit").run({"inputs": x.numpy()}).values()
    # float32 parameters on a complex128 device.
    torch.testing.assert_close(torch.from_numpy(actual), model(x), rtol=0, atol=1e-6)
