"""Keys, and model files of every format to sign; no torch is needed for them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hybridx.artifact.contract import ARCHIVE_VERSION, FORMAT_VERSION, INLINED_VERSION

GOLDEN = Path(__file__).parents[2] / "exported" / "golden"
FILES = {
    "onnx": f"onnx-{FORMAT_VERSION}/classifier.onnx",
    "inlined": f"onnx-{INLINED_VERSION}/classifier.onnx",
    "bundle": f"bundle-{FORMAT_VERSION}/classifier.bundle",
    "torchscript": f"torchscript-{ARCHIVE_VERSION}/classifier.pt",
    "pt2": f"pt2-{ARCHIVE_VERSION}/classifier.pt2",
}


def write_private(path, key, password=None):
    """Write a private key as `openssl` does."""
    encryption = (
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password)
    )
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption))
    return path


def write_public(path, key):
    """Write the public key of a pair."""
    pem = serialization.Encoding.PEM
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_key().public_bytes(pem, form))
    return path


@dataclass(frozen=True)
class Keys:
    """Two pairs of keys on P-256."""

    private: Path
    public: Path
    other_private: Path
    other_public: Path


def make_keys(folder):
    """Two pairs of keys in a folder."""
    mine, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    return Keys(
        write_private(folder / "key.pem", mine),
        write_public(folder / "pub.pem", mine),
        write_private(folder / "other.pem", other),
        write_public(folder / "other_pub.pem", other),
    )


def copied(name, folder):
    """A copy of the golden file of a format."""
    source = GOLDEN / FILES[name]
    target = folder / source.name
    shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return target
