"""Tensors of the inference protocol V2: read as they are, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from hybridx.deployment import DATATYPES
from hybridx.errors import InputDtypeError, InputNamesError, InputRangeError, InputShapeError
from hybridx.integrations import Served
from hybridx.integrations.tensors import chosen, named, read_tensor, tensor_shape
from tests.integrations.models import write_model


@pytest.mark.parametrize("dtype", DATATYPES)
def test_numbers_and_bytes_of_every_datatype_are_read(dtype):
    given = np.arange(6).reshape(2, 3).astype(dtype)
    for numbers in (given.tobytes(), given.tolist(), given.ravel().tolist()):
        found = read_tensor("x", DATATYPES[dtype], [2, 3], numbers)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, given)


def test_float32_survives_json_to_the_last_bit():
    given = np.random.default_rng(3).normal(size=50).astype(np.float32)
    found = read_tensor("x", "FP32", [50], given.tolist())
    assert found.tobytes() == given.tobytes()
    assert read_tensor("x", "FP32", [0, 3], []).shape == (0, 3)


@pytest.mark.parametrize(
    ("datatype", "shape", "numbers", "error"),
    [
        ("BYTES", [1], ["a"], InputDtypeError),
        ("", [1], [1.0], InputDtypeError),
        ("FP32", [1], ["a"], InputDtypeError),
        ("FP32", [1], [None], InputDtypeError),
        ("FP32", [2], [[1.0], [1.0, 2.0]], InputDtypeError),
        ("FP32", [3], [1.0, 2.0], InputShapeError),
        ("FP32", [-1, 2], [1.0, 2.0], InputShapeError),
        ("FP32", [-1, -2], [1.0, 2.0], InputShapeError),
        ("FP32", [2**62, 4], [1.0, 2.0], InputShapeError),
        ("FP32", [2], b"\0" * 7, InputShapeError),
        ("FP32", [2], b"\0" * 9, InputShapeError),
        ("INT64", [1], [1.5], InputRangeError),
        ("INT8", [1], [300], InputRangeError),
        ("FP32", [1], [1e300], InputRangeError),
    ],
)
def test_wrong_tensors_are_refused(datatype, shape, numbers, error):
    with pytest.raises(error) as caught:
        read_tensor("x", datatype, shape, numbers)
    assert caught.value.name == "x"


def test_names_of_inputs_and_outputs(tmp_path):
    served = Served(write_model(tmp_path / "model.onnx"))
    served.start()
    x = np.zeros((1, 2))
    assert named([("x", x)], served) == {"x": x}
    with pytest.raises(InputNamesError, match="x twice"):
        named([("x", x), ("x", x)], served)
    assert [*chosen({"y": x, "z": x}, ["z"])] == ["z"]
    assert [*chosen({"y": x, "z": x}, [])] == ["y", "z"]
    with pytest.raises(InputNamesError):
        chosen({"y": x}, ["z"])
    assert tensor_shape(("batch", 2)) == [-1, 2]
    served.close()
