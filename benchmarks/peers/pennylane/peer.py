"""PennyLane with torch as a user's model calls it, and as a frozen TorchScript trace."""

from __future__ import annotations

import warnings

import torch

from benchmarks.modules import torch_model
from benchmarks.peers.serve import THREADS, Call, Task, serve


def eager(device: str, task: Task) -> Call:
    model, x = torch_model(task.workload, device), torch.from_numpy(task.rows)

    def call() -> torch.Tensor:
        with torch.no_grad():
            return model(x)

    return call


def default_qubit(task: Task) -> Call:
    return eager("default.qubit", task)


def lightning_qubit(task: Task) -> Call:
    if task.workload.name != "W4":
        return eager("lightning.qubit", task)
    # After IQPEmbedding, PennyLane 0.45 gives batch x batch results on devices without batches.
    model = torch_model(task.workload, "lightning.qubit")
    rows = torch.from_numpy(task.rows).split(1)

    def call() -> torch.Tensor:
        with torch.no_grad():
            return torch.stack([model(row) for row in rows])

    return call


def torchscript(task: Task) -> Call:
    model, x = torch_model(task.workload, "default.qubit"), torch.from_numpy(task.rows)
    with torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(model, x, check_trace=False))

    def call() -> torch.Tensor:
        with torch.no_grad():
            return traced(x)

    return call


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(THREADS)
    peers = {"default.qubit": default_qubit, "lightning.qubit": lightning_qubit}
    serve(peers | {"TorchScript": torchscript}, ("pennylane", "pennylane-lightning", "torch"))
