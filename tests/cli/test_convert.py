"""`hybridx convert`, and the other commands on the bundle that it writes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

import hybridx
from hybridx.artifact import Metadata, SelfTest
from hybridx.runtime import start_session
from tests.cli.shell import assert_refused, command, listing
from tests.runtime.models import GRAPHS

NAME = "between classical nodes"
X = np.random.default_rng(9).uniform(-3, 3, (5, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def content():
    """The bytes of a hand-made file with a self-test."""
    inputs = {"x": X[:2]}
    outputs = start_session(GRAPHS[NAME]()).run(inputs)
    return GRAPHS[NAME](metadata=Metadata("0", self_test=SelfTest(inputs, outputs, 1e-5))).content


@pytest.fixture(scope="module")
def expected():
    return start_session(GRAPHS[NAME]()).run({"x": X})["y"]


@pytest.fixture
def folder(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    np.save(tmp_path / "x.npy", X)
    return tmp_path


@pytest.fixture
def bundle(folder):
    """A folder with `model.onnx` and the bundle of it."""
    hybridx.convert(folder / "model.onnx", folder / "bundle")
    return folder


def test_a_file_becomes_a_bundle_and_a_file_again(folder):
    report = command("convert", "model.onnx", "-o", "bundle", "--json", folder=folder).json()
    assert (report["format"], report["source"]) == ("bundle", "model.onnx")
    assert sorted(report["files"]) == sorted(path.name for path in (folder / "bundle").iterdir())
    shown = command("convert", "bundle", "-o", "again.onnx", folder=folder)
    assert shown.code == 0, shown.talk
    assert "again.onnx  onnx," in shown.out
    onnx.checker.check_model(folder / "again.onnx", full_check=True)
    assert command("run", "again.onnx", folder=folder).code == 0


@pytest.mark.parametrize("device", ["onnx", "default.qubit"])
def test_a_bundle_runs(device, bundle, expected):
    words = ("run", "bundle", "-i", "x.npy", "-o", "y.npy", "--device", device)
    assert command(*words, folder=bundle).code == 0
    np.testing.assert_allclose(np.load(bundle / "y.npy"), expected, rtol=0, atol=2e-6)


def test_a_bundle_repeats_its_self_test(bundle):
    report = command("verify", "bundle", "--json", folder=bundle).json()
    assert report["against"] == "its self-test"


def test_inspect_shows_what_a_bundle_holds(bundle):
    report = command("inspect", "bundle", "--json", folder=bundle).json()
    assert (report["format"], report["self_test"], report["opset"]) == ("bundle", True, 20)
    (circuit,) = report["circuits"]
    assert circuit["name"] in json.loads((bundle / "bundle/manifest.json").read_text())["circuits"]
    assert "bundle, " in command("inspect", "bundle", folder=bundle).out


def test_overwrite_replaces_a_bundle_whole(bundle):
    (bundle / "bundle" / "circuit_7.json").touch()
    before = listing(bundle / "bundle").keys() - {"circuit_7.json"}
    words = ("convert", "model.onnx", "-o", "bundle", "--overwrite")
    assert command(*words, folder=bundle).code == 0
    assert listing(bundle / "bundle").keys() == before


def change(name, old, new):
    def changed(folder):
        path = folder / "bundle" / name
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new))

    return changed


def remove(name):
    return lambda folder: (folder / "bundle" / name).unlink()


def link(folder):
    (folder / "bundle" / "circuit_0.json").rename(folder / "away.json")
    (folder / "bundle" / "circuit_0.json").symlink_to(folder / "away.json")


def nothing(folder):
    """The file, its bundle and `x.npy` are all there is."""


def add(name):
    return lambda folder: (folder / "bundle" / name).write_text("precious")


TO_BUNDLE = ("convert", "model.onnx", "-o", "bundle")

# name: (what is done to the folder, arguments, code of the error, words that stderr must show)
CASES = {
    "no source": (nothing, ("convert", "nosuch.onnx", "-o", "b"), "HX303", ["nosuch.onnx"]),
    "no bundle": (nothing, ("convert", ".", "-o", "b.onnx"), "HX303", ["Is a directory"]),
    "not hybridx": (nothing, ("convert", "x.npy", "-o", "b"), "HX304", ["x.npy"]),
    "unknown format": (nothing, (*TO_BUNDLE, "--format", "zip"), "HX017", ["'zip'", "onnx"]),
    "bundle exists": (nothing, TO_BUNDLE, "HX301", ["bundle exists", "--overwrite"]),
    "file exists": (
        nothing,
        ("convert", "bundle", "-o", "model.onnx"),
        "HX301",
        ["model.onnx exists", "--overwrite"],
    ),
    "bundle in place of a file": (
        nothing,
        ("convert", "model.onnx", "-o", "x.npy", "--format", "bundle", "--overwrite"),
        "HX302",
        ["x.npy", "it is a file"],
    ),
    "file in place of a bundle": (
        nothing,
        ("convert", "model.onnx", "-o", "bundle", "--format", "onnx", "--overwrite"),
        "HX302",
        ["bundle", "it is a folder"],
    ),
    "other files in the folder": (
        add("notes.txt"),
        (*TO_BUNDLE, "--overwrite"),
        "HX302",
        ["bundle", "other files: notes.txt"],
    ),
    "no folder of bundles": (
        lambda folder: (folder / "bundle/manifest.json").unlink(),
        (*TO_BUNDLE, "--overwrite"),
        "HX302",
        ["without manifest.json"],
    ),
    "no folder above": (nothing, ("convert", "model.onnx", "-o", "no/b"), "HX302", ["no/b"]),
    "part missing": (
        remove("circuit_0.json"),
        ("run", "bundle"),
        "HX303",
        ["bundle/circuit_0.json", "No such file"],
    ),
    "part changed": (
        change("circuit_0.json", b"0.4", b"0.5"),
        ("verify", "bundle"),
        "HX305",
        ["circuit_0.json was changed"],
    ),
    "OpenQASM changed": (
        change("circuit_0.qasm", b"0.4", b"0.5"),
        ("inspect", "bundle"),
        "HX305",
        ["circuit_0.qasm was changed"],
    ),
    "part elsewhere": (
        change("manifest.json", b'"circuit_0.json"', b'"../x.json"'),
        ("run", "bundle", "-i", "x.npy", "-o", "y.npy"),
        "HX305",
        ["'../x.json'"],
    ),
    "part is a link": (link, ("inspect", "bundle"), "HX305", ["circuit_0.json is no plain file"]),
    "field unknown": (
        change("manifest.json", b'"opset"', b'"exec"'),
        ("convert", "bundle", "-o", "b.onnx"),
        "HX305",
        ["exec"],
    ),
    "manifest of an app": (
        lambda folder: (folder / "bundle/manifest.json").write_text('{"name": "app"}'),
        ("inspect", "bundle"),
        "HX304",
        ["hybridx did not write it"],
    ),
    "manifest of tomorrow": (
        change("manifest.json", b'"hybridx.format": "2"', b'"hybridx.format": "9"'),
        ("inspect", "bundle"),
        "HX306",
        ["format version 9"],
    ),
}


@pytest.mark.parametrize(("prepare", "arguments", "code", "facts"), CASES.values(), ids=CASES)
def test_bad_input_is_refused_in_the_users_words(prepare, arguments, code, facts, bundle):
    prepare(bundle)
    assert_refused(arguments, bundle, code, facts)


def test_a_file_is_inlined_and_its_functions_come_back(folder, expected):
    report = command("convert", "model.onnx", "-o", "in.onnx", "--inline", "--json", folder=folder)
    assert report.json()["format"] == "onnx"
    assert not onnx.load(folder / "in.onnx").functions
    shown = command("inspect", "in.onnx", folder=folder)
    assert "in.onnx  onnx, inlined," in shown.out
    assert hybridx.load(folder / "in.onnx")(X) == pytest.approx(expected)
    assert command("convert", "in.onnx", "-o", "back.onnx", folder=folder).code == 0
    assert {*hybridx.load(folder / "back.onnx").artifact.circuits} == {
        *hybridx.load(folder / "model.onnx").artifact.circuits
    }
    bundled = command("convert", "model.onnx", "-o", "b", "--inline", folder=folder)
    assert bundled.code == 3
    assert "HX021 --inline needs --format onnx" in bundled.talk


def test_an_inlined_file_that_lost_a_layer_runs_and_is_refused_where_circuits_matter(folder):
    hybridx.convert(folder / "model.onnx", folder / "in.onnx", inline=True)
    model = onnx.load(folder / "in.onnx")
    (entry,) = (one for one in model.metadata_props if one.key == "hybridx.inlined")
    (call,) = json.loads(entry.value)["calls"]
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["new" if name == call["results"] else name for name in names]
    onnx.save(model, folder / "in.onnx")
    ran = command("run", "in.onnx", "-i", "x.npy", folder=folder)
    assert ran.code == 0
    assert "is not found in it again: nothing gives its results" in ran.talk
    assert "lost" in command("inspect", "in.onnx", folder=folder).out
    for words in (
        ("run", "in.onnx", "-i", "x.npy", "--device", "default.qubit", "--accept-changes"),
        ("verify", "in.onnx", "--accept-changes"),
        ("convert", "in.onnx", "-o", "other.onnx", "--accept-changes"),
    ):
        assert_refused(words, folder, "HX330", ["is not found again in in.onnx"])
