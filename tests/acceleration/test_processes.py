"""An accelerated model in two processes that share their gradients."""

from __future__ import annotations

import pennylane as qml
import pytest
import torch
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

import hybridx

ROWS = 6


def model():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.StronglyEntanglingLayers(weights, wires=range(2))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

    torch.manual_seed(0)
    layer = qml.qnn.TorchLayer(circuit, {"weights": (2, 2, 3)})
    return nn.Sequential(nn.Linear(3, 2), layer, nn.Linear(2, 1)).double()


def rows():
    return torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def gradients(module, x):
    (module(x) ** 2).mean().backward()
    return [parameter.grad.clone() for parameter in module.parameters()]


def run(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    wrapped = DistributedDataParallel(model())
    report = hybridx.accelerate(wrapped, (rows()[:2],))
    assert [layer.is_compiled for layer in report.layers] == [True]
    found = gradients(wrapped, rows()[rank::2])
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow  # two processes that import all anew
def test_gradients_are_averaged(tmp_path):
    multiprocessing.spawn(run, (str(tmp_path),), nprocs=2)
    wanted = gradients(model(), rows())
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        for one, other in zip(found, wanted, strict=True):
            # a few roundings of float64 in another order of sums
            assert torch.allclose(one, other, rtol=0, atol=1e-12)
