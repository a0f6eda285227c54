"""A bundle is the model that was cut: whole again it is the same, and in parts it runs anywhere."""

from __future__ import annotations

import hashlib
import json
import os

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import hybridx
from hybridx.api import convert
from hybridx.artifact import (
    MANIFEST,
    Metadata,
    SelfTest,
    Verification,
    decode_artifact,
    read_artifact,
    to_bundle,
)
from hybridx.artifact.read import _Folder
from hybridx.circuit import encode, parse
from hybridx.errors import (
    ArtifactError,
    BrokenArtifactError,
    FileMissingError,
    ForeignFileError,
    NewerFormatError,
    NoBodyError,
    TooLargeError,
)
from hybridx.runtime import start_session
from tests import sample_models
from tests.runtime.models import FIXED, GRAPHS, TURN, build

X = np.random.default_rng(8).uniform(-3, 3, (3, 2))
DEPTH = "one behind another"
SHARED = "a weight read at two levels"


def bundle_of(artifact):
    return to_bundle(onnx.ModelProto.FromString(artifact.content), "a model")


def stated(name, **options):
    """A hand-made graph that says of itself what an export says."""
    inputs = {"x": X.astype(options.get("dtype", "float32"))}
    outputs = start_session(GRAPHS[name](**options)).run(inputs)
    says = Metadata(
        "0",
        Verification(1e-6, (1, 2), 1e-8),
        SelfTest(inputs, outputs, 1e-6),
        columns=("a", "b"),
        classes=("c", "d"),
        call={"args": [{"input": "x"}], "kwargs": {"flag": True}},
    )
    return GRAPHS[name](metadata=says, **options)


def put(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


# --- whole again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GRAPHS)
def test_joined_again_it_is_the_model_that_was_cut(name, dtype):
    artifact = stated(name, dtype=dtype)
    joined = decode_artifact(bundle_of(artifact), "there")
    assert joined.format == "bundle"
    assert (joined.inputs, joined.outputs) == (artifact.inputs, artifact.outputs)
    assert joined.circuits == artifact.circuits
    assert joined.strategies == artifact.strategies
    assert joined.metadata.encode() == artifact.metadata.encode()
    assert sorted(f.name for f in joined.model.functions) == sorted(artifact.circuits)
    onnx.checker.check_model(joined.model, full_check=True)
    for device in ("onnx", "default.qubit"):
        expected = start_session(artifact, device=device).run({"x": X})
        actual = start_session(joined, device=device).run({"x": X})
        assert list(actual) == list(expected)
        for output, array in expected.items():
            assert actual[output].dtype == array.dtype
            # The same operations in the same order.
            np.testing.assert_array_equal(actual[output], array)


@pytest.mark.parametrize("options", [{}, {"body": False}], ids=["bodies", "no bodies"])
@pytest.mark.parametrize("name", GRAPHS)
def test_cut_again_it_is_the_same_bundle(name, options):
    files = bundle_of(GRAPHS[name](**options))
    again = bundle_of(decode_artifact(files, "there"))
    assert again == files


@pytest.mark.parametrize("name", GRAPHS)
def test_circuits_without_bodies_run_on_devices_only(name):
    files = bundle_of(GRAPHS[name](body=False))
    assert not any(file.startswith("circuit") and file.endswith(".onnx") for file in files)
    joined = decode_artifact(files, "there")
    with pytest.raises(NoBodyError):
        start_session(joined)
    actual = start_session(joined, device="default.qubit").run({"x": X})
    expected = start_session(GRAPHS[name](), device="default.qubit").run({"x": X})
    for output, array in expected.items():
        np.testing.assert_array_equal(actual[output], array)


def test_a_circuit_that_no_openqasm_says_has_its_json():
    prepared = "prepare 0 1 [p[0], p[1], 0, 0]; CNOT 0 1; expval Z0; expval Z1"
    artifact = build([(prepared, ["x"], "y")], [("y", ["batch", 2])])
    files = bundle_of(artifact)
    assert sorted(files) == ["circuit_0.json", "circuit_0.onnx", MANIFEST]
    (circuit,) = json.loads(files[MANIFEST])["circuits"].values()
    assert "qasm" not in circuit
    assert decode_artifact(files, "there").circuits == artifact.circuits


# --- in parts ------------------------------------------------------------------------------------


def run_parts(folder, inputs):
    """The ten lines of somebody who has ONNX Runtime and no hybridx."""
    manifest = json.loads((folder / "manifest.json").read_text())
    values = dict(inputs)
    for step in manifest["steps"]:
        if step["type"] == "classical":
            session = onnxruntime.InferenceSession(folder / step["model"])
            fed = {name: values[name] for name in step["inputs"]}
            values.update(zip(step["outputs"], session.run(step["outputs"], fed), strict=True))
        else:
            model = manifest["circuits"][step["circuit"]]["model"]
            fed = {"parameters": values[step["parameters"]]}
            values[step["results"]] = onnxruntime.InferenceSession(folder / model).run(None, fed)[0]
    return {output["name"]: values[output["name"]] for output in manifest["outputs"]}


def check_parts(files):
    for name, content in files.items():
        if name.endswith(".onnx"):
            model = onnx.load_model_from_string(content)
            onnx.checker.check_model(model, full_check=True)
            assert {each.domain for each in model.opset_import} == {""}
            assert not model.functions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GRAPHS)
def test_one_after_another_the_parts_give_what_the_whole_gives(name, dtype, tmp_path):
    artifact = GRAPHS[name](dtype=dtype)
    files = bundle_of(artifact)
    check_parts(files)
    inputs = {"x": X.astype(dtype)}
    actual = run_parts(put(tmp_path / "bundle", files), inputs)
    expected = start_session(artifact).run(inputs)
    assert list(actual) == list(expected)
    # ONNX Runtime fuses across parts in the whole: float32 or float64 rounding, a few times over.
    bound = {"float32": 1e-6, "float64": 1e-14}[dtype]
    for output, array in expected.items():
        np.testing.assert_allclose(actual[output], array, rtol=0, atol=bound)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_circuit_step_says_what_dtype_its_values_have(name):
    for dtype in ("float32", "float64"):
        manifest = json.loads(bundle_of(GRAPHS[name](dtype=dtype))[MANIFEST])
        runs = [step for step in manifest["steps"] if step["type"] == "circuit"]
        assert runs
        assert {step["dtype"] for step in runs} == {dtype}


def test_the_same_model_gives_the_same_bytes_twice():
    first, second = (bundle_of(GRAPHS["side by side, unlike depths"]()) for _ in range(2))
    assert first == second
    assert list(first) == list(second)


def test_the_manifest_has_the_hash_of_every_other_file():
    files = bundle_of(GRAPHS[DEPTH]())
    hashes = json.loads(files[MANIFEST])["sha256"]
    assert hashes == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != MANIFEST
    }


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A real export, as a file and as a bundle."""
    model, example = sample_models.make("sandwich")
    folder = tmp_path_factory.mktemp("bundle")
    hybridx.export(model, (example,), folder / "model.onnx", verify=False)
    hybridx.export(model, (example,), folder / "bundle", format="bundle", verify=False)
    return folder


def test_an_export_is_the_conversion_of_the_file(export, tmp_path):
    report = convert(export / "model.onnx", tmp_path / "converted")
    written = {path.name: path.read_bytes() for path in (tmp_path / "converted").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (export / "bundle").iterdir()}
    assert (report.format, report.files) == ("bundle", tuple(sorted(written)))


def test_an_export_comes_back_as_a_file(export, tmp_path):
    convert(export / "bundle", tmp_path / "again.onnx")
    again, before = (read_artifact(p) for p in (tmp_path / "again.onnx", export / "model.onnx"))
    assert again.format == "onnx"
    assert again.metadata.encode() == before.metadata.encode()
    assert again.circuits == before.circuits
    test = before.metadata.self_test
    actual = start_session(again).run(test.inputs)
    expected = start_session(before).run(test.inputs)
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)


def test_an_export_runs_in_parts(export):
    folder = export / "bundle"
    check_parts({path.name: path.read_bytes() for path in folder.iterdir()})
    test = read_artifact(folder).metadata.self_test
    outputs = run_parts(folder, test.inputs)
    assert outputs.keys() == test.outputs.keys()
    for name, array in test.outputs.items():
        np.testing.assert_allclose(outputs[name], array, rtol=0, atol=test.tolerance)


# --- broken and hostile --------------------------------------------------------------------------


def manifest_of(files):
    return json.loads(files[MANIFEST])


def with_manifest(change):
    """Change the manifest."""

    def spoiled(files):
        manifest = manifest_of(files)
        change(manifest)
        files[MANIFEST] = json.dumps(manifest).encode()

    return spoiled


def rewritten(name, change):
    """Change a file, and the hash in the manifest with it."""

    def spoiled(files):
        files[name] = change(files[name])
        digest = hashlib.sha256(files[name]).hexdigest()
        with_manifest(lambda m: m["sha256"].update({name: digest}))(files)

    return spoiled


def of_model(change):
    def changed(content):
        model = onnx.load_model_from_string(content)
        change(model)
        return model.SerializeToString()

    return changed


def to(where, value):
    """Set what stands at a path of keys."""

    def change(manifest):
        *way, last = where
        place = manifest
        for key in way:
            place = place[key]
        place[last] = value

    return with_manifest(change)


def cut(name):
    return lambda files: files.update({name: files[name][: len(files[name]) // 2]})


def name_of(manifest, number=0):
    return list(manifest["circuits"])[number]


def rename_part(name):
    def change(manifest):
        manifest["circuits"][name_of(manifest)]["json"] = name

    return with_manifest(change)


def swap_files(manifest):
    circuits = manifest["circuits"]
    first, second = list(circuits)
    circuits[first], circuits[second] = circuits[second], circuits[first]


def other_operator(model):
    node = next(node for node in model.graph.node if node.op_type == "Cos")
    node.op_type = "Sin"


def other_weight(model):
    (weight,) = model.graph.initializer
    weight.CopyFrom(numpy_helper.from_array(np.array([5, 5], np.float32), weight.name))


def other_opset(model):
    model.opset_import[0].version = 18


def with_function(model):
    model.functions.add(name="f", domain="d")


def with_weight_for_parameters(model):
    model.graph.initializer.append(
        numpy_helper.from_array(np.zeros((1, 2), np.float32), "parameters")
    )


def external(model):
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")


def twice_over(manifest):
    manifest["steps"].append(manifest["steps"][0])


ODD = {
    "above": "../circuit_0.json",
    "absolute": "/etc/passwd",
    "empty": "",
    "the manifest": MANIFEST,
    "below": "inner/circuit_0.json",
    "of Windows": "..\\circuit_0.json",
    "with a line": "circuit_0.json\n",
    "in other digits": "circuit_٣.json",
    "of nobody": "circuit_0.pkl",
}

# name: (the graph, what is done to its files, a fact of the refusal)
BROKEN = {
    "circuit changed": (
        DEPTH,
        lambda f: f.update({"circuit_0.json": f["circuit_0.json"].replace(b"0.4", b"0.5")}),
        "circuit_0.json was changed",
    ),
    "circuit changed with its hash": (
        DEPTH,
        rewritten("circuit_0.json", lambda content: content.replace(b"0.4", b"0.5")),
        "the files of Circuit_",
    ),
    "circuit of another": (
        DEPTH,
        rewritten("circuit_0.json", lambda _: encode(parse(FIXED)).encode()),
        "the files of Circuit_",
    ),
    "circuits swapped": (DEPTH, with_manifest(swap_files), "the files of Circuit_"),
    "OpenQASM changed": (
        DEPTH,
        lambda f: f.update({"circuit_0.qasm": f["circuit_0.qasm"].replace(b"0.4", b"0.5")}),
        "circuit_0.qasm was changed",
    ),
    "body changed": (DEPTH, cut("circuit_0.onnx"), "circuit_0.onnx was changed"),
    "body changed with its hash": (
        DEPTH,
        rewritten("circuit_0.onnx", of_model(other_operator)),
        "the files of Circuit_",
    ),
    "body cut with its hash": (
        DEPTH,
        rewritten("circuit_0.onnx", lambda content: content[:-7]),
        "circuit_0.onnx is no ONNX model",
    ),
    "body empty": (
        DEPTH,
        rewritten("circuit_0.onnx", lambda _: b""),
        "circuit_0.onnx is no compiled circuit",
    ),
    "body with a weight in place of its input": (
        DEPTH,
        rewritten("circuit_0.onnx", of_model(with_weight_for_parameters)),
        "circuit_0.onnx is no compiled circuit",
    ),
    "part changed": (SHARED, cut("classical_0.onnx"), "classical_0.onnx was changed"),
    "part of another opset": (
        SHARED,
        rewritten("classical_0.onnx", of_model(other_opset)),
        "classical_0.onnx is not the part",
    ),
    "part with a function": (
        SHARED,
        rewritten("classical_0.onnx", of_model(with_function)),
        "classical_0.onnx is not the part",
    ),
    "part that is none": (
        SHARED,
        rewritten("classical_0.onnx", lambda _: b"\xff\xff"),
        "classical_0.onnx is no ONNX model",
    ),
    "part with other inputs": (
        SHARED,
        to(("steps", 0, "inputs"), []),
        "classical_0.onnx is not the part",
    ),
    "parts swapped": (
        SHARED,
        with_manifest(lambda m: m["steps"].reverse()),
        "which nothing before it gives",
    ),
    "weights of one name differ": (
        SHARED,
        rewritten("classical_1.onnx", of_model(other_weight)),
        "two parts differ in their weight 'w'",
    ),
    "weight in another file": (
        SHARED,
        rewritten("classical_0.onnx", of_model(external)),
        "",
    ),
    "step twice": (SHARED, with_manifest(twice_over), "gives a value that is there already"),
    "step missing": (
        SHARED,
        with_manifest(lambda m: m["steps"].pop(0)),
        "which nothing before it gives",
    ),
    "last step missing": (
        SHARED,
        with_manifest(lambda m: m["steps"].pop()),
        "its output takes 'y', which nothing before it gives",
    ),
    "circuit unknown": (SHARED, to(("steps", 1, "circuit"), "Circuit_0"), "it runs Circuit_0"),
    "circuit without files": (
        SHARED,
        with_manifest(lambda m: m["circuits"].clear()),
        "which it does not have",
    ),
    "field unknown": (SHARED, to(("run",), "rm"), "unknown field `run`"),
    "field of a step unknown": (SHARED, to(("steps", 0, "run"), "rm"), "unknown field `run`"),
    "field missing": (SHARED, with_manifest(lambda m: m.pop("steps")), "`steps`"),
    "step of another kind": (SHARED, to(("steps", 0, "type"), "shell"), "'shell'"),
    "dtype of another kind": (SHARED, to(("steps", 1, "dtype"), "object"), "'object'"),
    "input of another kind": (SHARED, to(("inputs", 0, "dtype"), "object"), "is no tensor"),
    "input of no length": (SHARED, to(("inputs", 0, "shape"), [-1]), "is no tensor"),
    "input of endless length": (SHARED, to(("inputs", 0, "shape"), [10**30]), ""),
    "opset beyond all": (SHARED, to(("opset",), 10**30), "manifest.json cannot be read"),
    "IR version below all": (SHARED, to(("ir_version",), -1), "manifest.json cannot be read"),
    "hashes missing": (SHARED, to(("sha256",), {}), "was changed"),
    "manifest cut": (SHARED, cut(MANIFEST), "manifest.json cannot be read"),
    "manifest empty": (SHARED, lambda f: f.update({MANIFEST: b""}), "manifest.json cannot be read"),
    "manifest no UTF-8": (
        SHARED,
        lambda f: f.update({MANIFEST: f[MANIFEST].replace(b"hybridx", b"\xff\xfe")}),
        "",
    ),
    **{
        f"name {kind}": (DEPTH, rename_part(name), f"a part called {name!r}")
        for kind, name in ODD.items()
    },
}


@pytest.mark.parametrize(("graph", "spoil", "fact"), BROKEN.values(), ids=BROKEN)
def test_a_broken_bundle_is_refused_by_what_is_wrong(graph, spoil, fact, tmp_path):
    sound = bundle_of(stated(graph))
    files = dict(sound)
    spoil(files)
    assert files != sound
    folder = put(tmp_path / "bundle", files)
    with pytest.raises(BrokenArtifactError) as caught:
        start_session(read_artifact(folder))
    assert caught.value.path == str(folder)
    assert fact in caught.value.problem


@pytest.mark.parametrize("name", ["circuit_0.json", "circuit_0.qasm", "circuit_0.onnx"])
def test_a_missing_part_is_named(name, tmp_path):
    folder = put(tmp_path / "bundle", bundle_of(GRAPHS[DEPTH]()))
    (folder / name).unlink()
    with pytest.raises(FileMissingError) as caught:
        read_artifact(folder)
    assert caught.value.path == str(folder / name)


def link(part, folder):
    part.rename(folder.parent / "elsewhere")
    part.symlink_to(folder.parent / "elsewhere")


def pipe(part, _):
    part.unlink()
    os.mkfifo(part)


def inner_folder(part, _):
    part.unlink()
    part.mkdir()


@pytest.mark.parametrize("change", [link, pipe, inner_folder])
@pytest.mark.parametrize("name", ["circuit_0.json", MANIFEST])
def test_what_is_no_plain_file_is_not_read(name, change, tmp_path):
    folder = put(tmp_path / "bundle", bundle_of(GRAPHS[DEPTH]()))
    change(folder / name, folder)
    with pytest.raises((BrokenArtifactError, FileMissingError)) as caught:
        read_artifact(folder)
    assert caught.value.path == str(folder)
    if isinstance(caught.value, BrokenArtifactError):
        assert caught.value.problem == f"{name} is no plain file"


def test_a_link_to_the_folder_is_followed(tmp_path):
    folder = put(tmp_path / "bundle", bundle_of(GRAPHS[DEPTH]()))
    (tmp_path / "link").symlink_to(folder)
    assert read_artifact(tmp_path / "link").circuits.keys() == GRAPHS[DEPTH]().circuits.keys()


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    files = bundle_of(GRAPHS[DEPTH]())
    folder = put(tmp_path / "bundle", files | {"README.md": b"ours"})
    assert read_artifact(folder).size == decode_artifact(files, "there").size


def test_a_manifest_of_somebody_else_is_foreign(tmp_path):
    with pytest.raises(ForeignFileError) as caught:
        read_artifact(put(tmp_path / "bundle", {MANIFEST: b'{"name": "an app", "icons": []}'}))
    assert "hybridx.format" in caught.value.reason


def test_a_later_bundle_is_called_later_whatever_fields_it_has(tmp_path):
    files = bundle_of(GRAPHS[DEPTH]())
    with_manifest(lambda m: m["metadata"].update({"hybridx.format": "3"}))(files)
    to(("layout",), "new")(files)
    with pytest.raises(NewerFormatError) as caught:
        read_artifact(put(tmp_path / "bundle", files))
    assert (caught.value.found, caught.value.known) == (3, 2)


def test_files_that_are_too_large_together_are_refused(tmp_path):
    files = bundle_of(GRAPHS[DEPTH]())
    folder = put(tmp_path / "bundle", files)
    total = sum(map(len, files.values()))
    with hybridx.limits(file_bytes=total):
        read_artifact(folder)
    with hybridx.limits(file_bytes=total - 1), pytest.raises(TooLargeError):
        read_artifact(folder)


def test_a_small_manifest_makes_no_large_model():
    """A circuit is one file, and each of its thousand nodes would have a copy of its text."""
    files = bundle_of(build([(TURN, ["x"], "y")], [("y", ["batch", 2])]))
    text = len(files["circuit_0.json"])

    def repeat(manifest):
        (step,) = manifest["steps"]
        more = [step | {"parameters": "y", "results": f"y{i}"} for i in range(1000)]
        manifest["steps"] = [step, *more]

    with_manifest(repeat)(files)
    with hybridx.limits(file_bytes=999 * text), pytest.raises(TooLargeError):
        decode_artifact(files, "there")


def test_a_manifest_of_random_changes_never_crashes(tmp_path):
    files = bundle_of(GRAPHS[SHARED]())
    content = files[MANIFEST]
    rng = np.random.default_rng(11)
    refused = 0
    for number in range(300):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.choice(list(b'0129-.,:{}[]"azx_'))
        there = put(tmp_path / f"{number}", files | {MANIFEST: bytes(changed)})
        try:
            read_artifact(there)
        except ArtifactError:
            refused += 1
    assert refused > 200


def test_a_manifest_reads_without_hybridx():
    manifest = msgspec.json.decode(bundle_of(GRAPHS[DEPTH]())[MANIFEST])
    assert list(manifest) == [
        *("inputs", "outputs", "steps", "circuits"),
        *("opset", "ir_version", "sha256", "metadata"),
    ]


@pytest.mark.parametrize("changes", [1, 2])
def test_a_bundle_that_is_replaced_while_it_is_read_is_read_again(changes, tmp_path, monkeypatch):
    """Of another process: parts of the old one and parts of the new one make no model."""
    bundles = [bundle_of(GRAPHS[name]()) for name in (DEPTH, "without data")]
    path = put(tmp_path / "model.bundle", bundles[0])
    made = 0

    def read(self, name, read=_Folder.read):
        nonlocal made
        content = read(self, name)
        if made < changes and name == MANIFEST:
            path.rename(tmp_path / f"old_{made}")
            made += 1
            put(path, bundles[made % 2])
        return content

    monkeypatch.setattr(_Folder, "read", read)
    artifact = read_artifact(path)
    assert made == changes
    assert bundle_of(artifact) == bundles[changes % 2]


def test_steps_are_counted_and_a_part_runs_once():
    files = bundle_of(GRAPHS[DEPTH]())
    with hybridx.limits(bundle_steps=1), pytest.raises(TooLargeError, match="steps of a bundle"):
        decode_artifact(files, "there")

    def again(manifest):
        first = next(step for step in manifest["steps"] if step["type"] == "classical")
        manifest["steps"].append(first | {"outputs": []})

    with_manifest(again)(files)
    with pytest.raises(BrokenArtifactError, match="twice"):
        decode_artifact(files, "there")


def test_a_part_of_a_long_name_is_refused(tmp_path):
    files = bundle_of(GRAPHS[DEPTH]())

    def rename(manifest):
        next(iter(manifest["circuits"].values()))["json"] = f"circuit_{'0' * 5000}.json"

    with_manifest(rename)(files)
    with pytest.raises(BrokenArtifactError, match="a part called"):
        read_artifact(put(tmp_path / "bundle", files))
