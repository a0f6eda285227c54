"""Measure what an export costs, beside torch's own exporter on the classical twin of each model.

`python -m benchmarks.exporting [ROW ...]` prints a line for each row; `--list` names them. The twin
of a model has a Linear in the place of each circuit and goes through `torch.onnx.export`, with the
same axes open. Both run in one process, in turns, after the imports and a first export of each.
CPU seconds are those of all threads, the lowest of the rounds. Verification is counted apart: it is
the difference to an export with it. Memory is how far the process grows at most during an export,
beside the largest constant of its file.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import pennylane as qml
import torch
from torch import Tensor, nn

import hybridx
from benchmarks.templates import template
from benchmarks.workloads import make
from hybridx.capture import quiet
from hybridx.models import (
    ClassicalModelConfig,
    HybridClassifier,
    HybridModelConfig,
    QuantumLayerConfig,
)

WIRES = 4
MEGABYTE = 2**20
_LAYER = Callable[[], nn.Module]
"""Returns a quantum layer, or the Linear in its place."""


class QLSTM(nn.Module):
    """An LSTM whose four gates are circuits, unrolled over the steps of a sequence."""

    def __init__(self, make_layer: _LAYER, steps: int, hidden: int = 8, width: int = 3) -> None:
        super().__init__()
        self.steps, self.hidden = steps, hidden
        self.enter = nn.Linear(hidden + width, WIRES)
        self.gates = nn.ModuleDict(
            {gate: make_layer() for gate in ("forget", "input", "candidate", "output")}
        )
        self.leave = nn.Linear(WIRES, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From `(batch, steps, width)` to all hidden states and the last two states."""
        h = torch.zeros(x.shape[0], self.hidden)
        c = torch.zeros(x.shape[0], self.hidden)
        states = []
        for step in range(self.steps):
            y = self.enter(torch.cat([h, x[:, step]], dim=1))
            forget = torch.sigmoid(self.leave(self.gates["forget"](y)))
            enter = torch.sigmoid(self.leave(self.gates["input"](y)))
            candidate = torch.tanh(self.leave(self.gates["candidate"](y)))
            leave = torch.sigmoid(self.leave(self.gates["output"](y)))
            c = forget * c + enter * candidate
            h = leave * torch.tanh(c)
            states.append(h)
        return torch.stack(states, 1), h, c


class Heads(nn.Module):
    """Four quantum layers, each called on every token of a sequence."""

    def __init__(self, make_layer: _LAYER, tokens: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(make_layer() for _ in range(4))
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

    def __init__(self, make_layer: _LAYER, side: int) -> None:
        super().__init__()
        self.layer = make_layer()
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


def linear_layer() -> nn.Module:
    """Return what takes the place of a quantum layer in a twin."""
    return nn.Linear(WIRES, WIRES)


@dataclass(frozen=True)
class Row:
    """A model, its twin, and an example of their input.

    Attributes:
        model: returns the model with circuits.
        twin: returns the same model with a Linear in the place of each circuit; None where the
            model is nothing but a circuit.
        shape: of the example; the first axis is the batch.
    """

    model: Callable[[], nn.Module]
    twin: Callable[[], nn.Module] | None
    shape: tuple[int, ...]


def _pair(build: Callable[[_LAYER], nn.Module], *shape: int) -> Row:
    return Row(lambda: build(quantum_layer), lambda: build(linear_layer), shape)


def _classifier() -> HybridClassifier:
    config = HybridModelConfig(
        classical=ClassicalModelConfig(input_dim=4, hidden_dims=(32, 6)),
        quantum=QuantumLayerConfig(n_qubits=6),
        n_classes=3,
        post_quantum_dim=32,
    )
    return HybridClassifier(config, seed=0)


def _classical_classifier() -> nn.Module:
    twin = _classifier()
    twin.quantum = nn.Linear(6, 6)
    return twin


def _amplitudes(wires: int) -> nn.Module:
    """Return workload W3: amplitudes in, probabilities of all wires out."""
    workload = make("W3", wires)
    qnode = qml.QNode(template(workload), qml.device("default.qubit", wires=wires))
    shapes = {name: array.shape for name, array in workload.weights.items()}
    return qml.qnn.TorchLayer(qnode, shapes)


ROWS: Mapping[str, Row] = {
    "classifier": Row(_classifier, _classical_classifier, (3, 4)),
    **{
        f"qlstm-{steps}": _pair(lambda layer, steps=steps: QLSTM(layer, steps), 3, steps, 3)
        for steps in (2, 6, 24, 100)
    },
    **{
        f"heads-{4 * tokens}": _pair(
            lambda layer, tokens=tokens: Heads(layer, tokens), 3, tokens, WIRES
        )
        for tokens in (5, 25, 125)
    },
    "quanvolution-196": _pair(lambda layer: Quanvolution(layer, 28), 3, 1, 28, 28),
    "amplitudes-12": Row(lambda: _amplitudes(12), None, (3, 2**12)),
    "amplitudes-16": Row(lambda: _amplitudes(16), None, (3, 2**16)),
}


@dataclass
class Cost:
    """What runs of one function took.

    Attributes:
        seconds: of CPU, in all threads, the lowest of the runs.
        growth: bytes by which the process grew at most in the latest run.
    """

    seconds: float = float("inf")
    growth: int = 0

    def add(self, run: Callable[[], object]) -> None:
        """Run the function once more."""
        gc.collect()
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew
        started = time.process_time()
        run()
        self.seconds = min(self.seconds, time.process_time() - started)
        self.growth = _memory("VmHWM") - before


def _memory(key: str) -> int:
    """Return a line of the process's memory in bytes: VmRSS is what it holds, VmHWM the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


def measure(name: str, row: Row, rounds: int) -> str:
    """Return the line of a row."""
    torch.manual_seed(0)
    model, example = row.model(), torch.rand(row.shape)
    twin = None if row.twin is None else row.twin().eval()
    plain, verified, of_twin = Cost(), Cost(), Cost()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for _ in range(rounds):
            plain.add(lambda: export(model, example, path, verify=False))
            if twin is not None:
                of_twin.add(lambda: export_classical(twin, example, Path(folder) / "twin.onnx"))
        verified.add(lambda: export(model, example, path, verify=True))
        constant = largest_constant(path)
    ratio = f"{plain.seconds / of_twin.seconds:5.2f} times" if twin is not None else " " * 11
    beside = f"twin {of_twin.seconds:6.2f} s" if twin is not None else " " * 13
    return (
        f"{name:17} export {plain.seconds:6.2f} s   {beside}   {ratio}   "
        f"verification {max(0.0, verified.seconds - plain.seconds):6.2f} s   "
        f"memory {plain.growth / MEGABYTE:6.1f} MB   "
        f"largest constant {constant / MEGABYTE:6.2f} MB"
    )


def export(model: nn.Module, example: Tensor, path: Path, *, verify: bool) -> None:
    """Export a model with circuits."""
    hybridx.export(model, (example,), path, verify=verify, overwrite=True)


def export_classical(twin: nn.Module, example: Tensor, path: Path) -> None:
    """Export a model without circuits as torch does, with an open batch."""
    shapes = ({0: torch.export.Dim("batch")},)
    with quiet():
        torch.onnx.export(
            twin,
            (example,),
            path,
            dynamo=True,
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )


def largest_constant(path: Path) -> int:
    """Return the size of the largest tensor in a file, in bytes."""
    model = onnx.load(path)
    tensors = [*model.graph.initializer]
    for graph in (model.graph, *model.functions):
        for node in graph.node:
            tensors += [attribute.t for attribute in node.attribute if attribute.HasField("t")]
    return max((tensor.ByteSize() for tensor in tensors), default=0)


def profile(row: Row, lines: int) -> None:
    """Print where the time of one export goes."""
    torch.manual_seed(0)
    model, example = row.model(), torch.rand(row.shape)
    with tempfile.TemporaryDirectory() as folder:
        profiler = cProfile.Profile()
        profiler.enable()
        export(model, example, Path(folder) / "model.onnx", verify=False)
        profiler.disable()
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(lines)


def main() -> None:
    """Print one line for each row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="by default all")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, of which the lowest")
    parser.add_argument("--profile", type=int, metavar="LINES", help="profile one export instead")
    options = parser.parse_args()
    if options.list:
        print(*ROWS, sep="\n")
        return
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    warm = ROWS["classifier"]
    with tempfile.TemporaryDirectory() as folder:
        example = torch.rand(warm.shape)
        export(warm.model(), example, Path(folder) / "model.onnx", verify=True)
        export_classical(_classical_classifier().eval(), example, Path(folder) / "twin.onnx")
    for name in options.rows or ROWS:
        if options.profile:
            profile(ROWS[name], options.profile)
        else:
            print(measure(name, ROWS[name], options.rounds), flush=True)


if __name__ == "__main__":
    main()
