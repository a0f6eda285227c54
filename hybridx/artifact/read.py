"""A model file, read and checked against the contract before it is used."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import onnx
from google.protobuf.message import DecodeError

from hybridx.artifact.archive import Body, TorchFormat, check_archive, is_archive, open_archive
from hybridx.artifact.contract import (
    ARCHIVE_DIGEST_SINCE,
    ARCHIVE_VERSION,
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    FORMAT_VERSION,
    INLINED_VERSION,
    KEY_BODIES,
    KEY_STRATEGY,
    MANIFEST,
)
from hybridx.artifact.digest import (
    Digest,
    circuit_hash,
    circuit_hashes,
    difference,
    digest_model,
    name_of,
)
from hybridx.artifact.functions import body_hash
from hybridx.artifact.graphs.structure import check_structure, order_nodes
from hybridx.artifact.inlined.entry import KEY_INLINED, Inlined, inlined_in
from hybridx.artifact.inlined.find import Lost, find_calls
from hybridx.artifact.limits import check_file_size, check_model
from hybridx.artifact.metadata import Metadata, decode_entry, decode_metadata, stated_digest
from hybridx.artifact.nodes import is_circuit_node, walk_nodes
from hybridx.artifact.signature import Signature, signature_of
from hybridx.artifact.traps import refuse_traps
from hybridx.circuit import Circuit, decode
from hybridx.errors import (
    ArtifactError,
    BrokenArtifactError,
    ChangedFileError,
    ForeignFileError,
    IllFormedCircuitError,
    LostCircuitError,
    SignatureMismatchError,
)
from hybridx.storage import read_bytes, recover

_NUMBERS = "fiub"  # kinds of dtypes that a session takes

log = logging.getLogger(__name__)

_TRIES = 3


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
        hashes: the SHA-256 of each circuit with its compiled body, by the name of the circuit.
        digest: of the file as it is.
        stated: the digest that the file says it has; None in a file of an old format.
    """

    path: str
    size: int
    metadata: Metadata
    inputs: tuple[Signature, ...]
    outputs: tuple[str, ...]
    circuits: Mapping[str, Circuit]
    strategies: Mapping[str, str]
    hashes: Mapping[str, str]
    digest: Digest
    stated: Digest | None

    @property
    def changed(self) -> tuple[str, ...]:
        """The parts that differ from what hybridx wrote, as far as the file says what that was."""
        return () if self.stated is None else self.digest.differing(self.stated)


@dataclass(frozen=True, eq=False)
class OnnxArtifact(_Common):
    """An ONNX model, from one file or joined from the parts of a bundle.

    Attributes:
        format: how it is stored.
        content: its bytes.
        model: its protobuf, in which each circuit is a node; of an inlined file, these nodes are
            made again.
        is_inlined: in its bytes, circuits are no functions.
        lost: the calls of an inlined file that could not be made again.
    """

    format: Literal["onnx", "bundle"]
    content: bytes
    model: onnx.ModelProto
    is_inlined: bool = False
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, eq=False)
class TorchArtifact(_Common):
    """A program for torch, in which the circuits are compiled.

    Attributes:
        format: which of torch's formats it is.
        content: its bytes.
        bodies: the parts of its program that are its circuits, by name; empty in an old format.
    """

    format: TorchFormat
    content: bytes
    bodies: Mapping[str, tuple[Body, ...]]


Artifact: TypeAlias = OnnxArtifact | TorchArtifact

Content: TypeAlias = bytes | Mapping[str, bytes]
"""The content of a file, or of the files of a bundle by name."""


def read_artifact(path: Path, signed: Mapping[str, str] | None = None) -> Artifact:
    """Read a model file, or the folder of a bundle.

    Args:
        path: of the file.
        signed: SHA-256 that each file must have, by name, as `hybridx.signing` has verified it; a
            single file is called `.`.

    Raises:
        FileMissingError: it cannot be read.
        ForeignFileError: hybridx did not write it.
        NewerFormatError: a later hybridx wrote it.
        MissingDigestError: it lacks the digest that files of its format have.
        BrokenArtifactError: it breaks the contract.
        TooLargeError: it exceeds a limit of docs/file-format.md.
        SignatureMismatchError: a file is not the one that was signed.
    """
    if not os.path.exists(path):  # noqa: PTH110 - it raises nothing
        recover(path)
    if (path / MANIFEST).is_file():
        return _read_bundle(path, signed)
    if path.is_file():
        check_file_size(path.stat().st_size)
    content = read_bytes(path)
    _check_signed(path, ".", content, signed)
    return decode_artifact(content, str(path))


def _check_signed(path: Path, name: str, content: bytes, signed: Mapping[str, str] | None) -> None:
    """Refuse bytes that are not those whose signature was verified a moment ago."""
    if signed is not None and signed.get(name) != hashlib.sha256(content).hexdigest():
        raise SignatureMismatchError(str(path), "its signature", f"{name} was changed meanwhile")


def _read_bundle(path: Path, signed: Mapping[str, str] | None) -> OnnxArtifact:
    """Read a folder; again, if another process has put another one in its place meanwhile."""
    for _ in range(_TRIES):
        folder = path.stat()
        try:
            return _decode_bundle(_Folder(path, signed).read, str(path))
        except ArtifactError:
            if not path.exists() or os.path.samestat(folder, path.stat()):
                raise
    return _decode_bundle(_Folder(path, signed).read, str(path))


def decode_artifact(content: Content, path: str) -> Artifact:
    """Check the content of a model file; `path` is for messages. Raises as `read_artifact`."""
    if not isinstance(content, bytes):
        return _decode_bundle(content.__getitem__, path)
    check_file_size(len(content))
    if is_archive(content):
        return _decode_archive(content, path)
    return _decode_onnx(content, path, "onnx")


def refuse_changes(artifact: Artifact, *, accepted: bool = False) -> None:
    """Refuse a file that is not as hybridx wrote it.

    Args:
        artifact: the file.
        accepted: take it nevertheless, as far as its circuits are there.

    Raises:
        LostCircuitError: a circuit of an inlined file is not found in its graph; accepted or not.
        ChangedFileError: it names the parts that differ.
    """
    refuse_lost(artifact)
    if artifact.changed and not accepted:
        raise ChangedFileError(artifact.path, difference(artifact.changed))


def refuse_lost(artifact: Artifact) -> None:
    """Refuse an inlined file with a circuit that is not found in its graph.

    Raises:
        LostCircuitError: it names the quantum layer.
    """
    if isinstance(artifact, OnnxArtifact) and artifact.lost:
        lost = artifact.lost[0]
        raise LostCircuitError(artifact.path, lost.layer, lost.reason)


def tell_changes(artifact: Artifact) -> None:
    """Log what differs from what hybridx wrote, or that nobody can know."""
    for lost in artifact.lost if isinstance(artifact, OnnxArtifact) else ():
        log.warning(
            "%s runs as it is, but its quantum layer %s is not found in it again: %s",
            artifact.path,
            lost.layer,
            lost.reason,
        )
    if artifact.changed:
        log.warning(
            "%s was changed after hybridx wrote it: %s", artifact.path, difference(artifact.changed)
        )
    elif artifact.stated is None:
        log.info(
            "%s has no digest, as a hybridx before digests wrote it: no change of it is noticed",
            artifact.path,
        )


class _Folder:
    """Reads the regular files of a folder until their total size exceeds the limit.

    It refuses links, because a downloaded folder could name any file of this machine with one, and
    pipes and devices, because reading them may never end.
    """

    def __init__(self, folder: Path, signed: Mapping[str, str] | None) -> None:
        self._folder = folder
        self._signed = signed
        self._size = 0

    def read(self, name: str) -> bytes:
        path = self._folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise BrokenArtifactError(str(self._folder), f"{name} is no plain file")
        if path.exists():
            self._size += path.stat().st_size
            check_file_size(self._size)
        content = read_bytes(path)
        _check_signed(self._folder, name, content, self._signed)
        return content


def _decode_bundle(read: Callable[[str], bytes], path: str) -> OnnxArtifact:
    from hybridx.artifact.bundle import from_bundle

    model, manifest = from_bundle(read, path)
    content = bytes(model.SerializeToString(deterministic=True))
    check_file_size(len(content))
    return _decode_onnx(content, path, "bundle", manifest)


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
        hashes=archive.digest.circuits,
        digest=archive.digest,
        stated=stated_digest(archive.entries, path, since=ARCHIVE_DIGEST_SINCE),
        format=archive.format,
        content=content,
        bodies=archive.bodies,
    )


def _decode_onnx(
    content: bytes,
    path: str,
    format: Literal["onnx", "bundle"],
    manifest: bytes | None = None,
) -> OnnxArtifact:
    model = _parse(content, path)
    _check_texts(model, path)
    check_model(model, path)
    refuse_traps(model, path)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if len(entries) < len(model.metadata_props):
        raise BrokenArtifactError(path, "two entries of its metadata have one name")
    newest = INLINED_VERSION if format == "onnx" else FORMAT_VERSION
    metadata = decode_metadata(entries, path, newest=newest)
    inlined = inlined_in(entries, path)
    check_structure(model, path)
    stated = stated_digest(entries, path)
    if stated is None:
        _check_bodies(model, decode_entry(entries, KEY_BODIES, dict[str, str], path) or {}, path)
    digest = digest_model(model, manifest)
    order_nodes(model, path)
    hashes, lost = digest.circuits, tuple[Lost, ...]()
    if inlined is not None:
        lost = _make_calls(model, inlined, path)
        hashes = circuit_hashes(model)
    return OnnxArtifact(
        path=path,
        size=len(content),
        metadata=metadata,
        inputs=tuple(_input(value, path) for value in model.graph.input),
        outputs=tuple(_signature(value, path).name for value in model.graph.output),
        circuits=_circuits(model, hashes, path),
        strategies={f.name: _strategy(f) for f in model.functions if f.domain == DOMAIN},
        hashes=hashes,
        digest=digest,
        stated=stated,
        format=format,
        content=content,
        model=model,
        is_inlined=inlined is not None,
        lost=lost,
    )


def _make_calls(model: onnx.ModelProto, inlined: Inlined, path: str) -> tuple[Lost, ...]:
    """Make the calls of an inlined file again, in place, and return those that are lost."""
    rooms = (model.graph, *model.functions)
    if any(one.domain == DOMAIN for one in model.functions) or any(
        node.domain == DOMAIN for room in rooms for node in walk_nodes(room)
    ):
        raise BrokenArtifactError(path, f"a file with {KEY_INLINED} has circuits as nodes too")
    circuits = {}
    for name, text in inlined.circuits.items():
        circuits[name] = _decode_circuit(name, text, path)
        if name_of(circuit_hash(text.encode(), None)) != name:
            raise BrokenArtifactError(path, f"{name} is not the circuit with this name")
    lost = find_calls(model, inlined, circuits)
    entries = [one for one in model.metadata_props if one.key != KEY_INLINED]
    del model.metadata_props[:]
    model.metadata_props.extend(entries)
    check_model(model, path)
    return lost


def _parse(content: bytes, path: str) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ForeignFileError(path, "its bytes are no ONNX protobuf") from error
    # Protobuf can parse empty or foreign bytes as an empty model.
    if not model.opset_import or not model.graph.node:
        raise ForeignFileError(path, "it has no graph")
    return model


def _check_texts(model: onnx.ModelProto, path: str) -> None:
    """Refuse names and metadata that are not UTF-8, which protobuf gives as bytes."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    texts = [graph.name, *(value.name for value in values)]
    for entry in model.metadata_props:
        texts += [entry.key, entry.value]
    for room in (graph, *model.functions):
        texts.append(room.name)
        for node in walk_nodes(room):
            texts += [node.name, node.domain, node.op_type, *node.input, *node.output]
            texts += [attribute.name for attribute in node.attribute]
    for function in model.functions:
        texts += [function.domain, function.overload, *function.input, *function.output]
        for entry in function.metadata_props:
            texts += [entry.key, entry.value]
    if not all(isinstance(text, str) for text in texts):
        raise BrokenArtifactError(path, "a name or a text in it is not UTF-8")


def _signature(value: onnx.ValueInfoProto, path: str) -> Signature:
    try:
        return signature_of(value)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenArtifactError(path, f"its value {value.name} is no tensor") from error


def _input(value: onnx.ValueInfoProto, path: str) -> Signature:
    signature = _signature(value, path)
    if signature.dtype.kind not in _NUMBERS:
        raise BrokenArtifactError(path, f"its input {value.name} takes no numbers")
    return signature


def _check_bodies(model: onnx.ModelProto, hashes: dict[str, str], path: str) -> None:
    for function in model.functions:
        if function.domain != DOMAIN:
            continue
        if hashes.get(function.name) != body_hash(function):
            raise BrokenArtifactError(path, f"the body of {function.name} was changed")


def _circuits(model: onnx.ModelProto, hashes: Mapping[str, str], path: str) -> dict[str, Circuit]:
    texts: dict[str, str] = {}
    for node in filter(is_circuit_node, walk_nodes(model.graph)):
        name, text = node.op_type, _circuit_text(node)
        is_named = name in hashes and name_of(hashes[name]) == name
        if texts.setdefault(name, text) != text or not is_named:
            # A circuit that is ill-formed is called so first.
            _decode_circuit(name, text, path)
            raise BrokenArtifactError(path, f"the circuit of {name} is not the compiled one")
    return {name: _decode_circuit(name, text, path) for name, text in texts.items()}


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
