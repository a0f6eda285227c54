"""Qiskit Machine Learning: an EstimatorQNN on Aer in a TorchConnector, exact expectation values."""

from __future__ import annotations

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.primitives import EstimatorV2
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import Tensor

from benchmarks.peers.serve import THREADS, Call, CannotError, Task, serve
from benchmarks.workloads import Arrays, Circuit, Columns, around

TORCH = Arrays(torch.from_numpy, torch.tanh, torch.erf)
AER = {"method": "statevector", "max_parallel_threads": THREADS}


def build(circuit: Circuit) -> EstimatorQNN:
    built, x = QuantumCircuit(circuit.wires), ParameterVector("x", circuit.columns)
    for gate in circuit.gates:
        angles = []
        for angle in gate.angles:
            if isinstance(angle, Columns):
                first, *others = (x[column] for column in angle.factors)
                for other in others:
                    first = first * other
                angles.append(first)
            else:
                angles.append(angle)
        match gate.name, angles:
            case "Rot", [a, b, c]:
                built.u(b, c, a, *gate.wires)
            case "ZZ", [a]:
                built.rzz(a, *gate.wires)
            case "CNOT", []:
                built.cx(*gate.wires)
            case name, angles:
                getattr(built, name.lower())(*angles, *gate.wires)
    observables = [
        SparsePauliOp.from_sparse_list(
            [(word.letters, list(word.wires), word.coefficient) for word in words], circuit.wires
        )
        for words in circuit.observables
    ]
    return EstimatorQNN(
        circuit=built,
        estimator=EstimatorV2(options={"backend_options": AER}),
        observables=observables,
        input_params=list(x),
        default_precision=0.0,
    )


def prepare(task: Task) -> Call:
    described = task.workload.circuit
    if not described.observables:
        raise CannotError("EstimatorQNN gives mean values, no exact probabilities")
    connector = TorchConnector(build(described))
    run, x = around(task.workload, connector, TORCH), torch.from_numpy(task.rows)

    def call() -> Tensor:
        with torch.no_grad():
            return run(x)

    return call


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    serve(prepare, ("qiskit", "qiskit-aer", "qiskit-machine-learning", "torch"))
