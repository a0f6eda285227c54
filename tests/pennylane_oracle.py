"""A circuit run by PennyLane's own simulators, built here without the project's own bridge."""

import numpy as np
import pennylane as qml
import torch

from hybridx.circuit import (
    Apply,
    Channel,
    DensityMatrix,
    Entropy,
    Expectation,
    MutualInformation,
    Parameter,
    Prepare,
    Probabilities,
    Purity,
    State,
    Unitary,
    Variance,
    has_channel,
)


def simulate(circuit, parameters):
    """Return float64 `(batch, M)`."""
    return np.array([_run(circuit, row) for row in parameters]).reshape(len(parameters), -1)


def gradients(circuit, parameters, cotangents):
    """Return the gradient of real results by backpropagation, `(batch, P)`."""
    found = []
    for row, cotangent in zip(parameters, cotangents, strict=True):
        given = torch.tensor(row, requires_grad=True)
        values = _values(circuit, given, "torch")
        results = torch.cat([torch.real(value).reshape(-1) for value in values])
        found.append(torch.autograd.grad(results, given, torch.tensor(cotangent))[0].numpy())
    return np.array(found)


def _values(circuit, row, interface):
    name = "default.mixed" if has_channel(circuit) else "default.qubit"

    @qml.qnode(qml.device(name, wires=circuit.wires), interface=interface)
    def quantum():
        for operation in circuit.operations:
            _apply(operation, row)
        return [_measure(measurement) for measurement in circuit.measurements]

    return quantum()


def _run(circuit, row):
    columns = []
    for value in _values(circuit, row, "auto"):
        flat = np.ravel(value)
        columns += [flat.real, flat.imag] if np.iscomplexobj(flat) else [flat]
    return np.concatenate(columns)


def _number(angle, row):
    if isinstance(angle, Parameter):
        return angle.scale * row[angle.column] + angle.offset
    return angle


def _complex(operation, row):
    real = np.array([_number(entry, row) for entry in operation.real], dtype=complex)
    imaginary = [_number(entry, row) for entry in operation.imaginary]
    return real + 1j * np.array(imaginary) if imaginary else real


def _apply(operation, row):
    match operation:
        case Apply():
            arguments = [] if operation.angle is None else [_number(operation.angle, row)]
            make = getattr(qml, operation.gate)
            if operation.adjoint:
                make = qml.adjoint(make)
            if operation.controls:
                make = qml.ctrl(make, operation.controls, operation.control_values)
            make(*arguments, wires=operation.wires)
        case Unitary():
            size = 2 ** len(operation.wires)
            qml.QubitUnitary(_complex(operation, row).reshape(size, size), wires=operation.wires)
        case Channel():
            size = 2 ** len(operation.wires)
            matrices = _complex(operation, row).reshape(-1, size, size)
            qml.QubitChannel(list(matrices), wires=operation.wires)
        case Prepare():
            qml.StatePrep(_complex(operation, row), wires=operation.wires)


def _measure(measurement):
    match measurement:
        case Expectation():
            return qml.expval(_observable(measurement.terms))
        case Variance():
            return qml.var(_observable(measurement.terms))
        case Probabilities():
            return qml.probs(wires=measurement.wires)
        case State():
            return qml.state()
        case DensityMatrix():
            return qml.density_matrix(wires=measurement.wires)
        case Purity():
            return qml.purity(wires=measurement.wires)
        case Entropy():
            return qml.vn_entropy(wires=measurement.wires, log_base=measurement.base)
        case MutualInformation(first, second, base):
            return qml.mutual_info(wires0=first, wires1=second, log_base=base)


def _observable(terms):
    paulis = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}
    words = []
    for term in terms:
        factors = [
            paulis[letter](wire) for letter, wire in zip(term.letters, term.wires, strict=True)
        ]
        words.append(term.coefficient * qml.prod(qml.Identity(0), *factors))
    # PennyLane keeps the eigenvectors of a sum under a hash that does not depend on the order of
    # terms and factors, though the order of wires does. The first term fixes the order of wires.
    wires = sorted({0}.union(*(term.wires for term in terms)))
    return qml.sum(qml.s_prod(0.0, qml.Identity(wires)), *words)
