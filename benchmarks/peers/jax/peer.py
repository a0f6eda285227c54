"""A PennyLane QNode jitted by JAX, in float32, broadcast over the batch."""

from __future__ import annotations

from typing import Any

import jax
import pennylane as qml
from jax import numpy as jnp

from benchmarks.peers.serve import Call, Task, serve
from benchmarks.templates import template
from benchmarks.workloads import Arrays, around

JAX = Arrays(jnp.asarray, jnp.tanh, jax.scipy.special.erf)


def prepare(task: Task) -> Call:
    workload = task.workload
    device = qml.device("default.qubit", wires=workload.wires)
    qnode = qml.QNode(template(workload), device, interface="jax")
    weights = {name: jnp.asarray(array) for name, array in workload.weights.items()}

    def circuit(columns: Any) -> Any:
        results = qnode(columns, **weights)
        return jnp.stack(results, axis=-1) if isinstance(results, list | tuple) else results

    run = jax.jit(around(workload, circuit, JAX))
    x = jnp.asarray(task.rows)
    return lambda: run(x).block_until_ready()


if __name__ == "__main__":
    serve(prepare, ("jax", "pennylane"))
