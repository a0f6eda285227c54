"""What is trained: the parameters, the rows and the targets of a workload, and its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import numpy as np

from benchmarks.workloads import DOORS, HIDDEN, SEED, Array, Arrays, Columns, Workload, around

RATE = 0.01  # of Adam

Parameters: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A workload with rows and targets; its loss is the mean of the squared differences.

    Attributes:
        workload: what is trained.
        rows: `(batch, *shape)`.
        targets: `(batch, outputs)`.
    """

    workload: Workload
    rows: Array
    targets: Array


def lesson(workload: Workload, batch: int) -> Lesson:
    """Return seeded rows and targets in float32."""
    widths = {"classifier": 3, "quanvolution": 10, "QLSTM": 1}
    width = widths.get(workload.name, len(workload.circuit.observables))
    targets = np.random.default_rng([SEED, batch, width]).uniform(-1, 1, (batch, width))
    return Lesson(workload, workload.inputs(batch), targets.astype(np.float32))


def parameters_of(workload: Workload) -> dict[str, Array]:
    """Return all that is trained by name, in float32."""
    both = {**workload.weights, **workload.dense}
    return {name: array.astype(np.float32) for name, array in both.items()}


@dataclass(frozen=True, slots=True)
class Weight:
    """An angle that is trained: a place in the flattened weights of the circuit."""

    place: int


@dataclass(frozen=True, slots=True)
class LiveGate:
    """A gate whose angles come from data and from weights."""

    name: str
    wires: tuple[int, ...]
    angles: tuple[Columns | Weight, ...]


def live_gates(workload: Workload) -> tuple[LiveGate, ...]:
    """Return the gates of a circuit; its fixed angles are its weights in their order."""
    places = count()
    return tuple(
        LiveGate(
            gate.name,
            gate.wires,
            tuple(
                angle if isinstance(angle, Columns) else Weight(next(places))
                for angle in gate.angles
            ),
        )
        for gate in workload.circuit.gates
    )


def angle_of(angle: Columns | Weight, columns: Any, weights: Any) -> Any:
    """Return an angle, from `(..., columns)` and the flattened weights."""
    if isinstance(angle, Weight):
        return weights[angle.place]
    first, *others = (columns[..., factor] for factor in angle.factors)
    for other in others:
        first = first * other
    return first


@dataclass(frozen=True, slots=True)
class Library:
    """The functions of an array library that the models need.

    Attributes:
        arrays: those of all whole models.
        join: arrays along their last axis.
        zeros: of a shape.
        fold: from a function of state and row, the first state and the rows to the last state.
    """

    arrays: Arrays
    join: Callable[[list[Any]], Any]
    zeros: Callable[[tuple[int, ...]], Any]
    fold: Callable[[Callable[[Any, Any], Any], Any, Any], Any]


def model_of(
    workload: Workload, circuit: Callable[[Any, Any], Any], library: Library
) -> Callable[[Parameters, Any], Any]:
    """Return a workload as a function of its parameters and its rows.

    Args:
        workload: what to build.
        circuit: from `(rows, columns)` and weights to `(rows, results)`.
        library: to which all arrays belong.
    """

    def plain(parameters: Parameters, x: Any) -> Any:
        dense = {name: parameters[name] for name in workload.dense}

        def live(columns: Any) -> Any:
            return circuit(columns, parameters["weights"])

        return around(workload, live, library.arrays, dense)(x)

    def recurrent(parameters: Parameters, x: Any) -> Any:
        tanh = library.arrays.tanh

        def linear(name: str, x: Any) -> Any:
            return x @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]

        def sigmoid(x: Any) -> Any:
            return (1 + tanh(x / 2)) / 2

        def step(state: Any, row: Any) -> Any:
            hidden, cell = state
            angles = linear("entry", library.join([hidden, row]))
            forget, enter, candidate, leave = (
                linear("exit", circuit(angles, parameters[f"circuits.{door}.weights"]))
                for door in DOORS
            )
            cell = sigmoid(forget) * cell + sigmoid(enter) * tanh(candidate)
            return sigmoid(leave) * tanh(cell), cell

        zeros = library.zeros((x.shape[0], HIDDEN))
        hidden, _ = library.fold(step, (zeros, zeros), x.swapaxes(0, 1))
        return linear("head", hidden)

    return recurrent if workload.name == "QLSTM" else plain
