"""Models whose files showed how many threads computed them, or the order of a set.

`python -m tests.same_bytes` exports each and prints the digest of its file.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pennylane as qml
import torch
from torch import nn

import hybridx
from hybridx.models import (
    ClassicalModelConfig,
    HybridClassifier,
    HybridModelConfig,
    QuantumLayerConfig,
)
from tests.corpus.bundle_g import MeasuredPooling


def classifier():
    """Its 8 wires are folded into matrices of 256 × 256, whose products BLAS shares."""
    config = HybridModelConfig(
        classical=ClassicalModelConfig(input_dim=4, hidden_dims=(16, 8)),
        quantum=QuantumLayerConfig(n_qubits=8, n_layers=3),
        n_classes=3,
    )
    return HybridClassifier(config, seed=0), torch.zeros(2, 4)


class MeanAngle(nn.Module):
    """An angle that is the mean of many weights, which torch shares among threads."""

    def __init__(self):
        super().__init__()
        weights = torch.randn(300_001, dtype=torch.float64, generator=torch.manual_seed(0))
        self.register_buffer("weights", weights)

        @qml.qnode(qml.device("default.qubit", wires=1))
        def circuit(x, angle):
            qml.RX(x, 0)
            qml.RY(angle, 0)
            return qml.expval(qml.PauliZ(0))

        self.circuit = circuit

    def forward(self, x):
        return self.circuit(x, 100 * self.weights.mean()).float()


def pooling():
    """Its controls stood in an order that PennyLane drew."""
    torch.manual_seed(0)
    return MeasuredPooling(), torch.full((3, 3), 0.5)


MODELS: dict[str, Callable[[], tuple[nn.Module, torch.Tensor]]] = {
    "classifier": classifier,
    "mean angle": lambda: (MeanAngle(), torch.zeros(4)),
    "pooling": pooling,
}


def main() -> None:
    """Print a line for each model."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in MODELS.items():
            model, example = make()
            path = Path(folder, f"{name}.onnx")
            hybridx.export(model, (example,), path)
            print(name, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
