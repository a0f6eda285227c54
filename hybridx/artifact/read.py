"""A model file, read and checked against the contract before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import onnx
from google.protobuf.message import DecodeError

from hybridx.artifact.archive import TorchFormat, check_archive, is_archive, open_archive
from hybridx.artifact.contract import (
    ARCHIVE_VERSION,
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    KEY_BODIES,
    KEY_STRATEGY,
    MANIFEST,
)
from hybridx.artifact.digest import body_digest, function_name
from hybridx.artifact.limits import check_file_size, check_model
from hybridx.artifact.metadata import Metadata, decode_entry, decode_metadata
from hybridx.artifact.nodes import is_circuit_node, walk_nodes
from hybridx.artifact.signature import Signature, signature_of
from hybridx.artifact.traps import refuse_traps
from hybridx.circuit import Circuit, decode
from hybridx.errors import BrokenArtifactError, ForeignFileError, IllFormedCircuitError
from hybridx.storage import read_bytes


@dataclass(frozen=True, eq=False)
class _Common:
    """The attributes that model files of all formats have.

    Attributes:
        path: of the file, for messages.
        size: in bytes; for a bundle, the size of the model that its parts make.
        metadata: of the file.
        inputs: signatures of the inputs, in order.
        outputs: names of the outputs, in order.
        circuits: by name.
        strategies: the strategies that made the bodies, by the name of the circuit.
    """

    path: str
    size: int
    metadata: Metadata
    inputs: tuple[Signature, ...]
    outputs: tuple[str, ...]
    circuits: Mapping[str, Circuit]
    strategies: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class OnnxArtifact(_Common):
    """An ONNX model, from one file or joined from the parts of a bundle.

    Attributes:
        format: how it is stored.
        content: its bytes.
        model: its protobuf.
    """

    format: Literal["onnx", "bundle"]
    content: bytes
    model: onnx.ModelProto


@dataclass(frozen=True, eq=False)
class TorchArtifact(_Common):
    """A program for torch, in which the circuits are compiled.

    Attributes:
        format: which of torch's formats it is.
        content: its bytes.
    """

    format: TorchFormat
    content: bytes


Artifact: TypeAlias = OnnxArtifact | TorchArtifact

Content: TypeAlias = bytes | Mapping[str, bytes]
"""The content of a file, or of the files of a bundle by name."""


def read_artifact(path: Path) -> Artifact:
    """Read a model file, or the folder of a bundle.

    Raises:
        FileMissingError: it cannot be read.
        ForeignFileError: hybridx did not write it.
        NewerFormatError: a later hybridx wrote it.
        BrokenArtifactError: it breaks the contract.
        TooLargeError: it exceeds a limit of docs/file-format.md.
    """
    if (path / MANIFEST).is_file():
        return _decode_bundle(_Folder(path).read, str(path))
    if path.is_file():
        check_file_size(path.stat().st_size)
    return decode_artifact(read_bytes(path), str(path))


def decode_artifact(content: Content, path: str) -> Artifact:
    """Check the content of a model file; `path` is for messages. Raises as `read_artifact`."""
    if not isinstance(content, bytes):
        return _decode_bundle(content.__getitem__, path)
    check_file_size(len(content))
    if is_archive(content):
        return _decode_archive(content, path)
    return _decode_onnx(content, path, "onnx")


class _Folder:
    """Reads the regular files of a folder until their total size exceeds the limit.

    It refuses links, because a downloaded folder could name any file of this machine with one, and
    pipes and devices, because reading them may never end.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._size = 0

    def read(self, name: str) -> bytes:
        path = self._folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise BrokenArtifactError(str(self._folder), f"{name} is no plain file")
        if path.exists():
            self._size += path.stat().st_size
            check_file_size(self._size)
        return read_bytes(path)


def _decode_bundle(read: Callable[[str], bytes], path: str) -> OnnxArtifact:
    from hybridx.artifact.bundle import from_bundle

    content = from_bundle(read, path)
    check_file_size(len(content))
    return _decode_onnx(content, path, "bundle")


def _decode_archive(content: bytes, path: str) -> TorchArtifact:
    archive = open_archive(content, path)
    metadata = decode_metadata(archive.entries, path, newest=ARCHIVE_VERSION)
    check_archive(archive, content, metadata.self_test, path)
    return TorchArtifact(
        path=path,
        size=len(content),
        metadata=metadata,
        inputs=archive.inputs,
        outputs=archive.outputs,
        circuits={
            name: _decode_circuit(name, text, path) for name, text in archive.circuits.items()
        },
        strategies=archive.strategies,
        format=archive.format,
        content=content,
    )


def _decode_onnx(content: bytes, path: str, format: Literal["onnx", "bundle"]) -> OnnxArtifact:
    model = _parse(content, path)
    check_model(model, path)
    refuse_traps(model, path)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    metadata = decode_metadata(entries, path)
    _check_bodies(model, decode_entry(entries, KEY_BODIES, dict[str, str], path) or {}, path)
    return OnnxArtifact(
        path=path,
        size=len(content),
        metadata=metadata,
        inputs=tuple(map(signature_of, model.graph.input)),
        outputs=tuple(value.name for value in model.graph.output),
        circuits=_circuits(model, path),
        strategies={f.name: _strategy(f) for f in model.functions if f.domain == DOMAIN},
        format=format,
        content=content,
        model=model,
    )


def _parse(content: bytes, path: str) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ForeignFileError(path, "its bytes are no ONNX protobuf") from error
    # Protobuf can parse empty or foreign bytes as an empty model.
    if not model.opset_import or not model.graph.node:
        raise ForeignFileError(path, "it has no graph")
    return model


def _check_bodies(model: onnx.ModelProto, hashes: dict[str, str], path: str) -> None:
    for function in model.functions:
        if function.domain != DOMAIN:
            continue
        if hashes.get(function.name) != body_digest(function):
            raise BrokenArtifactError(path, f"the body of {function.name} was changed")


def _circuits(model: onnx.ModelProto, path: str) -> dict[str, Circuit]:
    functions = {f.name: f for f in model.functions if f.domain == DOMAIN}
    circuits: dict[str, Circuit] = {}
    for node in walk_nodes(model.graph):
        if not is_circuit_node(node):
            continue
        name, text = node.op_type, _circuit_text(node)
        circuits[name] = _decode_circuit(name, text, path)
        if function_name(text, functions.get(name)) != name:
            raise BrokenArtifactError(path, f"the circuit of {name} is not the compiled one")
    return circuits


def _decode_circuit(name: str, text: str, path: str) -> Circuit:
    try:
        return decode(text)
    except IllFormedCircuitError as error:
        raise BrokenArtifactError(path, f"{name}: {error.faults}") from error


def _strategy(function: onnx.FunctionProto) -> str:
    entries = {entry.key: entry.value for entry in function.metadata_props}
    return str(entries.get(KEY_STRATEGY, "unknown"))


def _circuit_text(node: onnx.NodeProto) -> str:
    texts = [a.s for a in node.attribute if a.name == CIRCUIT_ATTRIBUTE]
    return texts[0].decode(errors="replace") if texts else ""
