"""DeepQuantum: torch in complex64, vmapped over the batch."""

from __future__ import annotations

import deepquantum
import torch
from torch import Tensor

from benchmarks.peers.serve import THREADS, Call, Task, serve
from benchmarks.workloads import Arrays, Circuit, Columns, around, data_angles

TORCH = Arrays(torch.from_numpy, torch.tanh, torch.erf)


def build(circuit: Circuit) -> deepquantum.QubitCircuit:
    built = deepquantum.QubitCircuit(circuit.wires)
    for gate in circuit.gates:
        match gate.name, gate.angles:
            case "H", ():
                built.h(*gate.wires)
            case ("CNOT" | "CZ") as name, ():
                getattr(built, name.lower())(*gate.wires)
            case "Rot", (a, b, c):
                built.u3(*gate.wires, inputs=[b, c, a])
            case name, (angle,):
                add = getattr(built, {"ZZ": "rzz"}.get(name, name.lower()))
                wires = list(gate.wires)
                if isinstance(angle, Columns):
                    add(wires, encode=True)
                else:
                    add(wires, inputs=angle)
    observe(built, circuit)
    return built


def observe(built: deepquantum.QubitCircuit, circuit: Circuit) -> None:
    """Add the words of all observables to a circuit."""
    for words in circuit.observables:
        for word in words:
            built.observable(list(word.wires), word.letters.lower())


def prepare(task: Task) -> Call:
    described = task.workload.circuit
    built = build(described)
    angles = [list(angle.factors) for angle in data_angles(described)]
    coefficients = torch.tensor([[word.coefficient for word in w] for w in described.observables])

    def circuit(columns: Tensor) -> Tensor:
        if described.starts_in_data:
            state = built(state=torch.nn.functional.normalize(columns).cfloat()[..., None])
        else:
            data = torch.stack([columns[:, factors].prod(-1) for factors in angles], -1)
            state = built(data)
        if not described.observables:
            return state.reshape(len(columns), -1).abs().square()
        means = built.expectation().reshape(len(columns), *coefficients.shape)
        return (means * coefficients).sum(-1)

    run, x = around(task.workload, circuit, TORCH), torch.from_numpy(task.rows)

    def call() -> Tensor:
        with torch.no_grad():
            return run(x)

    return call


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    serve(prepare, ("deepquantum", "torch"))
