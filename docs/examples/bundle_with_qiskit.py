"""Runs a bundle with ONNX Runtime and Qiskit, without hybridx, PennyLane and torch.

    hybridx convert model.onnx -o bundle
    pip install onnxruntime qiskit qiskit-qasm3-import
    python bundle_with_qiskit.py bundle

It prints the outputs for the input of the bundle's self-test, and their distance from the recorded
ones. To run on a quantum computer, replace `run_row`; docs/file-format.md describes the format.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from qiskit import qasm3
from qiskit.quantum_info import SparsePauliOp, Statevector


def run_bundle(folder, inputs):
    """Run the steps of the manifest one after another, on named values."""
    manifest = json.loads((folder / "manifest.json").read_text())
    values = dict(inputs)
    for step in manifest["steps"]:
        if step["type"] == "classical":
            session = onnxruntime.InferenceSession(folder / step["model"])
            fed = {name: values[name] for name in step["inputs"]}
            values.update(zip(step["outputs"], session.run(step["outputs"], fed), strict=True))
        else:
            files = manifest["circuits"][step["circuit"]]
            results = run_circuit(folder, files, values[step["parameters"]])
            values[step["results"]] = results.astype(step["dtype"])
    return {output["name"]: values[output["name"]] for output in manifest["outputs"]}


def run_circuit(folder, files, parameters):
    """Run a circuit for every row of its parameters: `(batch, P)` gives `(batch, M)`."""
    if not files.get("qasm"):
        raise NotImplementedError(f"{files['json']} has no OpenQASM 3")
    circuit = qasm3.loads((folder / files["qasm"]).read_text())  # p0, p1, … are its Parameters
    measurements = json.loads((folder / files["json"]).read_text())["circuit"]["measurements"]
    return np.array([run_row(circuit, row, measurements) for row in parameters])


def run_row(circuit, row, measurements):
    """Simulate one row and return the results of all measurements side by side."""
    angles = {name: float(row[int(name.name[1:])]) for name in circuit.parameters}
    state = Statevector(circuit.assign_parameters(angles))
    results = []
    for measurement in measurements:
        if measurement["type"] == "expectation":
            # Wire n is qubit n. As a label, Qiskit writes qubit 0 last; a sparse list avoids that.
            terms = [(letters, wires, factor) for factor, letters, wires in measurement["terms"]]
            observable = SparsePauliOp.from_sparse_list(terms, circuit.num_qubits)
            results.append(state.expectation_value(observable).real)
        elif measurement["type"] == "probabilities":
            # Qiskit's first qubit is the least significant one of an outcome, hybridx's the most.
            results.extend(state.probabilities(measurement["wires"][::-1]))
        else:
            raise NotImplementedError(measurement["type"])
    return results


def arrays(tensors):
    """Return the named arrays of a self-test."""
    return {
        name: np.frombuffer(base64.b64decode(tensor["data"]), tensor["dtype"]).reshape(
            tensor["shape"]
        )
        for name, tensor in tensors.items()
    }


if __name__ == "__main__":
    bundle = Path(sys.argv[1])
    metadata = json.loads((bundle / "manifest.json").read_text())["metadata"]
    test = json.loads(metadata["hybridx.selftest"])
    recorded = arrays(test["outputs"])
    for name, output in run_bundle(bundle, arrays(test["inputs"])).items():
        print(name, output, f"off by {np.abs(output - recorded[name]).max():.1e}", sep="\n")
