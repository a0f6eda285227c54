"""Describe a model file and draw its circuits, without torch and PennyLane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.errors import OptionError
from hybridx.storage import check_readable, check_writable, write_whole

if TYPE_CHECKING:
    from hybridx.api.work.summaries import CircuitSummary, InputSummary, OutputSummary
    from hybridx.artifact import Artifact, Verification
    from hybridx.circuit import Circuit


PICTURES = (".svg", ".png", ".pdf")
"""The endings of pictures of circuits."""


@dataclass(frozen=True)
class Inspection:
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
        verification: what was compared at export, if anything was.
        self_test: True if it carries one.
        columns: names of the input's columns in a table.
        classes: names of the logits.
        assumed: sentences on the model's checks of its inputs that the file leaves out.
        weights: a phrase on where the weights come from, if nothing is known to have loaded them.
        metadata: what the user said of the file, texts by key.
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
    verification: Verification | None
    self_test: bool
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    assumed: tuple[str, ...]
    weights: str
    metadata: Mapping[str, str]


def inspect(path: str | Path) -> Inspection:
    """Return the description of a model file; needs neither torch nor PennyLane.

    Raises:
        ArtifactError: the file cannot be read or breaks its contract.
    """
    check_readable(Path(path))
    from hybridx.artifact import read_artifact

    return _inspected(read_artifact(Path(path)))


def _inspected(artifact: Artifact) -> Inspection:
    from hybridx.api.work.summaries import InputSummary, circuit_summaries, output_summaries
    from hybridx.artifact import OnnxArtifact

    says = artifact.metadata
    opset, nodes = None, Counter[str]()
    if isinstance(artifact, OnnxArtifact):
        opset = next(o.version for o in artifact.model.opset_import if o.domain == "")
        nodes = Counter(node.op_type for node in artifact.model.graph.node)
    return Inspection(
        path=artifact.path,
        format=artifact.format,
        size=artifact.size,
        version=says.version,
        opset=opset,
        inputs=tuple(InputSummary(s.name, s.dtype.name, s.shape) for s in artifact.inputs),
        outputs=output_summaries(artifact),
        nodes=nodes,
        circuits=circuit_summaries(artifact),
        verification=says.verification,
        self_test=says.self_test is not None,
        columns=says.columns,
        classes=says.classes,
        assumed=says.assumed,
        weights=says.weights,
        metadata=says.own,
    )


def draw(path: str | Path, output: str | Path, *, overwrite: bool = False) -> tuple[str, ...]:
    """Draw the circuits of a file, and return the names of the pictures.

    One circuit goes to `output`; of several, `circuit.svg` becomes `circuit_0.svg` and so on. The
    name of the circuit is the title.

    Args:
        path: of the model.
        output: of the picture; ends in `.svg`, `.png` or `.pdf`.
        overwrite: replace existing pictures.

    Raises:
        OptionError: the ending is another one.
        ArtifactError: a file cannot be read or written.
        MissingExtraError: PNG and PDF need matplotlib, and it is not installed.
    """
    target = Path(output)
    ending = target.suffix.lower()
    if ending not in PICTURES:
        raise OptionError("the ending of a picture", target.name, ", ".join(PICTURES))
    check_readable(Path(path))
    from hybridx.artifact import read_artifact
    from hybridx.drawing import draw_figure, draw_svg

    circuits = read_artifact(Path(path)).circuits
    targets = [target]
    if len(circuits) != 1:
        names = (f"{target.stem}_{index}{target.suffix}" for index in range(len(circuits)))
        targets = [target.with_name(name) for name in names]
    for one in targets:
        check_writable(one, overwrite=overwrite)
    pictures = [
        draw_svg(circuit, name)
        if ending == ".svg"
        else draw_figure(circuit, "pdf" if ending == ".pdf" else "png", name)
        for name, circuit in circuits.items()
    ]
    for one, picture in zip(targets, pictures, strict=True):
        write_whole(one, picture, overwrite=overwrite)
    return tuple(map(str, targets))


def html(path: str | Path, output: str | Path, *, overwrite: bool = False) -> str:
    """Write a page on a model file that stands alone, and return its name.

    It has the circuits drawn, inputs and outputs, what was compared, and digests. It is one file of
    HTML without scripts, which makes no requests.

    Args:
        path: of the model.
        output: of the page; ends in `.html`.
        overwrite: replace an existing file.

    Raises:
        OptionError: the ending is another one.
        ArtifactError: a file cannot be read or written.
    """
    target = Path(output)
    if target.suffix.lower() not in (".html", ".htm"):
        raise OptionError("the ending of a page", target.name, ".html")
    check_readable(Path(path))
    check_writable(target, overwrite=overwrite)
    from hybridx.api.work.reporting import write_report
    from hybridx.artifact import read_artifact

    artifact = read_artifact(Path(path))
    write_whole(target, write_report(artifact, _inspected(artifact)), overwrite=overwrite)
    return str(target)


def python(path: str | Path) -> str:
    """Return the source of a Python module with a PennyLane QNode for each circuit of a file.

    A QNode takes the parameters of one row, in radians, and returns its results in order.

    Raises:
        ArtifactError: the file cannot be read.
    """
    check_readable(Path(path))
    from hybridx.api.work.summaries import circuit_layers
    from hybridx.artifact import read_artifact
    from hybridx.circuit import to_python

    artifact = read_artifact(Path(path))
    layers = circuit_layers(artifact)
    named: dict[str, Circuit] = {}
    for name, circuit in artifact.circuits.items():
        layer = next(filter(None, layers.get(name, ())), name)
        named[name if layer in named else layer] = circuit
    return to_python(named)


def qasm(path: str | Path) -> dict[str, str]:
    """Return the circuits of a file as OpenQASM 3, by function name.

    Parameters are declared as inputs; observables, which QASM does not have, are comments.

    Raises:
        ArtifactError: the file cannot be read.
        NoQasmError: an operation has no form in OpenQASM 3.
    """
    check_readable(Path(path))
    from hybridx.artifact import read_artifact
    from hybridx.circuit import to_qasm

    circuits = read_artifact(Path(path)).circuits
    return {name: to_qasm(circuit) for name, circuit in circuits.items()}
