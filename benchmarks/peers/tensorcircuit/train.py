"""TensorCircuit-NG on JAX in complex64: one row, vmapped over the batch, in a jitted step."""

from __future__ import annotations

from typing import Any

import jax
import tensorcircuit

from benchmarks.peers.tensorcircuit.peer import apply, means
from benchmarks.training.lessons import Lesson, angle_of, live_gates, model_of
from benchmarks.training.steps import Training, serve_steps
from benchmarks.training.with_jax import JAX, train


def begin(lesson: Lesson) -> Training:
    described, gates = lesson.workload.circuit, live_gates(lesson.workload)

    def row(columns: Any, weights: Any) -> Any:
        built = tensorcircuit.Circuit(described.wires)
        for gate in gates:
            angles = [angle_of(angle, columns, weights) for angle in gate.angles]
            apply(built, gate.name, gate.wires, angles)
        return means(built, described, by_cones=False)

    def circuit(columns: Any, weights: Any) -> Any:
        return jax.vmap(row, in_axes=(0, None))(columns, weights.reshape(-1))

    return train(model_of(lesson.workload, circuit, JAX), lesson)


if __name__ == "__main__":
    tensorcircuit.set_backend("jax")
    serve_steps(begin, ("jax", "optax", "tensorcircuit-ng"))
