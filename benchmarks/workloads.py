"""The workloads: circuits and whole models as plain data, with seeded weights.

Each circuit is given twice, so that each peer can build it in its own way: as a list of gates here,
and as PennyLane templates in `templates.py`, which take `weights`. A test compares the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

SEED = 1936
SIDE = 28  # of the images of the quanvolution
STEPS, FEATURES, HIDDEN = 20, 4, 8  # of the sequences and the state of the QLSTM
DOORS = ("forget", "input", "candidate", "output")  # its circuits


@dataclass(frozen=True, slots=True)
class Columns:
    """An angle that depends on data: the product of these columns of the input, in radians."""

    factors: tuple[int, ...]


Angle: TypeAlias = float | Columns


@dataclass(frozen=True, slots=True)
class Gate:
    """One of H, CNOT, CZ, RX, RY, RZ, Rot = RZ(c) RY(b) RZ(a) and ZZ = exp(-i a/2 Z Z)."""

    name: str
    wires: tuple[int, ...]
    angles: tuple[Angle, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """A Pauli word times a number: `letters[i]` acts on `wires[i]`."""

    coefficient: float
    letters: str
    wires: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit whose inputs have shape `(batch, columns)`.

    Attributes:
        wires: how many; wire 0 is the most significant.
        columns: of the input.
        gates: in order.
        observables: sums of words, one expectation value each; if empty, the probabilities of all
            wires are measured.
        starts_in_data: the normalised columns are the amplitudes of the first state.
    """

    wires: int
    columns: int
    gates: tuple[Gate, ...]
    observables: tuple[tuple[Word, ...], ...]
    starts_in_data: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """A circuit, or a model around it, with all its weights.

    Attributes:
        name: a key of `WORKLOADS`.
        wires: of the circuit.
        layers: of its trained part.
        circuit: gate by gate.
        weights: the same weights as arguments of the PennyLane template.
        shape: of one row of the input.
        dense: weights of the classical layers by their names in torch; empty for a bare circuit.
    """

    name: str
    wires: int
    layers: int
    circuit: Circuit
    weights: Mapping[str, Array]
    shape: tuple[int, ...]
    dense: Mapping[str, Array] = field(default_factory=dict)

    def inputs(self, batch: int) -> Array:
        """Return seeded rows in float32: shape `(batch, *shape)`."""
        draw = np.random.default_rng(SEED).standard_normal
        return draw((batch, *self.shape), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Kind:
    """A workload at any size.

    Attributes:
        title: in the tables.
        make: returns it for some wires and layers.
        wires: the sizes that are measured.
        layers: the number of layers, except when layers vary.
        batches: the batch sizes that are measured.
    """

    title: str
    make: Callable[[int, int], Workload]
    wires: tuple[int, ...]
    layers: int
    batches: tuple[int, ...] = (1, 32, 256, 1024)


def make(name: str, wires: int, layers: int | None = None) -> Workload:
    """Return a workload; equal arguments give equal weights."""
    kind = (WORKLOADS | TRAINED)[name]
    return kind.make(wires, kind.layers if layers is None else layers)


def angle_embedding(wires: int, layers: int) -> Workload:
    """RY of a column on each wire, StronglyEntanglingLayers, <Z> on every wire."""
    weights = _weights(layers, wires, 3)
    gates = _columns("RY", wires) + _strongly_entangling(weights)
    circuit = Circuit(wires, wires, gates, _each_z(wires))
    return Workload("W1", wires, layers, circuit, {"weights": weights}, (wires,))


def reuploading(wires: int, layers: int) -> Workload:
    """Three times: RX and RZ of a column on each wire, then BasicEntanglerLayers; every <Z>."""
    weights = _weights(3, layers, wires)
    gates: tuple[Gate, ...] = ()
    for upload in weights:
        gates += _columns("RX", wires) + _columns("RZ", wires) + _basic_entangler(upload)
    circuit = Circuit(wires, wires, gates, _each_z(wires))
    return Workload("W2", wires, layers, circuit, {"weights": weights}, (wires,))


def amplitude_embedding(wires: int, layers: int) -> Workload:
    """A row as amplitudes, StronglyEntanglingLayers, the probabilities of all wires."""
    weights = _weights(layers, wires, 3)
    gates = _strongly_entangling(weights)
    circuit = Circuit(wires, 2**wires, gates, (), starts_in_data=True)
    return Workload("W3", wires, layers, circuit, {"weights": weights}, (2**wires,))


def hamiltonian(wires: int, layers: int) -> Workload:
    """IQPEmbedding, StronglyEntanglingLayers, a sum of ten Pauli words on one to four wires."""
    weights = _weights(layers, wires, 3)
    gates = tuple(Gate("H", (wire,)) for wire in range(wires)) + _columns("RZ", wires)
    gates += tuple(
        Gate("ZZ", pair, (Columns(pair),)) for pair in itertools.combinations(range(wires), 2)
    )
    gates += _strongly_entangling(weights)
    circuit = Circuit(wires, wires, gates, (_random_words(wires, 10),))
    return Workload("W4", wires, layers, circuit, {"weights": weights}, (wires,))


def brickwork(wires: int, layers: int) -> Workload:
    """RY of a column on each wire, SimplifiedTwoDesign (two rows of bricks a layer), every <Z>."""
    first, weights = _weights(wires), _weights(layers, wires - 1, 2)
    gates = _columns("RY", wires)
    gates += tuple(Gate("RY", (wire,), (float(first[wire]),)) for wire in range(wires))
    pairs = [(a, a + 1) for start in (0, 1) for a in range(start, wires - 1, 2)]
    for layer in weights:
        for pair, angles in zip(pairs, layer, strict=True):
            gates += (Gate("CZ", pair),)
            gates += tuple(
                Gate("RY", (wire,), (float(angle),))
                for wire, angle in zip(pair, angles, strict=True)
            )
    circuit = Circuit(wires, wires, gates, _each_z(wires))
    trained = {"initial_layer_weights": first, "weights": weights}
    return Workload("W5", wires, layers, circuit, trained, (wires,))


def classifier(wires: int, layers: int) -> Workload:
    """The classifier of `hybridx.models`, as exported/iris.toml configures it."""
    bare = angle_embedding(wires, layers)
    widths = ((4, 32), (32, wires))
    dense: dict[str, Array] = {}
    for index, (width, next_width) in enumerate(widths):
        dense |= _linear(f"extractor.layers.{4 * index}", width, next_width)
        dense |= _norm(f"extractor.layers.{4 * index + 1}", next_width)
    dense |= _linear("head.0", wires, 32) | _norm("head.1", 32) | _linear("head.4", 32, 3)
    return Workload("classifier", wires, layers, bare.circuit, bare.weights, (4,), dense)


def quanvolution(wires: int, layers: int) -> Workload:
    """A circuit on every 2 x 2 patch of an image, all patches in one call, then a linear layer."""
    bare = angle_embedding(wires, layers)
    dense = _linear("head", wires * (SIDE // 2) ** 2, 10)
    return Workload("quanvolution", wires, layers, bare.circuit, bare.weights, (SIDE, SIDE), dense)


def by_row(wires: int, layers: int) -> Workload:
    """W1 in a model that calls its circuit with one row after another."""
    return replace(angle_embedding(wires, layers), name="rows")


def recurrent(wires: int, layers: int) -> Workload:
    """An LSTM whose gates are circuits, all four called in each step; one number a sequence."""
    drawn = dict(zip(DOORS, _weights(len(DOORS), layers, wires), strict=True))
    gates = _columns("RX", wires) + _basic_entangler(drawn["forget"])
    circuit = Circuit(wires, wires, gates, _each_z(wires))
    dense = _linear("entry", HIDDEN + FEATURES, wires) | _linear("exit", wires, HIDDEN)
    dense |= _linear("head", HIDDEN, 1)
    weights = {f"circuits.{door}.weights": array for door, array in drawn.items()}
    return Workload("QLSTM", wires, layers, circuit, weights, (STEPS, FEATURES), dense)


SMALL, LARGE = (4, 6, 8, 10), (12, 14, 16, 20)
MOST_AMPLITUDE_WIRES = 16  # a row has 2^wires columns: at 20 it would be a million
WORKLOADS: Mapping[str, Kind] = {
    "W1": Kind(
        "AngleEmbedding (RY), StronglyEntanglingLayers, ⟨Z⟩ on all wires",
        angle_embedding,
        SMALL + LARGE,
        layers=3,
    ),
    "W2": Kind(
        "three uploads (RX, RZ) with BasicEntanglerLayers between, ⟨Z⟩ on all wires",
        reuploading,
        SMALL + LARGE,
        layers=1,
    ),
    "W3": Kind(
        "AmplitudeEmbedding, StronglyEntanglingLayers, probabilities of all wires",
        amplitude_embedding,
        tuple(wires for wires in SMALL + LARGE if wires <= MOST_AMPLITUDE_WIRES),
        layers=3,
    ),
    "W4": Kind(
        "IQPEmbedding, StronglyEntanglingLayers, a Hamiltonian of 10 Pauli words",
        hamiltonian,
        SMALL + LARGE,
        layers=3,
    ),
    "W5": Kind(
        "nearest-neighbour brickwork (SimplifiedTwoDesign), ⟨Z⟩ on every wire",
        brickwork,
        (8, 12, 16, 20, 24, 28, 32),
        layers=2,
    ),
    "classifier": Kind(
        "the reference classifier, 4 inputs to 3 logits", classifier, (6,), layers=2
    ),
    "quanvolution": Kind(
        "quanvolution of 28 × 28 images, 196 patches a row",
        quanvolution,
        (4,),
        layers=2,
        batches=(1, 32, 256),
    ),
}

TRAINED: Mapping[str, Kind] = {
    "rows": Kind("a loop that calls W1 with one row after another", by_row, (6,), 3, (32,)),
    "QLSTM": Kind(
        f"a QLSTM of {STEPS} steps, four circuits each", recurrent, (4,), layers=2, batches=(16,)
    ),
}
"""Workloads that only the benchmark of training has, beside those in `WORKLOADS`."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """The functions of an array library that whole models need."""

    asarray: Callable[[Array], Any]
    tanh: Callable[[Any], Any]
    erf: Callable[[Any], Any]


def around(
    workload: Workload,
    circuit: Callable[[Any], Any],
    arrays: Arrays,
    trained: Mapping[str, Any] | None = None,
) -> Any:
    """Return the whole model of a workload as a function of its input.

    Args:
        workload: what to build.
        circuit: from `(rows, columns)` to `(rows, results)`.
        arrays: the library to which input and output belong.
        trained: the weights of the classical layers; by default, as they are in the workload.
    """
    if not workload.dense:
        return circuit
    dense = trained or {name: arrays.asarray(array) for name, array in workload.dense.items()}

    def linear(name: str, x: Any) -> Any:
        return x @ dense[f"{name}.weight"].T + dense[f"{name}.bias"]

    def norm(name: str, x: Any) -> Any:
        x = x - x.mean(axis=-1, keepdims=True)
        deviation = ((x * x).mean(axis=-1, keepdims=True) + 1e-5) ** 0.5
        return x / deviation * dense[f"{name}.weight"] + dense[f"{name}.bias"]

    def classify(x: Any) -> Any:
        for first in (0, 4):
            x = linear(f"extractor.layers.{first}", x)
            x = arrays.tanh(norm(f"extractor.layers.{first + 1}", x))
        x = norm("head.1", linear("head.0", circuit(x) + x))
        return linear("head.4", x * (1 + arrays.erf(x * 0.5**0.5)) / 2)

    def convolve(x: Any) -> Any:
        quarters = x.reshape(-1, SIDE // 2, 2, SIDE // 2, 2)
        patches = quarters.swapaxes(2, 3).reshape(-1, 4)
        return linear("head", circuit(patches).reshape(x.shape[0], -1))

    return {"classifier": classify, "quanvolution": convolve}[workload.name]


def data_angles(circuit: Circuit) -> tuple[Columns, ...]:
    """Return the angles that depend on data, in the order of the gates."""
    angles = (angle for gate in circuit.gates for angle in gate.angles)
    return tuple(angle for angle in angles if isinstance(angle, Columns))


def cone(circuit: Circuit, wires: set[int]) -> tuple[Gate, ...]:
    """Return the gates that an observable on `wires` depends on."""
    reached, needed = set(wires), []
    for gate in reversed(circuit.gates):
        if reached & set(gate.wires):
            reached |= set(gate.wires)
            needed.append(gate)
    return tuple(reversed(needed))


def _weights(*shape: int) -> Array:
    """Return angles that float32 can represent, so that all peers use equal ones."""
    drawn = np.random.default_rng([SEED, *shape]).uniform(0, 2 * np.pi, shape)
    return drawn.astype(np.float32).astype(np.float64)


def _linear(name: str, width: int, next_width: int) -> dict[str, Array]:
    draw = np.random.default_rng([SEED, width, next_width]).normal
    weight = draw(0, width**-0.5, (next_width, width)).astype(np.float32)
    return {f"{name}.weight": weight, f"{name}.bias": weight[:, 0].copy()}


def _norm(name: str, width: int) -> dict[str, Array]:
    draw = np.random.default_rng([SEED, width]).uniform
    weight = draw(0.5, 1.5, width).astype(np.float32)
    return {f"{name}.weight": weight, f"{name}.bias": weight - 1}


def _columns(name: str, wires: int) -> tuple[Gate, ...]:
    return tuple(Gate(name, (wire,), (Columns((wire,)),)) for wire in range(wires))


def _strongly_entangling(weights: Array) -> tuple[Gate, ...]:
    layers, wires, _ = weights.shape
    gates = []
    for layer in range(layers):
        reach = layer % (wires - 1) + 1
        angles = weights[layer].tolist()
        gates += [Gate("Rot", (wire,), tuple(angles[wire])) for wire in range(wires)]
        gates += [Gate("CNOT", (wire, (wire + reach) % wires)) for wire in range(wires)]
    return tuple(gates)


def _basic_entangler(weights: Array) -> tuple[Gate, ...]:
    gates = []
    wires = weights.shape[1]
    ring = range(wires) if wires > 2 else (0,)
    for layer in weights:
        gates += [Gate("RX", (wire,), (float(layer[wire]),)) for wire in range(wires)]
        gates += [Gate("CNOT", (wire, (wire + 1) % wires)) for wire in ring]
    return tuple(gates)


def _each_z(wires: int) -> tuple[tuple[Word, ...], ...]:
    return tuple((Word(1.0, "Z", (wire,)),) for wire in range(wires))


def _random_words(wires: int, count: int) -> tuple[Word, ...]:
    random = np.random.default_rng([SEED, wires, count])
    words = []
    for _ in range(count):
        on = sorted(
            random.choice(wires, random.integers(1, min(5, wires + 1)), replace=False).tolist()
        )
        letters = "".join(random.choice(list("XYZ"), len(on)))
        words.append(Word(float(random.normal()), letters, tuple(on)))
    return tuple(words)
