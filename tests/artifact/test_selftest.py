"""The self-test in a file: back as it was, or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybridx.artifact.selftest import SelfTest, decode_self_test

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
    ],
)
def test_what_is_no_self_test_is_refused(text):
    with pytest.raises(ValueError, match="self-test"):
        decode_self_test(text)
