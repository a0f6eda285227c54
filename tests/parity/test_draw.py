"""Long inputs of a self-test repeat, and remain what they are drawn for."""

from __future__ import annotations

import numpy as np

from hybridx.artifact import PERIOD
from hybridx.parity import draw_typical
from hybridx.parity.draw import DISTRIBUTIONS, draw_inputs

LONG = {"x": np.zeros((3, 4, 4096), np.float32)}


def repeats(array):
    flat = array.reshape(-1)
    return bool((flat[PERIOD:] == flat[:-PERIOD]).all())


def test_each_distribution_repeats_and_keeps_its_form():
    for name in DISTRIBUTIONS:
        drawn = draw_inputs(LONG, {}, lengths={}, distribution=name, seed=1, period=PERIOD)["x"]
        assert drawn.shape == (3, 4, 4096)
        assert repeats(drawn)
        assert not np.array_equal(drawn[0], drawn[1])
        if "norm 1" in name:
            np.testing.assert_allclose(np.linalg.norm(drawn.reshape(3, -1), axis=1), 1, rtol=1e-6)
        if "(0, 1)" in name:
            assert 0 < drawn.min() < drawn.max() < 1
    short = {"x": np.zeros((2, 3), np.float32)}
    with_period = draw_inputs(short, {}, lengths={}, distribution="normal", seed=1, period=PERIOD)
    without = draw_inputs(short, {}, lengths={}, distribution="normal", seed=1)
    np.testing.assert_array_equal(with_period["x"], without["x"])


def test_integers_repeat_only_where_the_model_takes_that():
    ids = np.arange(PERIOD + 9)
    assert repeats(draw_typical({"ids": ids}, lambda given: given).inputs["ids"])

    def rising(given):
        if (np.diff(given["ids"]) <= 0).any():
            raise ValueError("not sorted")
        return given

    np.testing.assert_array_equal(draw_typical({"ids": ids}, rising).inputs["ids"], ids)
