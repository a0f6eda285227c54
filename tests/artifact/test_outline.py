"""A graph as blocks: few, named as the user names things, and in the order of the graph."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from hybridx.artifact import describe_outline, outline_of
from tests.runtime.models import GRAPHS, MIX, TURN, WIDE, build


def named(artifact):
    """The blocks, and the edges between them, in their own words."""
    outline = outline_of(artifact)
    words = [" ".join(filter(None, (one.title, *one.lines))) for one in outline.blocks]
    return words, [(words[start], words[end]) for start, end in outline.edges]


def chain(operators, end):
    """Nodes from `x`, one behind another: `MatMul name` takes the weight of that name."""
    names = ["x", *(f"{end}.{index}" for index in range(len(operators) - 1)), end]
    made = []
    for operator, (before, after) in zip(operators, pairwise(names), strict=True):
        kind, *taken = operator.split()
        made.append(helper.make_node(kind, [before, *taken], [after]))
    return made


def weights(*names):
    """Weights that are all different, as those of a trained model are."""
    return [(name, np.eye(2, dtype=np.float32) + at) for at, name in enumerate(names)]


def test_classical_nodes_are_one_block_between_circuits():
    words, edges = named(GRAPHS["side by side, unlike depths"]())
    assert len(words) == 7
    assert sum(word.endswith("2 wires, 5 gates") for word in words) == 1
    assert {("x float32 (batch, 2)", "Tanh"), ("Tanh", "Add Mul")} <= {*edges}
    assert ("Add Mul", "y float32 (batch, 2)") in edges


def test_nodes_say_whose_weights_they_take():
    nodes = [*chain(["MatMul net.0.weight", "Tanh"], "a"), (TURN, ["a"], "y")]
    words, _ = named(build(nodes, [("y", WIDE)], weights("net.0.weight")))
    assert words[1] == "MatMul net.0 Tanh"


def test_a_circuit_has_the_name_of_its_layer():
    artifact = GRAPHS["a circuit and no more"]()
    artifact.model.graph.node[0].name = "/net/1/turn"
    assert named(artifact)[0][1] == "/net/1/turn 2 wires, 5 gates"


def test_many_nodes_are_a_block_for_each_module():
    body = ["Tanh", "Relu", "Exp", "Sin"] * 12
    operators = [
        operator for index in range(12) for operator in (f"MatMul block.{index}.weight", *body)
    ]
    nodes = [*chain([*operators, "MatMul head.weight"], "a"), (TURN, ["a"], "y")]
    names = [*(f"block.{index}.weight" for index in range(12)), "head.weight"]
    words, edges = named(build(nodes, [("y", WIDE)], weights(*names)))
    assert words[1] == (
        "block.0 … block.11 49 nodes Tanh ×12 Relu ×12 Exp ×12 and 2 operators more "
        "12 times, one after another"
    )
    assert words[2] == "MatMul head"
    assert (len(words), len(edges)) == (5, 4)


def test_equal_blocks_side_by_side_are_one():
    nodes = []
    for index in range(9):
        nodes += [("Tanh", ["x"], f"a{index}"), (TURN, [f"a{index}"], f"b{index}")]
    nodes.append(helper.make_node("Concat", [f"b{index}" for index in range(9)], ["y"], axis=1))
    artifact = build(nodes, [("y", ["batch", 18])])
    for index, node in enumerate(one for one in artifact.model.graph.node if one.domain):
        node.name = f"/q/{index}"
    words, edges = named(artifact)
    assert words[1:4] == [
        "Tanh 9 of them, side by side",
        "/q/0 … /q/8 2 wires, 5 gates 9 of them, side by side",
        "Concat",
    ]
    assert len(edges) == 4


def test_equal_steps_one_after_another_are_one():
    nodes, value = [], "x"
    for step in range(7):
        nodes += [("Tanh", [value], f"a{step}"), (TURN, [f"a{step}"], f"b{step}")]
        nodes.append(("Add", [f"b{step}", f"a{step}"], value := f"c{step}"))
    words, edges = named(build([*nodes, ("Exp", [value], "y")], [("y", WIDE)]))
    assert [word.partition(" gates ")[2] for word in words if "gates" in word] == [
        "6 times, one after another",
        "",
    ]
    assert "Add Tanh 6 times, one after another" in words
    assert len(words) == 7
    assert len(edges) >= 6


def test_the_middle_of_a_long_graph_is_one_block_that_counts():
    nodes, value = [], "x"
    for step in range(40):
        # Each circuit is longer than the last, so that no steps are equal.
        text = f"RX 0 p[0]; {'; '.join(['RY 1 p[1]'] * (step + 1))}; expval Z0; expval Z1"
        nodes += [(text, [value], f"a{step}"), ("Tanh", [f"a{step}"], value := f"b{step}")]
    words, _ = named(build([*nodes, ("Exp", [value], "y")], [("y", WIDE)], body=False))
    (more,) = (word for word in words if word.startswith("…"))
    circuits = sum("wires" in word for word in words)
    assert more.endswith(f"{40 - circuits} of them circuits")
    assert len(words) == 18


def test_the_words_for_those_who_do_not_see_it():
    said = " ".join(describe_outline(outline_of(GRAPHS["between classical nodes"]())))
    assert said.startswith("input x, float32 (batch, 2), to Tanh. classical Tanh, to Circuit_")


@st.composite
def graphs(draw):
    """Graphs of any shape, with circuits, of up to 60 nodes."""
    values = ["x"]
    nodes = []
    for index in range(draw(st.integers(1, 60))):
        picked = draw(st.lists(st.sampled_from(values[-9:]), min_size=2, max_size=2))
        kind = draw(st.sampled_from(["Tanh", "Add", "Relu", TURN, MIX]))
        nodes.append((kind, picked if kind == "Add" else picked[:1], f"v{index}"))
        values.append(f"v{index}")
    return build([*nodes, ("Exp", [values[-1]], "y")], [("y", WIDE), ("v0", WIDE)], body=False)


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_any_graph_has_few_blocks_each_behind_what_it_takes(artifact):
    outline = outline_of(artifact)
    assert len(outline.blocks) <= 16 * 6 + 3
    assert all(start < end for start, end in outline.edges)
    reached = {end for _, end in outline.edges}
    for index, block in enumerate(outline.blocks):
        assert block.kind == "input" or index in reached


@pytest.mark.parametrize("count", [1, 4, 5, 70])
def test_many_inputs_and_outputs_are_counted(count):
    artifact = GRAPHS["between classical nodes"]()
    graph = artifact.model.graph
    for index in range(1, count):
        graph.input.add().CopyFrom(graph.input[0])
        graph.input[-1].name = f"x{index}"
        graph.node.append(helper.make_node("Tanh", [f"x{index}"], [f"y{index}"]))
        graph.output.add().CopyFrom(graph.output[0])
        graph.output[-1].name = f"y{index}"
    outline = outline_of(artifact)
    for kind in ("input", "output"):
        found = [block for block in outline.blocks if block.kind == kind]
        assert len(found) == min(count, 4)
        if count > 4:
            assert found[-1].lines == (f"{count - 3} {kind}s more",)


def test_modules_side_by_side_are_not_taken_for_modules_one_after_another():
    nodes = []
    names = [f"pre.{index}.weight" for index in range(12)]
    for index, name in enumerate(names):
        nodes += [("Sin", ["x"], f"a{index}"), ("MatMul", [f"a{index}", name], f"b{index}")]
        nodes.append((TURN, [f"b{index}"], f"c{index}"))
    nodes.append(helper.make_node("Concat", [f"c{index}" for index in range(12)], ["y"], axis=1))
    words, _ = named(build(nodes, [("y", ["batch", 24])], weights(*names)))
    assert words[1] == "Sin MatMul pre.0 … pre.11 12 of them, side by side"
    assert len(words) == 5
