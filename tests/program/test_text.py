"""The text of a program is the program."""

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.lowering import STRATEGIES, choose
from hybridx.program import Builder, Constant, Program, parse, show
from tests.lowering.encoded import fitting
from tests.program.programs import programs

EVERY_STEP = """\
state 64
v0: (batch, 3) = parameters
v1: (batch, 3) = wrap v0 [[0, 0.5], [2, 0.1], [0, 0.0]]
v2: (batch, 3) = cos v1
v3: (2, 3) = constant [[1.0, 0.0, 0.5], [-0.0, 1e-300, 0.1]]
v4: (batch, 3) = multiply v0 v2
v5: (batch, 2) = gather v4 axis 1 [2, 0]
v6: (batch, 1, 2) = reshape v5
v7: (batch, 1, 3) = matmul v6 v3
v8: (batch, 3, 1) = transpose v7 [0, 2, 1]
v9: (batch, 3, 2) = concatenate v8 v8 axis 2
v10: (batch, 2) = sum v9 axis 1"""


def assert_same(left, right):
    """Constants are compared by their bits, so that -0.0 is not 0.0."""
    assert (left.shapes, left.state, len(left.steps)) == (
        right.shapes,
        right.state,
        len(right.steps),
    )
    for one, other in zip(left.steps, right.steps, strict=True):
        if isinstance(one, Constant):
            assert one.array.shape == other.array.shape
            assert one.array.tobytes() == other.array.tobytes()
            assert other.array.dtype == np.float64
        else:
            assert one == other


def test_every_step_has_its_line():
    assert show(parse(EVERY_STEP)) == EVERY_STEP


@settings(deadline=None)
@given(programs())
def test_a_program_comes_back_from_its_text(program):
    assert_same(program, parse(show(program)))


@pytest.mark.parametrize("name", [strategy.name for strategy in STRATEGIES])
def test_what_is_lowered_comes_back(name):
    program = choose(fitting(name), name).plan.build()
    assert_same(program, parse(show(program)))


def test_the_comparison_sees_a_sign_of_zero():
    one, other = (parse(EVERY_STEP.replace("-0.0", zero)) for zero in ("-0.0", "0.0"))
    with pytest.raises(AssertionError):
        assert_same(one, other)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (3, 0), (2, 0, 3), (2, 1, 2)])
def test_constants_of_any_shape_come_back(shape):
    steps = (Constant(np.full(shape, 1 / 3)),)
    program = Program(steps, (shape,))
    assert_same(program, parse(show(program)))


@pytest.mark.parametrize(
    ("indices", "shown"),
    [
        ([0], "[0]"),
        ([0, 1], "[0, 1]"),
        ([0, 1, 2], "[0:3]"),
        ([3, 1, 2, 3, 4, 4, 3], "[3, 1:5, 4, 3]"),
    ],
)
def test_indices_are_written_as_runs(indices, shown):
    builder = Builder(5)
    program = builder.build(builder.gather(builder.parameters, 1, indices))
    assert show(program).endswith(f"gather v0 axis 1 {shown}")
    assert_same(program, parse(show(program)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v0 = parameters", "is not `value"),
        ("v1: (batch, 2) = parameters", "not of step 0"),
        ("v0: (batch) = parameters", "have shape"),
        ("v0: (batch, 2) = cos v1", "no line gives"),
        ("v0: (batch, 2) = parameters; v1: (batch, 2) = tan v0", "no step"),
        ("v0: (batch, 2) = parameters; v1: (batch, 2) = cos v0 v0", "no step"),
        ("v0: (batch, 2) = parameters; v1: (batch, 2) = cos v0 axis 1", "no step"),
        ("v0: (batch, 2) = parameters; v1: (batch, 1) = gather v0 axis 1 0", "no list"),
        ("v0: (2,) = constant #0a1b2c3d, 2 of 2 not zero", "is a digest"),
        ("v0: (batch, 9) = parameters; v1: (batch, 17) = wrap v0 #0a1b2c3d, 17 columns", "digest"),
    ],
)
def test_other_text_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse(text)


def digest_of(numbers):
    program = Program((Constant(np.asarray(numbers, dtype=np.float64)),), ((len(numbers),),))
    return show(program, constants="digest").partition("constant ")[2]


def test_a_digest_shows_few_numbers_and_hashes_many():
    assert digest_of([1 / 3, -0.0, 1e-17, 0.001, np.pi]) == "[0.333333, 0.0, 0.0, 0.001, 3.141593]"
    assert digest_of([0.0, 1.0] * 8) == f"[{', '.join(['0.0, 1.0'] * 8)}]"
    assert digest_of([0.0, 1.0] * 9).endswith(", 9 of 18 not zero")


def test_a_digest_of_a_wrap_shows_few_columns_and_hashes_many():
    def line(columns):
        builder = Builder(20)
        return show(builder.build(builder.wrap(columns)), constants="digest").splitlines()[1]

    assert line([(3, 1 / 3), (0, 0.5)]) == "v1: (batch, 2) = wrap v0 [[3, 0.3333333], [0, 0.5]]"
    many = [(column, 1 / 3) for column in range(20)]
    assert line(many).endswith(", 20 columns")
    assert line(many) == line([(column, 1 / 3 + 1e-15) for column, _ in many])
    assert line(many) != line([(column, 1 / 3 + 1e-5) for column, _ in many])


def test_a_digest_forgives_the_last_bits_and_nothing_more():
    random = np.random.default_rng(0)
    numbers = np.concatenate([random.standard_normal(500), 0.5 ** np.arange(24.0), [0.0, -0.0]])
    nearby = numbers * (1 + 2**-51 * random.choice([-1, 1], numbers.size)) + 1e-17
    assert (nearby != numbers).any()
    assert digest_of(nearby) == digest_of(numbers)
    for place in (0, 499, 510):
        changed = numbers.copy()
        changed[place] += 1e-6
        assert digest_of(changed) != digest_of(numbers)


def test_a_digest_hashes_long_lists_of_indices():
    builder = Builder(40)
    for indices in (range(0, 40, 2), range(1, 40, 2)):
        program = builder.build(builder.gather(builder.parameters, 1, list(indices)))
        line = show(program, constants="digest").splitlines()[-1]
        assert line.endswith(", 20 indices")
        assert "[0" not in line
