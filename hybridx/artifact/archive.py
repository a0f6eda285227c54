"""The zip archives of torch, read without torch: their format and the entries of hybridx.

hybridx adds one member to such an archive, a JSON object of strings. It has the entries that an
ONNX file has in its metadata, and four more: inputs, outputs, circuits and their strategies.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import msgspec

from hybridx.artifact.contract import (
    ARCHIVE_MEMBER,
    ARCHIVE_VERSION,
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

_MAGIC: Final = b"PK\x03\x04"


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
        digest: of the archive as it is.
    """

    format: TorchFormat
    entries: Mapping[str, str]
    inputs: tuple[Signature, ...]
    outputs: tuple[str, ...]
    circuits: Mapping[str, str]
    strategies: Mapping[str, str]
    digest: Digest


def archive_entries(
    metadata: Metadata,
    inputs: Sequence[Signature],
    outputs: Sequence[str],
    compiled: Sequence[Compiled],
) -> dict[str, str]:
    """Return the entries that hybridx puts into an archive, by key.

    Args:
        metadata: of the file.
        inputs: of the program, in order.
        outputs: names of the outputs, in order.
        compiled: its circuits.
    """
    named = {function_name(one.circuit, None): one for one in compiled}
    return metadata.encode() | {
        KEY_FORMAT: str(ARCHIVE_VERSION),
        KEY_INPUTS: encode_entry([declare(one) for one in inputs]),
        KEY_OUTPUTS: encode_entry(list(outputs)),
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
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BrokenArtifactError(path, f"{ARCHIVE_MEMBER} cannot be read: {error}") from error
    values = decode_entry(entries, KEY_INPUTS, tuple[Declared, ...], path) or ()
    circuits = decode_entry(entries, KEY_CIRCUITS, dict[str, str], path) or {}
    strategies = decode_entry(entries, KEY_STRATEGY, dict[str, str], path) or {}
    _check_circuits(circuits, strategies, path)
    return Archive(
        format="pt2" if "archive_format" in contents else "torchscript",
        entries=entries,
        inputs=tuple(read_declared(value, path) for value in values),
        outputs=decode_entry(entries, KEY_OUTPUTS, tuple[str, ...], path) or (),
        circuits=circuits,
        strategies=strategies,
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


def _check_circuits(circuits: Mapping[str, str], strategies: Mapping[str, str], path: str) -> None:
    for name, circuit in circuits.items():
        if function_name(circuit, None) != name:
            raise BrokenArtifactError(path, f"the circuit of {name} is not the compiled one")
    if strategies.keys() != circuits.keys():
        raise BrokenArtifactError(path, "its strategies are of other circuits")
