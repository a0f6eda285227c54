"""TorchQuantum: torch in complex64, the whole batch in one device, weights shared by its rows."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.peers.serve import THREADS
from benchmarks.peers.torchquantum.peer import GATES, means, tq
from benchmarks.training.lessons import Lesson, angle_of, live_gates, model_of
from benchmarks.training.steps import Training, serve_steps
from benchmarks.training.with_torch import TORCH, train_function


def begin(lesson: Lesson) -> Training:
    described, gates = lesson.workload.circuit, live_gates(lesson.workload)

    def circuit(columns: Tensor, weights: Tensor) -> Tensor:
        device = tq.QuantumDevice(n_wires=described.wires, bsz=len(columns))
        flat = weights.reshape(-1)
        for gate in gates:
            params = None
            if gate.name == "Rot":
                a, b, c = (angle_of(angle, columns, flat) for angle in gate.angles)
                params = torch.stack([b, c, a])[None]
            elif gate.angles:
                params = angle_of(gate.angles[0], columns, flat).reshape(-1, 1)
            GATES[gate.name](device, wires=list(gate.wires), params=params)
        return means(device, described)

    return train_function(model_of(lesson.workload, circuit, TORCH), lesson)


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    serve_steps(begin, ("torch", "torchquantum"))
