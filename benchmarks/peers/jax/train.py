"""A PennyLane QNode in a step of training that JAX jits as a whole, in float32."""

from __future__ import annotations

from typing import Any

import pennylane as qml
from jax import numpy as jnp

from benchmarks.templates import template
from benchmarks.training.lessons import Lesson, model_of
from benchmarks.training.steps import Training, serve_steps
from benchmarks.training.with_jax import JAX, train


def begin(lesson: Lesson) -> Training:
    workload = lesson.workload
    device = qml.device("default.qubit", wires=workload.wires)
    qnode = qml.QNode(template(workload), device, interface="jax", diff_method="backprop")

    def circuit(columns: Any, weights: Any) -> Any:
        results = qnode(columns, weights)
        return jnp.stack(results, axis=-1) if isinstance(results, list | tuple) else results

    return train(model_of(workload, circuit, JAX), lesson)


if __name__ == "__main__":
    serve_steps(begin, ("jax", "optax", "pennylane"))
