"""What a signature file says, read before anything else sees it.

The file is a Sigstore bundle in JSON: an envelope (DSSE) with a signature over a statement
(in-toto), which lists the files of a model with their hashes. OpenSSF model-signing writes it so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from hybridx.bounds import SIGNATURE_BYTES
from hybridx.errors import BrokenSignatureError, FileMissingError, NotAFileError, NotSignedError
from hybridx.report import counted
from hybridx.signing.small_files import read_small

_T = TypeVar("_T")

_MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "https://model_signing/signature/v1.0"


class _Key(msgspec.Struct, frozen=True):
    hint: str | None = None


class _Material(msgspec.Struct, frozen=True, rename="camel"):
    public_key: _Key | None = None


class _Signature(msgspec.Struct, frozen=True):
    sig: bytes
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    payload: bytes
    payload_type: str
    signatures: tuple[_Signature, ...]


class _Bundle(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    verification_material: _Material
    dsse_envelope: _Envelope


class _Serialization(msgspec.Struct, frozen=True):
    method: str
    allow_symlinks: bool
    hash_type: str = ""
    ignore_paths: tuple[str, ...] = ()


class _Resource(msgspec.Struct, frozen=True):
    name: str
    algorithm: str
    digest: str


class _Predicate(msgspec.Struct, frozen=True):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Digest(msgspec.Struct, frozen=True):
    sha256: str


class _Subject(msgspec.Struct, frozen=True):
    name: str
    digest: _Digest


class _Statement(msgspec.Struct, frozen=True, rename={"type": "_type", "kind": "predicateType"}):
    type: str
    kind: str
    subject: tuple[_Subject]
    predicate: _Predicate


@dataclass(frozen=True)
class SignatureFile:
    """A signature file, of which nothing is verified yet.

    Attributes:
        path: of the file.
        key: fingerprint of the key that it names, or None if it names none.
        files: SHA-256 of each file that it is about, by name; a single file is called `.`.
        left_out: names of files and folders that it is not about.
    """

    path: str
    key: str | None
    files: Mapping[str, str]
    left_out: tuple[str, ...]
    _envelope: _Envelope

    def leaves_out(self, name: str) -> bool:
        """Return whether it is not about a file of that name."""
        return any(name == one or name.startswith(f"{one}/") for one in self.left_out)

    def naming(self, key: str) -> bytes:
        """Return the content of the file anew, naming a key: its known fields and nothing else."""
        material = {"publicKey": {"hint": key}, "tlogEntries": []}
        return msgspec.json.encode(
            {
                "mediaType": _MEDIA_TYPE,
                "verificationMaterial": material,
                "dsseEnvelope": self._envelope,
            }
        )


def read_signature(path: Path, model: str) -> SignatureFile:
    """Read a signature file.

    Args:
        path: of the signature.
        model: the file that it is about, for messages.

    Raises:
        NotSignedError: the signature cannot be read.
        TooLargeError: it is too large.
        BrokenSignatureError: it is something else, or is made in another way than by a key over
            SHA-256 of whole files.
    """
    try:
        content = read_small(path, SIGNATURE_BYTES)
    except FileMissingError as error:
        raise NotSignedError(model, str(path), error.reason) from error
    except NotAFileError as error:
        raise NotSignedError(model, str(path), f"it is {error.kind}") from error
    bundle = _decode(content, _Bundle, path)
    envelope, key = bundle.dsse_envelope, bundle.verification_material.public_key
    if bundle.media_type != _MEDIA_TYPE:
        raise BrokenSignatureError(str(path), f"it has the type {bundle.media_type[:80]!r}")
    if key is None:
        raise BrokenSignatureError(str(path), "it was made with a certificate or an identity")
    if envelope.payload_type != _PAYLOAD_TYPE:
        raise BrokenSignatureError(str(path), f"it signs {envelope.payload_type[:80]!r}")
    if len(envelope.signatures) != 1:
        count = counted(len(envelope.signatures), "signature")
        raise BrokenSignatureError(str(path), f"it holds {count}, not one")
    said = _predicate(envelope.payload, path)
    files = {one.name: one.digest for one in said.resources}
    if len(files) < len(said.resources):
        raise BrokenSignatureError(str(path), "it names a file twice")
    return SignatureFile(str(path), key.hint, files, said.serialization.ignore_paths, envelope)


def _predicate(payload: bytes, path: Path) -> _Predicate:
    """Return what a statement says of files."""
    statement = _decode(payload, _Statement, path)
    for found, expected in ((statement.type, _STATEMENT), (statement.kind, _PREDICATE)):
        if found != expected:
            raise BrokenSignatureError(str(path), f"its statement is {found[:80]!r}")
    said = statement.predicate
    algorithms = {said.serialization.hash_type, *(one.algorithm for one in said.resources)}
    if said.serialization.method != "files" or algorithms != {"sha256"}:
        raise BrokenSignatureError(str(path), "it has other hashes than SHA-256 of whole files")
    return said


def _decode(content: bytes, kind: type[_T], path: Path) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BrokenSignatureError(str(path), "its content is no signature in JSON") from error
