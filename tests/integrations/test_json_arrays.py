"""Arrays in the JSON of requests and answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hybridx.errors import InputDtypeError, RequestFormError
from hybridx.integrations.json_arrays import read_arrays, read_request, write_arrays


def test_float32_comes_back_to_the_last_bit():
    random = np.random.default_rng(0)
    x = random.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32).reshape(-1, 4)
    text = json.dumps(write_arrays({"x": x}), allow_nan=False)
    back = read_arrays(json.loads(text))["x"].astype(np.float32)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(x))
    same = ~np.isnan(x)
    np.testing.assert_array_equal(back[same].view(np.uint32), x[same].view(np.uint32))
    assert np.isnan(x).any()


def test_what_json_has_no_number_for_is_a_word():
    x = np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)
    assert write_arrays({"x": x}) == {"x": ["NaN", "Infinity", "-Infinity", 0.5]}
    np.testing.assert_array_equal(read_arrays({"x": ["NaN", "Infinity", "-Infinity", 0.5]})["x"], x)


@pytest.mark.parametrize(
    "value", [["a"], [None], [[1, 2], [3]], {"a": 1}, [2**70], ["NaN", "nan"], "NaN?", [[{}]]]
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputDtypeError):
        read_arrays({"x": value})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b'{"x": [1]}', b'{"inputs": [1]}', b"\xff\xfe", b"[" * 10**5]
)
def test_another_body_is_refused(body):
    with pytest.raises(RequestFormError):
        read_request(body)


def test_a_body_is_read():
    (x,) = read_request(b'{"inputs": {"x": [[1, 2.5]]}}').values()
    np.testing.assert_array_equal(x, [[1, 2.5]])
