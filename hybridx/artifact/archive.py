"""The zip archives of torch, read without torch: their format and the entries of hybridx.

hybridx adds one member to such an archive, a JSON object of strings. It has the entries that an
ONNX file has in its metadata, and five more: inputs, outputs, circuits, their strategies and where
in the program they are.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import msgspec

from hybridx.artifact.contract import (
    ARCHIVE_BODIES_SINCE,
    ARCHIVE_MEMBER,
    ARCHIVE_VERSION,
    KEY_BODIES,
    KEY_CIRCUITS,
    KEY_DIGEST,
    KEY_FORMAT,
    KEY_INPUTS,
    KEY_OUTPUTS,
    KEY_STRATEGY,
)
from hybridx.artifact.digest import Digest, digest_archive
from hybridx.artifact.functions import Compiled, function_name
from hybridx.artifact.metadata import Metadata, decode_entry, encode_entry
from hybridx.artifact.selftest import SelfTest
from hybridx.artifact.signature import Declared, Signature, declare, read_declared
from hybridx.errors import BrokenArtifactError, ForeignFileError
from hybridx.storage import rezip, stored_members, unzip

TorchFormat: TypeAlias = Literal["torchscript", "pt2"]

_BODY_DTYPES: Final = ("float32", "float64")
_MAGIC: Final = b"PK\x03\x04"


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a program that is a compiled circuit, from `(batch, P)` to `(batch, M)`.

    Attributes:
        dtype: of its parameters and its results: float32 or float64.
        method: of the class in a TorchScript archive; empty in a PT2 archive.
        parameters: name of a value of the program in a PT2 archive.
        results: likewise. What leads from the one to the other depends on nothing else but weights.
    """

    dtype: str
    method: str = ""
    parameters: str = ""
    results: str = ""


@dataclass(frozen=True)
class Archive:
    """The entries of hybridx in an archive.

    Attributes:
        format: TorchScript or PT2.
        entries: all entries by key.
        inputs: of the program, in order.
        outputs: names of the outputs, in order.
        circuits: their JSON, by name.
        strategies: the strategies that compiled them, by name.
        bodies: the parts of the program that they are, by name; empty in an old format.
        digest: of the archive as it is.
    """

    format: TorchFormat
    entries: Mapping[str, str]
    inputs: tuple[Signature, ...]
    outputs: tuple[str, ...]
    circuits: Mapping[str, str]
    strategies: Mapping[str, str]
    bodies: Mapping[str, tuple[Body, ...]]
    digest: Digest


def archive_entries(
    metadata: Metadata,
    inputs: Sequence[Signature],
    outputs: Sequence[str],
    compiled: Sequence[Compiled],
    bodies: Iterable[tuple[int, Body]],
) -> dict[str, str]:
    """Return the entries that hybridx puts into an archive, by key.

    Args:
        metadata: of the file.
        inputs: of the program, in order.
        outputs: names of the outputs, in order.
        compiled: its circuits.
        bodies: where they are in the program, with the index of the circuit.
    """
    names = [function_name(one.circuit, None) for one in compiled]
    named = dict(zip(names, compiled, strict=True))
    places: dict[str, list[Body]] = {name: [] for name in named}
    for index, body in bodies:
        places[names[index]].append(body)
    return metadata.encode() | {
        KEY_FORMAT: str(ARCHIVE_VERSION),
        KEY_INPUTS: encode_entry([declare(one) for one in inputs]),
        KEY_OUTPUTS: encode_entry(list(outputs)),
        KEY_BODIES: encode_entry(places),
        KEY_CIRCUITS: encode_entry({name: one.circuit for name, one in named.items()}),
        KEY_STRATEGY: encode_entry({name: one.strategy for name, one in named.items()}),
    }


def with_entries(content: bytes, entries: Mapping[str, str]) -> bytes:
    """Return an archive of torch with the entries of hybridx added, and the digest of the whole."""
    members = dict(unzip(content))
    circuits = decode_entry(entries, KEY_CIRCUITS, dict[str, str], "the new file") or {}
    digest = encode_entry(digest_archive(members.items(), entries, circuits))
    return rezip(members | {ARCHIVE_MEMBER: encode_entry({**entries, KEY_DIGEST: digest}).encode()})


def leaves(returned: Any) -> list[Any]:
    """Return the tensors of what a program returned, in the order of the file's outputs."""
    if isinstance(returned, Mapping):
        return [leaf for one in returned.values() for leaf in leaves(one)]
    if isinstance(returned, list | tuple):
        return [leaf for one in returned for leaf in leaves(one)]
    return [returned]


def is_archive(content: bytes) -> bool:
    """True if the bytes begin like a zip archive."""
    return content.startswith(_MAGIC)


def open_archive(content: bytes, path: str) -> Archive:
    """Read the entries of an archive; `path` is for messages.

    Raises:
        ForeignFileError: it is not an archive of torch, or hybridx did not write it.
        BrokenArtifactError: an entry cannot be read.
    """
    try:
        contents = dict(stored_members(content))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise ForeignFileError(path, f"it is no sound zip archive: {error}") from error
    if ARCHIVE_MEMBER not in contents:
        raise ForeignFileError(path, f"hybridx did not write it: it has no {ARCHIVE_MEMBER}")
    try:
        entries = msgspec.json.decode(contents[ARCHIVE_MEMBER], type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenArtifactError(path, f"{ARCHIVE_MEMBER} cannot be read: {error}") from error
    values = decode_entry(entries, KEY_INPUTS, tuple[Declared, ...], path) or ()
    circuits = decode_entry(entries, KEY_CIRCUITS, dict[str, str], path) or {}
    strategies = decode_entry(entries, KEY_STRATEGY, dict[str, str], path) or {}
    _check_circuits(circuits, strategies, path)
    bodies = decode_entry(entries, KEY_BODIES, dict[str, tuple[Body, ...]], path)
    return Archive(
        format="pt2" if "archive_format" in contents else "torchscript",
        entries=entries,
        inputs=tuple(read_declared(value, path) for value in values),
        outputs=decode_entry(entries, KEY_OUTPUTS, tuple[str, ...], path) or (),
        circuits=circuits,
        strategies=strategies,
        bodies=bodies or {},
        digest=digest_archive(contents.items(), entries, circuits),
    )


def check_archive(archive: Archive, content: bytes, self_test: SelfTest | None, path: str) -> None:
    """Refuse an archive whose program is not the one that its entries describe.

    Args:
        archive: its entries.
        content: its bytes.
        self_test: of its metadata.
        path: for messages.

    Raises:
        BrokenArtifactError: torch must not read the program, or it takes or returns other values.
        TooLargeError: the program is longer than the limit.
    """
    # An ONNX file needs no reader of torch's programs.
    from hybridx.artifact.guard.check import checked

    program = checked(content, archive.format, path)
    _check_bodies(archive, program.bodies, path)
    for found, said, what in (
        (program.inputs, len(archive.inputs), "takes {} inputs"),
        (program.outputs, len(archive.outputs), "returns {} outputs"),
    ):
        if found != said:
            raise BrokenArtifactError(path, f"it {what.format(found)}, and names {said}")
    if self_test is None:
        return
    is_said = [*self_test.outputs] == [*archive.outputs] and self_test.inputs.keys() == {
        one.name for one in archive.inputs
    }
    if not is_said:
        raise BrokenArtifactError(path, "its self-test has other inputs or outputs")
    for one in archive.inputs:
        array = self_test.inputs[one.name]
        if array.dtype != one.dtype or not one.fits(array.shape):
            problem = f"its input {one} does not fit its self-test, {array.dtype} {array.shape}"
            raise BrokenArtifactError(path, problem)


def _check_bodies(archive: Archive, places: AbstractSet[str], path: str) -> None:
    """Refuse an archive that does not say of each circuit which part of its program it is.

    Args:
        archive: its entries.
        places: the names that a body may have: methods that are called, or values.
        path: for messages.
    """
    version = decode_entry(archive.entries, KEY_FORMAT, int, path) or 0
    if version < ARCHIVE_BODIES_SINCE:
        return
    if archive.bodies.keys() != archive.circuits.keys() or not all(archive.bodies.values()):
        raise BrokenArtifactError(path, f"{KEY_BODIES} are of other circuits than {KEY_CIRCUITS}")
    for body in (one for bodies in archive.bodies.values() for one in bodies):
        is_script = archive.format == "torchscript"
        named = {body.method} if is_script else {body.parameters, body.results}
        others = {body.parameters, body.results} if is_script else {body.method}
        if not named <= places or others != {""} or body.dtype not in _BODY_DTYPES:
            raise BrokenArtifactError(path, f"{KEY_BODIES} name no part of its program")


def _check_circuits(circuits: Mapping[str, str], strategies: Mapping[str, str], path: str) -> None:
    for name, circuit in circuits.items():
        if function_name(circuit, None) != name:
            raise BrokenArtifactError(path, f"the circuit of {name} is not the compiled one")
    if strategies.keys() != circuits.keys():
        raise BrokenArtifactError(path, "its strategies are of other circuits")
