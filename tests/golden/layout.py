"""What a format is: the keys, fields and constants of a file, without its numbers and its graph.

Two files of one model have the same layout, unless what is written has changed its form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import onnx

from hybridx.artifact import Artifact, OnnxArtifact
from hybridx.artifact.archive import open_archive

_HASH = re.compile(r"Circuit_[0-9a-f]{16}")


def layout(artifact: Artifact, manifest: bytes | None = None) -> list[str]:
    """Return the layout of a file as lines, sorted.

    Args:
        artifact: the file.
        manifest: of a bundle.
    """
    found: set[str] = set()
    if isinstance(artifact, OnnxArtifact):
        model = onnx.ModelProto.FromString(artifact.content)
        entries = {one.key: one.value for one in model.metadata_props}
        found |= {*_of_model(model)}
    else:
        entries = dict(open_archive(artifact.content, artifact.path).entries)
    for key, value in entries.items():
        found |= {*_of_entry(key, value)}
    if manifest is not None:
        said = json.loads(manifest)
        del said["metadata"]
        found |= {*_of_json("manifest", said)}
    return sorted(_HASH.sub("Circuit", line) for line in found)


def _of_entry(key: str, value: str) -> Iterator[str]:
    yield f"metadata {key}"
    if key == "hybridx.format":
        yield f"metadata {key} {value}"
    elif key == "hybridx.circuits":
        for text in json.loads(value).values():
            yield from _of_json("circuit", json.loads(text))
    elif key.startswith("hybridx.") and key != "hybridx.version":
        yield from _of_json(f"metadata {key}", json.loads(value))


def _of_json(path: str, value: Any) -> Iterator[str]:
    """Yield the paths of a JSON value, with the types at their ends and the tags of its objects."""
    if isinstance(value, dict):
        kind = f"<{value['type']}>" if isinstance(value.get("type"), str) else ""
        for key, inner in value.items():
            yield from _of_json(f"{path}{kind}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _of_json(f"{path}[]", inner)
    else:
        kind = "number" if type(value) in (int, float) else type(value).__name__
        yield f"{path}: {kind}"


def _of_model(model: onnx.ModelProto) -> Iterator[str]:
    yield f"IR version {model.ir_version}"
    yield from (f"opset {one.domain!r} {one.version}" for one in model.opset_import)
    yield from (f"model.{field.name}" for field, _ in model.ListFields())
    yield from (f"graph.{field.name}" for field, _ in model.graph.ListFields())
    for function in model.functions:
        if function.domain == "hybridx":
            yield from (f"function.{field.name}" for field, _ in function.ListFields())
            yield from (f"function.metadata {one.key}" for one in function.metadata_props)
            yield f"function {function.name}: {[*function.attribute]} {[*function.input]}"
            yield f"function {function.name}: {[*function.output]}"
    for node in model.graph.node:
        if node.domain == "hybridx":
            yield from (f"circuit node.{field.name}" for field, _ in node.ListFields())
            for attribute in node.attribute:
                yield f"circuit node attribute {attribute.name}"
                yield from _of_json("circuit", json.loads(attribute.s))
