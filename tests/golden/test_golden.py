"""Golden files of every format version load and reproduce; what is written keeps its layout."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

import hybridx
from hybridx import api
from hybridx.artifact import OnnxArtifact, read_artifact
from hybridx.artifact.contract import INLINED_VERSION
from tests.golden.files import (
    FORMATS,
    GOLDEN,
    SUMS,
    LayoutChangedError,
    check_layout,
    every,
    layout_of,
    newest,
    sums,
    write,
)
from tests.sampling import some

FILES = {f"{path.parent.name}/{path.stem}": path for path in every()}
# The formats that today's tests export anew each time; all others are slow.
QUICK = ("onnx classifier", "onnx shots", "inlined no_parameters")


def entries_of(artifact):
    if isinstance(artifact, OnnxArtifact):
        return {one.key: one.value for one in artifact.model.metadata_props}
    from hybridx.artifact.archive import open_archive

    return open_archive(artifact.content, artifact.path).entries


def tensors(said):
    """Return the tensors of a self-test with their steps, read as docs/file-format.md says."""
    found = {}
    for name, one in said.items():
        numbers = np.frombuffer(base64.b64decode(one["data"]), np.dtype(one["dtype"]))
        shape, step = one["shape"], one.get("step", 1)
        if "period" in one:
            numbers = np.resize(numbers, math.prod(shape))
        found[name] = (numbers.reshape(shape) if step == 1 else numbers, step)
    return found


@pytest.mark.parametrize("name", some(FILES, every=4))
def test_a_golden_file_loads_and_reproduces_its_numbers(name):
    path = FILES[name]
    artifact = read_artifact(path)
    format, _, version = path.parent.name.rpartition("-")
    assert (artifact.format, entries_of(artifact)["hybridx.format"]) == (format, version)
    assert artifact.changed == ()
    has_digest = int(version) >= {"onnx": 2, "bundle": 2}.get(format, 3)
    assert (artifact.stated is not None) == has_digest
    if path.stem == "no_body":
        session = hybridx.load(path, device="default.qubit")
        outputs = session.run({"input": np.zeros((2, 3), np.float32)})
        assert all(np.isfinite(array).all() for array in outputs.values())
        return
    said = json.loads(entries_of(artifact)["hybridx.selftest"])
    inputs = {name: array for name, (array, _) in tensors(said["inputs"]).items()}
    outputs = hybridx.load(path).run(inputs)
    expected = tensors(said["outputs"])
    assert outputs.keys() == expected.keys()
    for name, (array, step) in expected.items():
        found = outputs[name] if step == 1 else outputs[name].reshape(-1)[::step]
        error = np.abs(found.astype(float) - array) / np.maximum(1, np.abs(array))
        assert error.max() <= said["tolerance"] <= 1e-5
    # Before version 4, an archive of torch did not say which part of its program a circuit is.
    is_silent = format in ("torchscript", "pt2") and int(version) < 4
    report = hybridx.verify(path, accept_unchecked=is_silent)
    assert ({one.shown for one in report.circuits} == {"not checked"}) == is_silent
    assert report.worst <= report.tolerance <= 1e-5
    assert len(api.inspect(path).circuits) == len(artifact.circuits) > 0


def test_golden_files_are_those_that_were_written():
    assert SUMS.read_text() == sums(), "golden files of old versions must not change"


def test_there_is_a_golden_file_of_each_version_of_each_format():
    there = {path.parent.name for path in FILES.values()}
    wanted = {
        f"{name}-{version + 1}" for name, (last, *_) in FORMATS.items() for version in range(last)
    } | {f"onnx-{INLINED_VERSION}"}
    assert there == wanted
    assert {*newest().values()} <= {*FILES.values()}
    largest = max(one.stat().st_size for one in GOLDEN.rglob("*") if one.is_file())
    assert largest < 200_000  # a .pt2 holds its program as JSON that is not compressed


# tests/targets/test_opsets.py exports those of each opset.
EXPORTED = [one for one in newest() if not one.startswith("onnx opset_")]


@pytest.mark.parametrize(
    "name",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in EXPORTED],
)
# PennyLane multiplies a tensor by an array in the matrix of a gate.
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_the_format_has_not_changed_without_a_new_version_number(name, tmp_path):
    golden = newest()[name]
    new = tmp_path / golden.name
    write(name, new)
    check_layout(name, new, golden)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.metadata_props.add(key="hybridx.more", value="1"),
        lambda model: model.metadata_props.remove(
            next(one for one in model.metadata_props if one.key == "hybridx.classes")
        ),
        lambda model: model.graph.metadata_props.add(key="k", value="v"),
        lambda model: model.functions[0].metadata_props.add(key="k", value="v"),
        lambda model: setattr(model, "ir_version", 9),
        lambda model: setattr(model.functions[0], "doc_string", "text"),
    ],
    ids=["entry more", "entry less", "graph field", "function field", "IR version", "text"],
)
def test_a_change_of_the_layout_is_refused(change, tmp_path):
    import onnx

    golden = newest()["onnx classifier"]
    model = onnx.load(golden)
    change(model)
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(LayoutChangedError, match="raise FORMAT_VERSION"):
        check_layout("onnx classifier", tmp_path / "new.onnx", golden)


def test_the_layout_names_the_parts_of_a_circuit():
    lines = layout_of(newest()["onnx noise"])
    assert "circuit.circuit.operations[]<channel>.real[]: number" in lines, lines
