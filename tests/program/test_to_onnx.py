"""The nodes of a program: other operators where an engine lacks some, and a loop where one is."""

import numpy as np
import pytest

from hybridx.program import parse, run
from hybridx.program.to_onnx import emit_body
from tests.program.test_to_torch import onnx_session

X = np.array([[-2.0, 0.0, -0.0, 3.0], [1e-30, -1e-30, 0.25, 0.5], [np.nan, np.inf, -np.inf, 1.0]])
LACKING = frozenset({"Max", "Sign"})


def program(*steps):
    return parse("v0: (batch, 4) = parameters; " + "; ".join(steps))


def operators(made, **options):
    nodes = emit_body(made, dtype=np.dtype("float32"), parameters="x", results="y", **options)
    return [node.op_type for node in nodes]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "steps",
    [
        ["v1: (batch, 4) = sign v0"],
        ["v1: (1, 1) = constant [[0.25]]", "v2: (batch, 4) = maximum v0 v1"],
    ],
)
def test_what_is_written_otherwise_gives_the_same(steps, dtype):
    made = program(*steps)
    given = X.astype(dtype)
    (found,) = onnx_session(made, dtype, LACKING).run(None, {"x": given})
    np.testing.assert_array_equal(found, run(made, given).astype(dtype))
    assert not LACKING & {*operators(made, without=LACKING)}
    assert LACKING & {*operators(made)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_angles_are_wrapped_without_round(dtype):
    made = program("v1: (batch, 4) = wrap v0 [[0, 1.0], [1, 0.5], [2, 3.0], [3, 1.0]]")
    given = np.random.default_rng(0).uniform(-1e4, 1e4, (200, 4)).astype(dtype)
    (found,) = onnx_session(made, dtype, frozenset({"Round"})).run(None, {"x": given})
    np.testing.assert_allclose(found, run(made, given), atol=1e-3 if dtype == "float32" else 1e-9)
    assert np.abs(found).max() <= 2 * np.pi * 1.001
    written = operators(made, without={"Round"})
    assert "Floor" in written
    assert "Round" not in written


def test_a_value_that_is_held_is_the_value():
    made = program(
        "v1: (batch, 4) = sqrt v0", "v2: (batch, 4) = hold v1", "v3: (batch, 4) = log v2"
    )
    assert operators(made) == ["Sqrt", "Log"]
    last = program("v1: (batch, 4) = sqrt v0", "v2: (batch, 4) = hold v1")
    (found,) = onnx_session(last, "float64").run(None, {"x": abs(X)})
    np.testing.assert_array_equal(found, np.sqrt(abs(X)))
