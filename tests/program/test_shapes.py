"""The shape rules are those of NumPy, and refuse what NumPy or a target would refuse."""

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.program import (
    Binary,
    Concatenate,
    Gather,
    Program,
    Reshape,
    Sum,
    Transpose,
    Value,
    run,
    shape_of,
)
from tests.program.programs import programs

BATCH = 3  # differs from the lengths that the drawn programs broadcast, which are 1


@settings(deadline=None)
@given(programs())
def test_every_value_has_in_numpy_the_shape_that_its_step_says(program):
    parameters = np.ones((BATCH, program.shapes[0][1]))
    for count, shape in enumerate(program.shapes, 1):
        with np.errstate(all="ignore"):
            value = run(Program(program.steps[:count], program.shapes[:count]), parameters)
        assert value.shape == tuple(BATCH if size is None else size for size in shape)


def value(*shape):
    return Value(0, shape)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (Binary("add", value(None, 3), value(2)), "do not broadcast"),
        (Binary("add", value(None, 3), value(4, 3)), "do not broadcast"),
        (Binary("matmul", value(None, 3), value(2, 3)), "cannot be multiplied"),
        (Binary("matmul", value(None, 3), value(3)), "cannot be multiplied"),
        (Binary("matmul", value(3, None), value(None, 3)), "cannot be multiplied"),
        (Binary("matmul", value(2, 3, 4), value(5, 4, 3)), "do not broadcast"),
        (Gather(value(None, 3), 1, (0, 3)), "do not lie"),
        (Gather(value(None, 3), 1, (-1,)), "do not lie"),
        (Gather(value(None, 3), 1, ()), "do not lie"),
        (Gather(value(None, 3), -1, (0,)), "has no axis"),
        (Gather(value(None, 3), 0, (0,)), "is the batch"),
        (Reshape(value(None, 4), (4, 4)), "cannot become"),
        (Reshape(value(4, 4), (None, 4)), "cannot become"),
        (Reshape(value(None, 4), (None, 5)), "cannot become"),
        (Reshape(value(None, 4), (None, None)), "is the batch"),
        (Transpose(value(None, 4), (0,)), "does not name each axis"),
        (Transpose(value(None, 4), (0, 0)), "does not name each axis"),
        (Transpose(value(None, 4), (0, 2)), "does not name each axis"),
        (Concatenate((value(None, 4), value(1, 4)), 1), "cannot be joined"),
        (Concatenate((value(None, 4), value(None, 4)), 0), "is the batch"),
        (Concatenate((value(None, 4), value(None, 4, 1)), 1), "cannot be joined"),
        (Sum(value(None, 4), 0), "is the batch"),
        (Sum(value(None, 4), 2), "has no axis"),
        (Sum(value(None, 4), -1), "has no axis"),
    ],
    ids=str,
)
def test_a_step_that_does_not_fit_its_operands_is_refused(step, problem):
    with pytest.raises(ValueError, match=problem):
        shape_of(step)
