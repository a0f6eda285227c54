"""Sign a model file; `verify` with a key verifies the signature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hybridx.api.progress import Stages
from hybridx.report import counted
from hybridx.storage import check_readable

if TYPE_CHECKING:
    from hybridx.signing import Signed


def sign(
    path: str | Path,
    *,
    key: str | Path,
    signature: str | Path | None = None,
    overwrite: bool = False,
    accept_changes: bool = False,
    stages: Stages | None = None,
) -> Signed:
    """Sign a model file, or the folder of a bundle; the file itself stays as it is.

    The signature is a file of its own, in the format of OpenSSF model-signing: a Sigstore bundle.
    `hybridx.verify(path, key="pub.pem")` and `model_signing verify key` verify it.

    Args:
        path: of the file.
        key: the file of a private key on the curve P-256, in PEM form without a password.
        signature: the file to write; by default beside the model file, `model.onnx.sig`.
        overwrite: replace an existing signature.
        accept_changes: sign a file that was changed after hybridx wrote it.
        stages: is told what is being done; by default the log of `hybridx` is.

    Raises:
        SigningKeyError: the key cannot be used.
        MissingExtraError: the package model-signing is not installed.
        ChangedFileError: the file was changed, and that is not accepted.
        OutputExistsError: the signature exists.
        ArtifactError: a file cannot be read or written.
    """
    check_readable(Path(path))
    check_readable(Path(key))
    from hybridx.signing import sign_file, signature_path

    told = Stages() if stages is None else stages
    place = signature_path(Path(path)) if signature is None else Path(signature)
    with told("sign") as tell:
        signed = sign_file(
            Path(path), Path(key), place, overwrite=overwrite, accept_changes=accept_changes
        )
        tell(counted(len(signed.files), "file"))
    return signed
