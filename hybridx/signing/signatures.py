"""Sign a model file or a bundle, and verify its signature.

OpenSSF model-signing signs and verifies. It sees keys and signatures that were looked at before.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hybridx.artifact import MANIFEST, check_file_size, read_artifact, refuse_changes
from hybridx.bounds import SIGNED_FILES, refuse_above
from hybridx.errors import (
    BrokenArtifactError,
    BrokenSignatureError,
    FileMissingError,
    ForeignFileError,
    MissingExtraError,
    NotAFileError,
    NotWritableError,
    OptionError,
    OtherKeyError,
    SignatureMismatchError,
)
from hybridx.report import Shown
from hybridx.signing.keys import PublicKey, check_private_key, read_public_key
from hybridx.signing.statement import SignatureFile, read_signature
from hybridx.storage import check_readable, check_writable, write_whole

WHOLE: Final = "."
"""What model-signing calls a model that is a single file."""

_ENDING: Final = ".sig"
# What model-signing leaves out of a folder. hybridx reads no files of such names.
_OF_GIT: Final = (".git", ".gitattributes", ".github", ".gitignore")
_DEEPEST: Final = 20  # folders in folders; a bundle has none


@dataclass(frozen=True)
class Signed(Shown):
    """A signature that holds.

    Attributes:
        path: of the model file.
        signature: of the signature file.
        key: fingerprint of the public key: SHA-256 of its PEM in hexadecimal.
        files: SHA-256 of each file that is signed, by name; a single file is called `.`.
    """

    path: str
    signature: str
    key: str
    files: Mapping[str, str]


def signature_path(path: Path) -> Path:
    """Return where the signature of a model file lies unless it is said: beside it.

    Example:
        >>> str(signature_path(Path("out/model.onnx")))
        'out/model.onnx.sig'
    """
    # `.` and `..` are folders with names, too.
    named = path if path.name not in ("", "..") else path.resolve()
    return named.with_name(named.name + _ENDING)


def sign_file(
    path: Path, key: Path, signature: Path, *, overwrite: bool, accept_changes: bool
) -> Signed:
    """Sign a model file, or the folder of a bundle, if it can be read and is as hybridx wrote it.

    Args:
        path: of the file.
        key: a private key on P-256, in PEM form without a password.
        signature: the file to write.
        overwrite: replace an existing signature.
        accept_changes: sign a file that was changed after hybridx wrote it.

    Raises:
        MissingExtraError: model-signing is not installed.
        SigningKeyError: the key is not such a key.
        FileMissingError: a file cannot be read.
        ChangedFileError: the file was changed, and that is not accepted.
        OutputExistsError: the signature exists.
        NotWritableError: it cannot be written, or would replace the file or the key.
        ArtifactError: the file is no good model file, or its folder holds links or devices.
    """
    library = _library()
    public = check_private_key(key)
    _check_place(path, key, signature, overwrite=overwrite)
    files = _hashes(path)
    _check_names((path.resolve().name, *files))
    artifact = read_artifact(path, files)
    if not accept_changes:
        refuse_changes(artifact)
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "signature"
        config = library.signing.Config().use_elliptic_key_signer(private_key=key)
        config.sign(path.resolve(), new)
        content = new.read_bytes()
        found = read_signature(new, str(path))
    if found.files != files:
        raise FileMissingError(str(path), "it was changed while it was signed")
    write_whole(signature, content, overwrite=overwrite)
    return Signed(str(path), str(signature), public.fingerprint, files)


def check_signature(path: Path, key: Path, signature: Path | None = None) -> Signed:
    """Verify that a model file, or every file of a bundle, is what the owner of a key has signed.

    Args:
        path: of the file.
        key: the public key, in PEM form.
        signature: of the signature file; by default beside the file, `model.onnx.sig`.

    Raises:
        MissingExtraError: model-signing is not installed.
        SigningKeyError: the key is no public key on P-256.
        FileMissingError: the file or the key cannot be read.
        NotSignedError: there is no signature.
        BrokenSignatureError: the signature file is something else.
        OtherKeyError: it was made with another key, or was changed.
        SignatureMismatchError: the file, or a file of the bundle, is not what was signed.
        BrokenArtifactError: the folder holds links, pipes or devices.
    """
    library = _library()
    public = read_public_key(key)
    place = signature_path(path) if signature is None else signature
    found = read_signature(place, str(path))
    if found.key not in (None, public.fingerprint):
        raise OtherKeyError(found.path, public.path)
    hashes = _hashes(path)
    _verify(library, path, public, found, hashes)
    # A signature may leave files out, and no file that hybridx could read may be one of them. The
    # signature itself may lie in the folder.
    for name in hashes:
        if name not in found.files and (path / name).resolve() != place.resolve():
            raise SignatureMismatchError(str(path), found.path, f"{name} is not signed")
    return Signed(str(path), found.path, public.fingerprint, found.files)


def _library() -> Any:
    try:
        import model_signing
        import model_signing.hashing
        import model_signing.signing
        import model_signing.verifying
    except ImportError as error:
        missing = (error.name or "model_signing").partition(".")[0]
        raise MissingExtraError("a signature", missing, "sign") from error
    return model_signing


def _verify(
    library: Any,
    path: Path,
    public: PublicKey,
    found: SignatureFile,
    hashes: Mapping[str, str],
) -> None:
    from cryptography.exceptions import InvalidSignature

    with tempfile.TemporaryDirectory() as folder:
        # model-signing gets copies of what was read, so that no file can change in between.
        key, signature = Path(folder) / "key", Path(folder) / "signature"
        key.write_bytes(public.pem)
        signature.write_bytes(found.naming(public.fingerprint))
        config = library.verifying.Config().use_elliptic_key_verifier(public_key=key)
        try:
            config.verify(path.resolve(), signature)
        except InvalidSignature as error:
            raise OtherKeyError(found.path, public.path) from error
        except OSError as error:
            raise FileMissingError(str(path), error.strerror or str(error)) from error
        except ValueError as error:
            said = _difference(found, hashes)
            if said is None:
                problem = "its statement contradicts itself"
                raise BrokenSignatureError(found.path, problem) from error
            raise SignatureMismatchError(str(path), found.path, said) from error


def _difference(found: SignatureFile, hashes: Mapping[str, str]) -> str | None:
    """Return how files differ from those that were signed, or None if they do not."""
    signed = found.files
    if WHOLE in signed and WHOLE not in hashes:
        return "a single file was signed, and this is a folder"
    if WHOLE in hashes and WHOLE not in signed:
        return "a folder was signed, and this is a single file"
    for name in sorted(hashes.keys() | signed.keys()):
        if name not in hashes:
            return f"{name} is missing"
        if name not in signed:
            if not found.leaves_out(name):
                return f"{name} was added"
        elif hashes[name] != signed[name]:
            return "its content is another one" if name == WHOLE else f"{name} was changed"
    return None


def _hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each file in the folder of a bundle, by name.

    Raises:
        FileMissingError: it is not there.
        NotAFileError: it is a pipe or a device.
        ForeignFileError: it is another folder.
        BrokenArtifactError: something in the folder is no plain file.
        TooLargeError: it is larger than any model file.
    """
    try:
        if not path.is_dir():
            check_readable(path)
            if not path.is_file():
                raise NotAFileError(str(path), "a pipe")
            return {WHOLE: _hash(path)}
        if not (path / MANIFEST).is_file():
            raise ForeignFileError(str(path), f"it is a folder without {MANIFEST}")
        return {name: _hash(path / name) for name in _names(path)}
    except OSError as error:
        raise FileMissingError(str(path), error.strerror or str(error)) from error


def _names(folder: Path) -> list[str]:
    names: list[str] = []
    total = 0
    for place, folders, files in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) > _DEEPEST:
            raise BrokenArtifactError(str(folder), "it has folders in folders in folders")
        for name in (*folders, *files):
            one = Path(place, name)
            shown = one.relative_to(folder).as_posix()
            if one.is_symlink() or not (one.is_file() or one.is_dir()):
                raise BrokenArtifactError(str(folder), f"{shown} is no plain file")
            if one.is_file() and shown.partition("/")[0] not in _OF_GIT:
                names.append(shown)
                total += one.stat().st_size
                check_file_size(total)
                refuse_above(SIGNED_FILES, len(names), f"the number of files in {folder}")
    return sorted(names)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        check_file_size(os.fstat(file.fileno()).st_size)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_names(names: Iterable[str]) -> None:
    """Refuse names that a signature cannot hold: bytes that are no text, as Python keeps them."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise OptionError("the name of a file that is signed", name, "UTF-8") from error


def _check_place(path: Path, key: Path, signature: Path, *, overwrite: bool) -> None:
    """Refuse a signature that would destroy what it belongs to, or be a part of it."""
    check_writable(signature, overwrite=overwrite)
    target, signed = signature.resolve(), path.resolve()
    if target == signed:
        raise NotWritableError(str(signature), "it is the file to be signed")
    if target == key.resolve():
        raise NotWritableError(str(signature), "it is the key")
    if target.is_relative_to(signed):
        raise NotWritableError(str(signature), "it would be a part of the bundle that it signs")
