"""What a report says of the inputs and circuits of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from hybridx.artifact import (
    Artifact,
    OnnxArtifact,
    Verification,
    difference,
    is_circuit_node,
    opset_of,
    parameters_from,
    signature_of,
    walk_nodes,
)
from hybridx.bounds import PLANNED_GATES
from hybridx.circuit import Circuit, column_count, name_derivative, result_count, show
from hybridx.drawing import draw_text
from hybridx.lowering import MACHINES, Candidate, Choice, Cost, consider
from hybridx.passes import run_passes
from hybridx.report import Shown

_MOST_DRAWN = 120  # gates; the drawing of a larger circuit fills several screens


@dataclass(frozen=True)
class StrategySummary:
    """The result of one strategy for a circuit.

    Attributes:
        strategy: its name.
        cost: the cost of its plan; None if the strategy does not apply.
        reason: why it does not apply, or what its plan costs.
        plan: what it found about the circuit, in a few lines; empty if it does not apply.
    """

    strategy: str
    cost: Cost | None
    reason: str
    plan: str


@dataclass(frozen=True)
class CircuitSummary(Shown):
    """One quantum layer of a file.

    Attributes:
        name: of its function.
        layers: where it stands in the model, by the names of its nodes; empty in a file of torch.
        wires: how many.
        gates: how many.
        parameters: P, the columns it takes at run time.
        results: M, the columns it gives.
        nodes: standard ONNX nodes in its compiled body; 0 without one and in a file of torch.
        strategy: the lowering that made the body; empty without one.
        sha256: of the circuit with its compiled body.
        candidates: what every strategy makes of it.
        shots: samples a device should take, or None for exact values.
        text: the circuit in the text form of `hybridx.circuit`.
        picture: the same drawn with wires as lines; empty for a large circuit.
        derivative: how often it was differentiated: 1 is the vector-Jacobian product of the
            circuit, 2 that of this one; 0 for the circuit itself.
    """

    name: str
    layers: tuple[str, ...]
    wires: int
    gates: int
    parameters: int
    results: int
    nodes: int
    strategy: str
    sha256: str
    candidates: tuple[StrategySummary, ...]
    shots: int | None
    text: str
    picture: str
    derivative: int = 0


@dataclass(frozen=True)
class InputSummary:
    """An input of a model: its name, its dtype and the length or name of each axis."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class OutputSummary:
    """An output of a model.

    Attributes:
        name: its name.
        dtype: None where the file does not say, as a file of torch.
        shape: the length or name of each axis, likewise.
    """

    name: str
    dtype: str | None
    shape: tuple[int | str, ...] | None


def output_summaries(artifact: Artifact) -> tuple[OutputSummary, ...]:
    """Return the outputs of a file, in order."""
    if not isinstance(artifact, OnnxArtifact):
        return tuple(OutputSummary(name, None, None) for name in artifact.outputs)
    found = map(signature_of, artifact.model.graph.output)
    return tuple(OutputSummary(one.name, one.dtype.name, one.shape) for one in found)


def circuit_layers(artifact: Artifact) -> dict[str, tuple[str, ...]]:
    """Return where each circuit stands in the model, by its name: the names of its nodes."""
    layers: dict[str, tuple[str, ...]] = {}
    if isinstance(artifact, OnnxArtifact):
        for node in filter(is_circuit_node, walk_nodes(artifact.model.graph)):
            layers[node.op_type] = (*layers.get(node.op_type, ()), node.name)
    return layers


def circuit_title(name: str, layers: Sequence[str]) -> str:
    """Return what a picture of a circuit is called: where it stands in the model, if that is known.

    Args:
        name: of its function.
        layers: where it stands.
    """
    known = [*filter(None, layers)]
    if not known:
        return name
    return known[0] if len(known) == 1 else f"{known[0]} … {known[-1]} ({len(known)} places)"


def circuit_notes(artifact: Artifact) -> dict[str, tuple[str, ...]]:
    """Return what stands below the picture of each circuit, by its name: whence its parameters."""
    if not isinstance(artifact, OnnxArtifact):
        return {}
    notes: dict[str, tuple[str, ...]] = {}
    for name, texts in parameters_from(artifact.model.graph).items():
        circuit = artifact.circuits[name]
        count = circuit.parameters
        columns = "p[0]" if count == 1 else f"p[0] … p[{count - 1}]"
        notes[name] = (f"{columns} = {'; '.join(texts)}",) if texts and count else ()
        if circuit.derivative:
            kind = f"the {name_derivative(circuit)} of this circuit is computed"
            notes[name] = (kind, *notes[name])
    return notes


def circuit_summaries(
    artifact: Artifact,
    choices: Mapping[Circuit, Choice] = MappingProxyType({}),
    machine: str | None = None,
) -> tuple[CircuitSummary, ...]:
    """Return the quantum layers of a file, one for each distinct circuit.

    Args:
        artifact: the file.
        choices: how circuits are computed, if known; all other circuits are planned.
        machine: for which they are planned; by default that of the file.
    """
    planned_for = MACHINES.get(machine or artifact.metadata.machine)
    considered: dict[Circuit, tuple[Candidate, ...]] = {}
    gates = 0
    for circuit in artifact.circuits.values():
        gates += len(circuit.operations)
        if circuit in choices:
            considered[circuit] = choices[circuit].candidates
        elif planned_for is not None and gates <= PLANNED_GATES.limit:
            considered[circuit] = consider(run_passes(circuit), planned_for)
        else:  # to plan a circuit takes longer than to read it
            considered[circuit] = ()
    nodes: dict[str, int] = {}
    layers = circuit_layers(artifact)
    if isinstance(artifact, OnnxArtifact):
        functions = artifact.model.functions
        nodes = {function.name: sum(1 for _ in walk_nodes(function)) for function in functions}
    return tuple(
        CircuitSummary(
            name=name,
            layers=layers.get(name, ()),
            wires=circuit.wires,
            gates=len(circuit.operations),
            parameters=column_count(circuit),
            results=result_count(circuit),
            nodes=nodes.get(name, 0),
            strategy=artifact.strategies.get(name, ""),
            sha256=artifact.hashes[name],
            candidates=tuple(map(_strategy_summary, considered[circuit])),
            shots=circuit.shots,
            derivative=circuit.derivative,
            text=show(circuit),
            picture=draw_text(circuit) if len(circuit.operations) <= _MOST_DRAWN else "",
        )
        for name, circuit in artifact.circuits.items()
    )


def _strategy_summary(candidate: Candidate) -> StrategySummary:
    plan = "" if candidate.cost is None else str(candidate.plan)
    return StrategySummary(candidate.strategy, candidate.cost, candidate.reason, plan)


@dataclass(frozen=True)
class DigestSummary:
    """The digest of a file as it is now; each hash is a SHA-256 in hexadecimal.

    Attributes:
        sha256: of the whole.
        parts: of each part, by its name.
        is_intact: the file is as hybridx wrote it; None if a hybridx before digests wrote it.
        changed: the parts that differ from what hybridx wrote.
        difference: the same as a sentence for people; empty if nothing differs.
    """

    sha256: str
    parts: Mapping[str, str]
    is_intact: bool | None
    changed: tuple[str, ...]
    difference: str


@dataclass(frozen=True)
class Inspection(Shown):
    """The description of a model file.

    Attributes:
        path: of the file.
        format: onnx, bundle, torchscript or pt2.
        size: in bytes.
        version: of the hybridx that wrote it.
        opset: of the standard operators; None for a file of torch.
        inputs: what it takes.
        outputs: what it gives.
        nodes: how many nodes of each operator the graph has; none for a file of torch.
        circuits: the quantum layers.
        is_inlined: the circuits are no functions of the file, and were found in its graph.
        lost: why a quantum layer of an inlined file is not found in it, by the name of the layer.
        verification: what was compared at export, if anything was.
        self_test: True if it carries one.
        columns: names of the input's columns in a table.
        classes: names of the logits.
        assumed: sentences on the model's checks of its inputs that the file leaves out.
        weights: a phrase on where the weights come from, if nothing is known to have loaded them.
        machine: for which kind of machine its circuits are compiled.
        metadata: what the user said of the file, texts by key.
        digest: of the file as it is, and whether it is as hybridx wrote it.
    """

    path: str
    format: str
    size: int
    version: str
    opset: int | None
    inputs: tuple[InputSummary, ...]
    outputs: tuple[OutputSummary, ...]
    nodes: Mapping[str, int]
    circuits: tuple[CircuitSummary, ...]
    is_inlined: bool
    lost: Mapping[str, str]
    verification: Verification | None
    self_test: bool
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    assumed: tuple[str, ...]
    weights: str
    machine: str
    metadata: Mapping[str, str]
    digest: DigestSummary


def inspect_artifact(artifact: Artifact, machine: str | None = None) -> Inspection:
    """Return the description of a file.

    Args:
        artifact: the file.
        machine: for which the costs of strategies are given; by default that of the file.
    """
    says = artifact.metadata
    opset, nodes = None, Counter[str]()
    is_inlined, lost = False, dict[str, str]()
    if isinstance(artifact, OnnxArtifact):
        opset = opset_of(artifact.model)
        nodes = Counter(node.op_type for node in artifact.model.graph.node)
        is_inlined = artifact.is_inlined
        lost = {one.layer: one.reason for one in artifact.lost}
    return Inspection(
        path=artifact.path,
        format=artifact.format,
        size=artifact.size,
        version=says.version,
        opset=opset,
        inputs=tuple(InputSummary(s.name, s.dtype.name, s.shape) for s in artifact.inputs),
        outputs=output_summaries(artifact),
        nodes=nodes,
        circuits=circuit_summaries(artifact, machine=machine),
        is_inlined=is_inlined,
        lost=lost,
        verification=says.verification,
        self_test=says.self_test is not None,
        columns=says.columns,
        classes=says.classes,
        assumed=says.assumed,
        weights=says.weights,
        machine=says.machine,
        metadata=says.own,
        digest=DigestSummary(
            artifact.digest.sha256,
            artifact.digest.parts,
            None if artifact.stated is None else not artifact.changed,
            artifact.changed,
            difference(artifact.changed) if artifact.changed else "",
        ),
    )
