"""A PennyLane QNode on lightning.qubit in a step of training that Catalyst compiles, row by row."""

from __future__ import annotations

from typing import Any

import catalyst
import pennylane as qml
from jax import numpy as jnp

from benchmarks.templates import template
from benchmarks.training.lessons import Lesson, model_of
from benchmarks.training.steps import Training, serve_steps
from benchmarks.training.with_jax import JAX, train


def begin(lesson: Lesson) -> Training:
    workload = lesson.workload
    device = qml.device("lightning.qubit", wires=workload.wires)
    written = template(workload)

    @qml.qnode(device, diff_method="adjoint")
    def qnode(columns: Any, weights: Any) -> Any:
        return written(columns, weights)

    def row(columns: Any, weights: Any) -> Any:
        results = qnode(columns, weights)
        return jnp.stack(results) if isinstance(results, list | tuple) else results

    def circuit(columns: Any, weights: Any) -> Any:
        return catalyst.vmap(row, in_axes=(0, None))(columns, weights)

    model = model_of(workload, circuit, JAX)
    return train(model, lesson, compiled=qml.qjit, value_and_grad=catalyst.value_and_grad)


if __name__ == "__main__":
    serve_steps(begin, ("jax", "optax", "pennylane", "pennylane-catalyst", "pennylane-lightning"))
