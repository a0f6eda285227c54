"""Shapes as text: names, lengths, dtypes, and what cannot be an example."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hybridx.errors import ShapeError, ShapeSyntaxError, TableError, TooLargeError
from hybridx.sources import argument_names, example_from_file, example_from_shapes


@pytest.mark.parametrize(
    ("text", "name", "shape", "axes", "dtype"),
    [
        ("N,4", "", (3, 4), {0: "batch"}, torch.float32),
        ("4", "", (4,), {}, torch.float32),
        ("x=N,T,4", "x", (3, 5, 4), {0: "batch", 1: "T"}, torch.float32),
        ("x=N,T,5", "x", (3, 6, 5), {0: "batch", 1: "T"}, torch.float32),
        ("N,T=12,4", "", (3, 12, 4), {0: "batch", 1: "T"}, torch.float32),
        ("N=7,4", "", (7, 4), {0: "batch"}, torch.float32),
        ("T=12,4", "", (12, 4), {0: "T"}, torch.float32),
        ("X=12,4", "X", (12, 4), {}, torch.float32),
        ("X=N=8,4", "X", (8, 4), {0: "batch"}, torch.float32),
        ("ids = N, 12 : int64", "ids", (3, 12), {0: "batch"}, torch.int64),
        ("x=N,4:torch.bool", "x", (3, 4), {0: "batch"}, torch.bool),
        ("N,4:complex64", "", (3, 4), {0: "batch"}, torch.complex64),
    ],
)
def test_a_shape_is_read(text, name, shape, axes, dtype):
    (found,) = example_from_shapes([text], names=["x", "ids", "X"]).inputs
    assert (found.name, found.tensor.shape, found.axes) == (name, shape, axes)
    assert found.tensor.dtype is dtype


def test_what_nobody_gave_is_known():
    shapes = example_from_shapes(["x=N,T=12,S", "mask=N,T"])
    assert shapes.invented == {"N", "S"}
    assert [one.tensor.shape for one in shapes.inputs] == [(3, 12, 5), (3, 12)]


@pytest.mark.parametrize("text", ["", "N;4", "n,4", "N,-4", "x=", "N,4:", "=N,4", "N,T=,4", "1x=N"])
def test_what_is_no_shape(text):
    with pytest.raises(ShapeSyntaxError):
        example_from_shapes([text])


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["y=N,4"], "forward has no argument 'y'"),
        (["N,0,4"], "an axis of length 0"),
        ([",".join("1" * 33)], "it has 33 axes"),
        (["N,4:float31"], "'float31' is no dtype"),
        (["x=N,T=3", "mask=N,T=4"], "T has the lengths 3 and 4"),
        (["x=N,4", "x=N,5"], "'x' has a shape already"),
    ],
)
def test_what_is_no_example(texts, words):
    with pytest.raises(ShapeError) as refused:
        example_from_shapes(texts, names=["x", "mask"])
    assert words in str(refused.value)


def test_any_name_is_taken_where_forward_takes_any():
    class Free(nn.Module):
        def forward(self, x, **others):
            return x

    assert argument_names(Free()) is None
    assert argument_names(nn.Linear(1, 1)) == ["input"]


def test_an_example_is_counted_before_it_is_made():
    with pytest.raises(TooLargeError) as refused:
        example_from_shapes(["N,100000,100000"])
    assert refused.value.name == "example_bytes"
    for text in ("N," + "9" * 5_000, "N=" + "9" * 5_000):
        with pytest.raises(ShapeSyntaxError):
            example_from_shapes([text])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(">f4", torch.float32), ("<f2", torch.float32), (">i8", torch.int64), ("?", torch.bool),
     (np.longdouble, torch.float32), (">c16", torch.complex64)],
)  # fmt: skip
def test_an_example_of_any_numbers_is_read(dtype, expected, tmp_path):
    array = np.array([[0, 1], [1, 1]]).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    ((_, tensor),) = example_from_file(tmp_path / "x.npy")
    assert tensor.dtype is expected
    assert tensor.tolist() == array.tolist()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([b"a"]), np.zeros(1, "M8[s]")])
def test_an_example_of_no_numbers_is_refused(array, tmp_path):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(TableError, match=r"its array holds .*, not numbers"):
        example_from_file(tmp_path / "x.npy")
