"""The circuits of the workloads as people write them: PennyLane templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pennylane as qml

from benchmarks.workloads import Word, Workload


def template(workload: Workload) -> Callable[..., Any]:
    """Return the function of a QNode, which takes `inputs` and the weights by name."""
    wires = range(workload.wires)

    def w1(inputs: Any, weights: Any) -> Any:
        qml.AngleEmbedding(inputs, wires=wires, rotation="Y")
        qml.StronglyEntanglingLayers(weights, wires=wires)
        return [qml.expval(qml.PauliZ(wire)) for wire in wires]

    def w2(inputs: Any, weights: Any) -> Any:
        for upload in range(3):
            qml.AngleEmbedding(inputs, wires=wires, rotation="X")
            qml.AngleEmbedding(inputs, wires=wires, rotation="Z")
            qml.BasicEntanglerLayers(weights[upload], wires=wires)
        return [qml.expval(qml.PauliZ(wire)) for wire in wires]

    def w3(inputs: Any, weights: Any) -> Any:
        qml.AmplitudeEmbedding(inputs, wires=wires, normalize=True)
        qml.StronglyEntanglingLayers(weights, wires=wires)
        return qml.probs(wires=wires)

    def w4(inputs: Any, weights: Any) -> Any:
        qml.IQPEmbedding(inputs, wires=wires)
        qml.StronglyEntanglingLayers(weights, wires=wires)
        return qml.expval(observable(workload.circuit.observables[0]))

    def w5(inputs: Any, initial_layer_weights: Any, weights: Any) -> Any:
        qml.AngleEmbedding(inputs, wires=wires, rotation="Y")
        qml.SimplifiedTwoDesign(initial_layer_weights, weights, wires=wires)
        return [qml.expval(qml.PauliZ(wire)) for wire in wires]

    def recurrent(inputs: Any, weights: Any) -> Any:
        qml.AngleEmbedding(inputs, wires=wires)
        qml.BasicEntanglerLayers(weights, wires=wires)
        return [qml.expval(qml.PauliZ(wire)) for wire in wires]

    templates: Mapping[str, Callable[..., Any]] = {
        "W1": w1,
        "W2": w2,
        "W3": w3,
        "W4": w4,
        "W5": w5,
        "classifier": w1,
        "quanvolution": w1,
        "rows": w1,
        "QLSTM": recurrent,
    }
    return templates[workload.name]


def observable(words: tuple[Word, ...]) -> Any:
    """Return a sum of Pauli words as a PennyLane operator."""
    return qml.Hamiltonian(
        [word.coefficient for word in words],
        [
            qml.pauli.string_to_pauli_word(
                word.letters, {wire: index for index, wire in enumerate(word.wires)}
            )
            for word in words
        ],
    )
