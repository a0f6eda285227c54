"""Targets: circuits, model files of all formats, and what a file says of itself."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from hybridx.api.work.summaries import inspect_artifact
from hybridx.artifact import (
    Artifact,
    OnnxArtifact,
    checked,
    decode_artifact,
    read_artifact,
    to_bundle,
)
from hybridx.artifact.contract import FORMAT_VERSION, is_bundle_file
from hybridx.artifact.metadata import Metadata, decode_metadata
from hybridx.circuit import GATES, Circuit, decode, encode, parse, show, to_python, to_qasm
from hybridx.drawing import draw_svg
from hybridx.errors import NoQasmError
from tests.fuzzing.changes import change_archive, change_document, change_model, packed, unpacked
from tests.fuzzing.target import Target
from tests.golden.files import every


def read_circuit(data: bytes) -> None:
    circuit = decode(data.decode(errors="replace"))
    text = encode(circuit)
    assert decode(text) == circuit, "another circuit comes back"
    assert encode(decode(text)) == text, "another text comes back"
    _use(circuit)


def _use(circuit: Circuit) -> None:
    """Write a circuit in every form that `inspect` has."""
    assert parse(show(circuit)) == circuit, "its text is another circuit"
    compile(to_python({"circuit": circuit}), "circuit.py", "exec")
    draw_svg(circuit)
    try:
        to_qasm(circuit)
    except NoQasmError:
        return


def read_file(data: bytes) -> None:
    artifact = decode_artifact(data, "model")
    _describe(artifact)
    if isinstance(artifact, OnnxArtifact):
        files = to_bundle(artifact.model, "model")
        joined = decode_artifact(files, "model.bundle")
        assert isinstance(joined, OnnxArtifact)
        assert joined.circuits == artifact.circuits, "a bundle has other circuits"
    else:
        program = checked(artifact.content, artifact.format, "model")
        again = checked(program.content, artifact.format, "model")
        assert again.members == program.members, "what was checked is checked otherwise"


def _describe(artifact: Artifact) -> None:
    msgspec.json.encode(inspect_artifact(artifact))
    for circuit in artifact.circuits.values():
        assert decode(encode(circuit)) == circuit


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="hybridx-fuzzing-"))


def read_bundle(data: bytes) -> None:
    try:
        files = unpacked(data)
    except Exception:
        return  # it is our own archive around a folder
    folder = _folder() / "model.bundle"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        if is_bundle_file(name):
            (folder / name).write_bytes(content)
    _describe(read_artifact(folder))


def read_metadata(data: bytes) -> None:
    entries = json.loads(data)
    if not isinstance(entries, dict) or not all(isinstance(one, str) for one in entries.values()):
        return
    metadata = decode_metadata(entries, "model")
    written = metadata.encode()
    again = decode_metadata(written, "model")
    assert again.encode() == written, "other entries come back"
    assert _arrays(again) == _arrays(metadata), "another self-test comes back"


def _arrays(metadata: Metadata) -> list[tuple[str, str, tuple[int, ...], bytes]]:
    test = metadata.self_test
    if test is None:
        return []
    both = {**test.inputs, **{f"output {name}": one for name, one in test.outputs.items()}}
    return [
        (name, one.dtype.str, one.shape, np.asarray(one).tobytes()) for name, one in both.items()
    ]


def _unreadable_is_nothing(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return a reader of JSON that leaves aside what is no JSON: it reads texts of a file."""

    def reading(data: bytes) -> None:
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            return
        read(data)

    return reading


# --- seeds ---------------------------------------------------------------------------------------


def _golden(ending: str) -> Callable[[], Iterator[bytes]]:
    def made() -> Iterator[bytes]:
        yield from (one.read_bytes() for one in every() if one.suffix == ending)

    return made


def _bundles() -> Iterator[bytes]:
    for folder in every():
        if folder.suffix == ".bundle":
            yield packed({one.name: one.read_bytes() for one in sorted(folder.iterdir())})


def _circuits() -> Iterator[bytes]:
    for one in every():
        if one.parent.name == f"onnx-{FORMAT_VERSION}":
            for circuit in read_artifact(one).circuits.values():
                yield encode(circuit).encode()


def _entries() -> Iterator[bytes]:
    for one in every():
        if one.suffix == ".onnx":
            artifact = read_artifact(one)
            assert isinstance(artifact, OnnxArtifact)
            said = {entry.key: entry.value for entry in artifact.model.metadata_props}
            yield json.dumps(said).encode()


TARGETS = (
    Target("circuit", read_circuit, _circuits, change_document, tuple(GATES)),
    Target("onnx", read_file, _golden(".onnx"), change_model),
    Target("torchscript", read_file, _golden(".pt"), change_archive),
    Target("pt2", read_file, _golden(".pt2"), change_archive),
    Target("bundle", read_bundle, _bundles, change_archive),
    Target("metadata", _unreadable_is_nothing(read_metadata), _entries, change_document),
)
