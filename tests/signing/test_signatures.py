"""Signatures that hold, and files that are not what was signed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import hybridx
from hybridx.bounds import CHECKED_AMPLITUDES
from hybridx.errors import (
    BrokenArtifactError,
    BrokenSignatureError,
    ChangedFileError,
    ForeignFileError,
    HybridxError,
    MissingExtraError,
    NotSignedError,
    NotWritableError,
    OptionError,
    OptionNeedsError,
    OtherKeyError,
    OutputExistsError,
    SignatureMismatchError,
    UncheckedBodyError,
)
from hybridx.runtime.circuits import agreement
from tests.signing.given import FILES, copied


def by_model_signing(*words):
    """Run the command of model-signing."""
    return subprocess.run(
        [sys.executable, "-m", "model_signing", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def beside(path):
    return path.with_name(f"{path.name}.sig")


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_each_format_is_signed_and_verified(name, tmp_path, keys):
    path = copied(name, tmp_path)
    report = hybridx.sign(path, key=keys.private)
    assert report.signature == str(beside(path))
    verified = hybridx.verify(path, key=keys.public)
    assert verified.signature == report
    assert not verified.outputs
    assert len(report.files) == (1 if path.is_file() else len([*path.iterdir()]))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_model_signing_verifies_what_hybridx_signs_and_the_reverse(name, tmp_path, keys):
    path = copied(name, tmp_path)
    ours, theirs = beside(path), tmp_path / "theirs.sig"
    hybridx.sign(path, key=keys.private)
    done = by_model_signing("verify", "key", path, "--signature", ours, "--public_key", keys.public)
    assert done.returncode == 0, done.stderr
    done = by_model_signing(
        "verify", "key", path, "--signature", ours, "--public_key", keys.other_public
    )
    assert done.returncode != 0
    words = ("sign", "key", path, "--signature", theirs, "--private_key", keys.private)
    assert by_model_signing(*words).returncode == 0
    verified = hybridx.verify(path, key=keys.public, signature=theirs)
    assert verified.signature.files == hybridx.verify(path, key=keys.public).signature.files
    with pytest.raises(OtherKeyError):
        hybridx.verify(path, key=keys.other_public, signature=theirs)


def test_openssl_verifies_the_envelope(signed, keys, tmp_path):
    envelope = json.loads(beside(signed).read_text())["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (tmp_path / "content").write_bytes(
        b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    )
    (tmp_path / "raw").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    words = ["openssl", "dgst", "-sha256", "-verify", keys.public, "-signature", "raw", "content"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Verified OK\n", done.stderr


def test_another_key_does_not_verify(signed, keys):
    with pytest.raises(OtherKeyError, match="another key"):
        hybridx.verify(signed, key=keys.other_public)


def test_a_signature_that_names_another_key_does_not_verify(signed, keys):
    """The name of a key is not signed, so the numbers decide."""
    content = beside(signed).read_text()
    mine = hybridx.verify(signed, key=keys.public).signature.key
    hybridx.sign(signed, key=keys.other_private, signature=signed.with_name("other.sig"))
    theirs = json.loads(signed.with_name("other.sig").read_text())
    hint = theirs["verificationMaterial"]["publicKey"]["hint"]
    beside(signed).write_text(content.replace(mine, hint))
    with pytest.raises(OtherKeyError):
        hybridx.verify(signed, key=keys.other_public)


def test_a_signature_without_the_name_of_its_key_is_verified_all_the_same(signed, keys):
    content = json.loads(beside(signed).read_text())
    del content["verificationMaterial"]["publicKey"]["hint"]
    beside(signed).write_text(json.dumps(content))
    assert hybridx.verify(signed, key=keys.public).signature
    with pytest.raises(OtherKeyError):
        hybridx.verify(signed, key=keys.other_public)


def test_a_changed_file_and_that_of_another_are_named(signed, keys, tmp_path):
    signed.write_bytes(signed.read_bytes() + b"\x00")
    with pytest.raises(SignatureMismatchError, match="its content is another one"):
        hybridx.verify(signed, key=keys.public)
    other = copied("torchscript", tmp_path)
    with pytest.raises(SignatureMismatchError, match="its content is another one"):
        hybridx.verify(other, key=keys.public, signature=beside(signed))
    with pytest.raises(SignatureMismatchError, match="single file was signed"):
        hybridx.verify(copied("bundle", tmp_path), key=keys.public, signature=beside(signed))


def test_a_signature_is_of_content_and_not_of_a_name(signed, keys):
    moved = signed.rename(signed.with_name("moved.onnx"))
    assert hybridx.verify(moved, key=keys.public, signature=beside(signed)).signature


def test_without_a_signature_the_message_says_how_to_get_one(model, keys):
    with pytest.raises(NotSignedError, match=r"classifier\.onnx\.sig.*\n.*hybridx sign"):
        hybridx.verify(model, key=keys.public)


CHANGES = {
    "a file is changed": ("was changed", lambda folder: _longer(folder / "manifest.json")),
    "a file is missing": ("is missing", lambda folder: next(folder.glob("*.qasm")).unlink()),
    "a file is added": ("was added", lambda folder: (folder / "notes.txt").write_text("x")),
    "a part is added": ("was added", lambda folder: (folder / "classical_9.onnx").write_text("x")),
    "a hidden file is added": ("is not signed|was added", lambda folder: (folder / ".x").touch()),
    "a folder with a file is added": ("sub/a was added", lambda folder: _in_a_folder(folder)),
}


def _longer(path):
    path.write_bytes(path.read_bytes() + b" ")


def _in_a_folder(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "a").touch()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_bundle_is_named(name, bundle, keys):
    said, change = CHANGES[name]
    change(bundle)
    with pytest.raises(SignatureMismatchError, match=said):
        hybridx.verify(bundle, key=keys.public)
    with pytest.raises(SignatureMismatchError, match=said):
        hybridx.load(bundle, key=keys.public)


@pytest.mark.parametrize("kind", ["link", "link to a folder", "broken link", "pipe"])
def test_a_bundle_with_what_is_no_plain_file_is_refused(kind, bundle, keys, tmp_path):
    place = bundle / "extra"
    match kind:
        case "link":
            place.symlink_to(bundle / "manifest.json")
        case "link to a folder":
            place.symlink_to(tmp_path)
        case "broken link":
            place.symlink_to(tmp_path / "gone")
        case "pipe":
            os.mkfifo(place)
    with pytest.raises(BrokenArtifactError, match="extra is no plain file"):
        hybridx.verify(bundle, key=keys.public)
    with pytest.raises(BrokenArtifactError, match="extra is no plain file"):
        hybridx.sign(bundle, key=keys.private, overwrite=True)


def test_a_file_and_a_bundle_behind_a_link_are_verified(signed, bundle, keys, tmp_path):
    for path in (signed, bundle):
        link = tmp_path / "links" / path.name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
        assert hybridx.verify(link, key=keys.public, signature=beside(path)).signature


def test_a_signature_that_leaves_files_out_does_not_cover_them(bundle, keys, tmp_path):
    left_out = sorted(path.name for path in bundle.iterdir())[0]
    words = ("--ignore-paths", bundle / left_out, "--private_key", keys.private)
    theirs = tmp_path / "theirs.sig"
    done = by_model_signing("sign", "key", bundle, "--signature", theirs, *words)
    assert done.returncode == 0, done.stderr
    with pytest.raises(SignatureMismatchError, match=f"{left_out} is not signed"):
        hybridx.verify(bundle, key=keys.public, signature=theirs)


def test_what_git_keeps_is_no_part_of_a_bundle(bundle, keys):
    (bundle / ".gitattributes").touch()
    (bundle / ".git").mkdir()
    (bundle / ".git" / "config").touch()
    assert hybridx.verify(bundle, key=keys.public).signature
    assert hybridx.load(bundle, key=keys.public)
    (bundle / ".gitmodules").touch()
    with pytest.raises(SignatureMismatchError, match="gitmodules was added"):
        hybridx.verify(bundle, key=keys.public)


def test_a_signature_of_model_signing_may_lie_in_the_bundle(bundle, keys):
    inside = bundle / "model.sig"
    words = ("--signature", inside, "--private_key", keys.private)
    assert by_model_signing("sign", "key", bundle, *words).returncode == 0
    assert hybridx.verify(bundle, key=keys.public, signature=inside).signature
    assert hybridx.load(bundle, key=keys.public, signature=inside)


def test_names_that_are_no_text_are_refused_or_called_added(bundle, model, keys):
    odd = os.fsdecode(b"\xff")
    (bundle / odd).touch()
    with pytest.raises(SignatureMismatchError, match="was added"):
        hybridx.verify(bundle, key=keys.public)
    moved = model.rename(model.with_name(f"{odd}.onnx"))
    for path in (bundle, moved):
        with pytest.raises(OptionError, match="UTF-8"):
            hybridx.sign(path, key=keys.private, overwrite=True)


def test_folders_in_folders_are_not_followed_for_ever(bundle, keys):
    place = bundle
    for _ in range(30):
        place = place / "a"
        place.mkdir()
    with pytest.raises(BrokenArtifactError, match="folders in folders"):
        hybridx.verify(bundle, key=keys.public)
    with pytest.raises(BrokenArtifactError, match="folders in folders"):
        hybridx.sign(bundle, key=keys.private, overwrite=True)


HOSTILE = {
    "nothing": b"",
    "no JSON": b"\x00" * 100,
    "not UTF-8": b'{"mediaType": "\xff\xfe"}',
    "a list": b"[]",
    "deep": b'{"x":' * 50_000 + b"1" + b"}" * 50_000,
    "deep lists": b"[" * 1_000_000,
    "numbers for texts": b'{"mediaType":1,"verificationMaterial":{},"dsseEnvelope":{}}',
    "another type": b'{"mediaType":"x","verificationMaterial":{"publicKey":{"hint":"a"}},'
    b'"dsseEnvelope":{"payload":"","payloadType":"","signatures":[]}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_signature_is_called_so(name, model, keys):
    beside(model).write_bytes(HOSTILE[name])
    with pytest.raises(BrokenSignatureError):
        hybridx.verify(model, key=keys.public)


# What is said in the statement of a signature, changed, and signed again by the right key.
STATEMENTS = {
    "no subject": lambda said: said.pop("subject"),
    "two subjects": lambda said: said["subject"].append(said["subject"][0]),
    "a subject without a digest": lambda said: said["subject"][0].pop("digest"),
    "another digest of all": lambda said: said["subject"][0]["digest"].update(sha256="00" * 32),
    "a digest that is no number": lambda said: said["subject"][0]["digest"].update(sha256="zz"),
    "links not said": lambda said: said["predicate"]["serialization"].pop("allow_symlinks"),
    "no resources": lambda said: said["predicate"].pop("resources"),
    "two of one name": lambda said: said["predicate"]["resources"].append(
        said["predicate"]["resources"][0]
    ),
    "another kind": lambda said: said.update(predicateType="https://model_signing/Digests/v0.1"),
    "another hash": lambda said: said["predicate"]["resources"][0].update(algorithm="md5"),
    "shards": lambda said: said["predicate"]["serialization"].update(method="shards"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_of_another_kind_is_refused(name, signed, keys):
    resigned(signed, keys, STATEMENTS[name])
    with pytest.raises(BrokenSignatureError):
        hybridx.verify(signed, key=keys.public)


# Statements that the owner of the key has signed, of other files or of nothing.
OTHERS = {
    "a folder above": ("a folder was signed", {"name": "../classifier.onnx"}),
    "another folder": ("a folder was signed", {"name": "/etc/hostname"}),
    "another hash": ("its content is another one", {"digest": "00" * 32}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_statement_on_other_files_says_nothing_of_this_one(name, signed, keys):
    said, change = OTHERS[name]
    resigned(signed, keys, lambda one: one["predicate"]["resources"][0].update(change))
    with pytest.raises(SignatureMismatchError, match=said):
        hybridx.verify(signed, key=keys.public)


def test_a_statement_that_leaves_out_the_file_itself_does_not_cover_it(signed, keys):
    def emptied(said):
        said["predicate"]["resources"] = []
        said["predicate"]["serialization"]["ignore_paths"] = ["."]
        said["subject"][0]["digest"]["sha256"] = hashlib.sha256().hexdigest()

    resigned(signed, keys, emptied)
    with pytest.raises((BrokenSignatureError, SignatureMismatchError)):
        hybridx.verify(signed, key=keys.public)


def resigned(path, keys, change):
    """Change what a signature says, and sign that with the same key."""
    content = json.loads(beside(path).read_text())
    envelope = content["dsseEnvelope"]
    said = json.loads(base64.b64decode(envelope["payload"]))
    change(said)
    payload, kind = json.dumps(said).encode(), envelope["payloadType"].encode()
    key = load_pem_private_key(keys.private.read_bytes(), None)
    signature = key.sign(
        b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload), ec.ECDSA(SHA256())
    )
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    beside(path).write_text(json.dumps(content))


def test_what_is_signed_again_holds(signed, keys):
    resigned(signed, keys, lambda said: said["subject"][0].update(name="other"))
    assert hybridx.verify(signed, key=keys.public).signature


def test_every_changed_byte_of_a_signature_is_an_error_or_without_meaning(signed, keys):
    """A change of spaces, or of what is not signed and not read, may leave it valid."""
    whole = beside(signed).read_bytes()
    envelope = whole.index(b'"dsseEnvelope"')
    for place in range(envelope + 30, len(whole) - 40, 97):
        beside(signed).write_bytes(whole[:place] + b"Z" + whole[place + 1 :])
        if whole[place : place + 1] != b"Z":
            with pytest.raises(HybridxError):
                hybridx.verify(signed, key=keys.public)


def test_a_large_signature_and_one_that_is_a_pipe_are_not_read(model, keys):
    beside(model).write_bytes(b" " * 16_000_001)
    with pytest.raises(HybridxError, match="16000001 bytes"):
        hybridx.verify(model, key=keys.public)
    beside(model).unlink()
    os.mkfifo(beside(model))
    with pytest.raises(NotSignedError, match="it is a pipe"):
        hybridx.verify(model, key=keys.public)


def test_a_signature_replaces_nothing_unasked(signed, keys, tmp_path):
    before = beside(signed).read_bytes()
    with pytest.raises(OutputExistsError):
        hybridx.sign(signed, key=keys.private)
    assert beside(signed).read_bytes() == before
    hybridx.sign(signed, key=keys.other_private, overwrite=True)
    assert hybridx.verify(signed, key=keys.other_public).signature


def test_a_signature_does_not_take_the_place_of_the_file_or_the_key(bundle, model, keys):
    key = keys.private.read_bytes()
    for path, place in (
        (model, model),
        (model, keys.private),
        (bundle, bundle / "a.sig"),
        (bundle, bundle / "manifest.json"),
    ):
        with pytest.raises(NotWritableError):
            hybridx.sign(path, key=keys.private, signature=place, overwrite=True)
    assert keys.private.read_bytes() == key
    assert not (bundle / "a.sig").exists()
    assert hybridx.inspect(model)


def test_only_model_files_that_are_as_written_are_signed(model, keys, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("no model")
    with pytest.raises(ForeignFileError):
        hybridx.sign(other, key=keys.private)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ForeignFileError, match=r"without manifest\.json"):
        hybridx.sign(tmp_path / "folder", key=keys.private)
    assert not [*tmp_path.glob("*.sig")]


def test_a_file_that_was_changed_is_signed_only_if_that_is_accepted(model, keys):
    import onnx

    changed = onnx.load(model)
    changed.graph.node[0].name = "renamed"
    changed.metadata_props.add(key="note", value="mine")
    onnx.save(changed, model)
    with pytest.raises(ChangedFileError):
        hybridx.sign(model, key=keys.private)
    hybridx.sign(model, key=keys.private, accept_changes=True)
    assert hybridx.verify(model, key=keys.public).signature


def test_a_signature_counts_where_a_circuit_cannot_be_checked(model, keys, monkeypatch):
    monkeypatch.setattr(agreement, "CHECKED_AMPLITUDES", replace(CHECKED_AMPLITUDES, default=1))
    monkeypatch.setattr(agreement, "__version__", "another")
    hybridx.sign(model, key=keys.private)
    with pytest.raises(UncheckedBodyError, match="key with the public key"):
        hybridx.load(model, device="default.qubit")
    with pytest.raises(OtherKeyError):
        hybridx.load(model, device="default.qubit", key=keys.other_public)
    session = hybridx.load(model, device="default.qubit", key=keys.public)
    assert session.signed.key
    report = hybridx.verify(model, device="default.qubit", key=keys.public)
    assert report.outputs
    assert report.signature == session.signed
    assert {one.shown for one in report.circuits} == {"not checked"}


def test_what_is_loaded_is_what_was_verified(signed, keys, monkeypatch):
    """A file that is exchanged between the two is not loaded."""
    from hybridx import signing

    check = signing.check_signature

    def exchanged(*given):
        found = check(*given)
        signed.write_bytes(signed.read_bytes() + b"\x00")
        return found

    monkeypatch.setattr(signing, "check_signature", exchanged)
    with pytest.raises(SignatureMismatchError, match="was changed meanwhile"):
        hybridx.load(signed, key=keys.public)


def test_a_key_needs_a_path_and_a_signature_needs_a_key(signed, keys):
    with pytest.raises(OptionError, match="path of the file"):
        hybridx.load(signed.read_bytes(), key=keys.public)
    with pytest.raises(OptionNeedsError):
        hybridx.load(signed, signature=beside(signed))


def test_without_the_extra_the_message_names_it(signed, keys, monkeypatch):
    monkeypatch.setitem(sys.modules, "model_signing", None)
    for call in (
        lambda: hybridx.verify(signed, key=keys.public),
        lambda: hybridx.sign(signed, key=keys.private, overwrite=True),
    ):
        with pytest.raises(MissingExtraError, match=r"hybridx\[sign\]"):
            call()


ALONE = """
import sys
class Shut:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'pennylane'):
            raise ImportError(f'{name} is shut out')
sys.meta_path.insert(0, Shut())
import hybridx
print(hybridx.verify(sys.argv[1], key=sys.argv[2]).signature.signature)
"""


def test_a_signature_alone_needs_no_torch(tmp_path, keys):
    path = copied("torchscript", tmp_path)
    hybridx.sign(path, key=keys.private)
    words = [sys.executable, "-c", ALONE, str(path), str(keys.public)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(beside(path)), done.stderr
