"""Phases on wide states: whichever way they are computed, they are exp(i phi)."""

import numpy as np
import pytest

from hybridx.lowering.analysis.phase_polynomial import Phases, mask_of, walsh
from hybridx.lowering.analysis.trig_polynomial import Axes
from hybridx.lowering.blocks.apply_phases import apply_phases, is_sum
from hybridx.program import Builder, Unary, run
from tests.tolerances import EXACT

AXES = Axes(((0, 1.0), (1, 2.0)))
ORDER = (3, 0, 7, 5, 1, 2, 8, 4, 6)  # of axes; the first four are one half


def phases_on(*groups, parametrised=True):
    rng = np.random.default_rng(len(groups))
    angles = {mask_of(wires): rng.normal(size=3) for wires in groups}
    return Phases({m: angle if parametrised else angle * [1, 0, 0] for m, angle in angles.items()})


INSIDE = (3, 0), (7,), (5, 3), (1, 2), (8, 6, 4)
CROSSING = (3, 1), (0, 4, 6)
HALVES = 6 * 2**4 + 2 * 2**5  # cosines of the left and of the right half


@pytest.mark.parametrize(
    ("phases", "cosines"),
    [
        (phases_on(*INSIDE, parametrised=False), 0),
        (phases_on(*INSIDE), HALVES),
        (phases_on(*INSIDE, *CROSSING), 2 * 2**9),
        (phases_on((3,)), HALVES),
        (
            Phases(phases_on(*INSIDE).angles | phases_on(*CROSSING, parametrised=False).angles),
            HALVES,
        ),
    ],
    ids=["numbers", "inside the halves", "crossing", "in one half", "numbers cross"],
)
def test_phases_turn_the_state(phases, cosines):
    builder = Builder(2)
    start = np.random.default_rng(0).normal(size=(1, 2, 2**9))
    state = apply_phases(builder, builder.constant(start), phases, ORDER, AXES, {})
    zeros = builder.multiply(builder.sum(builder.parameters, 1), builder.constant(np.zeros(1)))
    flat = builder.reshape(state, (state.shape[0], 2**10))
    program = builder.build(builder.add(flat, builder.reshape(zeros, (None, 1))))
    parameters = np.random.default_rng(1).uniform(-3, 3, (2, 2))
    factors = np.concatenate([np.ones((2, 1)), parameters * AXES.radians], axis=1)
    phi = factors @ walsh(phases, ORDER).T
    expected = np.exp(1j * phi) * (start[:, 0] + 1j * start[:, 1])
    found = run(program, parameters).reshape(2, 2, 2**9)
    np.testing.assert_allclose(found[:, 0] + 1j * found[:, 1], expected, atol=EXACT)
    computed = [
        np.prod(shape[1:])
        for step, shape in zip(program.steps, program.shapes, strict=True)
        if isinstance(step, Unary)
    ]
    assert sum(computed) == cosines


def test_equal_phases_have_their_cosines_once():
    builder, known = Builder(2), {}
    state = builder.constant(np.random.default_rng(0).normal(size=(1, 2, 2**9)))
    for phases in (phases_on(*INSIDE), phases_on(*INSIDE), phases_on(*INSIDE, (0,))):
        state = apply_phases(builder, state, phases, ORDER, AXES, known)
    program = builder.build(builder.reshape(state, (None, 2**10)))
    assert len(known) == 2
    assert sum(isinstance(step, Unary) for step in program.steps) == 2 * len(known)


def test_only_parities_of_parameters_have_to_be_inside_a_half():
    assert is_sum(phases_on(*INSIDE), ORDER)
    assert is_sum(phases_on(*CROSSING, parametrised=False), ORDER)
    assert not is_sum(phases_on(*CROSSING), ORDER)
