"""A TorchLayer as people train it, the same compiled by hybridx, and a Linear in its place."""

from __future__ import annotations

import statistics
import sys
import time
import timeit
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from unittest import mock

import numpy as np
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
from hybridx.acceleration import circuit as live_circuit

ACCOUNT_SECONDS = 0.1
CACHED = 2**13  # numbers of each operand of a bare pass


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
    model, steps = accelerated(lesson.workload)
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

    return Training(training.step, gradients, partial(account, training.step, steps))


def account(step: Callable[[], object], steps: int) -> dict[str, float]:
    """Return the seconds of a step of training that the interpreter takes, and its own steps.

    Beside them stands a bare pass: the seconds in which the machine multiplies an amplitude in the
    cache by a number.
    """
    spent = 0.0

    def timed(function: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **kwargs: object) -> object:
            nonlocal spent
            started = time.process_time()
            found = function(*args, **kwargs)
            spent += time.process_time() - started
            return found

        return run

    taken = []
    both = {name: timed(getattr(live_circuit, name)) for name in ("values", "gradients")}
    with mock.patch.multiple(live_circuit, **both):
        until = time.perf_counter() + ACCOUNT_SECONDS
        while len(taken) < 3 or time.perf_counter() < until:
            spent = 0.0
            step()
            taken.append(spent)
    numbers, factors = np.ones((2, CACHED), np.float32)
    passes = timeit.repeat(lambda: np.multiply(numbers, factors, out=numbers), number=100, repeat=9)
    amplitude = statistics.median(passes) / 100 / (CACHED / 2)
    return {"interpreter": statistics.median(taken), "steps": steps, "bare_pass": amplitude}


def accelerated(workload: Workload) -> tuple[nn.Module, int]:
    """Return a model, and the steps of its compiled circuits."""
    model = torch_model(workload, "default.qubit")
    report = hybridx.accelerate(model, (torch.from_numpy(workload.inputs(2)),))
    for layer in report.layers:
        if not layer.is_compiled:
            raise CannotError(f"{layer.layer} stays eager: {layer.reason}")
    return model, sum(layer.steps for layer in report.layers)


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
        for name, wires in (("W1", 2), ("classifier", 6)):  # in float32 and in float64
            accelerated(make(name, wires))  # the first use on a machine compiles the interpreter
    serve_steps(peers, ("numba", "pennylane", "pennylane-lightning", "torch"))
