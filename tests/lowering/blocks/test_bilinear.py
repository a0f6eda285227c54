"""Bilinear forms with many features: products of fewer cosines, and the same numbers."""

import numpy as np
import pytest

from hybridx.lowering.analysis.trig_polynomial import Axes, Basis
from hybridx.lowering.blocks import bilinear
from hybridx.program import Unary, run
from tests.tolerances import EXACT

AXES = Axes(((0, 1.0), (1, 2.0), (2, 1.0), (3, 1.0)))


def grid(*degrees):
    """Return all frequencies up to a degree on each axis, `(modes, axes)`."""
    index = np.indices([2 * degree + 1 for degree in degrees]).reshape(len(degrees), -1).T
    return index - np.array(degrees)


def only_even(frequencies):
    """Return those whose sum is even, which are no product of frequencies on each axis."""
    return frequencies[frequencies.sum(axis=1) % 2 == 0]


def twice(frequencies):
    """Return each frequency two times, as wires that depend on one column have them."""
    return np.concatenate([frequencies, frequencies[::-1]])


@pytest.mark.parametrize(
    ("left", "cosines"),
    [
        (grid(4, 4, 4, 0), 9 + 81),
        (twice(grid(4, 4, 4, 0)), 9 + 81),
        (only_even(grid(5, 5, 5, 0)), len(only_even(grid(5, 5, 5, 0)))),
        (grid(1, 1, 1, 0), 27),
    ],
    ids=["a grid", "each mode twice", "no grid", "few"],
)
def test_a_form_is_the_sum_of_its_modes(left, cosines):
    rng = np.random.default_rng(len(left))
    right = grid(0, 0, 0, 1)
    modes = rng.normal(size=(2, len(left), len(right), 2)) @ [1, 1j]
    program = bilinear.build(4, AXES, Basis(left), Basis(right), modes)
    x = rng.uniform(-3, 3, (3, 4))
    turns = [np.exp(1j * (x * AXES.radians) @ frequencies.T) for frequencies in (left, right)]
    expected = np.einsum("ra,mab,rb->rm", turns[0], modes, turns[1]).real
    scale = np.abs(modes).sum()
    np.testing.assert_allclose(run(program, x), expected, atol=EXACT * scale)
    computed = [
        shape[1]
        for step, shape in zip(program.steps, program.shapes, strict=True)
        if isinstance(step, Unary)
    ]
    assert sum(computed) == cosines + 3
