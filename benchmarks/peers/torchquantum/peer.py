"""TorchQuantum: torch in complex64, the whole batch in one device."""

from __future__ import annotations

import sys
from unittest.mock import MagicMock

# TorchQuantum imports its image data sets, which are not used here. They import torchvision, whose
# CUDA build does not load with a torch for CPUs.
for part in ("", ".datasets", ".datasets.utils", ".transforms", ".transforms.functional"):
    sys.modules[f"torchvision{part}"] = MagicMock()

import torch  # noqa: E402
import torchquantum as tq  # noqa: E402
import torchquantum.functional as tqf  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks.peers.serve import THREADS, Call, CannotError, Task, serve  # noqa: E402
from benchmarks.workloads import Arrays, Circuit, Columns, around  # noqa: E402

TORCH = Arrays(torch.from_numpy, torch.tanh, torch.erf)
GATES = {"H": tqf.hadamard, "CNOT": tqf.cnot, "CZ": tqf.cz, "ZZ": tqf.rzz, "Rot": tqf.u3}
GATES |= {"RX": tqf.rx, "RY": tqf.ry, "RZ": tqf.rz}
MOST_DENSE_WIRES = 12  # it computes the expectation value of a word with a dense matrix


def run(circuit: Circuit, columns: Tensor) -> Tensor:
    """From `(batch, columns)` to `(batch, results)`."""
    device = tq.QuantumDevice(n_wires=circuit.wires, bsz=len(columns))
    if circuit.starts_in_data:
        device.set_states(torch.nn.functional.normalize(columns).cfloat())
    for gate in circuit.gates:
        params = None
        if gate.name == "Rot":
            a, b, c = gate.angles
            params = torch.tensor([[b, c, a]])
        elif gate.angles:
            (angle,) = gate.angles
            params = torch.tensor([[angle]]) if isinstance(angle, float) else data(angle, columns)
        GATES[gate.name](device, wires=list(gate.wires), params=params)
    if not circuit.observables:
        return device.get_states_1d().abs().square()
    return means(device, circuit)


def means(device: tq.QuantumDevice, circuit: Circuit) -> Tensor:
    """Return the expectation values of the observables: `(batch, results)`."""
    if all(len(words) == 1 and words[0].letters == "Z" for words in circuit.observables):
        return tq.MeasureAll(tq.PauliZ)(device)
    if circuit.wires > MOST_DENSE_WIRES:
        raise CannotError("the mean value of a Pauli word takes a dense matrix of all wires")
    found = []
    for words in circuit.observables:
        terms = []
        for word in words:
            letters = ["I"] * circuit.wires
            for letter, wire in zip(word.letters, word.wires, strict=True):
                letters[wire] = letter
            mean = tq.expval_joint_analytical(device, "".join(letters))
            terms.append(word.coefficient * mean)
        found.append(sum(terms))
    return torch.stack(found, -1)


def data(angle: Columns, columns: Tensor) -> Tensor:
    return columns[:, list(angle.factors)].prod(-1, keepdim=True)


def prepare(task: Task) -> Call:
    circuit, x = task.workload.circuit, torch.from_numpy(task.rows)
    model = around(task.workload, lambda columns: run(circuit, columns), TORCH)

    def call() -> Tensor:
        with torch.no_grad():
            return model(x)

    return call


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    serve(prepare, ("torch", "torchquantum"))
