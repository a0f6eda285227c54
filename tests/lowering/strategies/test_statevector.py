"""A lowered circuit computes what the reference simulator computes."""

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.circuit import parse, simulate
from hybridx.lowering import choose
from hybridx.program import Builder, run
from tests.circuits import circuits, inputs
from tests.tolerances import EXACT, FLOAT32


@settings(max_examples=150)
@given(circuits())
def test_agrees_with_the_reference(circuit):
    parameters = inputs(circuit, batch=3)
    program = choose(circuit, "statevector").plan.build()
    expected = simulate(circuit, parameters)
    np.testing.assert_allclose(run(program, parameters), expected, atol=EXACT)
    narrow = run(program, parameters.astype(np.float32))
    assert narrow.dtype == np.float32
    scale = np.abs(expected).max(initial=1.0)
    # Parameters rounded to float32 are themselves off by 4 * 6e-8 radians each.
    np.testing.assert_allclose(narrow, expected, atol=FLOAT32 * scale)


@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize("text", ["RX 0 p[0]; expval Z0", "RX 0 0.4; expval Z0; expval Y0"])
def test_any_batch_gives_its_rows(text, batch):
    circuit = parse(text)
    program = choose(circuit, "statevector").plan.build()
    assert run(program, inputs(circuit, batch)).shape == (batch, len(circuit.measurements))


def test_the_result_has_to_have_a_batch_axis():
    builder = Builder(2)
    with pytest.raises(ValueError, match="no batch axis"):
        builder.build(builder.constant(np.zeros((1, 2))))


def test_only_the_steps_that_the_result_needs_are_built():
    builder = Builder(2)
    builder.sqrt(builder.parameters)
    wide = builder.reshape(builder.sign(builder.parameters), (None, 2, 1))
    program = builder.build(builder.reshape(wide, (None, 1, 2, 1)))
    # Of the two changes of shape only the second is left.
    assert [type(step).__name__ for step in program.steps] == ["Parameters", "Unary", "Reshape"]
    assert run(program, np.zeros((3, 2))).shape == (3, 1, 2, 1)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda b: b.add(b.parameters, b.constant(np.zeros((1, 5)))),
        lambda b: b.matmul(b.parameters, b.constant(np.zeros((5, 2)))),
        lambda b: b.reshape(b.parameters, (None, 7)),
        lambda b: b.gather(b.parameters, 1, [2]),
        lambda b: b.gather(b.parameters, 0, [0]),
        lambda b: b.concatenate([b.parameters, b.constant(np.zeros((1, 1)))], 1),
    ],
)
def test_shapes_that_do_not_fit_are_refused(misuse):
    with pytest.raises(ValueError, match=r"shape|broadcast|axis|batch|indices"):
        misuse(Builder(2))
