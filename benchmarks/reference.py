"""The reference results, from PennyLane's default.qubit in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pennylane as qml
from scipy.special import erf

from benchmarks.templates import observable, template
from benchmarks.workloads import Array, Arrays, Circuit, Columns, Workload, around, cone

MOST_WIRES = 20  # simulated as a whole; wider circuits one observable at a time, on its light cone
NUMPY = Arrays(lambda weights: weights.astype(np.float64), np.tanh, erf)


def evaluate(workload: Workload, rows: Array) -> Array:
    """Return the results of a workload for some rows: float64, shape `(rows, results)`."""

    def circuit(columns: Array) -> Array:
        return run_templates(workload, columns)

    def by_cones(columns: Array) -> Array:
        return run_cones(workload.circuit, columns)

    run = circuit if workload.wires <= MOST_WIRES else by_cones
    return np.asarray(around(workload, run, NUMPY)(rows.astype(np.float64)))


def run_templates(workload: Workload, columns: Array) -> Array:
    """Run the PennyLane template of a workload on all rows at once."""
    qnode = qml.QNode(template(workload), qml.device("default.qubit", wires=workload.wires))
    results = qnode(columns, **workload.weights)
    if isinstance(results, list | tuple):
        results = np.stack(results, axis=-1)
    # The expectation value of a Hamiltonian has no batch axis if the batch is one row.
    return np.asarray(results).reshape(len(columns), -1)


def run_cones(circuit: Circuit, columns: Array) -> Array:
    """Run the gates of the light cone of each observable, on the wires of the cone."""
    results = []
    for words in circuit.observables:
        wires = {wire for word in words for wire in word.wires}
        gates = cone(circuit, wires)
        wires = wires.union(*(gate.wires for gate in gates))

        @qml.qnode(qml.device("default.qubit", wires=sorted(wires)))
        def qnode(gates: Any = gates, words: Any = words) -> Any:
            for gate in gates:
                angles = [
                    columns[:, angle.factors].prod(axis=1) if isinstance(angle, Columns) else angle
                    for angle in gate.angles
                ]
                OPERATORS[gate.name](*angles, wires=gate.wires)
            return qml.expval(observable(words))

        # The result has no batch axis if the batch is one row or the cone has no data.
        results.append(np.broadcast_to(np.ravel(qnode()), len(columns)))
    return np.stack(results, axis=-1)


OPERATORS = {
    "H": qml.Hadamard,
    "CNOT": qml.CNOT,
    "CZ": qml.CZ,
    "RX": qml.RX,
    "RY": qml.RY,
    "RZ": qml.RZ,
    "Rot": qml.Rot,
    "ZZ": qml.IsingZZ,
}
