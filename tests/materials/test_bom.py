"""Bills of materials, judged by the schemas of CycloneDX."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hybridx import api
from hybridx.artifact import Metadata, Verification
from hybridx.errors import MissingExtraError, OutputExistsError
from tests.runtime.models import GRAPHS, TURN, build
from tests.signing.given import FILES, copied


def complaints(text):
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def properties(component):
    return {one["name"].removeprefix("hybridx:"): one["value"] for one in component["properties"]}


def written(metadata, path):
    path.write_bytes(build([(TURN, ["x"], "y")], [("y", ["batch", 2])], metadata=metadata).content)
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_bill_of_each_format_fits_the_schema_and_is_the_same_again(name, tmp_path):
    path = copied(name, tmp_path)
    text = api.bom(path)
    assert complaints(text) is None
    assert api.bom(path) == text
    bill = json.loads(text)
    model = bill["metadata"]["component"]
    assert (model["type"], model["name"]) == ("machine-learning-model", path.name)
    assert properties(model)["digest"] == api.inspect(path).digest.sha256
    circuits = [one for one in bill["components"] if one["type"] == "data"]
    assert [one["name"] for one in circuits] == [one.name for one in api.inspect(path).circuits]
    files = {one["name"]: one for one in bill["components"] if one["type"] == "file"}
    if path.is_dir():
        assert files.keys() == {one.name for one in path.iterdir()}
        hashed = {path / file: one for file, one in files.items()}
    else:
        assert not files
        hashed = {path: model}
    for file, one in hashed.items():
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        assert one["hashes"] == [{"alg": "SHA-256", "content": sha256}]


def test_the_schema_sees_what_is_wrong():
    assert complaints('{"bomFormat": "CycloneDX", "specVersion": "1.6", "modelCard": {}}')


def test_a_bill_says_what_a_circuit_is_made_of_and_what_was_verified(tmp_path):
    says = Metadata("0.7", Verification(1e-5, (1, 3), 2e-7), assumed=("x is positive",))
    bill = json.loads(api.bom(written(says, tmp_path / "m.onnx")))
    (circuit,) = bill["components"]
    assert {"wires": "2", "parameters": "2", "results": "2"}.items() <= properties(circuit).items()
    model = bill["metadata"]["component"]
    found = properties(model)
    assert found["written-by"] == "hybridx 0.7"
    assert (found["verified:worst-error"], found["verified:batches"]) == ("2e-07", "1, 3")
    card = model["modelCard"]
    assert card["modelParameters"]["inputs"] == [{"format": "x: float32 (batch, 2)"}]
    (metric,) = card["quantitativeAnalysis"]["performanceMetrics"]
    assert (metric["value"], metric["slice"]) == ("2e-07", "batches of 1, 3")
    assert card["considerations"]["technicalLimitations"] == ["x is positive"]


@pytest.mark.parametrize(
    ("license", "expected"),
    [
        ("MIT", {"license": {"id": "MIT"}}),
        ("MIT OR Apache-2.0", {"expression": "MIT OR Apache-2.0"}),
        ("ask us", {"license": {"name": "ask us"}}),
    ],
)
def test_a_licence_is_what_the_metadata_states(license, expected, tmp_path):
    own = {"License": license, "author": "A. B.", "version": "3", "description": "ü\x1b[31m"}
    text = api.bom(written(Metadata("0", own=own), tmp_path / "m.onnx"))
    assert complaints(text) is None
    assert "\x1b" not in text
    model = json.loads(text)["metadata"]["component"]
    (found,) = model["licenses"]
    assert expected.items() <= found.items()
    assert (model["authors"], model["version"]) == ([{"name": "A. B."}], "3")


def test_what_is_not_stated_is_not_there(tmp_path):
    model = json.loads(api.bom(written(Metadata("0"), tmp_path / "m.onnx")))["metadata"][
        "component"
    ]
    assert model.keys().isdisjoint({"licenses", "authors", "version", "description"})
    assert properties(model)["verified"] == "false"
    assert "quantitativeAnalysis" not in model["modelCard"]


def test_a_name_that_is_no_text_has_question_marks(tmp_path):
    path = written(Metadata("0"), tmp_path / os.fsdecode(b"m\xff.onnx"))
    text = api.bom(path, tmp_path / "bom.json")
    assert complaints(text) is None
    assert json.loads(text)["metadata"]["component"]["name"] == "m?.onnx"


def test_equal_files_differ_in_their_serial_numbers_from_others(tmp_path):
    serials = set()
    for number, graph in enumerate(list(GRAPHS.values())[:4]):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(graph().content)
        serials.add(json.loads(api.bom(path))["serialNumber"])
    assert len(serials) == 4


def test_a_changed_file_is_called_so(tmp_path):
    import onnx

    path = copied("onnx", tmp_path)
    changed = onnx.load(path)
    changed.metadata_props.add(key="note", value="mine")
    onnx.save(changed, path)
    found = properties(json.loads(api.bom(path))["metadata"]["component"])
    assert (found["as-written"], found["changed"]) == ("false", "metadata")


def test_a_bill_is_written_to_a_file_that_is_not_replaced_unasked(tmp_path):
    path = copied("onnx", tmp_path)
    target = tmp_path / "bom.json"
    text = api.bom(path, target)
    assert target.read_text() == text
    with pytest.raises(OutputExistsError):
        api.bom(path, target)


def test_without_the_extra_the_message_names_it(tmp_path, monkeypatch):
    from hybridx.api import inspecting

    path = copied("onnx", tmp_path)
    monkeypatch.setattr(inspecting, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"hybridx\[bom\]"):
        api.bom(path)
