"""The commands run with every version of the libraries: on golden files, and on new ones."""

from __future__ import annotations

import json

import pytest

import hybridx
from hybridx import api
from tests import sample_models
from tests.cli.shell import command
from tests.golden.files import newest

CLASSIFIER = newest()["onnx classifier"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--help",), "export"),
        (("run", "--help"), "--device"),
        (("doctor",), "onnxruntime"),
        (("inspect", CLASSIFIER), "2 wires"),
        (("inspect", newest()["torchscript state"]), "torchscript"),
        (("run", CLASSIFIER), ""),
        (("run", newest()["onnx noise"]), ""),
        (("run", newest()["bundle state"]), ""),
        (("run", newest()["pt2 named"]), ""),
        (("run", CLASSIFIER, "--device", "default.qubit"), ""),
        (("verify", CLASSIFIER), "verified"),
        (("convert", CLASSIFIER, "-o", "new.bundle"), ""),
    ],
    ids=lambda one: " ".join(getattr(word, "stem", word) for word in one) if one else "",
)
def test_a_command_ends_well(words, said, tmp_path):
    finished = command(*words, folder=tmp_path)
    assert finished.code == 0, finished.talk
    assert said in finished.out + finished.talk
    assert "Traceback" not in finished.talk


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    finished = command("run", "nowhere.onnx", folder=tmp_path)
    assert finished.code == 3
    assert "nowhere.onnx" in finished.talk
    assert "Traceback" not in finished.talk


@pytest.mark.parametrize(
    ("name", "ending"),
    [("sandwich", "onnx"), ("sandwich", "pt"), ("sandwich", "pt2"), ("convolution", "onnx")],
)
def test_a_new_file_passes_its_self_test(name, ending, tmp_path):
    model, example = sample_models.make(name)
    path = tmp_path / f"model.{ending}"
    made = hybridx.export(model, (example,), path)
    assert made.verification.worst <= 1e-5
    api.self_test(path)
    finished = command("inspect", path, "--json", folder=tmp_path)
    assert json.loads(finished.out)["circuits"]
