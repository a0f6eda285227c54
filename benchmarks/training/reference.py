"""The first step in PennyLane's default.qubit by backpropagation in float64."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import torch

from benchmarks.modules import torch_model
from benchmarks.records import BUILD
from benchmarks.training.lessons import Lesson, parameters_of
from benchmarks.workloads import Array

MOST_BYTES = 2**30  # for the states that are kept of a slice of the rows


def first_step(lesson: Lesson) -> tuple[float, dict[str, Array]]:
    """Return the loss and the gradients by the names of the parameters; they are kept in a file."""
    work = lesson.workload
    name = f"{work.name}-{work.wires}-{work.layers}-{len(lesson.rows)}-{qml.__version__}.npz"
    path = BUILD / "first-steps" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        loss, slopes = _computed(lesson)
        np.savez(path, loss=loss, **{f"of {name}": slope for name, slope in slopes.items()})
    return read_first_step(path)


def read_first_step(path: object) -> tuple[float, dict[str, Array]]:
    """Return a loss and gradients as a peer or this module writes them."""
    with np.load(path) as found:
        slopes = {name.removeprefix("of "): found[name] for name in found.files if name != "loss"}
        return float(found["loss"]), slopes


def _computed(lesson: Lesson) -> tuple[float, dict[str, Array]]:
    work = lesson.workload
    model = torch_model(work, "default.qubit").double()
    x, y = torch.from_numpy(lesson.rows).double(), torch.from_numpy(lesson.targets).double()
    kept = 16 * 2**work.wires * 4 * len(work.circuit.gates)
    loss = 0.0
    slices = max(1, MOST_BYTES // kept)
    for some, wanted in zip(x.split(slices), y.split(slices), strict=True):
        part = ((model(some).reshape(wanted.shape) - wanted) ** 2).sum() / y.numel()
        part.backward()
        loss += part.item()
    named = dict(model.named_parameters())
    return loss, {
        known: parameter.grad.numpy()
        for known in parameters_of(work)
        for name, parameter in named.items()
        if name == known or name.endswith(f".{known}")
    }
