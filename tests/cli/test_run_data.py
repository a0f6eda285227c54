"""Data of every form through the command line: files, pipes, and numbers that are no numbers."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.api import small_models
from tests.cli.shell import command

X = np.array([[1, 2], [-1, 4], [5, 0]], np.float32)


@pytest.fixture
def place(tmp_path):
    small_models.log(tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", X)
    return tmp_path


def piped(*words, folder, stdin):
    return subprocess.run(
        [sys.executable, "-m", "hybridx", *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
        env=os.environ,
    )


def expected():
    with np.errstate(all="ignore"):
        return np.log(X)


def test_nan_is_printed_and_counted(place):
    np.save(place / "x.npy", np.full((2, 2), -1, np.float32))
    finished = command("run", "model.onnx", "-i", "x.npy", folder=place)
    assert finished.code == 0, finished.talk
    assert finished.out == "y  float32 (2, 2)\n[[nan nan]\n [nan nan]]\n"
    assert "output 'y' holds NaN or infinity in 2 of 2 rows; the first is row 1" in finished.talk


def test_a_report_with_nan_is_json(place):
    finished = command("run", "model.onnx", "-i", "x.npy", "--json", folder=place)
    report = json.loads(finished.out, parse_constant=pytest.fail)
    assert report["outputs"]["y"][1][0] == "NaN"
    assert report["outputs"]["y"][2][1] == "-Infinity"
    np.testing.assert_array_equal(np.array(report["outputs"]["y"], np.float32), expected())
    assert "2 of 3 rows; the first is row 2" in report["notes"][0]


def test_a_pipe_goes_in_and_out(place):
    table = b"x_1;x_0\n" + b"".join(b"%g;%g\n" % (b, a) for a, b in X.tolist())
    words = ("run", "model.onnx", "-i", "-", "--input-format", "csv", "--batch-size", "2")
    finished = piped(*words, "-o", "-", "--output-format", "csv", folder=place, stdin=table)
    assert finished.returncode == 0, finished.stderr
    found = np.loadtxt(io.BytesIO(finished.stdout), delimiter=",", skiprows=1)
    np.testing.assert_allclose(found, expected(), rtol=0, atol=1e-6)
    assert b"2 of 3 rows" in finished.stderr


@pytest.mark.parametrize("form", ["npy", "npz", "json"])
def test_a_pipe_holds_any_form(form, place):
    content = io.BytesIO()
    match form:
        case "npy":
            np.save(content, X)
        case "npz":
            np.savez(content, x=X)
        case "json":
            content.write(json.dumps({"x": X.tolist()}).encode())
    words = ("run", "model.onnx", "-i", "-", "--input-format", form, "--batch-size", "2")
    words = (*words, "-o", "-", "--output-format", form)
    finished = piped(*words, folder=place, stdin=content.getvalue())
    assert finished.returncode == 0, finished.stderr
    out = io.BytesIO(finished.stdout)
    match form:
        case "npy":
            found = np.load(out)
        case "npz":
            found = np.load(out)["y"]
        case "json":
            found = np.array(json.load(out)["y"], np.float32)
    np.testing.assert_allclose(found, expected(), rtol=0, atol=1e-6)


def test_without_a_header_columns_go_by_position(place):
    (place / "x.csv").write_text("".join(f"{a},{b}\n" for a, b in X.tolist()))
    words = ("run", "model.onnx", "-i", "x.csv")
    assert "--no-header" in command(*words, folder=place).talk
    finished = command(*words, "--no-header", "-o", "y.npy", folder=place)
    assert finished.code == 0, finished.talk
    np.testing.assert_allclose(np.load(place / "y.npy"), expected(), rtol=0, atol=1e-6)


def test_a_folder_that_is_read_only_is_refused_before_the_run(place):
    # The superuser may write anywhere.
    patch = "import os; os.access = lambda _path, mode, **_options: mode != os.W_OK"
    words = ("run", "model.onnx", "-i", "x.npy", "-o", "y.npy")
    finished = command(*words, folder=place, patch=patch)
    assert finished.code == 3
    assert "HX302" in finished.talk
    assert sorted(path.name for path in place.iterdir()) == ["model.onnx", "x.npy"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "json", "parquet"])
def test_evaluate_reads_tables_of_every_form(ending, place):
    import gzip

    rows = [(3.0, 1.0, "a"), (1.0, 3.0, "b"), (1.0, 3.0, "a"), (-1.0, 1.0, "b")]
    path = place / f"t.{ending}"
    if ending == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        columns = dict(zip(("x_0", "x_1", "is"), zip(*rows, strict=True), strict=True))
        importlib.import_module("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    elif ending == "json":
        path.write_text(json.dumps([dict(zip(("x_0", "x_1", "is"), r, strict=True)) for r in rows]))
    else:
        mark = "\t" if ending == "tsv" else ","
        text = "".join(mark.join(map(str, row)) + "\n" for row in [("x_0", "x_1", "is"), *rows])
        path.write_bytes(gzip.compress(text.encode()) if ending == "csv.gz" else text.encode())
    words = ("evaluate", "model.onnx", "--data", path.name, "--target", "is", "--classes", "a,b")
    finished = command(*words, "--json", folder=place)
    report = finished.json()
    assert report["metrics"] == {"accuracy": 0.5}
    assert report["confusion"] == [[1, 1], [0, 1]]
    assert "1 of 4 rows, which count as wrong; the first is row 4" in report["notes"][0]


def test_the_commands_of_the_page_run(place):
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    np.savez(place / "x.npz", x=X)
    (place / "x.csv").write_text("x_0,x_1\n1,2\n")
    script = block.replace("hybridx run", f"{sys.executable} -m hybridx run")
    subprocess.run(["bash", "-euc", script], cwd=place, check=True, capture_output=True)
    assert json.loads((place / "y.json").read_text())["y"][0] == [0.0, pytest.approx(np.log(2))]
    assert (place / "y.csv").read_text().startswith("y_0,y_1\n0.0,0.693147")


def test_evaluate_needs_a_table(place):
    words = ("evaluate", "model.onnx", "--data", "x.npy", "--target", "is")
    finished = command(*words, folder=place)
    assert finished.code == 3
    assert "it is not a table" in finished.talk
