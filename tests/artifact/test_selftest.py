"""The self-test in a file: back as it was, or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybridx.artifact.selftest import PERIOD, SelfTest, decode_self_test, record

ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.int8, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
NAMED = st.dictionaries(st.text(max_size=5), ARRAYS, max_size=3)


@given(NAMED, NAMED, st.floats(0, 1))
def test_round_trip(inputs, outputs, tolerance):
    back = decode_self_test(SelfTest(inputs, outputs, tolerance).encode())
    assert back.tolerance == tolerance
    for found, given_ in ((back.inputs, inputs), (back.outputs, outputs)):
        assert set(found) == set(given_)
        for name, array in given_.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)


def test_another_memory_order_is_the_same_array():
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    back = decode_self_test(SelfTest({"x": array}, {}, 0.0).encode())
    np.testing.assert_array_equal(back.inputs["x"], array)


def test_long_tensors_are_stored_in_part():
    period = np.random.default_rng(1).standard_normal(PERIOD).astype(np.float32)
    image = np.resize(period, (3, 224, 224, 3))
    maps = np.random.default_rng(2).standard_normal((3, 224, 224))
    test = record({"image": image}, {"maps": maps, "logits": maps[0, 0]}, 1e-5)
    text = test.encode()
    assert len(text) < 100_000
    back = decode_self_test(text)
    np.testing.assert_array_equal(back.inputs["image"], image)
    found = back.of({"maps": maps, "logits": maps[0, 0]})
    assert found["maps"].shape == back.outputs["maps"].shape
    assert 3000 < found["maps"].size <= PERIOD
    for name, array in back.outputs.items():
        np.testing.assert_array_equal(found[name], array)
    # Another shape is not cut down to what is recorded.
    assert back.of({"maps": maps[:2]})["maps"].shape == (2, 224, 224)


def test_what_does_not_repeat_is_stored_whole():
    image = np.random.default_rng(1).standard_normal(PERIOD + 1)
    back = decode_self_test(record({"x": image}, {}, 1e-5).encode())
    np.testing.assert_array_equal(back.inputs["x"], image)


def test_every_row_and_column_is_recorded():
    places = np.arange(64 * 4096).reshape(64, 4096)
    found = record({}, {"y": places}, 1e-5).outputs["y"]
    assert set(found // 4096) == set(range(64))
    assert len(set(found % 4096)) > 3000


def spoiled(**changes):
    document = json.loads(SelfTest({"x": np.zeros((2, 3), np.float32)}, {}, 1e-5).encode())
    document["inputs"]["x"] |= changes
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"inputs":{},"outputs":{},"tolerance":"small"}',
        '{"inputs":{},"outputs":{},"tolerance":0.1,"more":1}',
        spoiled(dtype="object"),
        spoiled(dtype="complex64"),
        spoiled(shape=[3, 3]),
        spoiled(shape=[2, -3]),
        spoiled(shape=[-2, -3]),
        spoiled(shape=[10**9, 10**9, 10**9]),
        spoiled(data="AAAA"),
        spoiled(data="not base64!"),
        spoiled(code="import os"),
        spoiled(period=6),
        spoiled(period=-6),
        spoiled(period=6, shape=[10**9, 10**9]),
        spoiled(step=0),
        spoiled(step=2),
    ],
)
def test_what_is_no_self_test_is_refused(text):
    with pytest.raises(ValueError, match="self-test"):
        decode_self_test(text)
