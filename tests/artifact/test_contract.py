"""The file as `docs/file-format.md` promises it, and every broken file refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

import hybridx
from hybridx.artifact import decode_artifact, read_artifact
from hybridx.circuit import decode
from hybridx.errors import (
    BrokenArtifactError,
    FileMissingError,
    ForeignFileError,
    NewerFormatError,
)
from tests.artifact import twice

SCRIPT = """
import sys, hybridx
from tests.artifact import twice
model, example = twice.make()
hybridx.export(model, (example,), sys.argv[1])
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model, example = twice.make()
    path = tmp_path_factory.mktemp("contract") / "model.onnx"
    hybridx.export(model, (example,), path)
    return path


@pytest.fixture
def model(path):
    return onnx.load(path)


def calls(model):
    return [node for node in model.graph.node if node.domain == "hybridx"]


def metadata(model):
    return {entry.key: entry.value for entry in model.metadata_props}


def test_its_stamps_are_those_that_older_runtimes_read(model):
    assert model.ir_version == 10
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 20), ("hybridx", 1)}
    onnx.checker.check_model(model, full_check=True)


def test_a_circuit_used_twice_is_one_function(model):
    names = [function.name for function in model.functions]
    assert len(calls(model)) == 3
    assert len(set(names)) == len(names) == 2
    assert {node.op_type for node in calls(model)} == set(names)


def test_functions_are_flat_and_named_by_a_hash(model):
    for function in model.functions:
        assert re.fullmatch(r"Circuit_[0-9a-f]{16}", function.name)
        assert function.domain == "hybridx"
        assert [(o.domain, o.version) for o in function.opset_import] == [("", 20)]
        assert (list(function.input), list(function.output)) == (["parameters"], ["results"])
        for node in function.node:
            assert node.domain == ""
            assert not any(a.type == onnx.AttributeProto.GRAPH for a in node.attribute)
            assert not any(a.ref_attr_name for a in node.attribute)


def test_a_call_carries_its_circuit_and_nothing_else(model):
    for node in calls(model):
        (attribute,) = node.attribute
        assert (attribute.name, attribute.type) == ("circuit", onnx.AttributeProto.STRING)
        assert decode(attribute.s.decode()).wires == 3
        assert (len(node.input), len(node.output)) == (1, 1)
    assert [list(function.attribute) for function in model.functions] == [["circuit"]] * 2


def test_it_says_nothing_of_where_and_when_it_was_made(path, model):
    keys = set(metadata(model))
    assert {"hybridx.format", "hybridx.version", "hybridx.digest", "hybridx.selftest"} <= keys
    assert all(key.startswith("hybridx.") for key in keys)
    content = path.read_bytes()
    for place in (
        Path(hybridx.__file__).parent,
        Path(__file__).parents[1],
        path.parent,
        Path.home(),
    ):
        assert str(place).encode() not in content
    graph = model.graph
    named = (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer)
    inner = [node for function in model.functions for node in function.node]
    for thing in (*named, *inner):
        is_circuit = getattr(thing, "domain", "") == "hybridx"
        assert thing.doc_string == "" or is_circuit
        assert not thing.metadata_props
    assert (model.doc_string, graph.doc_string, model.producer_version) == ("", "", "")


@pytest.mark.slow  # torch and PennyLane are imported in a process of its own
def test_another_process_writes_the_same_bytes(path, tmp_path):
    other = tmp_path / "elsewhere.onnx"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, other],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        check=True,
    )
    assert other.read_bytes() == path.read_bytes()


def test_reading_gives_back_what_was_written(path):
    artifact = read_artifact(path)
    assert artifact.metadata.version == hybridx.__version__
    assert set(artifact.circuits) == {function.name for function in artifact.model.functions}
    assert artifact.metadata.verification.worst <= artifact.metadata.verification.tolerance
    assert set(artifact.metadata.self_test.outputs) == {"output_0", "output_1"}


def edit(key, change):
    """Change one metadata value; None removes it."""

    def edited(model):
        value = change(metadata(model)[key])
        kept = [(k, v) for k, v in metadata(model).items() if k != key]
        del model.metadata_props[:]
        for name, text in [*kept, *([] if value is None else [(key, value)])]:
            model.metadata_props.add(key=name, value=text)

    return edited


def change_body(model):
    node = next(node for node in model.functions[0].node if node.op_type == "Cos")
    node.op_type = "Sin"


def drop_node(model):
    del model.functions[1].node[-2]


def remove_function(model):
    del model.functions[0]


def change_circuit(old, new):
    def changed(model):
        for node in calls(model):
            text = node.attribute[0].s.decode()
            assert old in text
            node.attribute[0].s = text.replace(old, new, 1).encode()

    return changed


def change_one_call(model):
    """Give one of the two calls of the same function another, sound circuit."""
    names = [node.op_type for node in calls(model)]
    twice = next(name for name in names if names.count(name) == 2)
    node = next(node for node in calls(model) if node.op_type == twice)
    text = node.attribute[0].s.decode()
    assert '"Z",[0]' in text
    node.attribute[0].s = text.replace('"Z",[0]', '"X",[0]', 1).encode()


def swap_circuits(model):
    """Give every function the circuit of the other one."""
    texts = {node.op_type: node.attribute[0].s for node in calls(model)}
    first, second = texts
    for node in calls(model):
        node.attribute[0].s = texts[second if node.op_type == first else first]


def drop_circuit(model):
    for node in calls(model):
        del node.attribute[:]


def repeat_entry(model):
    model.metadata_props.add().CopyFrom(model.metadata_props[0])


def spoil_text(model):
    name = model.graph.node[0].name.encode()
    content = model.SerializeToString().replace(name, b"\xff" * len(name))
    model.CopyFrom(onnx.ModelProto.FromString(content))


def spoil_input(model):
    model.graph.input[0].type.tensor_type.elem_type = 99


BROKEN = {
    "operator in a body": (change_body, "is not the compiled one"),
    "node of a body": (drop_node, "nothing gives"),
    "function removed": (remove_function, "Circuit_"),
    "digest garbled": (edit("hybridx.digest", lambda v: v[:-5]), "hybridx.digest"),
    "digest with a field more": (
        edit("hybridx.digest", lambda v: v[:-1] + ',"x":1}'),
        "hybridx.digest",
    ),
    "format below the first": (edit("hybridx.format", lambda _: "0"), "format version 0"),
    "entry twice": (repeat_entry, "two entries"),
    "text that is no UTF-8": (spoil_text, "UTF-8"),
    "input that is no tensor": (spoil_input, "no tensor"),
    "format garbled": (edit("hybridx.format", lambda _: "one"), "hybridx.format"),
    "verification garbled": (edit("hybridx.verification", lambda _: "{}"), "verification"),
    "self-test garbled": (edit("hybridx.selftest", lambda v: v[1:]), "self-test"),
    "self-test cut": (edit("hybridx.selftest", lambda v: v.replace("[3,5]", "[4,5]")), "self-test"),
    "circuit JSON": (change_circuit('"wires":3', '"wires":'), "JSON"),
    "circuit of an unknown gate": (change_circuit('"gate":"RX"', '"gate":"exec"'), "I3"),
    "circuit with a field more": (change_circuit('"wires":3', '"run":1,"wires":3'), "run"),
    "circuit of one call": (change_one_call, "is not the compiled one"),
    "circuits swapped": (swap_circuits, "Circuit_"),
    "circuits removed": (drop_circuit, "Circuit_"),
    "circuit is not the compiled one": (
        change_circuit('"gate":"RX"', '"gate":"RY"'),
        "Circuit_",
    ),
}


@pytest.mark.parametrize(("spoil", "fact"), BROKEN.values(), ids=BROKEN)
def test_a_changed_file_is_refused(spoil, fact, model):
    sound = model.SerializeToString(deterministic=True)
    decode_artifact(sound, "a.onnx")
    spoil(model)
    content = model.SerializeToString(deterministic=True)
    assert content != sound
    with pytest.raises(BrokenArtifactError) as caught:
        decode_artifact(content, "a.onnx")
    assert caught.value.path == "a.onnx"
    assert fact in caught.value.problem


def test_a_newer_format_is_refused_with_both_numbers(model):
    edit("hybridx.format", lambda _: "4")(model)
    with pytest.raises(NewerFormatError) as caught:
        decode_artifact(model.SerializeToString(), "a.onnx")
    assert (caught.value.found, caught.value.known) == (4, 3)


@pytest.mark.parametrize("kept", [0, 1, 10, 0.1, 0.5, 0.9, 0.999, -1], ids=str)
def test_a_truncated_file_is_refused(kept, path):
    content = path.read_bytes()
    length = int(kept * len(content)) if isinstance(kept, float) else kept
    with pytest.raises((ForeignFileError, BrokenArtifactError)) as caught:
        decode_artifact(content[:length], "a.onnx")
    assert caught.value.path == "a.onnx"


def test_onnx_of_somebody_else_is_refused(model):
    del model.metadata_props[:]
    with pytest.raises(ForeignFileError):
        decode_artifact(model.SerializeToString(), "a.onnx")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileMissingError):
        read_artifact(tmp_path / "nosuch.onnx")


def test_the_metadata_are_readable_without_hybridx(model):
    found = metadata(model)
    assert json.loads(found["hybridx.format"]) == 2
    circuits = json.loads(found["hybridx.digest"])["circuits"]
    assert {f"Circuit_{digest[:16]}" for digest in circuits.values()} == set(circuits)
    assert set(circuits) == {f.name for f in model.functions}
    assert json.loads(found["hybridx.verification"])["batches"] == [1, 2, 5, 16]
    assert set(json.loads(found["hybridx.selftest"])) == {"inputs", "outputs", "tolerance"}
