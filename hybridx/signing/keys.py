"""Keys for signatures: one pair on the curve P-256, each half in a PEM file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hybridx.bounds import KEY_BYTES
from hybridx.errors import SigningKeyError
from hybridx.signing.small_files import read_small

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CURVE: Final = "secp256r1"  # what cryptography calls P-256

_MAKE: Final = (
    "make a pair of keys: `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`, then "
    "`openssl pkey -in key.pem -pubout -out pub.pem`"
)
_PUBLIC: Final = (
    "its public key is needed: `openssl pkey -in {path} -pubout -out pub.pem` writes it"
)
_CERTIFICATE: Final = (
    "its public key is needed: `openssl x509 -in {path} -noout -pubkey -out pub.pem` writes it"
)
_PRIVATE: Final = "give the private key of the pair, which the signer keeps"
_PLAIN: Final = (
    "`openssl pkey -in {path} -out plain.pem` writes it without a password; delete that file after "
    "signing"
)


@dataclass(frozen=True)
class PublicKey:
    """A public key that verifies signatures.

    Attributes:
        path: of its file.
        pem: its bytes in the one form that model-signing hashes.
        fingerprint: SHA-256 of these bytes in hexadecimal, by which a signature names its key.
    """

    path: str
    pem: bytes
    fingerprint: str


def read_public_key(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        FileMissingError: the file cannot be read.
        SigningKeyError: it holds no public key on the curve P-256.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = read_small(path, KEY_BYTES)
    for label in _labels(content):
        if label.endswith("PRIVATE KEY"):
            raise SigningKeyError(str(path), "holds a private key", _PUBLIC.format(path=path))
        if label.endswith("CERTIFICATE"):
            raise SigningKeyError(str(path), "holds a certificate", _CERTIFICATE.format(path=path))
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(str(path), "holds no public key in PEM form", _MAKE) from error
    return _named(path, _on_the_curve(path, key))


def check_private_key(path: Path) -> PublicKey:
    """Refuse a file that holds no private key to sign with, and return the public key of its pair.

    Raises:
        FileMissingError: the file cannot be read.
        SigningKeyError: it holds no private key on the curve P-256, or one with a password.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = read_small(path, KEY_BYTES)
    try:
        key = load_pem_private_key(content, None)
    except TypeError as error:  # this is how cryptography says that there is a password
        advice = _PLAIN.format(path=path)
        raise SigningKeyError(str(path), "is protected by a password", advice) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if any(label.endswith("PUBLIC KEY") for label in _labels(content)):
            raise SigningKeyError(str(path), "holds a public key", _PRIVATE) from error
        raise SigningKeyError(str(path), "holds no private key in PEM form", _MAKE) from error
    return _named(path, _on_the_curve(path, key.public_key()))


def _labels(content: bytes) -> list[str]:
    return [label.decode() for label in _LABEL.findall(content)]


def _on_the_curve(path: Path, key: Any) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    if isinstance(key, EllipticCurvePublicKey):
        if key.curve.name == _CURVE:
            return key
        found = f"on the curve {key.curve.name}"
    else:
        found = f"of the kind {type(key).__name__.removesuffix('PublicKey')}"
    raise SigningKeyError(str(path), f"holds a key {found}, not on P-256", _MAKE)


def _named(path: Path, key: EllipticCurvePublicKey) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(str(path), pem, hashlib.sha256(pem).hexdigest())
