"""Rows of a file run slice by slice: the same numbers, and nothing lost in a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import hybridx
from hybridx.api.progress import Stages
from hybridx.artifact import Metadata
from hybridx.errors import (
    BrokenResultsError,
    ForeignResultsError,
    InputNamesError,
    InputRangeError,
    InputShapeError,
    NotWritableError,
    OptionError,
    OptionNeedsError,
    PartialResultsError,
    TableError,
    UnequalAxesError,
)
from tests.api import small_models

X = np.random.default_rng(3).random((11, 2), np.float32) + 0.1
ENDINGS = ["npy", "npz", "csv", "tsv", "csv.gz", "json"]


@pytest.fixture
def model(tmp_path):
    return small_models.log(tmp_path / "model.onnx")


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


def read(path):
    """The output `y` of a file, whatever its form."""
    match path.suffixes[0]:
        case ".npy":
            return np.load(path)
        case ".npz":
            return np.load(path)["y"]
        case ".json":
            return np.array(json.loads(path.read_text())["y"], float)
        case ending:
            delimiter = "," if ending == ".csv" else "\t"
            return np.loadtxt(path, delimiter=delimiter, skiprows=1, ndmin=2)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- the same numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 10, 11, 12, 4096])
@pytest.mark.parametrize("ending", ENDINGS)
def test_slices_of_any_size_write_the_same(ending, size, model, data, tmp_path):
    out = tmp_path / f"y.{ending}"
    report = hybridx.predict(model, data, out, batch_size=size)
    assert (report.rows, report.written, report.notes) == (len(X), str(out), ())
    np.testing.assert_allclose(read(out), np.log(X), rtol=0, atol=1e-6)
    assert names(tmp_path) == sorted(["model.onnx", "x.npy", out.name])


@pytest.mark.parametrize("size", [3, 4096, 10**30])
def test_slices_return_the_same(size, model, data):
    report = hybridx.predict(model, data, batch_size=size)
    np.testing.assert_allclose(report.outputs["y"], np.log(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [2, 3, 4096])
def test_inputs_that_all_rows_share_stay_whole(size, tmp_path):
    model = small_models.two_inputs(tmp_path / "model.onnx")
    arrays = {
        "a": np.arange(18, dtype=np.float32).reshape(6, 3),
        "b": np.arange(6, dtype=np.float32),
        "scale": np.array([1, 2, 3], np.float32),
    }
    np.savez(tmp_path / "x.npz", **arrays)
    expected = arrays["scale"] * arrays["a"] + arrays["b"][:, None]
    for name in ("x.npz", "x.json"):
        if name == "x.json":
            lists = {key: array.tolist() for key, array in arrays.items()}
            (tmp_path / name).write_text(json.dumps(lists))
        found = hybridx.predict(model, tmp_path / name, batch_size=size).outputs["y"]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_model_whose_rows_depend_on_each_other_runs_in_one_piece(size, data, tmp_path):
    model = small_models.centred(tmp_path / "model.onnx")
    report = hybridx.predict(model, data, tmp_path / "y.npy", batch_size=size)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), X - X.mean(axis=0), rtol=0, atol=1e-6)
    assert "all 11 rows ran at once" in report.notes[0]


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_an_output_of_a_slices_length_is_not_taken_for_rows(size, tmp_path):
    model = small_models.constant_beside(tmp_path / "model.onnx")
    x = np.ones((6, 2), np.float32)
    np.save(tmp_path / "x.npy", x)
    outputs = hybridx.predict(model, tmp_path / "x.npy", batch_size=size).outputs
    np.testing.assert_array_equal(outputs["y"], 2 * x)
    np.testing.assert_array_equal(outputs["z"], [12, 0, 0])


@pytest.mark.parametrize("make", [small_models.fixed_batch, small_models.no_batch])
@pytest.mark.parametrize("form", ["npy", "csv", "json"])
def test_a_model_without_an_open_batch_takes_the_file_in_one_piece(make, form, tmp_path):
    model = make(tmp_path / "model.onnx")
    x = X[:4] if make is small_models.fixed_batch else X[0]
    path = tmp_path / f"x.{form}"
    match form:
        case "npy":
            np.save(path, x)
        case "json":
            path.write_text(json.dumps(x.tolist()))
        case "csv":  # a column for one axis, or a row of cells
            header = ["p", "q"] if x.ndim == 2 else ["x"]
            rows = [",".join(map(repr, row)) for row in x.reshape(len(x), -1).tolist()]
            path.write_text("\n".join([",".join(header), *rows]))
    found = hybridx.predict(model, path, batch_size=1).outputs["y"]
    np.testing.assert_array_equal(found, x + x)


def test_whole_numbers_come_from_a_table_exactly(tmp_path):
    model = small_models.whole_numbers(tmp_path / "model.onnx")
    (tmp_path / "x.csv").write_text("x_0,x_1\n1000000001,-3\n")
    found = hybridx.predict(model, tmp_path / "x.csv").outputs["y"]
    assert found.tolist() == [[2000000002, -6]]


def test_a_number_beyond_the_dtype_is_refused(tmp_path):
    model = small_models.whole_numbers(tmp_path / "model.onnx")
    (tmp_path / "x.csv").write_text(f"x_0,x_1\n{2**31},0\n")
    with pytest.raises(InputRangeError) as caught:
        hybridx.predict(model, tmp_path / "x.csv")
    assert (caught.value.value, caught.value.row) == (str(2**31), 1)


@pytest.mark.parametrize("row", [1, 3, 4, 7])
def test_the_row_of_a_number_is_counted_in_the_whole_file(row, tmp_path):
    model = small_models.whole_numbers(tmp_path / "model.onnx")
    numbers = np.zeros((8, 2), np.int64)
    numbers[row - 1, 1] = -(2**40)
    np.save(tmp_path / "x.npy", numbers)
    for batch_size in (3, 100):
        with pytest.raises(InputRangeError) as caught:
            hybridx.predict(model, tmp_path / "x.npy", batch_size=batch_size)
        assert (caught.value.value, caught.value.row) == (str(-(2**40)), row)


# --- by name -------------------------------------------------------------------------------------


def test_outputs_of_a_run_are_inputs_of_another(tmp_path):
    first = small_models.side_by_side(tmp_path / "first.onnx")
    np.savez(tmp_path / "x.npz", a=X, b=X[:, 0])
    second = small_models.model_file(
        tmp_path / "second.onnx",
        [("Neg", ["y"], "z")],
        [("y", ["batch", 2])],
        [("z", ["batch", 2])],
    )
    for ending in ENDINGS:
        between = tmp_path / f"y.{ending}"
        hybridx.predict(first, tmp_path / "x.npz", between)
        found = hybridx.predict(second, between, batch_size=4).outputs["z"]
        np.testing.assert_array_equal(found, -(X + X[:, :1]))


def test_columns_are_found_by_the_names_of_the_inputs_in_any_order(tmp_path):
    model = small_models.side_by_side(tmp_path / "model.onnx")
    (tmp_path / "x.csv").write_text("b,name,a_1,a_0\n1,u,3,2\n4,v,6,5\n")
    found = hybridx.predict(model, tmp_path / "x.csv").outputs["y"]
    assert found.tolist() == [[3, 4], [9, 10]]


def test_columns_are_found_by_the_names_that_the_model_gives(tmp_path):
    model = small_models.log(
        tmp_path / "model.onnx", metadata=Metadata("0", columns=("height", "width"))
    )
    (tmp_path / "x.csv").write_text("width,other,height\n1,7,2\n")
    report = hybridx.predict(model, tmp_path / "x.csv")
    np.testing.assert_allclose(report.outputs["y"], np.log([[2, 1]]), rtol=0, atol=1e-6)
    assert report.notes == ()
    (tmp_path / "z.csv").write_text("x,y\n1,7\n")
    with pytest.raises(InputNamesError) as caught:
        hybridx.predict(model, tmp_path / "z.csv")
    assert (caught.value.given, caught.value.expected) == (
        "x, y (without height, width)",
        "height, width",
    )


def test_columns_that_nobody_names_are_taken_in_order_and_this_is_noted(model, tmp_path):
    (tmp_path / "x.csv").write_text("p,q\n1,2\n")
    report = hybridx.predict(model, tmp_path / "x.csv")
    np.testing.assert_allclose(report.outputs["y"], np.log([[1, 2]]), rtol=0, atol=1e-6)
    assert "taken as p, q" in report.notes[0]


def test_without_a_header_columns_are_taken_in_order(model, tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    report = hybridx.predict(model, tmp_path / "x.csv", header=False)
    np.testing.assert_allclose(report.outputs["y"], np.log([[1, 2], [3, 4]]), rtol=0, atol=1e-6)
    swapped = hybridx.predict(model, tmp_path / "x.csv", header=False, columns=["1", "0"])
    np.testing.assert_allclose(swapped.outputs["y"], np.log([[2, 1], [4, 3]]), rtol=0, atol=1e-6)


def test_rows_of_any_length_come_from_as_many_columns(tmp_path):
    model = small_models.sequence(tmp_path / "model.onnx")
    (tmp_path / "x.csv").write_text("x_0,x_1,x_2\n1,2,3\n")
    assert hybridx.predict(model, tmp_path / "x.csv").outputs["y"].tolist() == [[2, 4, 6]]


REFUSED_NAMES = {
    "npz": lambda path: np.savez(path, features=X),
    "npz of two": lambda path: np.savez(path, x=X, extra=X),
    "json": lambda path: path.write_text('{"features": [[1, 2]]}'),
    "csv": lambda path: path.write_text("x_0,p,q\n1,2,3\n"),
    "objects.json": lambda path: path.write_text('[{"x_0": 1, "p": 2, "q": 3}]'),
}


@pytest.mark.parametrize("form", REFUSED_NAMES)
def test_names_that_are_not_the_models_are_refused_alike_in_every_form(form, model, tmp_path):
    path = tmp_path / f"data.{form.split()[0]}"
    REFUSED_NAMES[form](path)
    with pytest.raises(InputNamesError, match="HX401"):
        hybridx.predict(model, path)


def test_an_array_without_a_name_is_refused_by_several_inputs(data, tmp_path):
    model = small_models.side_by_side(tmp_path / "model.onnx")
    with pytest.raises(InputNamesError) as caught:
        hybridx.predict(model, data)
    assert (caught.value.given, caught.value.expected) == ("one array without a name", "a, b")


def test_inputs_of_different_lengths_are_refused(tmp_path):
    model = small_models.side_by_side(tmp_path / "model.onnx")
    np.savez(tmp_path / "x.npz", a=X, b=X[:5, 0])
    with pytest.raises(UnequalAxesError) as caught:
        hybridx.predict(model, tmp_path / "x.npz")
    assert caught.value.facts() == {"axis": "batch", "lengths": "a has 11, b has 5"}
    with pytest.raises(UnequalAxesError):
        hybridx.load(model).run({"a": X, "b": X[:5, 0]})


def test_a_shared_input_does_not_come_from_a_table(tmp_path):
    model = small_models.two_inputs(tmp_path / "model.onnx")
    (tmp_path / "x.csv").write_text("a_0,a_1,a_2,b,scale\n1,2,3,4,5\n")
    with pytest.raises(TableError, match="'scale' in every row"):
        hybridx.predict(model, tmp_path / "x.csv")


def test_a_number_where_rows_are_expected_is_refused(model, tmp_path):
    np.save(tmp_path / "x.npy", np.float32(1))
    with pytest.raises(InputShapeError):
        hybridx.predict(model, tmp_path / "x.npy")


# --- NaN and infinity ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 4096])
@pytest.mark.parametrize("ending", ENDINGS)
def test_nan_and_infinity_are_read_computed_written_and_counted(ending, size, model, tmp_path):
    x = np.array([[1, 1], [-1, 1], [1, 0], [np.nan, np.inf], [1, 1]], np.float32)
    first, out = tmp_path / f"x.{ending}", tmp_path / f"y.{ending}"
    identity = small_models.model_file(
        tmp_path / "identity.onnx",
        [("Identity", ["w"], "x")],
        [("w", ["batch", 2])],
        [("x", ["batch", 2])],
    )
    np.save(tmp_path / "w.npy", x)
    hybridx.predict(identity, tmp_path / "w.npy", first, batch_size=size)
    report = hybridx.predict(model, first, out, batch_size=size)
    with np.errstate(all="ignore"):
        expected = np.log(x)
    np.testing.assert_allclose(read(out), expected, rtol=0, atol=1e-6)
    assert report.notes == ("output 'y' holds NaN or infinity in 3 of 5 rows; the first is row 2",)


# --- stopped and resumed -------------------------------------------------------------------------

BIG = np.random.default_rng(5).random((20, 2), np.float32) + 0.1


class Stop(Stages):
    """Interrupts a run once so many rows are done."""

    def __init__(self, rows, error=KeyboardInterrupt):
        super().__init__()
        self.limit, self.error, self.seen = rows, error, []

    def rows(self, done, total):
        self.seen.append((done, total))
        if done >= self.limit:
            raise self.error


def interrupted(model, data, out, rows=12, **options):
    with pytest.raises(KeyboardInterrupt):
        hybridx.predict(model, data, out, batch_size=4, stages=Stop(rows), **options)


@pytest.fixture
def big(tmp_path):
    np.save(tmp_path / "x.npy", BIG)
    return tmp_path / "x.npy"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_goes_on_where_it_was_stopped(ending, model, big, tmp_path, caplog):
    out = tmp_path / f"y.{ending}"
    interrupted(model, big, out)
    assert "the results of 8 rows are kept in" in caplog.text
    assert names(tmp_path) == sorted(["model.onnx", "x.npy", f"{out.name}.partial"])
    with pytest.raises(PartialResultsError):
        hybridx.predict(model, big, out, batch_size=4)
    stages = Stop(99)
    report = hybridx.predict(model, big, out, batch_size=4, resume=True, stages=stages)
    assert stages.seen == [(12, 20), (16, 20), (20, 20)]  # eight were there
    assert report.rows == 20
    np.testing.assert_allclose(read(out), np.log(BIG), rtol=0, atol=1e-6)
    assert names(tmp_path) == sorted(["model.onnx", "x.npy", out.name])


def test_a_resumed_run_counts_nan_of_the_kept_rows(model, tmp_path):
    x = BIG.copy()
    x[1] = -1
    np.save(tmp_path / "x.npy", x)
    interrupted(model, tmp_path / "x.npy", tmp_path / "y.npy")
    report = hybridx.predict(
        model, tmp_path / "x.npy", tmp_path / "y.npy", batch_size=4, resume=True
    )
    assert "1 of 20 rows; the first is row 2" in report.notes[0]


@pytest.mark.parametrize("cut", [1, 30, 70])
def test_a_last_slice_that_was_cut_short_is_computed_again(cut, model, big, tmp_path):
    out, partial = tmp_path / "y.npy", tmp_path / "y.npy.partial"
    interrupted(model, big, out)
    partial.write_bytes(partial.read_bytes()[:-cut])
    hybridx.predict(model, big, out, batch_size=4, resume=True)
    np.testing.assert_allclose(np.load(out), np.log(BIG), rtol=0, atol=1e-6)


def test_a_slice_that_changed_on_the_disk_is_computed_again(model, big, tmp_path):
    out, partial = tmp_path / "y.npy", tmp_path / "y.npy.partial"
    interrupted(model, big, out)
    content = bytearray(partial.read_bytes())
    content[-1] ^= 255
    partial.write_bytes(content)
    hybridx.predict(model, big, out, batch_size=4, resume=True)
    np.testing.assert_allclose(np.load(out), np.log(BIG), rtol=0, atol=1e-6)


@pytest.mark.parametrize("what", ["data", "model", "batch size", "broken", "of a device"])
def test_results_of_another_run_are_refused_and_kept(what, model, big, tmp_path):
    out, partial = tmp_path / "y.npy", tmp_path / "y.npy.partial"
    interrupted(model, big, out)
    size, error = 4, ForeignResultsError
    match what:
        case "data":
            changed = BIG.copy()
            changed[5] += 1
            np.save(big, changed)
        case "model":
            small_models.log(model, metadata=Metadata("1"))
        case "batch size":
            size = 5
        case "broken":
            partial.write_bytes(b"{}\n")
            error = BrokenResultsError
        case "of a device":
            partial.write_bytes(b'{"hybridx_results":1,"run":{"device":"qpu"}}\n')
    before = partial.read_bytes()
    with pytest.raises(error) as caught:
        hybridx.predict(model, big, out, batch_size=size, resume=True)
    if error is ForeignResultsError:
        assert caught.value.what == ("device" if what == "of a device" else what)
    assert partial.read_bytes() == before
    hybridx.predict(model, big, out, batch_size=size, overwrite=True)
    assert not partial.exists()


def test_data_that_are_refused_half_way_leave_nothing(model, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x_0,x_1\n" + "1,2\n" * 9 + "1,red\n")
    with pytest.raises(TableError, match="row 10"):
        hybridx.predict(model, path, tmp_path / "y.csv", batch_size=2)
    assert names(tmp_path) == ["model.onnx", "x.csv"]


def test_a_form_that_cannot_hold_the_outputs_is_refused_before_anything_is_kept(tmp_path):
    model = small_models.model_file(
        tmp_path / "model.onnx",
        [("Neg", ["x"], "y"), ("Abs", ["x"], "z")],
        [("x", ["batch", 2])],
        [("y", ["batch", 2]), ("z", ["batch", 2])],
    )
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(OptionError, match="several outputs"):
        hybridx.predict(model, tmp_path / "x.npy", tmp_path / "y.npy", batch_size=2)
    assert names(tmp_path) == ["model.onnx", "x.npy"]


@pytest.mark.parametrize("when", ["keeping", "writing"])
def test_a_full_disk_keeps_the_rows_and_the_old_output(when, model, big, tmp_path, monkeypatch):
    out = tmp_path / "y.npy"
    out.write_bytes(b"old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if when == "writing":
            patch.setattr("hybridx.storage.forms.npy.write_stream", full)
        else:
            patch.setattr("os.fsync", full)
            patch.setattr("hybridx.storage.kept_rows._SECONDS_BETWEEN_SYNCS", -1.0)
        with pytest.raises(NotWritableError, match="No space left"):
            hybridx.predict(model, big, out, batch_size=4, overwrite=True)
    assert out.read_bytes() == b"old"
    assert not any(name.endswith(".new") for name in names(tmp_path))
    hybridx.predict(model, big, out, batch_size=4, overwrite=True, resume=True)
    np.testing.assert_allclose(np.load(out), np.log(BIG), rtol=0, atol=1e-6)


KILLED = """
import os, signal, sys
import hybridx
from hybridx.api.progress import Stages

class Kill(Stages):
    def rows(self, done, total):
        if done >= 12:
            os.kill(os.getpid(), signal.SIGKILL)

hybridx.predict(*sys.argv[1:], batch_size=4, stages=Kill())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_killed_process_loses_no_finished_slice(model, big, tmp_path):
    out = tmp_path / "y.csv"
    words = [sys.executable, "-c", KILLED, *map(str, (model, big, out))]
    assert subprocess.run(words, check=False, env=os.environ).returncode == -signal.SIGKILL
    assert names(tmp_path) == ["model.onnx", "x.npy", "y.csv.partial"]
    stages = Stop(99)
    hybridx.predict(model, big, out, batch_size=4, resume=True, stages=stages)
    assert stages.seen[0] == (12, 20)
    np.testing.assert_allclose(read(out), np.log(BIG), rtol=0, atol=1e-6)


def test_progress_is_told_with_the_rows_that_are_known(model, big, tmp_path):
    stages = Stop(99)
    hybridx.predict(model, big, batch_size=8, stages=stages)
    assert stages.seen == [(8, 20), (16, 20), (20, 20)]
    (tmp_path / "x.csv").write_text("x_0,x_1\n" + "1,2\n" * 5)
    stages = Stop(99)
    hybridx.predict(model, tmp_path / "x.csv", batch_size=4, stages=stages)
    assert stages.seen == [(4, None), (5, None)]


# --- arrays in the place of a file ---------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [2, 100])
@pytest.mark.parametrize("given", [lambda x: x, lambda x: {"x": x}, lambda x: x.tolist()])
def test_arrays_are_computed_as_the_rows_of_a_file(given, batch_size, model, data):
    expected = hybridx.predict(model, data).outputs
    found = hybridx.predict(model, given(X), batch_size=batch_size)
    assert found.rows == len(X)
    for name, array in expected.items():
        np.testing.assert_array_equal(found.outputs[name], array)


def test_arrays_have_no_header_and_no_columns(model):
    with pytest.raises(OptionNeedsError, match="a data file"):
        hybridx.predict(model, np.zeros((1, 2)), columns=("a", "b"))
