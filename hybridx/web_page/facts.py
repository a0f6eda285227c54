"""What a page is told of its model; `web/page/src/facts.ts` has the same fields."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from hybridx.artifact import (
    OnnxArtifact,
    Signature,
    Verification,
    difference,
    opset_of,
    signature_of,
)
from hybridx.circuit import BATCH
from hybridx.errors import printable
from hybridx.version import __version__
from hybridx.web_page.ranges import Range, round_out, width_of

if TYPE_CHECKING:
    import onnx

_MOST_SLIDERS: Final = 64
_MOST_NAMED: Final = 1024  # sliders of columns with names, which a CSV file has too
_CHANNELS: Final = (1, 3)
_LEAST_SIDE: Final = 4  # of a picture, in pixels
# Operators that give the numbers of their first input in another form.
_KEEPING: Final = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_TITLES: Final = ("title", "name")

InputKind: TypeAlias = Literal["table", "image", "tokens", "array"]
Meaning: TypeAlias = Literal["logits", "probabilities", "numbers"]
Origin: TypeAlias = Literal["data", "self-test", "nothing"]


class InputFacts(msgspec.Struct, frozen=True):
    """An input, and how a page shows it; a table has a name and a range for each column."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    kind: InputKind
    columns: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()


class OutputFacts(msgspec.Struct, frozen=True):
    """An output, and what its numbers are."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: Meaning
    classes: tuple[str, ...] = ()


class CircuitFacts(msgspec.Struct, frozen=True):
    """A circuit: where it stands in the model, and whence its parameters come."""

    name: str
    layers: tuple[str, ...]
    notes: tuple[str, ...]
    strategy: str
    sha256: str


class FileFacts(msgspec.Struct, frozen=True):
    """The file itself."""

    name: str
    size: int
    sha256: str
    opset: int
    version: str


class DigestFacts(msgspec.Struct, frozen=True):
    """The digest, and whether the file is as hybridx wrote it; None if it does not say."""

    sha256: str
    intact: bool | None
    difference: str


class Facts(msgspec.Struct, frozen=True):
    """All that a page is told beside the bytes of the model."""

    title: str
    description: str
    file: FileFacts
    digest: DigestFacts
    verification: Verification | None
    assumed: tuple[str, ...]
    weights: str
    metadata: dict[str, str]
    inputs: tuple[InputFacts, ...]
    outputs: tuple[OutputFacts, ...]
    circuits: tuple[CircuitFacts, ...]
    ranges_from: Origin
    made_by: str
    runtime: str


def facts_of(
    artifact: OnnxArtifact,
    *,
    title: str | None,
    runtime: str,
    layers: Mapping[str, tuple[str, ...]],
    notes: Mapping[str, tuple[str, ...]],
    ranges: Mapping[str, Sequence[Range]] | None = None,
) -> Facts:
    """Return what a page is told of a file.

    Args:
        artifact: the file.
        title: of the page; by default what the file calls itself, or its name.
        runtime: the engine in the page, and its version.
        layers: where each circuit stands in the model, by its name.
        notes: whence its parameters come, likewise.
        ranges: of the columns of each table, by the name of its input; by default those of the
            self-test.
    """
    says = artifact.metadata
    own = {key.lower(): value for key, value in says.own.items() if value.strip()}
    name = Path(artifact.path).name.encode(errors="replace").decode()
    called = next((own[key] for key in _TITLES if key in own), Path(name).stem)
    origin: Origin = "data"
    if ranges is None:
        ranges = _ranges_of_self_test(artifact)
        origin = "self-test" if says.self_test else "nothing"
    return Facts(
        title=printable(title or called),
        description=printable(own.get("description", ""), keeps="\n"),
        file=FileFacts(
            name=printable(name),
            size=len(artifact.content),
            sha256=hashlib.sha256(artifact.content).hexdigest(),
            opset=opset_of(artifact.model),
            version=says.version,
        ),
        digest=DigestFacts(
            artifact.digest.sha256,
            None if artifact.stated is None else not artifact.changed,
            difference(artifact.changed) if artifact.changed else "",
        ),
        verification=says.verification,
        assumed=says.assumed,
        weights=says.weights,
        metadata=dict(says.own),
        inputs=tuple(
            _input(one, says.columns, ranges.get(one.name, ())) for one in _inputs(artifact)
        ),
        outputs=tuple(_outputs(artifact)),
        circuits=tuple(
            CircuitFacts(
                name=one,
                layers=layers.get(one, ()),
                notes=notes.get(one, ()),
                strategy=artifact.strategies.get(one, ""),
                sha256=artifact.hashes[one],
            )
            for one in artifact.circuits
        ),
        ranges_from=origin,
        made_by=__version__,
        runtime=runtime,
    )


def table_inputs(artifact: OnnxArtifact) -> tuple[Signature, ...]:
    """Return the inputs of a file that a page shows as sliders."""
    columns = artifact.metadata.columns
    return tuple(one for one in _inputs(artifact) if _kind(one, columns) == "table")


def _inputs(artifact: OnnxArtifact) -> tuple[Signature, ...]:
    return tuple(_in_whole(one, artifact) for one in artifact.inputs)


def _in_whole(one: Signature, artifact: OnnxArtifact) -> Signature:
    """Return an input or output as one array where the rows of a file depend on each other.

    Lists of whole numbers that are none of a row, such as the edges of a graph, name other rows.
    """
    without = (other for other in artifact.inputs if other.shape[:1] != (BATCH,))
    if not any(other.shape and other.dtype.kind in "iu" for other in without):
        return one
    shape = tuple("rows" if length == BATCH else length for length in one.shape)
    return replace(one, shape=shape)


def _input(one: Signature, columns: tuple[str, ...], ranges: Sequence[Range]) -> InputFacts:
    kind = _kind(one, columns)
    if kind != "table":
        return InputFacts(one.name, one.dtype.name, one.shape, kind)
    count = width_of(one)
    names = columns or ((one.name,) if count == 1 else _numbered(one.name, count))
    return InputFacts(one.name, one.dtype.name, one.shape, kind, names, tuple(ranges))


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{place}" for place in range(count))


def _kind(one: Signature, columns: tuple[str, ...]) -> InputKind:
    row = one.shape[1:] if one.shape[:1] == (BATCH,) else one.shape
    lengths = [length for length in row if isinstance(length, int)]
    if one.dtype.kind in "iu" and len(row) == 1 and not columns and one.shape != (BATCH,):
        return "tokens"
    most = _MOST_NAMED if columns else _MOST_SLIDERS
    if len(row) <= 1 and len(lengths) == len(row) and 0 < math.prod(lengths) <= most:
        return "table"
    if len(lengths) == len(row) == 3:
        first, second, third = lengths
        for channels, *sides in ((first, second, third), (third, first, second)):
            if channels in _CHANNELS and min(sides) >= _LEAST_SIDE:
                return "image"
    return "array"


def _outputs(artifact: OnnxArtifact) -> list[OutputFacts]:
    made_by = {name: node for node in artifact.model.graph.node for name in node.output}
    found = []
    for place, value in enumerate(artifact.model.graph.output):
        one = _in_whole(signature_of(value), artifact)
        # The names that a file keeps are those of the logits, its first output.
        classes = artifact.metadata.classes if place == 0 else ()
        meaning: Meaning = "logits" if classes else "numbers"
        if _is_softmax(value.name, made_by):
            meaning = "probabilities"
        found.append(OutputFacts(one.name, one.dtype.name, one.shape, meaning, classes))
    return found


def _is_softmax(name: str, made_by: Mapping[str, onnx.NodeProto]) -> bool:
    node = made_by.get(name)
    while node is not None and node.op_type in _KEEPING and node.input:
        node = made_by.get(node.input[0])
    return node is not None and node.op_type == "Softmax" and node.domain in ("", "ai.onnx")


def _ranges_of_self_test(artifact: OnnxArtifact) -> dict[str, tuple[Range, ...]]:
    """Return ranges by the name of an input: of all its numbers, as they are drawn alike.

    They begin at the first row.
    """
    test = artifact.metadata.self_test
    found = {}
    for one in table_inputs(artifact):
        count, is_whole = width_of(one), one.dtype.kind != "f"
        array = None if test is None else test.inputs.get(one.name)
        if array is None or array.size < count:
            found[one.name] = (Range(0.0 if is_whole else -1.0, 1.0, 0.0),) * count
            continue
        least, most = float(array.min()), float(array.max())
        first = array.reshape(-1)[:count]
        found[one.name] = tuple(
            round_out(least, most, float(start), is_whole=is_whole) for start in first
        )
    return found
