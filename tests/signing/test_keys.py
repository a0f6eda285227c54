"""Files that hold no key to sign or to verify with."""

from __future__ import annotations

import os
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import hybridx
from hybridx.errors import FileMissingError, NotAFileError, SigningKeyError, TooLargeError
from tests.signing.given import write_private, write_public

OTHER_KINDS = {
    "secp384r1": lambda: ec.generate_private_key(ec.SECP384R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_key_that_is_not_on_the_curve_is_called_what_it_is(kind, signed, tmp_path):
    key = OTHER_KINDS[kind]()
    private, public = write_private(tmp_path / "k.pem", key), write_public(tmp_path / "p.pem", key)
    before = signed.read_bytes()
    with pytest.raises(SigningKeyError, match=rf"{kind}, not on P-256.*\n.*openssl"):
        hybridx.sign(signed, key=private, overwrite=True)
    with pytest.raises(SigningKeyError, match=f"{kind}, not on P-256"):
        hybridx.verify(signed, key=public)
    assert signed.read_bytes() == before


def test_the_halves_of_a_pair_are_told_apart(signed, keys):
    with pytest.raises(SigningKeyError, match=r"holds a private key\n.*pkey -in .* -pubout"):
        hybridx.verify(signed, key=keys.private)
    with pytest.raises(SigningKeyError, match=r"holds a public key\n.*private key of the pair"):
        hybridx.sign(signed, key=keys.public, overwrite=True)


def test_a_key_with_a_password_is_refused_with_what_takes_it_off(model, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    private = write_private(tmp_path / "k.pem", key, b"secret")
    with pytest.raises(SigningKeyError, match="protected by a password") as caught:
        hybridx.sign(model, key=private)
    command = caught.value.help.split("`")[1]
    subprocess.run(
        [*command.split(), "-passin", "pass:secret"], cwd=tmp_path, check=True, capture_output=True
    )
    assert hybridx.sign(model, key=tmp_path / "plain.pem").key


def test_the_commands_in_the_messages_make_keys(model, tmp_path):
    (tmp_path / "empty.pem").write_bytes(b"")
    with pytest.raises(SigningKeyError, match="no private key in PEM form") as caught:
        hybridx.sign(model, key=tmp_path / "empty.pem")
    for command in caught.value.help.split("`")[1::2]:
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    hybridx.sign(model, key=tmp_path / "key.pem")
    assert hybridx.verify(model, key=tmp_path / "pub.pem").signature


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff" * 50,
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 3_000,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
    ids=lambda content: content[11:25].decode(errors="replace"),
)
def test_what_is_no_key_is_refused(content, signed, tmp_path):
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(SigningKeyError):
        hybridx.verify(signed, key=path)
    with pytest.raises(SigningKeyError):
        hybridx.sign(signed, key=path, overwrite=True)


def test_what_is_no_plain_file_is_not_opened(signed, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "gone"):
        kind = NotAFileError if name == "pipe" else FileMissingError
        with pytest.raises(kind):
            hybridx.verify(signed, key=tmp_path / name)
        with pytest.raises(kind):
            hybridx.sign(signed, key=tmp_path / name, overwrite=True)
    (tmp_path / "large").write_bytes(b"-" * 200_000)
    with pytest.raises(TooLargeError, match="200000 bytes"):
        hybridx.verify(signed, key=tmp_path / "large")
