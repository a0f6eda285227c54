"""The digest of a file: what has meaning moves it, what has none does not; both by two readers."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hybridx
from hybridx.artifact import decode_artifact, to_bundle
from hybridx.artifact.digest import canonical, digest_model
from hybridx.errors import BrokenArtifactError, MissingDigestError
from tests.artifact import second_digest, twice

FORMATS = ("onnx", "pt", "pt2")


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digest")
    model, example = twice.make()
    for ending in FORMATS:
        path = folder / f"model.{ending}"
        hybridx.export(model, (example,), path, metadata={"owner": "Ada", "team": "optics"})
    return {ending: (folder / f"model.{ending}").read_bytes() for ending in FORMATS}


@pytest.fixture
def model(contents):
    return onnx.ModelProto.FromString(contents["onnx"])


@pytest.fixture
def files(model):
    return to_bundle(model, "a model")


def read(content):
    return decode_artifact(content, "a file")


def written(model):
    return model.SerializeToString()


def as_json(digest):
    return {"sha256": digest.sha256, "parts": digest.parts, "circuits": digest.circuits}


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", FORMATS)
def test_a_second_reader_computes_the_digest_from_the_documents(ending, contents):
    content = contents[ending]
    second = second_digest.of_model if ending == "onnx" else second_digest.of_archive
    artifact = read(content)
    assert second(content) == as_json(artifact.digest) == as_json(artifact.stated)
    assert artifact.changed == ()


def test_the_digest_of_a_bundle_is_that_of_the_joined_model_and_the_manifest(files, contents):
    artifact = read(files)
    found = second_digest.of_model(artifact.content)
    manifest = json.loads(files["manifest.json"])
    assert json.loads(manifest.pop("metadata")["hybridx.digest"]) == as_json(artifact.digest)
    said = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    parts = found["parts"] | {"manifest": second_digest.sha256(said.encode())}
    assert as_json(artifact.digest) == second_digest.whole(parts, found["circuits"])
    # A circuit is the same circuit in a bundle.
    assert artifact.digest.circuits == read(contents["onnx"]).digest.circuits


def test_a_circuit_is_called_by_its_digest(contents):
    for content in contents.values():
        circuits = read(content).digest.circuits
        assert circuits
        assert all(name == f"Circuit_{digest[:16]}" for name, digest in circuits.items())


# --- what has no meaning -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_fields_and_of_named_lists_has_no_meaning(seed, contents):
    mixed = second_digest.shuffled(contents["onnx"], seed)
    assert mixed != contents["onnx"]
    artifact = read(mixed)
    assert artifact.changed == ()
    assert second_digest.of_model(mixed) == as_json(artifact.digest)


def texts_for_people(model):
    model.doc_string = model.graph.doc_string = "text"
    for thing in (*model.graph.node, *model.graph.input, *model.graph.initializer):
        thing.doc_string = "text"
    for function in model.functions:
        function.doc_string = "text"
        for node in function.node:
            node.doc_string = "text"
    for node in model.functions[0].node:
        for attribute in node.attribute:
            attribute.doc_string = "text"


def stamps_of_a_tool(model):
    model.producer_name, model.producer_version, model.model_version = "a tool", "1.0", 7
    model.domain = "com.example"


def as_lists(model):
    """Store all numbers in lists, as tools do that build tensors without NumPy."""
    tensors = [*model.graph.initializer]
    for room in (model.graph, *model.functions):
        tensors += [a.t for node in room.node for a in node.attribute if a.HasField("t")]
    assert len(tensors) > 10
    for tensor in tensors:
        array = numpy_helper.to_array(tensor)
        other = helper.make_tensor(tensor.name, tensor.data_type, tensor.dims, array.flatten())
        assert not other.HasField("raw_data")
        if not tensor.HasField("name"):
            other.ClearField("name")
        tensor.CopyFrom(other)


def unknown_field(model):
    model.graph.node[0].MergeFromString(b"\xfa\x07\x01x")  # number 127
    assert b"\xfa\x07\x01x" in model.SerializeToString()


def texts_that_are_no_utf8(model):
    """Put texts for people there that no reader has to understand."""
    odd = b"\xff\xfe"
    for message, number in ((model.graph, 10), (model.functions[0], 8), (model.graph.node[0], 6)):
        message.MergeFromString(bytes([number << 3 | 2, len(odd)]) + odd)
    tensor = model.graph.initializer[0]
    tensor.MergeFromString(bytes([12 << 3 | 2, len(odd)]) + odd)


MEANINGLESS = (texts_that_are_no_utf8, texts_for_people, stamps_of_a_tool, as_lists, unknown_field)


@pytest.mark.parametrize("change", MEANINGLESS, ids=lambda one: one.__name__)
def test_how_a_file_is_stored_has_no_meaning(change, model, contents):
    change(model)
    content = written(model)
    assert content != contents["onnx"]
    assert read(content).changed == ()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (TensorProto.FLOAT, [1.5, -0.0, float("nan")]),
        (TensorProto.DOUBLE, [1.5, 1e300]),
        (TensorProto.FLOAT16, np.array([1.5, -2.0], np.float16)),
        (TensorProto.BFLOAT16, [1.5, -2.0]),
        (TensorProto.COMPLEX64, np.array([1 + 2j, -3j], np.complex64)),
        (TensorProto.COMPLEX128, np.array([1 + 2j, -3j])),
        (TensorProto.INT8, [-128, 127]),
        (TensorProto.INT16, [-(2**15), 5]),
        (TensorProto.INT32, [-(2**31), 5]),
        (TensorProto.INT64, [-(2**63), 2**63 - 1]),
        (TensorProto.UINT8, [0, 255]),
        (TensorProto.UINT16, [0, 2**16 - 1]),
        (TensorProto.UINT32, [0, 2**32 - 1]),
        (TensorProto.UINT64, [0, 2**64 - 1]),
        (TensorProto.BOOL, [True, False]),
        (TensorProto.FLOAT, []),
    ],
    ids=str,
)
def test_a_tensor_is_the_same_in_a_list_and_in_raw_data(kind, values):
    listed = helper.make_tensor("t", kind, [len(values)], values)
    raw = TensorProto(name="t", data_type=kind, dims=[len(values)])
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    raw.raw_data = np.array(values, dtype).tobytes()
    if not len(values):
        listed.ClearField("float_data")
    assert listed.SerializeToString() != raw.SerializeToString()
    fields = second_digest.parse(listed.SerializeToString(), "tensor")
    assert canonical(listed) == canonical(raw) == second_digest.canonical(fields, "tensor")


def test_a_tensor_whose_numbers_do_not_fit_its_type_stays_as_it_is():
    odd = TensorProto(name="t", data_type=TensorProto.UINT8, dims=[2], int32_data=[1, 256])
    assert canonical(odd) == odd.SerializeToString(deterministic=True)
    both = TensorProto(name="t", data_type=TensorProto.FLOAT, float_data=[1], int64_data=[1])
    assert canonical(both) == both.SerializeToString(deterministic=True)
    text = helper.make_tensor("t", TensorProto.STRING, [1], [b"a"])
    assert canonical(text) == text.SerializeToString(deterministic=True)


def repacked(content, names=None, change=None, root="other/", **how):
    """Return a zip archive with the same members, in another form."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", **how) as new:
        for name in names or old.namelist():
            inner = name.partition("/")[2]
            data = old.read(name)
            new.writestr(root + inner, data if change is None else change(inner, data))
    return packed.getvalue()


@pytest.mark.parametrize("ending", ["pt", "pt2"])
def test_how_an_archive_is_packed_has_no_meaning(ending, contents):
    content = contents[ending]
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    other = repacked(content, names[::-1], compression=zipfile.ZIP_STORED)
    assert read(other).changed == ()


# --- what has meaning ----------------------------------------------------------------------------


def weight(model):
    tensor = model.graph.initializer[0]
    tensor.raw_data = tensor.raw_data[:-1] + b"\x01"


def swapped_weights(model):
    one, other = model.graph.initializer[:2]
    one.name, other.name = other.name, one.name


def node_name(model):
    model.graph.node[0].name = "other"


def float_attribute(model):
    node = next(n for n in model.graph.node if n.op_type == "Gemm")
    node.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, f=float(np.float32(1.0000001)))


def operator_version(model):
    model.opset_import[0].version = 19


def file_version(model):
    model.ir_version = 9


def graph_name(model):
    model.graph.name = "other"


def type_of_a_value(model):
    model.graph.value_info.add(name=model.graph.node[0].output[0])


def axis_name(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "rows"


def output_order(model):
    first = onnx.ValueInfoProto()
    first.CopyFrom(model.graph.output[0])
    del model.graph.output[0]
    model.graph.output.append(first)


def function_more(model):
    model.functions.add(name="f", domain="x", opset_import=model.opset_import[:1])


def strategy(model):
    model.functions[0].metadata_props[0].value = "none"


def entry(key, change):
    def changed(model):
        one = next(one for one in model.metadata_props if one.key == key)
        one.value = change(one.value)

    changed.__name__ = key
    return changed


def own_entry_more(model):
    model.metadata_props.add(key="more", value="x")


def metadata_of_a_node(model):
    model.graph.node[0].metadata_props.add(key="k", value="v")


CHANGES = (
    (weight, ["weights"]),
    (swapped_weights, ["weights"]),
    (node_name, ["graph"]),
    (float_attribute, ["graph"]),
    (operator_version, ["graph"]),
    (file_version, ["graph"]),
    (graph_name, ["graph"]),
    (type_of_a_value, ["graph"]),
    (metadata_of_a_node, ["graph"]),
    (axis_name, ["names"]),
    (output_order, ["names"]),
    (function_more, ["functions"]),
    (strategy, ["functions"]),
    (entry("hybridx.selftest", lambda text: text.replace("tolerance", "tolerance")[:-1] + " }"),
     ["self-test"]),
    (entry("hybridx.version", lambda text: text + "1"), ["metadata"]),
    (entry("hybridx.format", lambda _: "1"), ["metadata"]),
    (entry("hybridx.verification", lambda text: text.replace("[1,", "[2,")), ["metadata"]),
    (entry("owner", lambda _: "Eve"), ["metadata"]),
    (own_entry_more, ["metadata"]),
)  # fmt: skip


@pytest.mark.parametrize(("change", "parts"), CHANGES, ids=[c.__name__ for c, _ in CHANGES])
def test_a_change_is_named_by_its_part(change, parts, model):
    change(model)
    content = written(model)
    artifact = read(content)
    assert [*artifact.changed] == parts
    assert second_digest.of_model(content) == as_json(artifact.digest)


def test_a_change_of_the_digest_itself_is_noticed(model):
    entry("hybridx.digest", lambda text: text.replace('"sha256":"', '"sha256":"0'))(model)
    assert read(written(model)).changed == ("digest",)


def test_the_order_of_nodes_is_part_of_the_graph(model):
    """A reader refuses nodes that take what none before them gives, so none reads this model."""
    digest = read(written(model)).digest
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend([nodes[1], nodes[0], *nodes[2:]])
    assert digest_model(model).differing(digest) == ("graph",)


def test_a_change_of_every_weight_is_noticed(model):
    digest, seen = read(written(model)).digest, set()
    for tensor in model.graph.initializer:
        tensor.raw_data = tensor.raw_data[:-1] + bytes([tensor.raw_data[-1] ^ 1])
        found = digest_model(model)
        assert found.differing(digest) == ("weights",)
        seen.add(found.sha256)
    assert len(seen) == len(model.graph.initializer)


def members_changed(which, change):
    def changed(inner, data):
        return change(data) if which(inner) else data

    return changed


def said(key, change):
    def changed(data):
        entries = json.loads(data)
        entries[key] = change(entries[key])
        return json.dumps(entries).encode()

    return members_changed(lambda name: name == "extra/hybridx.json", changed)


def last_byte(data):
    return data[:-1] + bytes([data[-1] ^ 1])


IN_ARCHIVES = {
    "weights": members_changed(lambda name: name in ("data/0", "data/weights/weight_0"), last_byte),
    "graph": members_changed(
        lambda name: name.endswith((".py", "model.json")), lambda data: data + b"\n"
    ),
    "names": said("hybridx.inputs", lambda text: text.replace("batch", "rows")),
    "circuits": said("hybridx.strategy", lambda text: text.replace(":", ": ")),
    "self-test": said("hybridx.selftest", lambda text: text + " "),
    "metadata": said("owner", lambda _: "Eve"),
}


@pytest.mark.parametrize("part", IN_ARCHIVES)
@pytest.mark.parametrize("ending", ["pt", "pt2"])
def test_a_change_of_an_archive_is_named_by_its_part(part, ending, contents):
    content = repacked(contents[ending], change=IN_ARCHIVES[part])
    artifact = read(content)
    assert artifact.changed == (part,)
    assert second_digest.of_archive(content) == as_json(artifact.digest)


def test_a_change_of_a_bundle_is_noticed_also_where_no_engine_looks(files):
    manifest = json.loads(files["manifest.json"])
    qasm = next(name for name in files if name.endswith(".qasm"))
    files[qasm] += b"// more\n"
    manifest["sha256"][qasm] = second_digest.sha256(files[qasm])
    changed = files | {"manifest.json": json.dumps(manifest, indent=1).encode()}
    assert read(changed).changed == ("manifest",)
    # The layout of the JSON has no meaning.
    files[qasm] = files[qasm].removesuffix(b"// more\n")
    manifest["sha256"][qasm] = second_digest.sha256(files[qasm])
    assert read(files | {"manifest.json": json.dumps(manifest).encode()}).changed == ()


# --- files without one ---------------------------------------------------------------------------


def drop(model, *keys):
    kept = [one for one in model.metadata_props if one.key not in keys]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)


def test_a_file_that_lacks_its_digest_is_refused(model, files, contents):
    drop(model, "hybridx.digest")
    manifest = json.loads(files["manifest.json"])
    del manifest["metadata"]["hybridx.digest"]

    def without(data):
        entries = json.loads(data)
        del entries["hybridx.digest"]
        return json.dumps(entries).encode()

    dropped = members_changed(lambda name: name == "extra/hybridx.json", without)
    for content, version in (
        (written(model), 2),
        (files | {"manifest.json": json.dumps(manifest).encode()}, 2),
        (repacked(contents["pt"], change=dropped), 4),
        (repacked(contents["pt2"], change=dropped), 4),
    ):
        with pytest.raises(MissingDigestError) as caught:
            read(content)
        assert caught.value.found == version


def test_a_file_that_says_it_is_old_needs_the_hashes_of_old_files(model):
    entry("hybridx.format", lambda _: "1")(model)
    drop(model, "hybridx.digest")
    with pytest.raises(BrokenArtifactError, match="was changed"):
        read(written(model))
