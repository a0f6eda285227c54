"""The workloads as torch modules, as a user writes them, to be exported and run eagerly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pennylane as qml
import torch
from torch import Tensor, nn

from benchmarks.templates import template
from benchmarks.workloads import SIDE, Workload
from hybridx.models import HybridClassifier, load_config

CONFIG = Path(__file__).resolve().parent.parent / "exported" / "iris.toml"


class Quanvolution(nn.Module):
    """A circuit on every 2 x 2 patch of an image, then a linear layer."""

    def __init__(self, layer: nn.Module, results: int) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(results * (SIDE // 2) ** 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        """From `(batch, side, side)` to `(batch, 10)`."""
        quarters = x.reshape(-1, SIDE // 2, 2, SIDE // 2, 2)
        patches = quarters.swapaxes(2, 3).reshape(-1, 4)
        return self.head(self.layer(patches).reshape(x.shape[0], -1))


def torch_model(workload: Workload, device: str) -> nn.Module:
    """Return a workload with its weights, on a PennyLane device."""
    if workload.name == "classifier":
        return _classifier(workload, device).eval()
    layer = _layer(workload, device)
    if workload.name == "quanvolution":
        model = Quanvolution(layer, len(workload.circuit.observables))
        model.load_state_dict(_tensors(workload, "layer."))
        return model.eval()
    return layer.eval()


def _classifier(workload: Workload, device: str) -> nn.Module:
    config = load_config(CONFIG).model
    quantum = replace(config.quantum, backend=device)
    model = HybridClassifier(replace(config, quantum=quantum), strict=True)
    model.load_state_dict(_tensors(workload, "quantum."))
    return model


def _layer(workload: Workload, device: str) -> nn.Module:
    qnode = qml.QNode(template(workload), qml.device(device, wires=workload.wires))
    shapes = {name: array.shape for name, array in workload.weights.items()}
    layer = qml.qnn.TorchLayer(qnode, shapes)
    layer.load_state_dict(_tensors(workload, "", dense=False))
    return layer


def _tensors(workload: Workload, prefix: str, *, dense: bool = True) -> dict[str, Tensor]:
    arrays = {prefix + name: array for name, array in workload.weights.items()}
    if dense:
        arrays |= workload.dense
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}
