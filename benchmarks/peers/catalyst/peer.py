"""A PennyLane QNode on lightning.qubit, compiled ahead of time by Catalyst, row by row."""

from __future__ import annotations

from typing import Any

import catalyst
import jax
import pennylane as qml
from jax import numpy as jnp

from benchmarks.peers.serve import Call, Task, serve
from benchmarks.templates import template
from benchmarks.workloads import Arrays, around

JAX = Arrays(jnp.asarray, jnp.tanh, jax.scipy.special.erf)


def prepare(task: Task) -> Call:
    workload = task.workload
    device = qml.device("lightning.qubit", wires=workload.wires)
    weights = {name: jnp.asarray(array) for name, array in workload.weights.items()}
    circuit = template(workload)

    @qml.qnode(device)
    def qnode(columns: Any) -> Any:
        return circuit(columns, **weights)

    def row(columns: Any) -> Any:
        results = qnode(columns)
        return jnp.stack(results) if isinstance(results, list | tuple) else results

    run = qml.qjit(around(workload, catalyst.vmap(row), JAX))
    x = jnp.asarray(task.rows)
    return lambda: run(x).block_until_ready()


if __name__ == "__main__":
    serve(prepare, ("jax", "pennylane", "pennylane-catalyst", "pennylane-lightning"))
