"""A file is inlined and comes back; what other tools leave of a body is found or refused."""

from __future__ import annotations

import contextlib
import json
import tempfile

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import hybridx
from hybridx import api
from hybridx.artifact import decode_artifact, read_artifact
from hybridx.circuit import simulate
from hybridx.errors import BrokenArtifactError, HybridxError, LostCircuitError
from hybridx.runtime.circuits.agreement import check_agreement
from hybridx.runtime.circuits.alone import circuit_calls, run_onnx_body
from tests.artifact import twice
from tests.engines.models import MODELS
from tests.golden.files import newest

EXACT32 = 1e-5  # the tolerance of an export in float32


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a file with functions and the same inlined; a circuit of it is called twice."""
    folder = tmp_path_factory.mktemp("inlined")
    model, example = twice.make()
    hybridx.export(model, (example,), folder / "model.onnx")
    hybridx.convert(folder / "model.onnx", folder / "inlined.onnx", inline=True)
    return folder / "model.onnx", folder / "inlined.onnx"


@pytest.fixture
def model(files):
    return onnx.load(files[1])


def entry_of(model):
    (entry,) = (one for one in model.metadata_props if one.key == "hybridx.inlined")
    return entry


def said(model):
    return json.loads(entry_of(model).value)


def read(model):
    return decode_artifact(model.SerializeToString(), "changed.onnx")


def giver(model, name):
    (node,) = (one for one in model.graph.node if name in one.output)
    return node


def test_an_inlined_file_has_standard_operators_only_and_comes_back_as_it_was(files, tmp_path):
    source, inlined = files
    model = onnx.load(inlined)
    onnx.checker.check_model(model, full_check=True)
    assert not model.functions
    assert [one.domain for one in model.opset_import] == [""]
    assert {one.domain for one in model.graph.node} == {""}
    hybridx.convert(inlined, tmp_path / "back.onnx")
    assert (tmp_path / "back.onnx").read_bytes() == source.read_bytes()


def test_the_reader_sees_the_calls_of_the_file_with_functions(files):
    source, inlined = map(read_artifact, files)
    assert inlined.changed == inlined.lost == ()
    assert inlined.circuits == source.circuits
    assert inlined.strategies == source.strategies
    assert inlined.hashes == source.digest.circuits
    assert circuit_calls(inlined) == circuit_calls(source)
    for one in check_agreement(inlined, lambda c, p: run_onnx_body(inlined, c, p)):
        assert one.shown == "compiled again"


def test_an_inlined_file_computes_the_same(files):
    source, inlined = files
    rows = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    expected = hybridx.load(source).run({"x": rows})
    for execution in ({}, {"device": "default.qubit"}):
        found = hybridx.load(inlined, **execution).run({"x": rows})
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=0, atol=EXACT32)


def constants_as_initializers(model):
    for place in reversed(range(len(model.graph.node))):
        node = model.graph.node[place]
        if node.op_type == "Constant":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            model.graph.initializer.append(tensor)
            del model.graph.node[place]


def one_of_equal_constants(model):
    constants_as_initializers(model)
    first, other = {}, {}
    for tensor in model.graph.initializer:
        key = numpy_helper.to_array(tensor).tobytes(), tensor.data_type, *tensor.dims
        other[tensor.name] = first.setdefault(key, tensor.name)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = other.get(name, name)
    for place in reversed(range(len(model.graph.initializer))):
        name = model.graph.initializer[place].name
        if other[name] != name:
            del model.graph.initializer[place]


def names_of_types(model):
    model.CopyFrom(onnx.shape_inference.infer_shapes(model, data_prop=True))


def nodes_in_another_order(model):
    nodes = [onnx.NodeProto.FromString(one.SerializeToString()) for one in model.graph.node]
    nodes.sort(key=lambda one: one.op_type != "Constant")
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def optimized(model):
    """What ONNX Runtime stores of a file that it has optimized to standard operators."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/model.onnx"
        content = model.SerializeToString()
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        model.CopyFrom(onnx.load(options.optimized_model_filepath))


def domain_in_full(model):
    for node in model.graph.node:
        node.domain = "ai.onnx"
    model.opset_import[0].domain = "ai.onnx"


def other_opset(model):
    model.CopyFrom(onnx.version_converter.convert_version(model, 21))


@pytest.mark.parametrize(
    "change",
    [
        optimized,
        other_opset,
        domain_in_full,
        constants_as_initializers,
        one_of_equal_constants,
        names_of_types,
        nodes_in_another_order,
    ],
)
def test_what_tools_do_loses_no_circuit(change, model, files):
    change(model)
    artifact = read(model)
    assert artifact.lost == ()
    assert artifact.changed
    source = read_artifact(files[0])
    ends = [(one.node, one.parameters, one.results) for one in circuit_calls(source)]
    assert sorted(ends) == sorted(
        (one.node, one.parameters, one.results) for one in circuit_calls(artifact)
    )
    check_agreement(artifact, lambda c, p: run_onnx_body(artifact, c, p))
    # No weight that a body has taken stays behind.
    assert {one.name for one in artifact.model.graph.initializer} == {
        one.name for one in source.model.graph.initializer
    }


def results_renamed(model, call):
    node = giver(model, call["results"])
    node.output[:] = ["other" if name == call["results"] else name for name in node.output]
    for one in model.graph.node:
        one.input[:] = ["other" if name == call["results"] else name for name in one.input]


def results_computed(model, call):
    node = giver(model, call["results"])
    node.output[0] = "other"
    model.graph.initializer.append(
        numpy_helper.from_array(np.zeros((3, 3), np.float32), call["results"])
    )


def other_input(model, call):
    node = giver(model, call["results"])
    name = node.input[0]
    node.input[0] = "sum"
    place = [*model.graph.node].index(node)
    extra = helper.make_node("ReduceMax", ["x"], ["peak"], keepdims=0)
    added = helper.make_node("Add", [name, "peak"], ["sum"])
    model.graph.node.insert(place, added)
    model.graph.node.insert(0, extra)


def leak(model, call):
    name = next(one for one in giver(model, call["results"]).input if one)
    model.graph.node.append(helper.make_node("Identity", [name], ["leak"]))
    model.graph.output.append(helper.make_tensor_value_info("leak", TensorProto.FLOAT, None))


def cut_off(model, call):
    node = giver(model, call["results"])
    node.input[:] = [name if name.endswith(("_shape", "_axes")) else "fixed" for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.ones((3, 8), np.float32), "fixed"))


def foreign_operator(model, call):
    node = giver(model, call["results"])
    name = node.output[0]
    node.output[0] = "before"
    place = [*model.graph.node].index(node)
    model.graph.node.insert(
        place + 1, helper.make_node("Gelu", ["before"], [name], domain="com.microsoft")
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (results_renamed, "nothing gives its results"),
        (results_computed, "has computed its results in advance"),
        (other_input, "it depends on 'x', not on its parameters alone"),
        (leak, "is taken outside of it"),
        (cut_off, "do not depend on its parameters"),
        (foreign_operator, "it has Gelu of com.microsoft"),
    ],
)
def test_a_layer_that_is_lost_is_refused_by_its_name(change, reason, model):
    call = said(model)["calls"][0]
    change(model, call)
    artifact = read(model)
    assert reason in {one.layer: one.reason for one in artifact.lost}[call["node"]]
    content = artifact.content
    for refused in (
        lambda: hybridx.load(content, device="default.qubit", accept_changes=True),
        lambda: hybridx.load(content, device="default.qubit", dry_run=True, accept_changes=True),
        lambda: hybridx.to_torch(content),
    ):
        with pytest.raises(LostCircuitError, match=call["node"]):
            refused()


def test_a_circuit_without_parameters_that_a_tool_has_computed_is_called_so():
    model = onnx.load(newest()["inlined no_parameters"])
    optimized(model)
    (lost,) = read(model).lost
    assert lost.layer == "/circuit"
    assert lost.reason.endswith("it has no parameters, so tools compute it in advance")


def test_reports_say_that_a_file_is_inlined_and_what_it_has_lost(model, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    whole = api.inspect(path)
    assert whole.is_inlined
    assert whole.lost == {}
    assert len(whole.circuits) == 2
    results_renamed(model, said(model)["calls"][-1])
    model.graph.output[1].name = "other"
    onnx.save(model, path)
    (layer,) = (said(model)["calls"][-1]["node"],)
    found = api.inspect(path)
    assert {*found.lost} == {layer}
    api.html(path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"The quantum layer {layer} is not found in it again" in page
    bill = json.loads(api.bom(path))["metadata"]["component"]["properties"]
    facts = [(one["name"].removeprefix("hybridx:"), one["value"]) for one in bill]
    assert ("inlined", "true") in facts
    assert ("lost-layer", layer) in facts


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda it: it["calls"].append(it["calls"][0]), "two layers have the name"),
        (lambda it: it["calls"].append({**it["calls"][0], "node": "n"}), "two layers give the"),
        (lambda it: it["calls"][0].update(circuit="Circuit_0"), "which it does not have"),
        (lambda it: it["circuits"].update(other="{}"), "no layer calls one of its circuits"),
        (lambda it: it["calls"][0].update(more="1"), "cannot be read"),
        (lambda it: it.update(calls=None), "cannot be read"),
        (lambda it: it["circuits"].update({next(iter(it["circuits"])): "{}"}), "Circuit_"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(change, problem, model):
    entry = said(model)
    change(entry)
    entry_of(model).value = json.dumps(entry)
    with pytest.raises(BrokenArtifactError, match=problem):
        read(model)


def test_a_call_that_claims_the_nodes_of_another_does_not_pass(model):
    entry = said(model)
    first, second, _ = entry["calls"]
    second["parameters"] = first["parameters"]
    entry_of(model).value = json.dumps(entry)
    artifact = read(model)
    assert artifact.changed == ("circuits",)
    with pytest.raises(HybridxError, match="does not compute its circuit"):
        check_agreement(artifact, lambda c, p: run_onnx_body(artifact, c, p))
    # On other parameters, nodes cannot belong to both.
    first["parameters"], second["parameters"] = second["parameters"], "x"
    entry_of(model).value = json.dumps(entry)
    assert {first["node"], second["node"]} <= {one.layer for one in read(model).lost}


@pytest.mark.parametrize("prefix", ["", "/left/", "v1", "/left/circuit_1/"])
def test_any_prefix_gives_names_that_are_unique(prefix, model):
    entry = said(model)
    first = entry["calls"][0]
    model.graph.node.insert(0, helper.make_node("Identity", ["x"], ["parameters"]))
    place = [*model.graph.node].index(giver(model, first["results"]))
    last = model.graph.node[place]
    last.output[0] = "results"
    model.graph.node.insert(
        place + 1, helper.make_node("Identity", ["results"], [first["results"]])
    )
    first["prefix"] = prefix
    entry_of(model).value = json.dumps(entry)
    artifact = read(model)
    assert artifact.lost == ()
    check_agreement(artifact, lambda c, p: run_onnx_body(artifact, c, p))


@pytest.mark.parametrize("field", ["node", "strategy", "parameters", "results", "prefix"])
@pytest.mark.parametrize("text", ["\ud800", "\x00", "é" * 100_000])
def test_no_text_of_the_entry_breaks_the_reader(field, text, model):
    entry = said(model)
    entry["calls"][0][field] = text
    entry_of(model).value = json.dumps(entry)
    with contextlib.suppress(BrokenArtifactError):
        assert isinstance(read(model).lost, tuple)


def test_an_entry_without_its_version_is_refused_and_the_reverse(files):
    model = onnx.load(files[1])
    next(one for one in model.metadata_props if one.key == "hybridx.format").value = "2"
    with pytest.raises(BrokenArtifactError, match=r"format 2 has no entry hybridx\.inlined"):
        read(model)
    model = onnx.load(files[0])
    next(one for one in model.metadata_props if one.key == "hybridx.format").value = "3"
    with pytest.raises(BrokenArtifactError, match=r"format 3 needs hybridx\.inlined"):
        read(model)


def test_another_circuit_of_the_same_form_does_not_pass(model):
    entry = said(model)
    (name, text), *_ = entry["circuits"].items()
    from hybridx.artifact.digest import circuit_hash, name_of

    other = text.replace('"RX"', '"RY"').replace('"Rot"', '"RX"')
    other = other.replace('"gate":"RZ"', '"gate":"RY"') if other == text else other
    assert other != text
    del entry["circuits"][name]
    new = name_of(circuit_hash(other.encode(), None))
    entry["circuits"][new] = other
    for call in entry["calls"]:
        call["circuit"] = new if call["circuit"] == name else call["circuit"]
    entry_of(model).value = json.dumps(entry)
    artifact = read(model)
    assert artifact.changed == ("circuits",)
    with pytest.raises(HybridxError, match="does not compute its circuit"):
        check_agreement(artifact, lambda c, p: run_onnx_body(artifact, c, p))


def test_the_found_bodies_compute_the_circuits(files):
    artifact = read_artifact(files[1])
    rng = np.random.default_rng(1)
    for call in circuit_calls(artifact):
        circuit = artifact.circuits[call.function]
        rows = rng.uniform(-3, 3, (4, circuit.parameters)).astype(call.dtype)
        from hybridx.runtime.circuits.alone import CompiledCircuit

        found = run_onnx_body(artifact, CompiledCircuit(call.function, call.dtype), rows)
        np.testing.assert_allclose(found, simulate(circuit, rows), rtol=0, atol=EXACT32)


@pytest.mark.slow
def test_a_batch_of_no_rows_runs_in_hybridx_where_onnx_runtime_refuses_it(tmp_path):
    """So `docs/file-format.md` says it. If ONNX Runtime takes it one day, the page changes."""
    path, nothing = tmp_path / "inlined.onnx", np.zeros((0, 2), np.float32)
    model = MODELS["density"]
    options = {"inline": True, "verify": False, **model.options}
    hybridx.export(model.make(), (torch.zeros(2, model.features),), path, **options)
    assert hybridx.load(path)(nothing).shape == (0, 2)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with pytest.raises(Exception, match="cannot broadcast"):
        session.run(None, {session.get_inputs()[0].name: nothing})
    hybridx.convert(path, tmp_path / "functions.onnx", machine="cpu")
    session = onnxruntime.InferenceSession(
        tmp_path / "functions.onnx", providers=["CPUExecutionProvider"]
    )
    (results,) = session.run(None, {session.get_inputs()[0].name: nothing})
    assert results.shape == (0, 2)
