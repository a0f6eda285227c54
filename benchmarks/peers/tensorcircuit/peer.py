"""TensorCircuit-NG on JAX in complex64: one row, vmapped over the batch and jitted.

Where wires are many and gates few, it contracts the light cone of each observable.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import tensorcircuit
from jax import numpy as jnp

from benchmarks.peers.serve import Call, Task, serve
from benchmarks.workloads import Arrays, Circuit, Columns, Word, around

JAX = Arrays(jnp.asarray, jnp.tanh, jax.scipy.special.erf)


def run_row(circuit: Circuit, by_cones: bool, columns: Any) -> Any:
    """From `(columns,)` to `(results,)`."""
    first = columns / jnp.linalg.norm(columns) if circuit.starts_in_data else None
    built = tensorcircuit.Circuit(circuit.wires, inputs=first)
    for gate in circuit.gates:
        angles = [
            columns[jnp.asarray(angle.factors)].prod() if isinstance(angle, Columns) else angle
            for angle in gate.angles
        ]
        apply(built, gate.name, gate.wires, angles)
    return means(built, circuit, by_cones) if circuit.observables else built.probability()


def apply(
    built: tensorcircuit.Circuit, name: str, wires: tuple[int, ...], angles: list[Any]
) -> None:
    """Add a gate to a circuit."""
    match name, angles:
        case "Rot", [a, b, c]:
            built.u(*wires, theta=b, phi=c, lbd=a)
        case "ZZ", [a]:
            built.rzz(*wires, theta=a)
        case _, [a]:
            getattr(built, name.lower())(*wires, theta=a)
        case _, []:
            getattr(built, name.lower())(*wires)


def means(built: tensorcircuit.Circuit, circuit: Circuit, by_cones: bool) -> Any:
    """Return the expectation values of the observables."""

    def mean(word: Word) -> Any:
        places: dict[str, list[int]] = {"x": [], "y": [], "z": []}
        for letter, wire in zip(word.letters, word.wires, strict=True):
            places[letter.lower()].append(wire)
        options = {"reuse": not by_cones, "enable_lightcone": by_cones}
        return word.coefficient * built.expectation_ps(**places, **options).real

    return jnp.stack([sum(map(mean, words)) for words in circuit.observables])


def prepare(task: Task) -> Call:
    workload = task.workload
    row = partial(run_row, workload.circuit, workload.name == "W5")
    run = jax.jit(around(workload, jax.vmap(row), JAX))
    x = jnp.asarray(task.rows)
    return lambda: run(x).block_until_ready()


if __name__ == "__main__":
    tensorcircuit.set_backend("jax")
    serve(prepare, ("jax", "tensorcircuit-ng"))
