"""A circuit run by PennyLane's default.qubit, built here without the project's own bridge."""

import numpy as np
import pennylane as qml

from hybridx.circuit import Parameter


def simulate(circuit, parameters):
    """Return float64 `(batch, M)`."""
    return np.array([_run(circuit, row) for row in parameters]).reshape(
        len(parameters), len(circuit.measurements)
    )


def _run(circuit, row):
    @qml.qnode(qml.device("default.qubit", wires=circuit.wires))
    def quantum():
        for applied in circuit.operations:
            angle = applied.angle
            if isinstance(angle, Parameter):
                angle = angle.scale * row[angle.column] + angle.offset
            arguments = [] if angle is None else [angle]
            make = getattr(qml, applied.gate)
            if applied.adjoint:
                make = qml.adjoint(make)
            if applied.controls:
                make = qml.ctrl(make, applied.controls, applied.control_values)
            make(*arguments, wires=applied.wires)
        return [qml.expval(_observable(measurement)) for measurement in circuit.measurements]

    return np.array([float(value) for value in quantum()])


def _observable(measurement):
    paulis = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}
    words = []
    for term in measurement.terms:
        factors = [
            paulis[letter](wire) for letter, wire in zip(term.letters, term.wires, strict=True)
        ]
        words.append(term.coefficient * qml.prod(qml.Identity(0), *factors))
    return qml.sum(qml.s_prod(0.0, qml.Identity(0)), *words)
