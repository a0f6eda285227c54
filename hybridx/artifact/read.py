"""A file read and checked against the contract before anything else looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import onnx
from google.protobuf.message import DecodeError

from hybridx.artifact.contract import (
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    FORMAT_VERSION,
    KEY_BODIES,
    KEY_CALL,
    KEY_CLASSES,
    KEY_COLUMNS,
    KEY_FORMAT,
    KEY_SELF_TEST,
    KEY_VERIFICATION,
    KEY_VERSION,
    Verification,
    is_circuit_node,
    walk_nodes,
)
from hybridx.artifact.functions import body_hash, function_name
from hybridx.artifact.limits import check_file_size, check_model
from hybridx.artifact.selftest import SelfTest, decode_self_test
from hybridx.circuit import Circuit, decode
from hybridx.errors import (
    BrokenArtifactError,
    IllFormedCircuitError,
    NewerFormatError,
    NotOnnxError,
)
from hybridx.storage import read_bytes

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Artifact:
    """A model file that keeps the contract.

    Attributes:
        path: where it came from, for messages.
        content: its bytes.
        model: its protobuf.
        circuits: by function name.
        version: of the hybridx that wrote it.
        verification: what was compared at export, if anything was.
        self_test: a small input with its output, if there is one.
        columns: names of the input's columns in a table; may be empty.
        classes: names of the logits in order; may be empty.
        call: how the inputs are arguments of `forward`; None if each is one, by position.
    """

    path: str
    content: bytes
    model: onnx.ModelProto
    circuits: Mapping[str, Circuit]
    version: str
    verification: Verification | None
    self_test: SelfTest | None
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    call: Mapping[str, Any] | None


def read_artifact(path: Path) -> Artifact:
    """Read a model file.

    Raises:
        FileMissingError: it cannot be read.
        NotOnnxError: it is not an ONNX model.
        NewerFormatError: a later hybridx wrote it.
        BrokenArtifactError: it breaks the contract.
        TooLargeError: it is over a bound of docs/file-format.md.
    """
    if path.is_file():
        check_file_size(path.stat().st_size)
    return decode_artifact(read_bytes(path), str(path))


def decode_artifact(content: bytes, path: str) -> Artifact:
    """Check the bytes of a model file; `path` is for messages. Raises as `read_artifact`."""
    check_file_size(len(content))
    model = _parse(content, path)
    check_model(model, path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if KEY_FORMAT not in metadata:
        raise NotOnnxError(path, "hybridx did not write it: it has no hybridx.format")
    found = _metadata(metadata, KEY_FORMAT, int, path)
    if found is not None and found > FORMAT_VERSION:
        raise NewerFormatError(path, found, FORMAT_VERSION)
    _check_bodies(model, _metadata(metadata, KEY_BODIES, dict[str, str], path) or {}, path)
    self_test = None
    if KEY_SELF_TEST in metadata:
        try:
            self_test = decode_self_test(metadata[KEY_SELF_TEST])
        except ValueError as error:
            raise BrokenArtifactError(path, str(error)) from error
    return Artifact(
        path=path,
        content=content,
        model=model,
        circuits=_circuits(model, path),
        version=metadata.get(KEY_VERSION, "unknown"),
        verification=_metadata(metadata, KEY_VERIFICATION, Verification, path),
        self_test=self_test,
        columns=_metadata(metadata, KEY_COLUMNS, tuple[str, ...], path) or (),
        classes=_metadata(metadata, KEY_CLASSES, tuple[str, ...], path) or (),
        call=_metadata(metadata, KEY_CALL, dict[str, Any], path),
    )


def _parse(content: bytes, path: str) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise NotOnnxError(path, "its bytes are no ONNX protobuf") from error
    # Empty or foreign bytes can parse as a model without anything in it.
    if not model.opset_import or not model.graph.node:
        raise NotOnnxError(path, "it has no graph")
    return model


def _check_bodies(model: onnx.ModelProto, hashes: dict[str, str], path: str) -> None:
    for function in model.functions:
        if function.domain != DOMAIN:
            continue
        if hashes.get(function.name) != body_hash(function):
            raise BrokenArtifactError(path, f"the body of {function.name} was changed")


def _circuits(model: onnx.ModelProto, path: str) -> dict[str, Circuit]:
    functions = {f.name: f for f in model.functions if f.domain == DOMAIN}
    circuits: dict[str, Circuit] = {}
    for node in walk_nodes(model.graph):
        if not is_circuit_node(node):
            continue
        name, text = node.op_type, _circuit_text(node)
        try:
            circuits[name] = decode(text)
        except IllFormedCircuitError as error:
            raise BrokenArtifactError(path, f"{name}: {error.faults}") from error
        if function_name(text, functions.get(name)) != name:
            raise BrokenArtifactError(path, f"the circuit of {name} is not the compiled one")
    return circuits


def _circuit_text(node: onnx.NodeProto) -> str:
    texts = [a.s for a in node.attribute if a.name == CIRCUIT_ATTRIBUTE]
    return texts[0].decode(errors="replace") if texts else ""


def _metadata(metadata: Mapping[str, str], key: str, kind: type[_T], path: str) -> _T | None:
    if key not in metadata:
        return None
    try:
        return msgspec.json.decode(metadata[key], type=kind)
    except msgspec.MsgspecError as error:
        raise BrokenArtifactError(path, f"{key} cannot be read: {error}") from error
