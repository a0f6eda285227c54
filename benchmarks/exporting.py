"""Measure how long an export takes, and how fast the file is, for models with many circuit calls.

`python benchmarks/exporting.py` exports a model with four quantum layers at several numbers of
calls, and a quanvolution over 14 x 14 patches. Times on a shared machine vary; compare the ratios.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pennylane as qml
import torch
from torch import Tensor, nn

import hybridx

WIRES = 4


class Heads(nn.Module):
    """Four quantum layers, each called on every token of a sequence."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(quantum_layer() for _ in range(4))
        self.tokens = tokens

    def forward(self, x: Tensor) -> Tensor:
        """From `(batch, tokens, 4)` to `(batch, tokens, 16)`."""
        heads = [
            torch.stack([layer(x[:, token]) for token in range(self.tokens)], 1)
            for layer in self.layers
        ]
        return torch.cat(heads, -1)


class Quanvolution(nn.Module):
    """A circuit on every 2 x 2 patch of an image, then a linear layer."""

    def __init__(self, side: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = quantum_layer()
        self.head = nn.Linear(WIRES * (side // 2) ** 2, 10)
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """From `(batch, 1, side, side)` to `(batch, 10)`."""
        patches = [
            self.layer(x[:, 0, row : row + 2, column : column + 2].flatten(1))
            for row in range(0, self.side, 2)
            for column in range(0, self.side, 2)
        ]
        return self.head(torch.cat(patches, 1))


def quantum_layer() -> nn.Module:
    """Return AngleEmbedding and two StronglyEntanglingLayers with <Z> on every wire."""

    @qml.qnode(qml.device("default.qubit", wires=WIRES))
    def circuit(inputs: Tensor, weights: Tensor) -> list[Tensor]:
        qml.AngleEmbedding(inputs, wires=range(WIRES))
        qml.StronglyEntanglingLayers(weights, wires=range(WIRES))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]

    return qml.qnn.TorchLayer(circuit, {"weights": (2, WIRES, 3)})


def median(run: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in seconds."""
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return sorted(times)[repeats // 2]


def measure(name: str, model: nn.Module, example: Tensor, calls: int) -> None:
    """Export a model; print the time of the export and the times of the file and the model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        report = hybridx.export(model, (example,), path)
        session = hybridx.load(path)
        one = {session.input_names[0]: example[:1].numpy()}
        with torch.no_grad():
            eager = median(lambda: model(example[:1]), 5)
        file = median(lambda: session.run(one), 50)
    print(
        f"{name:14} {calls:5} calls   export {report.seconds:6.1f} s   "
        f"{1e3 * report.seconds / calls:6.0f} ms a call   eager {1e3 * eager:7.1f} ms   "
        f"file {1e3 * file:6.3f} ms   {eager / file:6.0f} times"
    )


def main() -> None:
    """Print one line for each model."""
    for calls in (20, 100, 500):
        tokens = calls // 4
        measure("four layers", Heads(tokens), torch.rand(3, tokens, WIRES), calls)
    measure("quanvolution", Quanvolution(28), torch.rand(3, 1, 28, 28), 196)


if __name__ == "__main__":
    main()
