"""One table of comparisons: models, executions, batch sizes and dtypes."""

import numpy as np
import onnxruntime
import pytest
import torch

import hybridx
from hybridx.capture import eagerly
from hybridx.errors import NoKernelError
from tests import sample_models
from tests.sampling import some

# The tolerances that the README states for an exported file.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


CASES = {
    f"{name}-{dtype}": (name, dtype)
    for name in sample_models.MODELS
    for dtype in TOLERANCE
    if (name, dtype) not in sample_models.REFUSED
}


@pytest.fixture(scope="module", params=some(CASES, every=3))
def exported(request, tmp_path_factory):
    """An exported file with the eager model in the same dtype."""
    name, dtype = CASES[request.param]
    model, example = sample_models.make(name)
    path = tmp_path_factory.mktemp(name) / "model.onnx"
    report = hybridx.export(model, (example,), path, dtype=dtype)
    assert report.is_dynamic
    assert report.circuits
    # The Torch interface of lightning.qubit returns float32, whatever the dtype of the model.
    tolerance = TOLERANCE["float32" if name == "lightning" else dtype]
    assert report.verification.tolerance == tolerance
    return path, model.to(getattr(torch, dtype)), dtype, example, tolerance


def inputs(example, dtype, batch):
    shape = (batch, *example.shape[1:])
    return np.random.default_rng(batch).standard_normal(shape).astype(dtype)


def eager(model, array):
    with eagerly():
        outputs = model(torch.from_numpy(array))
    return [t.numpy() for t in (outputs if isinstance(outputs, tuple) else (outputs,))]


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_stock_onnx_runtime_agrees_with_eager(exported, batch):
    path, model, dtype, example, tolerance = exported
    array = inputs(example, dtype, batch)
    session = onnxruntime.InferenceSession(path)
    actual = session.run(None, {session.get_inputs()[0].name: array})
    for got, expected in zip(actual, eager(model, array), strict=True):
        assert got.dtype == expected.dtype == np.dtype(dtype)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
def test_pennylane_devices_agree_with_eager(exported, device):
    path, model, dtype, example, tolerance = exported
    array = inputs(example, dtype, batch=2)
    session = hybridx.load(path, device=device)
    actual = session.run({session.input_names[0]: array})
    for got, expected in zip(actual.values(), eager(model, array), strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def test_the_self_test_reproduces(exported):
    path = exported[0]
    assert hybridx.verify(path).worst <= hybridx.verify(path).tolerance


def test_it_verifies_against_the_model(exported):
    path, model, _, _, tolerance = exported
    report = hybridx.verify(path, against=model)
    assert report.tolerance == tolerance
    assert len(report.batches) > 2


@pytest.mark.parametrize(("name", "dtype"), sample_models.REFUSED)
def test_what_onnx_runtime_cannot_run_is_refused(name, dtype, tmp_path):
    model, example = sample_models.make(name)
    with pytest.raises(NoKernelError, match="Conv"):
        hybridx.export(model, (example,), tmp_path / "model.onnx", dtype=dtype)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["onnx", "pt"])
def test_features_of_thousands_are_angles(tmp_path, ending):
    """Data that nobody normalised: the export compares it, and the file keeps its digits."""
    model, example = sample_models.make("own_rotations")
    path = tmp_path / f"model.{ending}"
    hybridx.export(model, (20_000 * example,), path)
    session = hybridx.load(path)
    for size in (100, 10_000, 100_000):
        array = size * inputs(example, "float32", 50)
        (actual,) = session.run({session.input_names[0]: array}).values()
        (expected,) = eager(model, array)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE["float32"])
