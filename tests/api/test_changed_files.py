"""Files that another tool has changed run, but do not vouch for themselves."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import pennylane as qml
import pytest
import torch
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

import hybridx
from hybridx import api
from hybridx.artifact import read_artifact
from hybridx.errors import BrokenArtifactError, ChangedFileError
from tests.cli.shell import command


@qml.qnode(qml.device("default.qubit", wires=2))
def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.StronglyEntanglingLayers(weights, wires=range(2))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    torch.manual_seed(0)
    layer = qml.qnn.TorchLayer(circuit, {"weights": (1, 2, 3)})
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2), layer
    )
    path = tmp_path_factory.mktemp("changed") / "model.onnx"
    hybridx.export(model, (torch.randn(2, 8),), path)
    return path


def quantized(model, path):
    del model.graph.value_info[:]
    quantize_dynamic(model, path)


def halved(model, path):
    circuits = [node.name for node in model.graph.node if node.op_type.startswith("Circuit_")]
    onnx.save(convert_float_to_float16(model, keep_io_types=True, node_block_list=circuits), path)


def renamed_axes(model, path):
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    onnx.save(model, path)


def stripped(model, path):
    del model.graph.value_info[:]
    onnx.save(model, path)


def annotated(model, path):
    model.metadata_props.add(key="registered", value="2026-11")
    onnx.save(model, path)


TOOLS = {
    "quantizer": (quantized, {"graph", "metadata", "weights"}),
    "float16": (halved, {"graph", "weights"}),
    "renamed axes": (renamed_axes, {"names"}),
    "types left out": (stripped, {"graph"}),
    "entry added": (annotated, {"metadata"}),
}


@pytest.fixture(params=TOOLS)
def changed(request, original, tmp_path):
    change, parts = TOOLS[request.param]
    path = tmp_path / "changed.onnx"
    change(onnx.load(original), path)
    return path, parts


def test_a_changed_file_runs_with_a_note_that_names_the_parts(changed, original, caplog):
    path, parts = changed
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 8)
    found = hybridx.load(path)(x)
    np.testing.assert_allclose(found, hybridx.load(original)(x), atol=0.02)
    (note,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert set(read_artifact(path).changed) == parts
    assert "was changed after hybridx wrote it" in note.getMessage()
    assert all(part in note.getMessage() for part in parts)


@pytest.mark.parametrize(
    "vouch",
    [
        hybridx.verify,
        api.self_test,
        lambda path, **options: hybridx.load(path, device="default.qubit", **options),
        lambda path, **options: api.convert(path, path.with_suffix(".bundle"), **options),
    ],
    ids=["verify", "self-test", "device", "convert"],
)
def test_a_changed_file_does_not_vouch_for_itself_unless_told(vouch, original, tmp_path):
    path = tmp_path / "changed.onnx"
    renamed_axes(onnx.load(original), path)
    with pytest.raises(ChangedFileError) as caught:
        vouch(path)
    assert caught.value.parts == "its names differ"
    assert "accept_changes=True" in caught.value.help
    vouch(path, accept_changes=True)


def test_a_file_as_it_was_written_says_nothing(original, caplog):
    hybridx.verify(original)
    hybridx.load(original, device="default.qubit")
    assert not [one for one in caplog.records if "changed" in one.getMessage()]


def test_accepted_changes_do_not_hide_that_the_outputs_differ(original, tmp_path):
    path, model = tmp_path / "changed.onnx", onnx.load(original)
    weight = model.graph.initializer[0]
    weight.raw_data = bytes(len(weight.raw_data))
    onnx.save(model, path)
    with pytest.raises(hybridx.errors.MismatchError):
        hybridx.verify(path, accept_changes=True)


def test_a_self_test_of_other_inputs_is_called_so(original, tmp_path):
    path, model = tmp_path / "changed.onnx", onnx.load(original)
    for entry in model.metadata_props:
        if entry.key == "hybridx.selftest":
            entry.value = entry.value.replace('"inputs":{"input"', '"inputs":{"y"')
    onnx.save(model, path)
    with pytest.raises(BrokenArtifactError, match="its self-test has the inputs y"):
        hybridx.verify(path, accept_changes=True)


def test_a_change_that_was_meant_is_adopted_by_convert(original, tmp_path):
    path, adopted = tmp_path / "changed.onnx", tmp_path / "adopted.onnx"
    renamed_axes(onnx.load(original), path)
    api.convert(path, adopted, accept_changes=True)
    found = api.inspect(adopted)
    assert found.digest.is_intact
    assert found.inputs[0].shape == ("rows", 8)
    # What was compared with the model is not what is in the file.
    assert found.verification is None
    hybridx.verify(adopted)


def test_conversion_gives_each_format_a_digest_of_its_own(original, tmp_path):
    api.convert(original, tmp_path / "parts", format="bundle")
    api.convert(tmp_path / "parts", tmp_path / "joined.onnx")
    api.convert(original, tmp_path / "same.onnx")
    for name in ("parts", "joined.onnx", "same.onnx"):
        found = api.inspect(tmp_path / name)
        assert found.digest.is_intact
        assert found.verification is not None
    assert (tmp_path / "same.onnx").read_bytes() == original.read_bytes()


def test_inspect_shows_the_digest_and_what_was_changed(original, tmp_path):
    path = tmp_path / "changed.onnx"
    renamed_axes(onnx.load(original), path)
    before, after = api.inspect(original).digest, api.inspect(path).digest
    assert (before.is_intact, before.changed, before.difference) == (True, (), "")
    assert (after.is_intact, after.changed) == (False, ("names",))
    assert after.difference == "its names differ"
    assert after.sha256 != before.sha256
    assert {name for name in before.parts if before.parts[name] != after.parts[name]} == {"names"}
    for file, said in ((original, "as hybridx wrote it"), (path, "its names differ")):
        page = tmp_path / f"{file.stem}.html"
        api.html(file, page)
        assert said in page.read_text()
        assert api.inspect(file).digest.sha256 in page.read_text()


def test_the_command_line_says_no_and_how_to_go_on(original, tmp_path):
    path = tmp_path / "changed.onnx"
    renamed_axes(onnx.load(original), path)
    for arguments in (
        ("run", path),
        ("verify", path),
        ("run", path, "--device", "default.qubit"),
        ("convert", path, "-o", tmp_path / "new.onnx"),
    ):
        refused = command(*arguments, folder=tmp_path)
        assert refused.code == 3
        assert "HX317" in refused.talk
        assert "--accept-changes" in refused.talk
        taken = command(*arguments, "--accept-changes", folder=tmp_path)
        assert taken.code == 0, taken.talk
        assert "note" in taken.talk
        assert "its names differ" in taken.talk
    np.save(tmp_path / "x.npy", np.zeros((2, 8), np.float32))
    ran = command("run", path, "-i", "x.npy", folder=tmp_path)
    assert ran.code == 0
    assert "its names differ" in ran.talk
    assert "its names differ" in command("inspect", path, folder=tmp_path).out
    found = command("inspect", path, "--json", folder=tmp_path).json()
    assert found["digest"]["changed"] == ["names"]
