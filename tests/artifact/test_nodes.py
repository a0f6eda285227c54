"""Where the parameters of circuits come from, in words."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from hybridx.artifact import parameters_from
from tests.runtime.models import FIXED, TURN, build

WEIGHT = ("net.0.weight", np.eye(2, dtype=np.float32))
ORIGINS = {
    "input x": [],
    "MatMul net.0": [("MatMul", ["x", "net.0.weight"], "a")],
    "Tanh of MatMul net.0": [("MatMul", ["x", "net.0.weight"], "b"), ("Tanh", ["b"], "a")],
    "Sigmoid of input x": [("Sigmoid", ["x"], "b"), ("Identity", ["b"], "a")],
    "Add": [("Add", ["x", "x"], "a")],
    "Sin of Sin of Sin of Sin": [
        ("Sin", ["x"], "e"), ("Sin", ["e"], "d"), ("Sin", ["d"], "c"), ("Sin", ["c"], "b"),
        ("Sin", ["b"], "a"),
    ],
    "input x, Exp of input x": [
        ("Exp", ["x"], "b"), helper.make_node("Concat", ["x", "b", "x"], ["a"], axis=1),
    ],
}  # fmt: skip


@pytest.mark.parametrize("words", ORIGINS)
def test_parameters_come_from_a_module_or_an_input(words):
    nodes = [*ORIGINS[words], (TURN, ["a" if ORIGINS[words] else "x"], "y")]
    artifact = build(nodes, [("y", ["batch", 2])], [WEIGHT])
    assert [*parameters_from(artifact.model.graph).values()] == [(words,)]


def test_a_circuit_without_data_has_no_origin():
    nothing = [("nothing", np.zeros((1, 0), np.float32))]
    artifact = build([(FIXED, ["nothing"], "y")], [("y", [1, 2])], nothing)
    assert [*parameters_from(artifact.model.graph).values()] == [()]
