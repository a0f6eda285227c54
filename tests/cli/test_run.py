"""`hybridx run`, `verify`, `inspect` and `evaluate` on files that are as they should be."""

from __future__ import annotations

import csv
import json
import os

import msgspec
import numpy as np
import pytest

import hybridx
from tests.cli.shell import DATA, command, listing, new_command

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def expected(model):
    return hybridx.load(model).run({"x": DATA})["output"]


def write_csv(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def read(path):
    match path.suffix:
        case ".npy":
            return np.load(path)
        case ".npz":
            with np.load(path) as arrays:
                assert arrays.files == ["output"]
                return arrays["output"]
        case ".json":
            return np.array(json.loads(path.read_text())["output"])
        case ".csv":
            with path.open() as file:
                header, *rows = csv.reader(file)
            assert header == ["output_0", "output_1", "output_2"]
            return np.array(rows, dtype=np.float64)


@pytest.mark.parametrize("form", ["npy", "npz", "csv"])
def test_every_form_of_input_gives_the_same(form, model, folder, expected):
    path, options = folder / f"data.{form}", ()
    if form == "npy":
        np.save(path, DATA)
    elif form == "npz":
        np.savez(path, x=DATA)
    else:
        # Another order of columns, and one of words: --columns chooses.
        write_csv(path, ("d", "name", *NAMES[:3]), [(r[3], "x", *r[:3]) for r in DATA.tolist()])
        options = ("--columns", ",".join(NAMES))
    finished = command("run", model, "-i", path.name, *options, "--json", folder=folder)
    report = finished.json()
    assert report["rows"] == len(DATA)
    # Shortest decimal text of a float32 reads back to the same float32.
    np.testing.assert_array_equal(np.float32(report["outputs"]["output"]), expected)


@pytest.mark.parametrize("form", ["npy", "npz", "csv", "json"])
def test_every_form_of_output_reads_back_equal(form, model, folder, expected):
    finished = command("run", model, "-i", "x.npy", "-o", f"out.{form}", folder=folder)
    assert finished.code == 0, finished.talk
    assert finished.out == ""
    assert f"out.{form}" in finished.talk
    np.testing.assert_array_equal(read(folder / f"out.{form}").astype(np.float32), expected)


def test_slices_give_what_the_whole_gives(model, folder, expected):
    options = ("--batch-size", "3", "--json")
    report = command("run", model, "-i", "x.npy", *options, folder=folder).json()
    # Matrix products of other lengths sum in another order: float32, a handful of terms.
    np.testing.assert_allclose(report["outputs"]["output"], expected, rtol=0, atol=1e-6)


def test_no_rows_give_no_rows(model, folder):
    np.save(folder / "x.npy", DATA[:0])
    assert command("run", model, "-i", "x.npy", "-o", "y.npy", folder=folder).code == 0
    assert np.load(folder / "y.npy").shape == (0, 3)


def test_outputs_are_shown_without_a_file_for_them(model, folder):
    before = listing(folder)
    finished = command("run", model, "-i", "x.npy", folder=folder)
    assert finished.code == 0, finished.talk
    assert "output" in finished.out
    assert "7 rows" in finished.talk
    assert listing(folder) == before


def test_a_device_gives_what_the_file_gives(model, folder, expected):
    words = ("run", model, "-i", "x.npy", "--device", "default.qubit", "--json")
    report = command(*words, folder=folder).json()
    assert report["device"] == "default.qubit"
    # The file is float32, the device complex128: the bound of every verification.
    np.testing.assert_allclose(report["outputs"]["output"], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("verb", ["run", "verify"])
def test_without_data_the_self_test_is_repeated(verb, model, folder):
    report = command(verb, model, "--json", folder=folder).json()
    assert report["against"] == "its self-test"
    assert report["worst"] <= report["tolerance"]


def test_verify_against_the_model_it_came_from(model, folder):
    words = ("verify", model, "--against", "user_model.py:model", "--json")
    report = command(*words, folder=folder).json()
    assert report["against"] == "the eager model"
    assert len(report["batches"]) > 2
    assert report["worst"] <= report["tolerance"]


def test_verify_against_a_wrong_model_is_answered_with_no(model, folder):
    before = listing(folder)
    finished = command("verify", model, "--against", "user_model.py:other_weights", folder=folder)
    assert finished.code == 1
    assert "HX601" in finished.talk
    assert finished.out == ""
    assert listing(folder) == before


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_locale_without_the_characters_of_a_picture_shows_plain_ones(encoding, folder, model):
    variables = os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"}
    finished = new_command("inspect", "model.onnx", folder=folder, variables=variables)
    assert (finished.code, finished.talk) == (0, "")
    assert "0: -RX" in finished.out
    assert "?" not in finished.out


def test_inspect_shows_the_circuit(model, folder):
    report = command("inspect", model, "--json", folder=folder).json()
    assert report["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["batch", 4]}]
    (output,) = report["outputs"]
    assert (output["name"], output["dtype"]) == ("output", "float32")
    assert output["shape"][0] == "batch"
    assert (report["opset"], report["self_test"]) == (20, True)
    (circuit,) = report["circuits"]
    assert circuit["text"].startswith("RX 0 p[0]; RX 1 p[1];")
    shown = command("inspect", model, folder=folder)
    assert shown.code == 0
    assert circuit["name"] in shown.out
    picture = circuit["picture"].splitlines()
    assert len(picture) >= circuit["wires"]
    assert all(line in shown.out for line in picture)
    assert f"* {circuit['strategy']}:" in shown.out
    plans = {one["strategy"]: one["plan"].splitlines() for one in circuit["candidates"]}
    assert plans[circuit["strategy"]]
    assert all(line in shown.out for line in plans[circuit["strategy"]])
    assert [name for name, plan in plans.items() if plan] == [
        one["strategy"] for one in circuit["candidates"] if one["cost"] is not None
    ]


def labelled(expected):
    """A table whose classes are the model's own answers but for the first two rows."""
    classes = expected.argmax(axis=1)
    classes[:2] = (classes[:2] + 1) % 3
    return [(*row, "rgb"[index]) for row, index in zip(DATA.tolist(), classes, strict=True)]


@pytest.mark.parametrize(
    ("chosen", "right"), [(None, 5), ([0, 2, 3], 2), ([0, 1], 0)], ids=["all", "some", "wrong"]
)
def test_evaluate_counts_classes(chosen, right, model, folder, expected):
    write_csv(folder / "data.csv", (*NAMES, "colour"), labelled(expected))
    options = ()
    if chosen is not None:
        (folder / "rows.json").write_bytes(msgspec.json.encode({"held_out_rows": chosen}))
        options = ("--rows", "rows.json")
    words = ("evaluate", model, "--data", "data.csv", "--target", "colour")
    finished = command(*words, "--classes", "r,g,b", *options, "--json", folder=folder)
    report = finished.json()
    rows = len(DATA) if chosen is None else len(chosen)
    assert report["rows"] == rows
    assert report["metrics"] == {"accuracy": pytest.approx(right / rows, rel=0, abs=1e-12)}
    confusion = np.array(report["confusion"])
    assert (confusion.sum(), confusion.trace()) == (rows, right)


def test_evaluate_prints_a_table_for_people(model, folder, expected):
    write_csv(folder / "data.csv", (*NAMES, "colour"), labelled(expected))
    words = ("evaluate", model, "--data", "data.csv", "--target", "colour", "--classes", "r,g,b")
    finished = command(*words, folder=folder)
    assert finished.code == 0, finished.talk
    assert f"accuracy  {5 / 7:.4f}" in finished.out


def test_evaluate_measures_numbers(folder):
    words = ("export", "user_model.py:regressor", "--shape", "N,4", "--no-verify")
    assert command(*words, folder=folder).code == 0
    predicted = hybridx.load(folder / "model.onnx").run({"x": DATA})["output"][:, 0]
    off = np.linspace(-0.5, 0.7, len(DATA))
    rows = [(*row, y) for row, y in zip(DATA.tolist(), (predicted + off).tolist(), strict=True)]
    write_csv(folder / "data.csv", (*NAMES, "height"), rows)
    words = ("evaluate", "model.onnx", "--data", "data.csv", "--target", "height", "--json")
    metrics = command(*words, folder=folder).json()["metrics"]
    # Predictions and table are float32 and decimal text: some 1e-7 each.
    assert metrics["mean_squared_error"] == pytest.approx((off**2).mean(), rel=0, abs=1e-6)
    assert metrics["mean_absolute_error"] == pytest.approx(np.abs(off).mean(), rel=0, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--version",), 0),
        (("--help",), 0),
        (("nosuch",), 2),
        (("run",), 2),
        (("run", "model.onnx", "--nosuch"), 2),
        (("run", "model.onnx", "--shots", "0"), 2),
        (("export", "a.py:b", "--opset", "many"), 2),
        (("verify", "model.onnx", "--atol", "-1"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_usage(arguments, code, tmp_path):
    finished = command(*arguments, folder=tmp_path)
    assert finished.code == code
    assert "Traceback" not in finished.talk
    assert bool(finished.out) == (code == 0)
    assert bool(finished.talk) == (code == 2)
    assert list(tmp_path.iterdir()) == []
