"""Circuits at any place of a graph are inlined and found again: ends, inner graphs, equal names."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hybridx
from hybridx.artifact import decode_artifact, inline, inlined_entries, set_entries, stamped
from hybridx.artifact.nodes import is_circuit_node, walk_nodes
from hybridx.errors import BrokenArtifactError, TooLargeError, UncheckedBodyError
from hybridx.runtime.circuits.agreement import check_agreement
from tests.runtime.models import GRAPHS

ROWS = np.random.default_rng(2).uniform(-3, 3, (4, 2)).astype(np.float32)


def copied(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def inlined(model):
    """Return a model inlined, as a file."""
    new = copied(model)
    calls = inline(new, "a.onnx")
    entries = {one.key: one.value for one in new.metadata_props}
    set_entries(new, entries | inlined_entries(calls))
    return decode_artifact(stamped(new), "a.onnx")


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_comes_back_as_it_was(name):
    source = GRAPHS[name]()
    found = inlined(source.model)
    onnx.checker.check_model(onnx.load_model_from_string(found.content), full_check=True)
    assert found.lost == ()
    back = decode_artifact(stamped(copied(found.model)), "a.onnx")
    assert back.digest == decode_artifact(stamped(copied(source.model)), "a.onnx").digest
    expected = hybridx.load(source.content).run({"x": ROWS})
    outputs = hybridx.load(found.content).run({"x": ROWS})
    for name, array in expected.items():
        np.testing.assert_array_equal(outputs[name], array)


def call_of(model, name, parameters, results):
    (call,) = filter(is_circuit_node, model.graph.node)
    node = onnx.NodeProto.FromString(call.SerializeToString())
    node.name, node.input[0], node.output[0] = name, parameters, results
    return node


def tensor(name, kind=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def in_branches():
    """A circuit in both branches of an If; its results have one name in both."""
    model = copied(GRAPHS["a circuit and no more"]().model)
    first = call_of(model, "first", "x", "inner")
    second = [helper.make_node("Neg", ["x"], ["less"]), call_of(model, "second", "less", "inner")]
    branches = {
        "then_branch": helper.make_graph([first], "then", [], [tensor("inner")]),
        "else_branch": helper.make_graph(second, "else", [], [tensor("inner")]),
    }
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["is_more"]),
        helper.make_node("If", ["is_more"], ["y"], **branches),
    ]
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "zero"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def in_loop():
    """A circuit on its own results, three times."""
    model = copied(GRAPHS["a circuit and no more"]().model)
    body = helper.make_graph(
        [call_of(model, "turn", "state", "next"), helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [tensor("i", TensorProto.INT64, []), tensor("go", TensorProto.BOOL, []), tensor("state")],
        [tensor("on", TensorProto.BOOL, []), tensor("next")],
    )
    for name, value in (("count", np.int64(3)), ("true", np.array(True))):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("Loop", ["count", "true", "x"], ["y"], body=body))
    return model


@pytest.mark.parametrize("make", [in_branches, in_loop])
def test_circuits_in_inner_graphs_are_found_there(make):
    source = decode_artifact(stamped(make()), "a.onnx")
    found = inlined(source.model)
    assert found.lost == ()
    assert found.circuits == source.circuits
    names = [one.name for one in filter(is_circuit_node, walk_nodes(found.model.graph))]
    assert sorted(names) == sorted(
        one.name for one in filter(is_circuit_node, walk_nodes(source.model.graph))
    )
    for rows in (ROWS, -ROWS):
        np.testing.assert_array_equal(
            hybridx.load(found.content)(rows), hybridx.load(source.content)(rows)
        )
    # Nothing can be cut out of them, so no device runs them, and their bodies are not checked.
    with pytest.raises(BrokenArtifactError, match="where only ONNX Runtime runs it"):
        hybridx.load(found.content, device="default.qubit", dry_run=True)
    with pytest.raises(UncheckedBodyError, match="in a graph inside a node only"):
        check_agreement(found, lambda *_: ROWS)
    (agreement,) = check_agreement(found, lambda *_: ROWS, accept_unchecked=True)
    assert agreement.shown == "not checked"


def test_names_that_clash_with_the_prefix_stay_apart():
    model = copied(GRAPHS["one behind another"]().model)
    first, second, third = filter(is_circuit_node, model.graph.node)
    first.name, second.name = "a", "a/b"
    third.ClearField("name")
    taken = {"x": "a/v1", "y": "a/b/v1"}
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [taken.get(name, name) for name in names]
    for value in (*model.graph.input, *model.graph.output):
        value.name = taken[value.name]
    found = inlined(model)
    assert found.lost == ()
    names = [one.name for one in filter(is_circuit_node, found.model.graph.node)]
    assert names == ["a", "a/b", ""]
    back = decode_artifact(stamped(copied(found.model)), "a.onnx")
    assert back.digest.parts == decode_artifact(stamped(copied(model)), "a.onnx").digest.parts
    np.testing.assert_array_equal(
        hybridx.load(found.content)(ROWS), hybridx.load(stamped(copied(model)))(ROWS)
    )


def test_a_body_of_another_version_of_the_operators_is_not_inlined():
    model = copied(GRAPHS["a circuit and no more"]().model)
    model.functions[0].opset_import[0].version -= 1
    with pytest.raises(BrokenArtifactError, match="its operators are of version 20, and those of"):
        inline(model, "a.onnx")


def test_what_is_copied_for_each_call_is_bounded():
    found = inlined(GRAPHS["a circuit and no more"]().model)
    with hybridx.limits(file_bytes=900), pytest.raises(TooLargeError, match="the file is"):
        inline(copied(GRAPHS["one behind another"]().model), "a.onnx")
    with (
        hybridx.limits(expanded_nodes=2),
        pytest.raises(TooLargeError, match="with its functions expanded"),
    ):
        decode_artifact(found.content, "a.onnx")
