"""`hybridx export`: every form of a source and every option, each by what it leaves behind."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch

import hybridx
from tests.cli import user_model
from tests.cli.shell import DATA, command, listing, new_command

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
    finished = new_command("export", "user_model.py:model", *SHAPE, folder=folder)
    assert finished.code == 0, finished.talk
    assert "verified against eager PyTorch" in finished.out
    assert finished.talk == "next: hybridx run model.onnx  (add -i for data of yours)\n"
    assert set(listing(folder)) == {"user_model.py", "model.onnx"}
    expected = eager(user_model.Small(), DATA)
    np.testing.assert_allclose(run(folder / "model.onnx", DATA), expected, rtol=0, atol=FLOAT32)


@pytest.mark.parametrize(
    ("source", "options"),
    [
        pytest.param("user_model.py:Small", SHAPE, marks=pytest.mark.slow),
        ("user_model.py:make_small", ("--example", "example.npy")),
        pytest.param("user_model:model", (*SHAPE, "--overwrite"), marks=pytest.mark.slow),
    ],
    ids=["class", "factory and example", "module and overwrite"],
)
def test_other_ways_to_name_the_model_give_the_same_file(source, options, folder, exported):
    np.save(folder / "example.npy", np.zeros((3, 4)))
    if "--overwrite" in options:
        (folder / "model.onnx").write_bytes(b"old")
    torch.save(user_model.Small().state_dict(), folder / "weights.pt")
    words = ("export", source, *options, "--checkpoint", "weights.pt")
    finished = command(*words, folder=folder)
    assert finished.code == 0, finished.talk
    assert (folder / "model.onnx").read_bytes() == exported


def entries(folder):
    model = onnx.load(folder / "model.onnx")
    return {entry.key: entry.value for entry in model.metadata_props}


def test_what_is_said_of_a_file_is_in_it_and_goes_on_working(folder):
    arguments = ("--arg", "outputs=2", "--arg", "seed=5")
    names = ("--input-names", "measured", "--output-names", "logits", "--columns", "a,b,c,d")
    more = ("--classes", "no, yes", "--metadata", "author=Ada Lovelace", "--no-self-test")
    source = ("user_model.py:Small", *arguments)
    finished = command("export", *source, *SHAPE, *names, *more, folder=folder)
    assert finished.code == 0, finished.talk
    assert "made by calling Small(outputs=2, seed=5)" in finished.talk
    assert "initial ones" in finished.talk
    found = entries(folder)
    assert found["author"] == "Ada Lovelace"
    assert "Small(outputs=2, seed=5)" in found["hybridx.weights"]
    assert "hybridx.selftest" not in found
    seen = command("inspect", "model.onnx", folder=folder)
    for words in ("measured: float32", "logits", "a, b, c, d", "no, yes", "author: Ada Lovelace",
                  "no checkpoint was loaded", "self-test not included"):  # fmt: skip
        assert words in seen.out
    (folder / "rows.csv").write_text("d,c,b,a\n4,3,2,1\n")
    ran = command("run", "model.onnx", "-i", "rows.csv", "-o", "y.npz", folder=folder)
    assert ran.code == 0, ran.talk
    expected = eager(user_model.Small(outputs=2, seed=5), np.array([[1, 2, 3, 4]], np.float32))
    with np.load(folder / "y.npz") as outputs:
        np.testing.assert_allclose(outputs["logits"], expected, rtol=0, atol=FLOAT32)


def test_integers_are_drawn_from_the_embedding_they_enter(folder):
    words = ("export", "user_model.py:Text", "--shape", "ids=N,6:int64", "--json")
    report = command(*words, folder=folder).json()
    assert "ids is drawn from 0 to 29: it chooses from an embedding of 30 rows" in report["notes"]
    assert not any("self-test" in note for note in report["notes"])
    (found,) = hybridx.inspect(folder / "model.onnx").inputs
    assert (found.name, found.dtype, found.shape) == ("ids", "int64", ("batch", 6))
    ids = hybridx.load(folder / "model.onnx").metadata.self_test.inputs["ids"]
    assert ids.max() > 5
    finished = command("verify", "model.onnx", "--against", "user_model.py:Text", folder=folder)
    assert finished.code == 0, finished.talk
    np.save(folder / "ids.npy", np.array([[1, 2, 3, 4, 5, 30]]))
    finished = command("run", "model.onnx", "-i", "ids.npy", folder=folder)
    assert finished.code == 3
    assert "HX408 ONNX Runtime stopped on these inputs, at node 'node_embedding'" in finished.talk
    assert "onnxruntime/core" not in finished.talk


def test_a_length_of_the_users_is_kept(folder):
    words = ("export", "user_model.py:Steps", "--shape", "N,T=4,2")
    finished = command(*words, folder=folder)
    assert finished.code == 0, finished.talk
    assert "T is fixed at 4" in finished.talk
    assert inputs_and_outputs(folder)[0] == {"x": ("batch", 4, 2)}


def test_an_example_is_read_from_the_columns_that_are_named(folder):
    (folder / "t.csv").write_text("d,city,a,b,c\n4,Ulm,1,2,3\n8,Bonn,5,6,7\n")
    words = ("user_model.py:model", "--example", "t.csv", "--columns", "a,b,c,d")
    finished = command("check", *words, folder=folder)
    assert finished.code == 0, finished.talk
    finished = command("export", *words, "--embed-example", folder=folder)
    assert finished.code == 0, finished.talk
    session = hybridx.load(folder / "model.onnx")
    rows = {tuple(row) for row in session.metadata.self_test.inputs["x"].tolist()}
    assert rows == {(1, 2, 3, 4), (5, 6, 7, 8)}
    ran = command("run", "model.onnx", "-i", "t.csv", folder=folder)
    assert ran.code == 0, ran.talk
    assert "2 rows of model.onnx" in ran.talk
    (folder / "short.csv").write_text("c,a,b\n3,1,2\n")
    ran = command("run", "model.onnx", "-i", "short.csv", folder=folder)
    assert ran.code == 3
    assert "inputs c, a, b (without d) do not match the model's inputs a, b, c, d" in ran.talk
    finished = command("check", *words[:3], folder=folder)
    assert finished.code == 3
    assert "'Ulm' is not a number" in finished.talk
    assert "--columns" in finished.talk


def test_a_renamed_file_is_compared_with_its_model(folder):
    names = ("--input-names", "mask,x", "--output-names", "first,second")
    words = ("--shape", "mask=N,T,1", "--shape", "x=N,T,2")
    finished = command("export", "user_model.py:Masked", *words, *names, folder=folder)
    assert finished.code == 0, finished.talk
    assert inputs_and_outputs(folder) == (
        {"mask": ("batch", "T", 2), "x": ("batch", "T", 1)},  # the names are exchanged
        ("first", "second"),
    )
    finished = command("verify", "model.onnx", "--against", "user_model.py:Masked", folder=folder)
    assert finished.code == 0, finished.talk


def test_json_is_one_object_on_stdout(export_report, exported):
    assert export_report["path"] == "model.onnx"
    assert export_report["size"] == len(exported)
    assert export_report["is_dynamic"]
    assert export_report["dtype"] == "float32"
    verification = export_report["verification"]
    assert verification["worst"] <= verification["tolerance"]
    (circuit,) = export_report["circuits"]
    assert (circuit["wires"], circuit["parameters"], circuit["results"]) == (2, 2, 2)


def test_an_example_can_be_the_self_test_and_a_missing_proof_is_noted(folder):
    np.savez(folder / "example.npz", x=DATA)
    options = ("--example", "example.npz", "--embed-example", "--no-verify", "--json")
    report = command("export", "user_model.py:model", *options, folder=folder).json()
    assert report["verification"] is None
    artifact = hybridx.load(folder / "model.onnx").artifact
    assert artifact.metadata.verification is None
    np.testing.assert_array_equal(artifact.metadata.self_test.inputs["x"], DATA)


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_a_checkpoint_is_loaded(ending, folder):
    other = user_model.other_weights()
    path = folder / f"weights.{ending}"
    save = safetensors.torch.save_file if ending == "safetensors" else torch.save
    save(other.state_dict(), path)
    words = ("export", "user_model.py:model", *SHAPE, "--checkpoint", path.name)
    finished = command(*words, folder=folder)
    assert finished.code == 0, finished.talk
    actual = run(folder / "model.onnx", DATA)
    np.testing.assert_allclose(actual, eager(other, DATA), rtol=0, atol=FLOAT32)
    assert np.abs(actual - eager(user_model.Small(), DATA)).max() > 100 * FLOAT32


def test_float64_is_a_wider_model(folder):
    finished = command("export", "user_model.py:model", *SHAPE, "--dtype", "float64", folder=folder)
    assert finished.code == 0, finished.talk
    wide = DATA.astype(np.float64)
    actual = run(folder / "model.onnx", wide)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, eager(user_model.Small(), wide), rtol=0, atol=FLOAT64)


def test_a_fixed_batch_stands_in_the_file(folder):
    words = ("export", "user_model.py:model", *SHAPE, "--batch", "4", "--json")
    report = command(*words, folder=folder).json()
    assert not report["is_dynamic"]
    assert report["verification"]["batches"] == [4]
    (value,) = onnx.load(folder / "model.onnx").graph.input
    assert [axis.dim_value for axis in value.type.tensor_type.shape.dim] == [4, 4]


def inputs_and_outputs(folder):
    inspection = hybridx.inspect(folder / "model.onnx")
    return {one.name: one.shape for one in inspection.inputs}, tuple(
        one.name for one in inspection.outputs
    )


def test_capitals_are_open_axes_and_names_are_arguments(folder):
    words = ("--shape", "mask=N,T,1", "--shape", "x=N,T,2")
    finished = command("export", "user_model.py:Masked", *words, folder=folder)
    assert finished.code == 0, finished.talk
    assert inputs_and_outputs(folder) == (
        {"x": ("batch", "T", 2), "mask": ("batch", "T", 1)},
        ("pooled", "hidden"),
    )
    against = ("--against", "user_model.py:Masked")
    finished = command("verify", "model.onnx", *against, folder=folder)
    assert finished.code == 0, finished.talk


def test_arrays_with_the_name_of_an_argument_are_that_argument(folder):
    mask = np.ones((4, 3, 1), np.float32)
    np.savez(folder / "example.npz", mask=mask, x=np.zeros((4, 3, 2)))
    words = ("export", "user_model.py:Masked", "--example", "example.npz")
    finished = command(*words, folder=folder)
    assert finished.code == 0, finished.talk
    assert inputs_and_outputs(folder)[0] == {"x": ("batch", 3, 2), "mask": ("batch", 3, 1)}


@pytest.mark.parametrize(
    ("options", "shape"),
    [(("--shape", "4"), (4,)), (("--shape", "N,4", "--batch", "none"), (3, 4))],
    ids=["no N", "batch none"],
)
def test_a_file_can_have_no_batch(options, shape, folder):
    finished = command("export", "user_model.py:model", *options, folder=folder)
    assert finished.code == 0, finished.talk
    assert "fixed shapes" in finished.out
    assert inputs_and_outputs(folder)[0] == {"x": shape}


def test_a_tolerance_that_cannot_be_kept_is_answered_with_no(folder):
    before = listing(folder)
    words = ("export", "user_model.py:model", *SHAPE, "--dtype", "float32", "--atol", "1e-12")
    finished = command(*words, folder=folder)
    assert finished.code == 1
    assert "HX601" in finished.talk
    assert listing(folder) == before
