"""Files that the second reader refuses or calls changed, and its command."""

from __future__ import annotations

import json
import random
import shutil
import subprocess

import numpy as np
import onnx
import pytest

from hybridx.artifact import read_artifact
from hybridx.artifact.archive import open_archive
from hybridx.artifact.contract import ARCHIVE_VERSION, FORMAT_VERSION, INLINED_VERSION
from hybridx.circuit import simulate
from hybridx.errors import HybridxError
from hybridx.storage import rezip, unzip
from tests.artifact import second_digest
from tests.golden.files import newest
from tests.reader.changes import CHANGES, changed
from tests.reader.javascript import READER, RefusedError, node
from tests.tolerances import EXACT

CLASSIFIER = newest()["onnx classifier"]


def with_entry(path, key, value):
    """Change an entry of the metadata of an ONNX file."""
    model = onnx.load(path)
    next(one for one in model.metadata_props if one.key == key).value = value
    onnx.save(model, path)


def test_it_refuses_a_version_that_it_does_not_know(tmp_path, reader):
    path = tmp_path / "later.onnx"
    shutil.copy(CLASSIFIER, path)
    with_entry(path, "hybridx.format", str(INLINED_VERSION + 1))
    with pytest.raises(
        RefusedError, match=f"version {INLINED_VERSION + 1}; this reader knows versions"
    ):
        reader.describe(path)


def test_it_refuses_a_later_archive_and_a_later_bundle(tmp_path, reader):
    path = tmp_path / "later.pt"
    content = newest()["torchscript classifier"].read_bytes()
    entries = {**open_archive(content, "").entries, "hybridx.format": str(ARCHIVE_VERSION + 1)}
    later = json.dumps(entries).encode()
    path.write_bytes(rezip(dict(unzip(content)) | {"extra/hybridx.json": later}))
    with pytest.raises(
        RefusedError, match=f"version {ARCHIVE_VERSION + 1}; this reader knows versions"
    ):
        reader.describe(path)
    folder = tmp_path / "later.bundle"
    shutil.copytree(newest()["bundle classifier"], folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["metadata"]["hybridx.format"] = str(FORMAT_VERSION + 1)
    # A later version may have other fields.
    (folder / "manifest.json").write_text(json.dumps(manifest | {"more": 1}))
    with pytest.raises(
        RefusedError, match=f"version {FORMAT_VERSION + 1}; this reader knows versions"
    ):
        reader.describe(folder)


def test_it_refuses_a_later_circuit(reader):
    circuit = {"wires": 1, "parameters": 0, "operations": [], "measurements": [{"type": "state"}]}
    results = [{"offset": 0, "shape": [2], "is_complex": True}]
    later = json.dumps({"format": 3, "circuit": circuit, "results": results})
    with pytest.raises(RefusedError, match="format 3; this reader knows 1 and 2"):
        reader.run(later, np.zeros((1, 0)))


def changed_weight(model):
    raw = bytearray(model.graph.initializer[0].raw_data)
    raw[0] ^= 1
    model.graph.initializer[0].raw_data = bytes(raw)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (changed_weight, ["weights"]),
        (lambda model: setattr(model.graph.node[0], "name", "other"), ["graph"]),
        (lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", 11), ["names"]),
        (lambda model: setattr(model.metadata_props[0], "value", "[]"), ["metadata"]),
        (lambda model: setattr(model.functions[0].metadata_props[0], "value", "x"), ["functions"]),
        (lambda model: setattr(model, "producer_name", "another tool"), []),
        (lambda model: setattr(model.graph.node[0], "doc_string", "text"), []),
    ],
    ids=["weight", "node", "dtype", "entry", "function", "stamp", "text"],
)
def test_it_says_which_parts_were_changed(change, parts, tmp_path, reader):
    path = tmp_path / "model.onnx"
    model = onnx.load(CLASSIFIER)
    change(model)
    onnx.save(model, path)
    assert [*read_artifact(path).changed] == reader.describe(path)["changed"] == parts


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_fields_has_no_meaning_to_it(seed, tmp_path, reader):
    path = tmp_path / "model.onnx"
    path.write_bytes(second_digest.shuffled(CLASSIFIER.read_bytes(), seed))
    assert reader.describe(path)["changed"] == []


def test_it_refuses_a_body_and_a_circuit_that_do_not_have_their_hash(tmp_path, reader):
    path = tmp_path / "model.onnx"
    for golden in (CLASSIFIER, CLASSIFIER.parents[1] / "onnx-1" / "classifier.onnx"):
        model = onnx.load(golden)
        model.functions[0].node[-1].name = "other"
        onnx.save(model, path)
        with pytest.raises(RefusedError, match=r"was compiled|was changed"):
            reader.describe(path)
        model = onnx.load(golden)
        (text,) = (a for node in model.graph.node for a in node.attribute if a.name == "circuit")
        text.s = text.s.replace(b'"RX"', b'"RY"')
        onnx.save(model, path)
        with pytest.raises(RefusedError, match="is not the circuit that was compiled"):
            reader.describe(path)


@pytest.mark.slow
def test_bytes_cut_off_or_changed_never_break_it(tmp_path, reader):
    """What hybridx takes it takes too, and it ends all else with a refusal."""
    rng = np.random.default_rng(3)
    for name in ("onnx classifier", "torchscript classifier"):
        content = newest()[name].read_bytes()
        path = tmp_path / "changed"
        for _ in range(100):
            data = bytearray(content)
            at = int(rng.integers(len(data)))
            if rng.integers(3):
                data[at] = int(rng.integers(256))
            else:
                del data[at:]
            path.write_bytes(data)
            try:
                expected = read_artifact(path)
            except HybridxError:
                expected = None
            try:
                found = reader.describe(path)
            except RefusedError:
                assert expected is None, at
                continue
            if expected is not None:
                assert found["digest"]["sha256"] == expected.digest.sha256


def test_a_changed_entry_of_an_inlined_file_is_read_as_hybridx_reads_it(tmp_path, reader):
    rng = random.Random(4)
    path = tmp_path / "changed.onnx"
    model = onnx.load(newest()["inlined named"])
    (entry,) = (one for one in model.metadata_props if one.key == "hybridx.inlined")
    said = json.loads(entry.value)
    refused = 0
    for _ in range(CHANGES // 3):
        entry.value = json.dumps(changed(said, rng))
        onnx.save(model, path)
        try:
            expected = read_artifact(path)
        except HybridxError:
            refused += 1
            with pytest.raises(RefusedError):
                reader.describe(path)
            continue
        found = reader.describe(path)
        assert found["digest"]["parts"] == expected.digest.parts
        assert found["changed"] == [*expected.changed] == ["circuits"]
    assert CHANGES / 9 < refused < CHANGES / 3


@pytest.mark.parametrize("name", ["no_parameters", "named"])
def test_a_changed_manifest_is_read_as_hybridx_reads_it(name, tmp_path, reader):
    """It refuses a manifest or says what was changed, and finds the digest that hybridx finds."""
    rng = random.Random(2)
    folder = tmp_path / "changed.bundle"
    shutil.copytree(newest()[f"bundle {name}"], folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    refused = wrongly_refused = 0
    for _ in range(CHANGES):
        document = changed(manifest, rng)
        (folder / "manifest.json").write_text(json.dumps(document))
        try:
            expected = read_artifact(folder)
        except HybridxError:
            expected = None
        try:
            found = reader.describe(folder)
        except RefusedError:
            refused += 1
            wrongly_refused += expected is not None
            continue
        if expected is None:
            # It does not read the self-test, for one, but its digest is another then.
            assert found["changed"], document
        else:
            assert found["digest"]["parts"] == expected.digest.parts, document
            assert found["changed"] == [*expected.changed]
    assert wrongly_refused == 0
    assert CHANGES / 3 < refused < CHANGES


def run(*words, given=""):
    done = subprocess.run(
        [node(), str(READER / "main.mjs"), *words], input=given, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_its_command(tmp_path):
    status, out, _ = run("describe", str(CLASSIFIER), str(newest()["bundle state"]))
    first, second = map(json.loads, out.splitlines())
    assert (status, first["format"], second["format"]) == (0, "onnx", "bundle")
    ((name, circuit),) = read_artifact(CLASSIFIER).circuits.items()
    assert first["circuits"] == {name: {"wires": 2, "parameters": 2, "columns": 2}}
    status, out, _ = run("run", str(CLASSIFIER), name, given="[0.1, 0.2]\n[0.3, -4]\n")
    rows = np.array([[0.1, 0.2], [0.3, -4]])
    found = [json.loads(line) for line in out.splitlines()]
    np.testing.assert_allclose(found, simulate(circuit, rows), rtol=0, atol=EXACT)
    assert run("run", str(CLASSIFIER), name, given="[1]\n")[::2] == (
        3,
        "refused: a row of parameters has 2 numbers\n",
    )
    assert run("run", str(CLASSIFIER), "other")[2].startswith("refused: it has no circuit other")
    assert run("describe", str(tmp_path / "missing"))[0] == 3
    assert run("describe")[0] == 2
