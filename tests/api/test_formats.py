"""Every format: written, verified, run and inspected alike, and refused where it must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hybridx
from hybridx import api
from hybridx.errors import CompiledInError, NoConversionError, OptionError, OptionNeedsError
from tests.cli.shell import DATA, listing
from tests.cli.user_model import Small

NAMES = {"onnx": "a.onnx", "torchscript": "a.pt", "pt2": "a.pt2", "bundle": "a.bundle"}
TORCH = ("torchscript", "pt2")
EXAMPLE = (torch.zeros(3, 4),)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of each format, and what export said of it."""
    folder = tmp_path_factory.mktemp("formats")
    return {
        format: (folder / name, hybridx.export(Small(), EXAMPLE, folder / name))
        for format, name in NAMES.items()
    }


@pytest.mark.parametrize("format", NAMES)
def test_the_format_follows_the_name_and_is_verified(files, format):
    path, report = files[format]
    assert report.verification.batches == (1, 2, 5, 16)
    found = hybridx.inspect(path)
    assert found.format == format
    assert [one.shape for one in found.inputs] == [("batch", 4)]
    assert all(circuit.strategy for circuit in found.circuits)


@pytest.mark.parametrize("format", NAMES)
def test_all_formats_compute_the_same(files, format):
    (expected,) = hybridx.load(files["onnx"][0]).run({"x": DATA}).values()
    (actual,) = hybridx.load(files[format][0]).run({"x": DATA}).values()
    # The same float32 arithmetic in another order.
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("format", NAMES)
def test_all_formats_carry_a_self_test_and_verify_against_the_model(files, format):
    path, _ = files[format]
    assert api.self_test(path).device == ("torch" if format in TORCH else "onnx")
    assert hybridx.verify(path, against=Small()).batches == (1, 2, 5, 16)


@pytest.mark.parametrize("format", TORCH)
def test_a_compiled_format_runs_on_no_device_and_converts_into_nothing(files, format, tmp_path):
    path, _ = files[format]
    with pytest.raises(CompiledInError):
        hybridx.load(path, device="default.qubit")
    with pytest.raises(NoConversionError):
        hybridx.convert(path, tmp_path / "b.onnx")
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("a.pt", {"body": False}, OptionNeedsError),
        ("a.pt2", {"opset": 21}, OptionNeedsError),
        ("a.onnx", {"aot": True}, OptionNeedsError),
        ("a.onnx", {"format": "tflite"}, OptionError),
    ],
)
def test_options_that_a_format_has_not_are_refused_before_any_work(tmp_path, name, options, error):
    with pytest.raises(error):
        hybridx.export(Small(), EXAMPLE, tmp_path / name, **options)
    assert listing(tmp_path) == {}
