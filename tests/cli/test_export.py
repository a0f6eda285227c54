"""`hybridx export`: every form of a source and every option, each by what it leaves behind."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch

import hybridx
from tests.cli import user_model
from tests.cli.shell import DATA, cold, listing

SHAPE = ("--shape", "N,4")


def eager(model, array):
    """The user's model in PyTorch, in the dtype of the array."""
    with torch.no_grad():
        return model.to(torch.from_numpy(array).dtype)(torch.from_numpy(array)).numpy()


def run(path, array):
    session = hybridx.load(path)
    (output,) = session.run({session.input_names[0]: array}).values()
    return output


# float32 through three small layers; the same bound as the export's own verification.
FLOAT32 = 1e-5
# float64 through three small layers of a few dozen operations each.
FLOAT64 = 1e-10


def test_a_user_exports_with_one_command(folder):
    finished = cold("export", "user_model.py:model", *SHAPE, folder=folder)
    assert finished.code == 0, finished.talk
    assert "verified against eager PyTorch" in finished.out
    assert finished.talk == ""
    assert set(listing(folder)) == {"user_model.py", "model.onnx"}
    expected = eager(user_model.Small(), DATA)
    np.testing.assert_allclose(run(folder / "model.onnx", DATA), expected, rtol=0, atol=FLOAT32)


@pytest.mark.parametrize(
    "source", ["user_model.py:Small", "user_model.py:make_small", "user_model:model"]
)
def test_an_instance_a_class_and_a_factory_are_the_same_model(source, warm, folder, exported):
    finished = warm("export", source, *SHAPE, "-o", "out.onnx", folder=folder)
    assert finished.code == 0, finished.talk
    assert (folder / "out.onnx").read_bytes() == exported


def test_json_is_one_object_on_stdout(warm, folder):
    finished = warm("export", "user_model.py:model", *SHAPE, "--json", folder=folder)
    report = finished.json()
    assert report["path"] == "model.onnx"
    assert report["size"] == (folder / "model.onnx").stat().st_size
    assert report["is_dynamic"]
    assert report["dtype"] == "float32"
    assert report["verification"]["worst"] <= report["verification"]["tolerance"]
    (circuit,) = report["circuits"]
    assert (circuit["wires"], circuit["parameters"], circuit["results"]) == (2, 2, 2)


def test_an_example_file_gives_the_shape(warm, folder, exported):
    np.save(folder / "example.npy", np.zeros((3, 4)))
    command = ("export", "user_model.py:model", "--example", "example.npy", "-o", "out.onnx")
    assert warm(*command, folder=folder).code == 0
    assert (folder / "out.onnx").read_bytes() == exported


def test_an_embedded_example_is_the_self_test(warm, folder):
    np.savez(folder / "example.npz", x=DATA)
    command = ("export", "user_model.py:model", "--example", "example.npz", "--embed-example")
    assert warm(*command, folder=folder).code == 0
    test = hybridx.load(folder / "model.onnx").artifact.self_test
    np.testing.assert_array_equal(test.inputs["x"], DATA)


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_a_checkpoint_is_loaded(ending, warm, folder):
    other = user_model.other_weights()
    path = folder / f"weights.{ending}"
    save = safetensors.torch.save_file if ending == "safetensors" else torch.save
    save(other.state_dict(), path)
    command = ("export", "user_model.py:model", *SHAPE, "--checkpoint", path.name)
    finished = warm(*command, folder=folder)
    assert finished.code == 0, finished.talk
    actual = run(folder / "model.onnx", DATA)
    np.testing.assert_allclose(actual, eager(other, DATA), rtol=0, atol=FLOAT32)
    assert np.abs(actual - eager(user_model.Small(), DATA)).max() > 100 * FLOAT32


def test_float64_is_a_wider_model(warm, folder):
    finished = warm("export", "user_model.py:model", *SHAPE, "--dtype", "float64", folder=folder)
    assert finished.code == 0, finished.talk
    wide = DATA.astype(np.float64)
    actual = run(folder / "model.onnx", wide)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, eager(user_model.Small(), wide), rtol=0, atol=FLOAT64)


def test_a_fixed_batch_stands_in_the_file(warm, folder):
    command = ("export", "user_model.py:model", *SHAPE, "--batch", "4", "--json")
    report = warm(*command, folder=folder).json()
    assert not report["is_dynamic"]
    assert report["verification"]["batches"] == [4]
    (value,) = onnx.load(folder / "model.onnx").graph.input
    assert [axis.dim_value for axis in value.type.tensor_type.shape.dim] == [4, 4]


def test_overwrite_replaces_a_file(warm, folder, exported):
    (folder / "model.onnx").write_bytes(b"old")
    command = ("export", "user_model.py:model", *SHAPE, "--overwrite")
    assert warm(*command, folder=folder).code == 0
    assert (folder / "model.onnx").read_bytes() == exported


def test_without_verification_the_file_says_so(warm, folder):
    command = ("export", "user_model.py:model", *SHAPE, "--no-verify", "--json")
    assert warm(*command, folder=folder).json()["verification"] is None
    shown = json.loads(cold("inspect", "model.onnx", "--json", folder=folder).out)
    assert shown["verification"] is None


def test_a_tolerance_that_cannot_be_kept_is_answered_with_no(warm, folder):
    before = listing(folder)
    command = ("export", "user_model.py:model", *SHAPE, "--dtype", "float32", "--atol", "1e-12")
    finished = warm(*command, folder=folder)
    assert finished.code == 1
    assert "HX601" in finished.talk
    assert listing(folder) == before
