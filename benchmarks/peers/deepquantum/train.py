"""DeepQuantum: a QubitCircuit with trained gates, torch in complex64, vmapped over the batch."""

from __future__ import annotations

from typing import Any

import deepquantum
import torch
from torch import Tensor, nn

from benchmarks.peers.deepquantum.peer import observe
from benchmarks.peers.serve import THREADS
from benchmarks.training.lessons import (
    Columns,
    Lesson,
    angle_of,
    live_gates,
    model_of,
    parameters_of,
)
from benchmarks.training.steps import Training, serve_steps
from benchmarks.training.with_torch import TORCH, train
from benchmarks.workloads import Array, Workload


def build(workload: Workload, weights: Array) -> tuple[Any, list[nn.Parameter]]:
    """Return a circuit, and the parameters of its gates in the order of the flattened weights."""
    built = deepquantum.QubitCircuit(workload.circuit.wires)
    placed: dict[int, nn.Parameter] = {}
    for gate in live_gates(workload):
        name, wires = {"ZZ": "rzz", "Rot": "u3"}.get(gate.name, gate.name.lower()), gate.wires
        if not gate.angles:
            getattr(built, name)(*wires)
        elif isinstance(gate.angles[0], Columns):
            getattr(built, name)(list(wires), encode=True)
        else:
            getattr(built, name)(list(wires))  # without inputs, its angles are trained
            last = built.operators[-1]
            own = [last.lambd, last.theta, last.phi] if name == "u3" else [last.theta]
            placed |= {
                angle.place: parameter for angle, parameter in zip(gate.angles, own, strict=True)
            }
    observe(built, workload.circuit)
    ordered = [placed[place] for place in range(len(placed))]
    with torch.no_grad():
        for parameter, value in zip(ordered, weights.ravel(), strict=True):
            parameter.copy_(torch.tensor(value))
    return built, ordered


def begin(lesson: Lesson) -> Training:
    workload = lesson.workload
    described, arrays = workload.circuit, parameters_of(workload)
    circuits = {name: build(workload, arrays[name]) for name in workload.weights}
    dense = {name: nn.Parameter(torch.from_numpy(arrays[name])) for name in workload.dense}
    coefficients = torch.tensor([[word.coefficient for word in w] for w in described.observables])
    angles = [angle for gate in live_gates(workload) for angle in gate.angles]
    encoded = [angle for angle in angles if isinstance(angle, Columns)]

    def circuit(columns: Tensor, built: Any) -> Tensor:
        built(torch.stack([angle_of(angle, columns, None) for angle in encoded], -1))
        means = built.expectation().reshape(len(columns), *coefficients.shape)
        return (means * coefficients).sum(-1)

    model = model_of(workload, circuit, TORCH)
    given = dense | {name: built for name, (built, _) in circuits.items()}

    def gradients() -> dict[str, Any]:
        own = {
            name: torch.stack([one.grad for one in ordered])
            for name, (_, ordered) in circuits.items()
        }
        return {name: one.grad for name, one in dense.items()} | own

    trained = [*dense.values(), *(one for _, ordered in circuits.values() for one in ordered)]
    return train(lambda x: model(given, x), trained, gradients, lesson)


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    serve_steps(begin, ("deepquantum", "torch"))
