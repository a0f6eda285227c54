"""A comparison with the eager model: always at the example's lengths, and never with nothing."""

from __future__ import annotations

import numpy as np
import pytest

from hybridx.artifact import Signature
from hybridx.errors import DroppedAxisError, MismatchError, NoFiniteInputError, NothingComparedError
from hybridx.parity import TOLERANCE, Typical, compare_with_eager, draw_typical

FLOAT = np.dtype(np.float32)
ROWS, STEPS = 20, 4


class Execution:
    """A function of one input `x` as something to compare; it notes the shapes that it runs at."""

    device = "onnx"

    def __init__(self, shape, run):
        self.inputs = (Signature("x", FLOAT, shape),)
        self.shapes = []
        self._run = run

    def run(self, inputs):
        self.shapes.append(inputs["x"].shape)
        return self._run(inputs)


def doubled(inputs):
    return {"output": 2 * inputs["x"]}


def accepting(is_taken, run=doubled):
    """The function where `is_taken(*shape)`, else an error of the user's model."""

    def model(inputs):
        if not is_taken(*inputs["x"].shape):
            raise IndexError(f"out of bounds at {inputs['x'].shape}")
        return run(inputs)

    return model


def compared(expected, *, shape=("batch", 2), batches=(1, 2, 5, 16), run=doubled, steps=STEPS):
    lengths = {"batch": ROWS, "length": steps}
    example = np.zeros([lengths.get(axis, axis) for axis in shape], FLOAT)
    typical = draw_typical({"x": example}, expected)
    execution = Execution(shape, run)
    found = compare_with_eager(
        execution, typical, expected, batches=batches, tolerance=TOLERANCE["float32"]
    )
    return found, execution


def test_the_usual_sizes_and_the_examples_own_are_compared():
    found, execution = compared(doubled)
    assert found.batches == (1, 2, 5, 16)
    assert {shape[0] for shape in execution.shapes} == {1, 2, 5, 16, ROWS}
    assert (found.unmoved, found.notes) == ({}, ())


def test_where_the_model_takes_larger_batches_only_these_are_compared():
    found, _ = compared(accepting(lambda rows, _: rows >= ROWS))
    assert found.batches == (ROWS, ROWS + 1)
    assert found.unmoved == {}
    (note,) = found.notes
    assert "refuses batch sizes 1, 2, 5 and 16" in note
    assert "IndexError: out of bounds at (1, 2)" in note


def test_a_batch_at_one_length_only_is_compared_there_and_called_unmoved():
    found, execution = compared(accepting(lambda rows, _: rows == ROWS))
    assert found.batches == (ROWS,)
    assert set(execution.shapes) == {(ROWS, 2)}
    assert list(found.unmoved) == ["batch"]


def test_an_example_as_long_as_a_usual_size_moves_nothing():
    found, _ = compared(accepting(lambda rows, _: rows == ROWS), batches=(1, ROWS))
    assert list(found.unmoved) == ["batch"]


def test_each_open_axis_has_to_move():
    found, _ = compared(accepting(lambda _, steps: steps == STEPS), shape=("batch", "length"))
    assert found.batches == (1, 2, 5, 16)
    assert list(found.unmoved) == ["length"]
    assert "IndexError" in found.unmoved["length"]


def test_an_axis_is_moved_alone_where_it_cannot_be_moved_with_others():
    # More rows or more steps, but not both: no usual trial is taken.
    model = accepting(lambda rows, steps: rows == ROWS or steps == STEPS)
    found, execution = compared(model, shape=("batch", "length"), batches=(21, 22, 25))
    assert found.unmoved == {}
    assert (ROWS, STEPS + 1) in execution.shapes
    assert (21, STEPS) in execution.shapes


@pytest.mark.parametrize("shape", [("batch", 2), (ROWS, 2)])
def test_an_error_at_the_examples_own_lengths_is_seen(shape):
    def wrong(inputs):
        outputs = doubled(inputs)
        if inputs["x"].shape[0] == ROWS:
            outputs["output"] = outputs["output"] + 1
        return outputs

    with pytest.raises(MismatchError, match=f"batch {ROWS}"):
        compared(
            doubled, shape=shape, batches=(1, 2) if shape[0] == "batch" else (ROWS,), run=wrong
        )


@pytest.mark.parametrize(
    "run",
    [
        lambda inputs: {"output": inputs["x"][:, 2:]},
        lambda inputs: {"output": np.empty((0, len(inputs["x"])), FLOAT)},
        lambda inputs: {},
    ],
    ids=["no columns", "no rows", "no outputs"],
)
def test_outputs_without_numbers_are_no_comparison(run):
    with pytest.raises(NothingComparedError, match="HX604"):
        compared(run, run=run)


def test_a_rank_that_depends_on_the_batch_is_named():
    def squeezed(inputs):
        return {"output": inputs["x"][:, 0] if len(inputs["x"]) > 1 else inputs["x"][0, 0]}

    def kept(inputs):
        return {"output": inputs["x"][:, 0]}

    with pytest.raises(DroppedAxisError, match="has 0 axes at batch size 1 and 1 at others"):
        compared(squeezed, run=kept)


def test_nan_on_both_sides_is_no_comparison():
    def nowhere(inputs):
        return {"output": np.full_like(inputs["x"], np.nan)}

    x = np.zeros((ROWS, 2), FLOAT)
    typical = Typical("normal", {"x": x}, nowhere({"x": x}))
    with pytest.raises(NothingComparedError):
        compare_with_eager(
            Execution(("batch", 2), nowhere), typical, nowhere, batches=(1,), tolerance=1e-5
        )


def test_an_axis_does_not_count_as_moved_by_outputs_that_are_empty():
    def first(inputs):
        rows = inputs["x"][:ROWS]
        return {"output": rows if len(rows) == ROWS and len(inputs["x"]) == ROWS else rows[:0]}

    found, _ = compared(first, run=first)
    assert list(found.unmoved) == ["batch"]


class TestTypicalInputs:
    X = np.full((3, 2), 7.0, FLOAT)

    def test_a_model_that_refuses_every_drawn_input_is_compared_with_nothing(self):
        with pytest.raises(NothingComparedError, match="IndexError: out of bounds"):
            draw_typical({"x": self.X}, accepting(lambda *_: False))

    def test_another_distribution_is_tried_after_an_error(self):
        def positive(inputs):
            if inputs["x"].min() < 0:
                raise ValueError("not positive")
            return doubled(inputs)

        assert draw_typical({"x": self.X}, positive).distribution == "uniform on (0, 1)"

    def test_the_example_itself_is_taken_where_no_drawn_input_will_do(self):
        def far(inputs):
            with np.errstate(invalid="ignore"):
                return {"output": np.sqrt(inputs["x"] - 6)}

        with pytest.raises(NoFiniteInputError):
            draw_typical({"x": self.X - 2}, far)
        typical = draw_typical({"x": self.X}, far)
        assert typical.distribution is None
        np.testing.assert_array_equal(typical.inputs["x"], self.X)
