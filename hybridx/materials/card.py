"""The model card of a file: Markdown with the front matter that the Hugging Face Hub reads.

It says what the file says and what was verified. What nobody has said, such as a licence, the data
or the accuracy, is not there. Its text follows from the file and its name alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hybridx.artifact import (
    USUAL_MACHINE,
    Artifact,
    OnnxArtifact,
    difference,
    opset_of,
    signature_of,
)
from hybridx.circuit import Circuit, column_count, name_derivative, result_count
from hybridx.materials.markdown import listing, literal, named, table
from hybridx.report import Shown, counted, size
from hybridx.storage import Array

_MOST_SHOWN: Final = 48  # numbers of an example that a reader takes in
_KINDS: Final = {
    "onnx": "one ONNX file",
    "bundle": "a bundle, a folder of readable files",
    "torchscript": "one TorchScript archive",
    "pt2": "one PT2 archive",
}


@dataclass(frozen=True)
class Card(Shown):
    """A model card.

    Attributes:
        text: Markdown, with the front matter.
        written: the files that were written: the card, then its pictures.
    """

    text: str
    written: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """How a circuit is shown in a card.

    Attributes:
        name: of its function.
        title: where it stands in the model.
        text: the drawing as lines; empty for a circuit that is too long, or has a picture.
        picture: the name of a file beside the card; empty without one.
        notes: sentences on where its parameters come from.
        cost: what its compiled body costs, in words; empty if that is not known.
    """

    name: str
    title: str
    text: str
    picture: str
    notes: Sequence[str]
    cost: str


def write_card(
    artifact: Artifact,
    circuits: Sequence[Drawn],
    *,
    license: str | None = None,
    pipeline_tag: str | None = None,
) -> str:
    """Return the model card of a file, with a line break at the end.

    Args:
        artifact: the file.
        circuits: how its circuits are shown.
        license: an identifier of the Hub, for the front matter.
        pipeline_tag: a task of the Hub. By default `tabular-classification` for a file that names
            columns and classes, else none.
    """
    # Bytes of a name that are no text, which Python keeps as surrogates, become question marks.
    name = Path(artifact.path).resolve().name.encode(errors="replace").decode()
    parts = [
        _front_matter(artifact, license, pipeline_tag),
        f"# {literal(name)}",
        _lead(artifact),
        *_signature(artifact),
        *_circuits(artifact, circuits),
        *_verified(artifact),
        *_use(artifact, name),
        *_limits(artifact),
        *_hashes(artifact),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(artifact: Artifact, license: str | None, pipeline_tag: str | None) -> str:
    is_table = bool(artifact.metadata.columns and artifact.metadata.classes)
    task = pipeline_tag or ("tabular-classification" if is_table else None)
    form = "onnx" if isinstance(artifact, OnnxArtifact) else "pytorch"
    lines = ["---", 'library_name: "hybridx"']
    for key, value in (("license", license), ("pipeline_tag", task)):
        if value is not None:
            lines.append(f"{key}: {json.dumps(value)}")  # a JSON string is one of YAML
    lines += ["tags:", *(f'- "{tag}"' for tag in (form, "hybridx", "quantum-machine-learning"))]
    return "\n".join([*lines, "---"])


def _lead(artifact: Artifact) -> str:
    count = counted(len(artifact.circuits), "quantum circuit")
    return (
        f"A model with {count} in {_KINDS[artifact.format]}, {size(artifact.size)}, written by "
        f"hybridx {literal(artifact.metadata.version)}. This card says what the file holds and "
        "what was verified of it."
    )


def _signature(artifact: Artifact) -> Iterator[str]:
    yield "## Inputs and outputs"
    rows = [("input", named(s.name), s.dtype.name, literal(s.axes)) for s in artifact.inputs]
    if isinstance(artifact, OnnxArtifact):
        outputs = map(signature_of, artifact.model.graph.output)
        rows += [("output", named(s.name), s.dtype.name, literal(s.axes)) for s in outputs]
    else:
        rows += [("output", named(name), "not stated", "not stated") for name in artifact.outputs]
    yield table(("", "name", "dtype", "shape"), rows)
    says = artifact.metadata
    if says.columns:
        yield f"The columns of a table, in order: {', '.join(map(named, says.columns))}."
    if says.classes:
        yield f"The classes, in the order of the logits: {', '.join(map(named, says.classes))}."
    if says.own:
        yield "Said by who exported it:"
        yield table(("", ""), [(named(key), literal(text)) for key, text in says.own.items()])


def _circuits(artifact: Artifact, circuits: Sequence[Drawn]) -> Iterator[str]:
    yield "## Circuits"
    if not circuits:
        yield "It has none."
    for one in circuits:
        circuit = artifact.circuits[one.name]
        yield f"### {named(one.title)}"
        if one.picture:
            yield f"![The circuit, drawn]({one.picture})"
        elif one.text:
            yield listing(one.text, "text")
        for note in one.notes:
            yield literal(note)
        yield table(("", ""), _facts(artifact, one, circuit))


def _facts(artifact: Artifact, one: Drawn, circuit: Circuit) -> Iterator[tuple[str, str]]:
    strategy = artifact.strategies.get(one.name)
    yield "name", named(one.name)
    if circuit.derivative:
        yield "computed", f"the {name_derivative(circuit)} of the circuit"
    yield "size", f"{circuit.wires} wires, {len(circuit.operations)} gates"
    yield (
        "from and to",
        f"{column_count(circuit)} parameters, {result_count(circuit)} results a row",
    )
    yield "compiled", f"by the strategy {named(strategy)}" if strategy else "no: for devices only"
    if one.cost:
        yield "cost", literal(one.cost)
    yield "shots", "exact" if circuit.shots is None else f"{circuit.shots} on devices"
    yield "SHA-256", f"`{artifact.hashes[one.name]}`"


def _verified(artifact: Artifact) -> Iterator[str]:
    yield "## Verification"
    done = artifact.metadata.verification
    if done is None:
        yield "The file was not compared with the model that it comes from."
    else:
        batches = ", ".join(map(str, done.batches)) or "none: it has no batch"
        yield "Before it was written, the file was compared with the eager PyTorch model."
        rows = [
            ("batch sizes", batches),
            ("worst error", f"{done.worst:.1e}"),
            ("tolerance", f"{done.tolerance:.0e}, relative to outputs larger than one"),
        ]
        yield table(("", ""), rows)
    if artifact.metadata.self_test is None:
        yield "It carries no self-test."
    else:
        yield "It carries a self-test: `hybridx run` repeats a comparison on any machine."


def _use(artifact: Artifact, name: str) -> Iterator[str]:
    yield "## Use"
    code, expected = _example(artifact)
    if artifact.format == "onnx":
        yield "ONNX Runtime runs it, without hybridx, PyTorch or PennyLane:"
        start = f"session = onnxruntime.InferenceSession({_quoted(name)})"
        lines = ["import numpy as np", "import onnxruntime", "", start, *code]
        yield listing("\n".join([*lines, "outputs = session.run(None, inputs)"]), "python")
        yield from expected
        yield "hybridx adds tables, checks and quantum devices:"
    else:
        yield "In Python:"
        lines = [
            "import hybridx",
            "import numpy as np",
            "",
            f"session = hybridx.load({_quoted(name)})",
        ]
        run = "outputs = [*session.run(inputs).values()]"
        yield listing("\n".join([*lines, *code, run]), "python")
        yield from expected
        yield "At a command line:"
    # A name that begins with a hyphen would be an option.
    path = shlex.quote(f"./{name}" if name.startswith("-") else name)
    commands = [f"hybridx inspect {path}"]
    if artifact.metadata.self_test is not None:
        commands.append(f"hybridx run {path}")
    form = "csv" if artifact.metadata.columns else "npz"
    commands.append(f"hybridx run {path} -i data.{form} -o predictions.{form}")
    yield listing("\n".join(commands), "sh")


def _example(artifact: Artifact) -> tuple[list[str], list[str]]:
    """Return lines of Python that make inputs, and a sentence on the outputs of these."""
    test = artifact.metadata.self_test
    given = {} if test is None else dict(test.inputs)
    is_shown = test is not None and sum(array.size for array in given.values()) <= _MOST_SHOWN
    lines = ["inputs = {"]
    for one in artifact.inputs:
        array = given.get(one.name)
        if array is not None and is_shown and np.isfinite(array).all():
            made = f"np.array({_numbers(array)}, dtype=np.{one.dtype.name})"
        else:
            lengths = [length if isinstance(length, int) else 1 for length in one.shape]
            shape = tuple(lengths if array is None else array.shape)
            made = f"np.zeros({shape}, dtype=np.{one.dtype.name})"
            is_shown = False
        lines.append(f"    {_quoted(one.name)}: {made},")
    lines.append("}")
    if test is None or not is_shown or test.recorded:
        return lines, []
    outputs = {name: test.outputs[name] for name in artifact.outputs}
    if sum(array.size for array in outputs.values()) > _MOST_SHOWN:
        return lines, []
    said = [f"{name}:\n{np.array2string(one, precision=5)}" for name, one in outputs.items()]
    return lines, ["By its self-test, the outputs are:", listing("\n".join(said), "text")]


def _numbers(array: Array) -> str:
    """Return an array as Python's lists, each number in the fewest digits that keep it."""
    with np.printoptions(floatmode="unique", threshold=_MOST_SHOWN):
        text = np.array2string(array, separator=", ", max_line_width=10_000)
    return re.sub(r" +(?=[,\]])", "", re.sub(r"\[ +", "[", re.sub(r"\s+", " ", text)))


def _quoted(text: str) -> str:
    """Return a text as a string of Python."""
    is_plain = text.isprintable() and not {'"', "\\"} & {*text}
    return f'"{text}"' if is_plain else repr(text)


def _limits(artifact: Artifact) -> Iterator[str]:
    yield "## Limits"
    says = artifact.metadata
    found = [
        "Verified is that the file computes what the PyTorch model computes. How good the model "
        "is, on which data it was trained and for what it is fit, the file does not say."
    ]
    if any(circuit.shots is not None for circuit in artifact.circuits.values()):
        found.append("Compiled circuits are exact: they do not sample, as the model's device did.")
    if len(artifact.strategies) < len(artifact.circuits):
        found.append("A circuit without a compiled body runs on a device of PennyLane only.")
    found += [f"Assumed: {literal(sentence)}" for sentence in says.assumed]
    if says.weights:
        found.append(f"Weights: {literal(says.weights)}")
    if says.machine != USUAL_MACHINE:
        found.append(f"Its circuits are compiled for the machine {named(says.machine)}.")
    if isinstance(artifact, OnnxArtifact):
        found += [
            f"The quantum layer {named(lost.layer)} is not found in it again: "
            f"{literal(lost.reason)}."
            for lost in artifact.lost
        ]
    if artifact.stated is None:
        found.append("It has no digest: no change of it is noticed.")
    elif artifact.changed:
        found.append(f"It was changed after hybridx wrote it: {difference(artifact.changed)}.")
    yield "\n".join(f"* {sentence}" for sentence in found)


def _hashes(artifact: Artifact) -> Iterator[str]:
    yield "## Versions and hashes"
    rows = [("format", artifact.format), ("hybridx", literal(artifact.metadata.version))]
    if isinstance(artifact, OnnxArtifact):
        rows += [("opset", str(opset_of(artifact.model)))]
        rows += [("IR version", str(artifact.model.ir_version))]
    rows += [("digest", f"`{artifact.digest.sha256}`")]
    if artifact.format != "bundle":  # whose bytes are those of the model that its parts make
        rows += [("SHA-256 of the file", f"`{hashlib.sha256(artifact.content).hexdigest()}`")]
    yield table(("", ""), rows)
