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


def test_numbers_that_may_be_indices_follow_the_lengths_of_open_axes():
    graph = {"x": np.zeros((6, 2), np.float32), "edges": np.array([[0, 5, 2], [4, 1, 3]])}
    axes = {"x": {0: "batch"}, "edges": {1: "edges_length"}}

    def edges(whole, rows, count):
        lengths = {"batch": rows, "edges_length": count}
        drawn = draw_inputs(
            graph, axes, lengths=lengths, distribution="normal", seed=1, whole=whole
        )
        return drawn["edges"].tolist()

    assert edges("repeated", 4, 4) == [[0, 5, 2, 0], [4, 1, 3, 4]]
    assert edges("within", 4, 4) == [[0, 1, 2, 0], [0, 1, 3, 0]]
    assert edges("within", 16, 12) == edges("repeated", 16, 12)
    assert edges("spread", 12, 12)[0] == [0, 5, 2, 6, 11, 8, 0, 5, 2, 6, 11, 8]
    assert graph["edges"].tolist() == [[0, 5, 2], [4, 1, 3]]
    words = {"ids": np.array([[40, 2]])}
    drawn = draw_inputs(
        words,
        {"ids": {0: "batch"}},
        lengths={"batch": 2},
        distribution=None,
        seed=1,
        whole="spread",
    )
    assert drawn["ids"].tolist() == [[40, 2], [40, 2]]


def test_zeros_and_ones_are_drawn_as_such():
    mask = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    drawn = draw_inputs(
        {"mask": mask, "x": mask + 1},
        {"mask": {0: "batch"}},
        lengths={"batch": 40},
        distribution="normal",
        seed=1,
    )
    assert set(drawn["mask"].ravel()) == {0, 1}
    assert (drawn["mask"][:, 0] == 1).all()
    assert not set(drawn["x"].ravel()) <= {1, 2}


def test_integers_repeat_only_where_the_model_takes_that():
    ids = np.arange(PERIOD + 9)
    assert repeats(draw_typical({"ids": ids}, lambda given: given).inputs["ids"])

    def rising(given):
        if (np.diff(given["ids"]) <= 0).any():
            raise ValueError("not sorted")
        return given

    np.testing.assert_array_equal(draw_typical({"ids": ids}, rising).inputs["ids"], ids)
