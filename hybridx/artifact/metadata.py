"""The metadata of a file: the version that wrote it, its verification, its self-test.

Every format has the same entries, strings by key: an ONNX file in its metadata, an archive of torch
in one additional member, a bundle in its manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import onnx

from hybridx.artifact.contract import (
    DIGEST_SINCE,
    FORMAT_VERSION,
    INLINED_VERSION,
    KEY_ASSUMED,
    KEY_BODIES,
    KEY_CALL,
    KEY_CLASSES,
    KEY_COLUMNS,
    KEY_DIGEST,
    KEY_FORMAT,
    KEY_MACHINE,
    KEY_SELF_TEST,
    KEY_VERIFICATION,
    KEY_VERSION,
    KEY_WEIGHTS,
    RESERVED,
    USUAL_MACHINE,
    Verification,
)
from hybridx.artifact.digest import Digest, digest_model
from hybridx.artifact.inlined.entry import KEY_INLINED, Inlined
from hybridx.artifact.selftest import SelfTest, decode_self_test
from hybridx.errors import (
    BrokenArtifactError,
    ForeignFileError,
    MissingDigestError,
    NewerFormatError,
)

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Metadata:
    """The metadata of a file.

    Attributes:
        version: of the hybridx that wrote the file.
        verification: the comparison at export, or None if there was none.
        self_test: a small input with its output, or None.
        columns: names of the input's columns in a table; may be empty.
        classes: names of the logits in order; may be empty.
        call: how the inputs become arguments of `forward`; None if each is one positional argument.
        assumed: sentences on the model's checks of its inputs that the file leaves out.
        weights: a phrase on where the weights come from, if nothing is known to have loaded them.
        machine: for which kind of machine its circuits are compiled.
        own: the user's entries, texts by key; no key begins with `RESERVED`.
    """

    version: str
    verification: Verification | None = None
    self_test: SelfTest | None = None
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    call: Mapping[str, Any] | None = None
    assumed: tuple[str, ...] = ()
    weights: str = ""
    machine: str = USUAL_MACHINE
    own: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> dict[str, str]:
        """Return the entries, strings by key."""
        entries = {**self.own, KEY_FORMAT: str(FORMAT_VERSION), KEY_VERSION: self.version}
        if self.verification is not None:
            entries[KEY_VERIFICATION] = encode_entry(self.verification)
        if self.self_test is not None:
            entries[KEY_SELF_TEST] = self.self_test.encode()
        if self.columns:
            entries[KEY_COLUMNS] = encode_entry(self.columns)
        if self.classes:
            entries[KEY_CLASSES] = encode_entry(self.classes)
        if self.call is not None:
            entries[KEY_CALL] = encode_entry(self.call)
        if self.assumed:
            entries[KEY_ASSUMED] = encode_entry(self.assumed)
        if self.weights:
            entries[KEY_WEIGHTS] = encode_entry(self.weights)
        if self.machine != USUAL_MACHINE:
            entries[KEY_MACHINE] = encode_entry(self.machine)
        return entries


def write_metadata(
    model: onnx.ModelProto, metadata: Metadata, inlined: Inlined | None = None
) -> bytes:
    """Write metadata and the digest of the whole into a model, and return the bytes of the file.

    Args:
        model: a graph with its circuit functions attached; changed in place.
        metadata: of the file.
        inlined: where its circuits are, if it has no functions for them.
    """
    set_entries(model, metadata.encode() | inlined_entries(inlined))
    return stamped(model)


def inlined_entries(inlined: Inlined | None) -> dict[str, str]:
    """Return the entry of a file whose circuits are no functions."""
    return {} if inlined is None else {KEY_INLINED: encode_entry(inlined)}


def stamped(model: onnx.ModelProto) -> bytes:
    """Return the bytes of a file of today's format, with the digest of what it is now.

    Args:
        model: with its metadata; changed in place.
    """
    entries = renew(model)
    set_entries(model, entries | {KEY_DIGEST: encode_entry(digest_model(model))})
    return bytes(model.SerializeToString(deterministic=True))


def renew(model: onnx.ModelProto) -> dict[str, str]:
    """Give a model the entries of today's format, without a digest, and return them."""
    entries = {one.key: one.value for one in model.metadata_props}
    entries = {key: entries[key] for key in entries.keys() - {KEY_BODIES, KEY_DIGEST}}
    entries[KEY_FORMAT] = str(INLINED_VERSION if KEY_INLINED in entries else FORMAT_VERSION)
    set_entries(model, entries)
    return entries


def without_verification(model: onnx.ModelProto) -> None:
    """Remove what was compared at export, as the model is not the one that was compared."""
    entries = {one.key: one.value for one in model.metadata_props}
    entries.pop(KEY_VERIFICATION, None)
    set_entries(model, entries)


def compiled_for(model: onnx.ModelProto, machine: str, version: str) -> None:
    """Say that the circuits of a model were compiled by a version of hybridx for a machine.

    What was compared at export is removed, as it was another body.
    """
    without_verification(model)
    entries = {one.key: one.value for one in model.metadata_props}
    entries.pop(KEY_MACHINE, None)
    if machine != USUAL_MACHINE:
        entries[KEY_MACHINE] = encode_entry(machine)
    set_entries(model, entries | {KEY_VERSION: version})


def set_entries(model: onnx.ModelProto, entries: Mapping[str, str]) -> None:
    """Replace the entries of a model."""
    del model.metadata_props[:]
    for key in sorted(entries):
        model.metadata_props.add(key=key, value=entries[key])


def decode_metadata(
    entries: Mapping[str, str], path: str, *, newest: int = FORMAT_VERSION
) -> Metadata:
    """Read metadata back.

    Args:
        entries: of the file.
        path: for messages.
        newest: the newest version of its format that this hybridx reads.

    Raises:
        ForeignFileError: hybridx did not write the file.
        NewerFormatError: a later hybridx wrote it.
        BrokenArtifactError: an entry cannot be read.
    """
    if KEY_FORMAT not in entries:
        raise ForeignFileError(path, "hybridx did not write it: it has no hybridx.format")
    found = decode_entry(entries, KEY_FORMAT, int, path)
    if found is not None and found > newest:
        raise NewerFormatError(path, found, newest)
    if found is None or found < 1:
        raise BrokenArtifactError(path, f"there is no format version {found}")
    self_test = None
    if KEY_SELF_TEST in entries:
        try:
            self_test = decode_self_test(entries[KEY_SELF_TEST])
        except ValueError as error:
            raise BrokenArtifactError(path, str(error)) from error
    return Metadata(
        version=entries.get(KEY_VERSION, "unknown"),
        verification=decode_entry(entries, KEY_VERIFICATION, Verification, path),
        self_test=self_test,
        columns=decode_entry(entries, KEY_COLUMNS, tuple[str, ...], path) or (),
        classes=decode_entry(entries, KEY_CLASSES, tuple[str, ...], path) or (),
        call=decode_entry(entries, KEY_CALL, dict[str, Any], path),
        assumed=decode_entry(entries, KEY_ASSUMED, tuple[str, ...], path) or (),
        weights=decode_entry(entries, KEY_WEIGHTS, str, path) or "",
        machine=decode_entry(entries, KEY_MACHINE, str, path) or USUAL_MACHINE,
        own={key: entries[key] for key in sorted(entries) if not key.startswith(RESERVED)},
    )


def stated_digest(
    entries: Mapping[str, str], path: str, *, since: int = DIGEST_SINCE
) -> Digest | None:
    """Return the digest that a file says it has, or None for a file of an old format without one.

    Args:
        entries: of the file, which `decode_metadata` has read.
        path: for messages.
        since: the first format version whose files have a digest.

    Raises:
        MissingDigestError: files of its format have one, and this file has none.
        BrokenArtifactError: the digest cannot be read.
    """
    if KEY_DIGEST not in entries and int(entries[KEY_FORMAT]) >= since:
        raise MissingDigestError(path, int(entries[KEY_FORMAT]))
    return decode_entry(entries, KEY_DIGEST, Digest, path)


def encode_entry(value: object) -> str:
    """Return an entry as JSON with sorted keys."""
    return msgspec.json.encode(value, order="sorted").decode()


def decode_entry(entries: Mapping[str, str], key: str, kind: type[_T], path: str) -> _T | None:
    """Return the value of an entry, or None if there is none.

    Raises:
        BrokenArtifactError: it is not JSON of that type.
    """
    if key not in entries:
        return None
    try:
        return msgspec.json.decode(entries[key], type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BrokenArtifactError(path, f"{key} cannot be read: {error}") from error
