"""A TorchLayer as people train it, the same compiled by hybridx, and a Linear in its place."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from functools import partial

import pennylane as qml
import torch
from torch import Tensor, nn

import hybridx
from benchmarks.modules import torch_model
from benchmarks.peers.serve import THREADS, CannotError
from benchmarks.training.lessons import Lesson
from benchmarks.training.steps import Training, serve_steps
from benchmarks.training.with_torch import train_module
from benchmarks.workloads import Workload, make


def eager(device: str, lesson: Lesson) -> Training:
    return train_module(torch_model(lesson.workload, device), lesson)


class ByRow(nn.Module):
    """A layer that takes one row after another."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """From `(batch, columns)` to `(batch, results)`."""
        return torch.stack([self.layer(row) for row in x.split(1)])


def lightning(lesson: Lesson) -> Training:
    if lesson.workload.name != "W4":
        return eager("lightning.qubit", lesson)
    # After IQPEmbedding, PennyLane 0.45 gives batch x batch results on devices without batches.
    return train_module(ByRow(torch_model(lesson.workload, "lightning.qubit")), lesson)


def floor(lesson: Lesson) -> Training:
    """Return the same script with a Linear in the place of each circuit."""
    model = torch_model(lesson.workload, "default.qubit")
    circuit = lesson.workload.circuit
    linear = partial(nn.Linear, circuit.columns, len(circuit.observables))
    for name, layer in list(model.named_modules()):
        if qnodes_of(layer):
            if not name:
                return train_module(linear(), lesson)
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, linear())
    return train_module(model, lesson)


def qnodes_of(layer: nn.Module) -> list[qml.QNode]:
    return [one for one in vars(layer).values() if isinstance(one, qml.QNode)]


def compiled(lesson: Lesson) -> Training:
    """Return a model after `hybridx.accelerate`, all of whose calls are compiled."""
    model = accelerated(lesson.workload)
    training = train_module(model, lesson)

    def gradients() -> object:
        # The first step has met the rows. Now a call of the model must reach no device.
        qnodes = [qnode for layer in model.modules() for qnode in qnodes_of(layer)]
        assert qnodes, "the model has circuits"
        with ExitStack() as stack, torch.no_grad():
            seen = [stack.enter_context(qml.Tracker(qnode.device)) for qnode in qnodes]
            model(torch.from_numpy(lesson.rows))
        if any(tracker.totals for tracker in seen):
            raise CannotError("a circuit was run by PennyLane")
        return training.gradients()

    return Training(training.step, gradients)


def accelerated(workload: Workload) -> nn.Module:
    model = torch_model(workload, "default.qubit")
    report = hybridx.accelerate(model, (torch.from_numpy(workload.inputs(2)),))
    for layer in report.layers:
        if not layer.is_compiled:
            raise CannotError(f"{layer.layer} stays eager: {layer.reason}")
    return model


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(THREADS)
    peers = {
        "hybridx": compiled,
        "floor": floor,
        "default.qubit": partial(eager, "default.qubit"),
        "lightning.qubit": lightning,
    }
    if sys.argv[1] == "hybridx":
        accelerated(make("W1", 2))  # the first use on a machine compiles the interpreter
    serve_steps(peers, ("numba", "pennylane", "pennylane-lightning", "torch"))
