"""A model cut at its circuits gives what the whole gives, whatever its graph looks like."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from hybridx.artifact import split
from hybridx.circuit import parse, simulate
from hybridx.errors import BrokenArtifactError
from hybridx.runtime import start_session
from tests.runtime.models import FIXED, GRAPHS, MIX, TURN, build

# One side computes circuits in float32, the other in complex128: up to three circuits of a dozen
# operations on two wires lose a few 1e-7 each.
STITCHED = 2e-6

LEVELS = {
    "a circuit and no more": [1],
    "between classical nodes": [1, 0],
    "one behind another": [1, 1, 1],
    "side by side, unlike depths": [2, 1, 0],
    "one result read at two levels": [1, 1, 0],
    "without data": [1, 1],
    "classical only beside it": [1],
    "a weight read at two levels": [1, 0],
    "a weight among the outputs": [1],
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return request.param, GRAPHS[request.param]()


def inputs(batch, seed=0):
    return {"x": np.random.default_rng(seed).uniform(-3, 3, (batch, 2)).astype(np.float32)}


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
@pytest.mark.parametrize("batch", [1, 4])
def test_stitched_equals_whole(graph, device, batch):
    _, artifact = graph
    whole = start_session(artifact).run(inputs(batch))
    stitched = start_session(artifact, device=device).run(inputs(batch))
    assert list(stitched) == list(whole)
    for name, expected in whole.items():
        assert stitched[name].dtype == expected.dtype
        assert stitched[name].shape == expected.shape
        np.testing.assert_allclose(stitched[name], expected, rtol=0, atol=STITCHED)


def test_circuits_run_as_late_as_their_parameters_and_no_later(graph):
    name, artifact = graph
    stages = split(artifact.model, artifact.path)
    circuits = [len(stage.circuits) for stage in stages]
    while circuits and circuits[-1] == 0 and not stages[len(circuits) - 1].segment.content:
        circuits.pop()
    assert circuits == LEVELS[name]


def test_each_part_reads_only_what_is_there(graph):
    _, artifact = graph
    there = {"x"} | {weight.name for weight in artifact.model.graph.initializer}
    for stage in split(artifact.model, artifact.path):
        assert set(stage.segment.inputs) <= there
        there |= set(stage.segment.outputs)
        assert {call.parameters for call in stage.circuits} <= there
        there |= {call.results for call in stage.circuits}
    assert {output.name for output in artifact.model.graph.output} <= there


def test_both_agree_with_the_circuits_on_paper():
    """A third source: the graph `side by side` written out with the reference simulator."""
    x = inputs(4)["x"].astype(np.float64)
    a = np.tanh(x)
    behind = simulate(parse(MIX), simulate(parse(TURN), a))
    expected = (behind + simulate(parse(MIX), x)) * a
    artifact = GRAPHS["side by side, unlike depths"]()
    for device in ("onnx", "default.qubit"):
        actual = start_session(artifact, device=device).run(inputs(4))["y"]
        np.testing.assert_allclose(actual, expected, rtol=0, atol=STITCHED)


def test_a_circuit_without_data_has_one_row():
    artifact = GRAPHS["without data"]()
    (call,) = split(artifact.model, artifact.path)[0].circuits
    assert artifact.circuits[call.function] == parse(FIXED)


def forget_a_type(model):
    del model.graph.value_info[:]
    node = helper.make_node("Unheard", ["x"], ["odd"], domain="other")
    model.graph.node.insert(0, node)
    model.opset_import.append(helper.make_opsetid("other", 1))
    next(one for one in model.graph.node if one.domain == "hybridx").input[0] = "odd"


def drop_imports(model):
    del model.opset_import[1:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (forget_a_type, "the type of its value 'odd' is not known"),
        (drop_imports, "its types do not fit"),
    ],
)
def test_what_cannot_be_cut_is_refused(change, message):
    model = GRAPHS["one behind another"]().model
    change(model)
    with pytest.raises(BrokenArtifactError, match=message):
        split(model, "a model")


def test_what_is_left_out_has_no_name_and_no_level():
    """An LSTM gives and takes less than it could, and so do operators behind the circuit."""
    rng = np.random.default_rng(2)
    lstm = [
        (name, rng.standard_normal(shape).astype(np.float32))
        for name, shape in (("w", (1, 8, 2)), ("r", (1, 8, 2)), ("b", (1, 16)))
    ]
    lengths = [("seq", np.array([1, -1, 2])), ("flat", np.array([-1, 2]))]
    artifact = build(
        [
            (TURN, ["x"], "a"),
            ("Reshape", ["x", "seq"], "s"),
            helper.make_node("LSTM", ["s", "w", "r", "b"], ["", "h", ""], hidden_size=2),
            ("Reshape", ["h", "flat"], "f"),
            ("Add", ["f", "a"], "c"),
            helper.make_node("Clip", ["c", "", "most"], ["y"]),
        ],
        [("y", ["batch", 2])],
        [*lstm, *lengths, ("most", np.array(0.5))],
    )
    whole = start_session(artifact).run(inputs(4))
    stitched = start_session(artifact, device="default.qubit").run(inputs(4))
    np.testing.assert_allclose(stitched["y"], whole["y"], rtol=0, atol=STITCHED)
