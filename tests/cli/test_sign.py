"""`hybridx sign`, `--key` and `inspect --bom` on the command line."""

from __future__ import annotations

import json

import pytest

from tests.cli.shell import command
from tests.signing.given import copied, make_keys


@pytest.fixture
def place(tmp_path):
    """A folder with a model and two pairs of keys."""
    copied("onnx", tmp_path).rename(tmp_path / "model.onnx")
    make_keys(tmp_path)
    return tmp_path


def test_a_file_is_signed_verified_and_run(place):
    signed = command("sign", "model.onnx", "--key", "key.pem", folder=place)
    assert signed.code == 0, signed.talk
    assert signed.out.startswith("signed  model.onnx\n  signature model.onnx.sig\n  key       ")
    assert command("verify", "model.onnx", "--key", "pub.pem", folder=place).out == signed.out
    done = command("verify", "model.onnx", "--key", "pub.pem", "--json", folder=place)
    report = done.json()
    assert report["signature"]["files"].keys() == {"."}
    assert (report["worst"], report["device"]) == (None, "none")
    done = command("run", "model.onnx", "--key", "pub.pem", folder=place)
    assert "verified  model.onnx on onnx" in done.out
    assert "is signed with the key" in done.talk


def test_every_command_that_takes_a_key_refuses_what_is_not_signed_with_it(place):
    command("sign", "model.onnx", "--key", "key.pem", folder=place)
    for words in (("run",), ("verify",), ("verify", "--layers"), ("run", "--isolated")):
        refused = command(*words, "model.onnx", "--key", "other_pub.pem", "--json", folder=place)
        assert "another key" in refused.error("HX325")
    refused = command("verify", "model.onnx", "--signature", "model.onnx.sig", folder=place)
    assert refused.code == 3
    assert "--signature needs --key" in refused.talk


def test_a_signature_of_another_place_is_named(place):
    words = ("--key", "key.pem", "--signature", "out.json")
    assert command("sign", "model.onnx", *words, folder=place).code == 0
    refused = command("verify", "model.onnx", "--key", "pub.pem", "--json", folder=place)
    assert "name the signature with --signature" in refused.error("HX322")
    words = ("--key", "pub.pem", "--signature", "out.json")
    assert command("verify", "model.onnx", *words, folder=place).code == 0
    refused = command(
        "sign", "model.onnx", "--key", "key.pem", "--signature", "out.json", folder=place
    )
    assert (refused.code, "out.json exists" in refused.talk) == (3, True)


def test_a_bill_of_materials_is_printed_or_written(place):
    printed = command("inspect", "model.onnx", "--bom", folder=place)
    assert json.loads(printed.out)["bomFormat"] == "CycloneDX"
    as_json = command("inspect", "model.onnx", "--bom", "--json", folder=place).json()
    assert as_json["bom"] == json.loads(printed.out)
    written = command("inspect", "model.onnx", "--bom", "-o", "bom.json", folder=place)
    assert written.out == "written to bom.json\n"
    assert (place / "bom.json").read_text() == printed.out
    for words, said in (
        (("--bom", "-o", "bom.json"), "bom.json exists"),
        (("--bom", "--overwrite"), "--overwrite needs"),
        (("--bom", "--qasm"), "no effect beside"),
        (("-o", "bom.json"), "--output needs --bom"),
    ):
        refused = command("inspect", "model.onnx", *words, folder=place)
        assert (refused.code, said in refused.talk) == (3, True), refused.talk
