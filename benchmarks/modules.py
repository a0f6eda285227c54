"""The workloads as torch modules, as a user writes them, to be exported and run eagerly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pennylane as qml
import torch
from torch import Tensor, nn

from benchmarks.templates import template
from benchmarks.workloads import DOORS, FEATURES, HIDDEN, SIDE, Workload
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


class Rows(nn.Module):
    """A circuit that is called with one row after another."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """From `(batch, columns)` to `(batch, results)`."""
        return torch.stack([self.layer(row) for row in x])


class QLSTM(nn.Module):
    """An LSTM with a circuit in each of its gates, as the tutorials have it."""

    def __init__(self, circuits: Mapping[str, nn.Module], wires: int) -> None:
        super().__init__()
        self.entry = nn.Linear(HIDDEN + FEATURES, wires)
        self.circuits = nn.ModuleDict(circuits)
        self.exit = nn.Linear(wires, HIDDEN)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, x: Tensor) -> Tensor:
        """From `(batch, steps, features)` to `(batch, 1)`."""
        hidden = cell = x.new_zeros(len(x), HIDDEN)
        for row in x.unbind(1):
            angles = self.entry(torch.cat([hidden, row], -1))
            gates = {door: self.exit(circuit(angles)) for door, circuit in self.circuits.items()}
            kept = torch.sigmoid(gates["forget"]) * cell
            cell = kept + torch.sigmoid(gates["input"]) * torch.tanh(gates["candidate"])
            hidden = torch.sigmoid(gates["output"]) * torch.tanh(cell)
        return self.head(hidden)


def torch_model(workload: Workload, device: str) -> nn.Module:
    """Return a workload with its weights, on a PennyLane device."""
    if workload.name == "classifier":
        return _classifier(workload, device).eval()
    if workload.name == "QLSTM":
        model = QLSTM({door: _bare(workload, device) for door in DOORS}, workload.wires)
        model.load_state_dict(_tensors(workload, ""))
        return model
    layer = _layer(workload, device)
    if workload.name == "rows":
        return Rows(layer)
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


def _bare(workload: Workload, device: str) -> nn.Module:
    """Return a layer with other weights; the names of weights end with those of its arguments."""
    qnode = qml.QNode(template(workload), qml.device(device, wires=workload.wires))
    shapes = {name.split(".")[-1]: array.shape for name, array in workload.weights.items()}
    return qml.qnn.TorchLayer(qnode, shapes)


def _layer(workload: Workload, device: str) -> nn.Module:
    layer = _bare(workload, device)
    layer.load_state_dict(_tensors(workload, "", dense=False))
    return layer


def _tensors(workload: Workload, prefix: str, *, dense: bool = True) -> dict[str, Tensor]:
    arrays = {prefix + name: array for name, array in workload.weights.items()}
    if dense:
        arrays |= workload.dense
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}
