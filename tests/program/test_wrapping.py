"""A wrapped column is less by a multiple of its period, against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.program import Builder, run
from hybridx.program.to_torch import emit_module
from tests.program.test_to_torch import onnx_session

# Digits of a table, of more than any dtype needs.
TWO_PI = 2 * Fraction("3.1415926535897932384626433832795028841971693993751058209749445923078164")

SCALES = st.floats(1e-4, 1e4) | st.sampled_from([0.25, 0.5, 1.0, 3.14])


def wrap(columns, rows, dtype="float32"):
    """Return the columns of rows, wrapped."""
    rows = np.asarray(rows, dtype)
    builder = Builder(rows.shape[1])
    return run(builder.build(builder.wrap(columns)), rows)


def error_of(scale, x, wrapped):
    """Return by how many radians the angle of a wrapped number is wrong, exactly."""
    off = Fraction(scale) * (Fraction(float(x)) - Fraction(float(wrapped)))
    return float(abs(off - TWO_PI * round(off / TWO_PI)))


@pytest.mark.parametrize(
    ("dtype", "digit"), [("float32", 1.0), ("float64", 2.0**-29)], ids=["float32", "float64"]
)
@settings(max_examples=300, deadline=None)
@given(scale=SCALES, angle=st.floats(-6e6, 6e6) | st.floats(-50.0, 50.0))
def test_the_angle_is_right(dtype, digit, scale, angle):
    x = np.dtype(dtype).type(angle / scale)
    ((wrapped,),) = wrap([(0, scale)], [[x]], dtype)
    angle = abs(scale * float(x))
    # The errors that `wrapping.py` states.
    relative = 4e-11 if scale in (0.25, 0.5, 1.0) else 4e-10
    assert error_of(scale, x, wrapped) <= digit * (4e-7 + relative * angle)
    assert abs(scale * float(wrapped)) <= np.pi + 4e-7 * max(1.0, angle)


@settings(max_examples=100, deadline=None)
@given(scale=SCALES, share=st.floats(-0.499, 0.499))
def test_a_number_within_half_a_period_stays_as_it_is(scale, share):
    x = np.float32(share * 2 * np.pi / scale)
    ((wrapped,),) = wrap([(0, scale)], [[x]])
    assert wrapped == x


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e-38])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_column_without_a_period_stays_as_it_is(scale, dtype):
    x = np.array([[0.0, -1.5, 1e30]], dtype)
    columns = [(column, scale) for column in range(3)]
    np.testing.assert_array_equal(wrap(columns, x, dtype), x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_are_no_angles_become_none(dtype):
    rows = [[np.inf, 1.0], [2.0, -np.inf], [np.nan, np.nan], [0.5, -0.5]]
    with np.errstate(invalid="ignore"):
        wrapped = wrap([(0, 0.5), (1, 0.0)], rows, dtype)
    np.testing.assert_array_equal(
        np.isnan(wrapped), [[True, False], [False, True], [True, True], [False, False]]
    )
    np.testing.assert_array_equal(wrapped[3], [0.5, -0.5])


@settings(max_examples=100, deadline=None)
@given(scale=SCALES, largest=st.floats(-1e38, 1e38))
def test_no_number_overflows(scale, largest):
    assert np.isfinite(wrap([(0, scale)], [[largest / max(1.0, scale)]])).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "columns",
    [
        [(0, 0.5), (1, 0.5), (2, 0.5)],
        [(2, 0.5), (0, 1.7), (2, 0.0)],
        [(1, 3.14), (2, 3.14)],
    ],
    ids=["all alike", "chosen", "neighbours"],
)
def test_all_targets_have_the_same_bits(columns, dtype):
    rng = np.random.default_rng(0)
    rows = (rng.uniform(-1, 1, (60, 3)) * 10.0 ** rng.integers(0, 30, (60, 3))).astype(dtype)
    rows[0] = np.inf, -np.inf, np.nan
    builder = Builder(3)
    program = builder.build(builder.wrap(columns))
    with np.errstate(invalid="ignore"):
        expected = run(program, rows)
    module = emit_module(program, dtype=np.dtype(dtype))
    np.testing.assert_array_equal(module(torch.from_numpy(rows)).numpy(), expected)
    (results,) = onnx_session(program, dtype).run(None, {"x": rows})
    np.testing.assert_array_equal(results, expected)


def test_columns_are_wrapped_once():
    part = Builder(3)
    program = part.build(part.cos(part.wrap([(2, 0.5)])))
    builder = Builder(3)
    every = builder.wrap([(0, 0.5), (2, 0.5)])
    assert builder.wrap([(0, 0.5), (2, 0.5)]) is every
    again = builder.wrap([(2, 0.5), (0, 0.5)])
    other = builder.wrap([(2, 1.0)])
    joined = builder.concatenate([builder.include(program), again, other], 1)
    kinds = [type(step).__name__ for step in builder.build(joined).steps]
    assert kinds.count("Wrap") == 2
    rows = np.array([[9.0, 0.0, 20.0]])
    expected = [[np.cos(20 - 4 * np.pi * 2), 20 - 8 * np.pi, 9 - 4 * np.pi, 20 - 6 * np.pi]]
    np.testing.assert_allclose(run(builder.build(joined), rows), expected, atol=1e-14)
