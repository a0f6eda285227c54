"""Runs an example twice: with PennyLane, and captured and lowered by hybridx, in NumPy."""

from __future__ import annotations

from functools import cache
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, fx, nn

from hybridx.capture import CIRCUIT_OP, Flat, capture, describe_call, prepare_example
from hybridx.lowering import choose
from hybridx.passes import run_passes
from hybridx.program import run
from tests.support.examples import Example

DATA = torch.tensor([[0.3, 1.9, -0.7], [2.2, 0.4, 1.1], [-1.3, 0.8, 2.6]], dtype=torch.float64)


class Circuit(nn.Module):
    """An example between two probes, which make phases visible and avoid basis states."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self.example = example
        # default.qubit needs one more wire for each mid-circuit measurement.
        wires = None if example.device == "default.qubit" else example.wires
        self.node = qml.QNode(self.play, qml.device(example.device, wires=wires))

    def play(self, x: Tensor) -> Any:
        _entangle(x, self.example.probed)
        done = self.example.apply(x)
        if isinstance(done, qml.measurements.MeasurementProcess):
            return done
        return _finish(x, self.example)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.node(x)
        return result


def _entangle(x: Tensor, wires: int) -> None:
    # Each angle of a tape takes time to trace, so the probes use fixed gates if possible.
    for wire in range(wires):
        if wire < x.shape[1]:
            qml.RY(x[:, wire], wire)
        else:
            qml.Hadamard(wire)
        qml.T(wire)
    for wire in range(wires - 1):
        qml.CNOT([wire, wire + 1])
        qml.SX(wire)


def _finish(x: Tensor, example: Example) -> Any:
    if not example.probed:
        qml.RY(x[:, 1], 0)
    for wire in range(example.wires):
        qml.T(wire)
        qml.Hadamard(wire)
        qml.T(wire)
        qml.Hadamard(wire)
    return qml.probs(wires=range(example.wires))


@cache
def eager(example: Example) -> Tensor:
    """Return the results of PennyLane, complex128 or float64."""
    with torch.no_grad():
        result: Tensor = Circuit(example)(DATA)
    return result


def compiled(example: Example) -> Tensor:
    """Return the result of an example, captured and lowered; see `results_of`."""
    (result,) = results_of(Circuit(example))
    return result


def results_of(model: nn.Module, *, rehearses: bool = False) -> list[Tensor]:
    """Return the results of a captured and lowered model, whose programs run in NumPy.

    Args:
        model: takes `DATA`.
        rehearses: run it once in eager, as a model that loops over its rows needs.

    Raises:
        HybridxError: hybridx does not support the model.
    """
    call, tensors = describe_call(model, (DATA,), {})
    flat = Flat(model, call)
    ready = prepare_example(flat, tensors, dtype="float64", rehearses=rehearses)
    captured = capture(flat, ready, dtype="float64")
    assert captured.is_dynamic, captured.notes
    programs = [choose(run_passes(circuit)).plan.build() for circuit in captured.circuits]

    class Runner(fx.Interpreter):
        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            if target is CIRCUIT_OP:
                parameters, index, _ = args
                return torch.from_numpy(run(programs[index], parameters.numpy()))
            return super().call_function(target, args, kwargs)

    with torch.no_grad():
        return list(Runner(captured.module).run(DATA))
