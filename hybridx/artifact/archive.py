"""The zip archives of torch, read without torch: their format and the entries of hybridx.

hybridx adds one member to such an archive, a JSON object of strings. It has the entries that an
ONNX file has in its metadata, and four more: inputs, outputs, circuits and their strategies.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import msgspec

from hybridx.artifact.contract import (
    ARCHIVE_MEMBER,
    ARCHIVE_VERSION,
    KEY_CIRCUITS,
    KEY_FORMAT,
    KEY_INPUTS,
    KEY_OUTPUTS,
    KEY_STRATEGY,
    MAX_FILE_BYTES,
)
from hybridx.artifact.digest import function_name
from hybridx.artifact.functions import Compiled
from hybridx.artifact.metadata import Metadata, decode_entry, encode_entry
from hybridx.artifact.signature import Declared, Signature, declare, read_declared
from hybridx.errors import BrokenArtifactError, ForeignFileError, TooLargeError
from hybridx.storage import rezip, unzip

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
    """

    format: TorchFormat
    entries: Mapping[str, str]
    inputs: tuple[Signature, ...]
    outputs: tuple[str, ...]
    circuits: Mapping[str, str]
    strategies: Mapping[str, str]


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
    """Return an archive of torch with the entries of hybridx added."""
    members = dict(unzip(content)) | {ARCHIVE_MEMBER: encode_entry(entries).encode()}
    return rezip(members)


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
        TooLargeError: its members exceed the size limit of a file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > MAX_FILE_BYTES:
                raise TooLargeError(
                    "the archive unpacked", f"{total} bytes", f"{MAX_FILE_BYTES} bytes"
                )
            members = {name.partition("/")[2]: name for name in archive.namelist()}
            if ARCHIVE_MEMBER not in members:
                raise ForeignFileError(
                    path, f"hybridx did not write it: it has no {ARCHIVE_MEMBER}"
                )
            text = archive.read(members[ARCHIVE_MEMBER])
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise ForeignFileError(path, f"it is no sound zip archive: {error}") from error
    try:
        entries = msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BrokenArtifactError(path, f"{ARCHIVE_MEMBER} cannot be read: {error}") from error
    values = decode_entry(entries, KEY_INPUTS, tuple[Declared, ...], path) or ()
    return Archive(
        format="pt2" if "archive_format" in members else "torchscript",
        entries=entries,
        inputs=tuple(read_declared(value, path) for value in values),
        outputs=decode_entry(entries, KEY_OUTPUTS, tuple[str, ...], path) or (),
        circuits=decode_entry(entries, KEY_CIRCUITS, dict[str, str], path) or {},
        strategies=decode_entry(entries, KEY_STRATEGY, dict[str, str], path) or {},
    )
