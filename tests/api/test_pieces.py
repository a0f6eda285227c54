"""Rows of files in pieces: all of them, once, in order, and the same numbers whoever runs them."""

from __future__ import annotations

import itertools
import json
import os
import pickle
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

import hybridx
from hybridx.api import Piece, Work, cut, input_files, run_batch, run_piece, shared, survey
from hybridx.api.divided.pieces import Rows
from hybridx.artifact import Metadata
from hybridx.errors import (
    FileMissingError,
    InputNamesError,
    InputRangeError,
    NotDivisibleError,
    OptionError,
    OptionNeedsError,
    OtherDataError,
    OtherModelError,
    OverBudgetError,
    PartialResultsError,
    SeveralFilesError,
    TableError,
    TooLargeError,
    UnansweredError,
)
from hybridx.runtime import load, model_digest
from tests.api import small_models
from tests.runtime.models import TURN, build
from tests.runtime.remote import Account, Service
from tests.runtime.submission import killed_slices
from tests.storage.steps import killed

X = np.random.default_rng(3).random((103, 2), np.float32) + 0.1


@pytest.fixture
def model(tmp_path):
    return small_models.log(tmp_path / "model.onnx")


@pytest.fixture
def circuit(tmp_path):
    (tmp_path / "circuit.onnx").write_bytes(
        build([(TURN, ["x"], "y")], [("y", ["batch", 2])]).content
    )
    return tmp_path / "circuit.onnx"


def write(path, rows, group=10):
    table = pyarrow.table({"x_0": rows[:, 0], "x_1": rows[:, 1], "id": np.arange(len(rows))})
    parquet.write_table(table, path, row_group_size=group)
    return path


def work_of(model, **options):
    execution = options.pop("execution", {})
    with load(model, **execution) as session:
        return Work(str(model), model_digest(session), execution, **{"batch_size": 4, **options})


def divide(session, work, files, processes):
    found, notes = survey(session, work, files)
    return cut(found, processes, work.batch_size), notes


def run_all(work, files, folder, processes=2):
    """Run all pieces, each in a session of its own, the last first."""
    folder.mkdir()
    pieces, _ = divide(work.open(), work, files, processes)
    done = [run_piece(work.open(), work, piece, folder) for piece in reversed(pieces)][::-1]
    assert [one.index for one in done] == list(range(len(pieces)))
    return pieces, done


# --- which files ---------------------------------------------------------------------------------


def test_files_come_sorted_by_name(tmp_path):
    for name in ("b.parquet", "a.parquet", "c.csv", "_hybridx.json", ".d.parquet", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "e.parquet").mkdir()

    def names(data, format=None):
        return [path.name for path in input_files(data, format)]

    assert names(tmp_path) == ["a.parquet", "b.parquet", "c.csv"]
    assert names(tmp_path, "parquet") == ["a.parquet", "b.parquet"]
    assert names(tmp_path / "*.parquet") == ["a.parquet", "b.parquet"]
    assert names(tmp_path / "b.parquet") == ["b.parquet"]


def test_a_name_that_looks_like_a_pattern_is_a_name_first(tmp_path):
    path = tmp_path / "rows[1].parquet"
    path.touch()
    assert input_files(path, None) == (path,)


@pytest.mark.parametrize("data", ["*.parquet", "."])
def test_no_file_is_said(data, tmp_path):
    with pytest.raises(FileMissingError, match="no file"):
        input_files(tmp_path / data, None)


def test_the_number_of_files_is_bounded(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.csv").touch()
    with hybridx.limits(data_files=2), pytest.raises(TooLargeError, match="data_files"):
        input_files(tmp_path, None)


@pytest.mark.parametrize("data", ["rows*.parquet", "."])
def test_one_process_reads_one_file(data, model, tmp_path):
    with pytest.raises(SeveralFilesError, match="ray"):
        hybridx.predict(model, tmp_path / data)


# --- cuts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2, 7, 1000])
@pytest.mark.parametrize("batch_size", [1, 4, 100, 4096])
def test_pieces_are_all_rows_once_and_cut_between_slices(processes, batch_size, tmp_path):
    path = tmp_path / "rows"
    path.touch()
    counts = [1, 100, 7, 100_000]
    pieces = cut([Rows(path, count, True) for count in counts], processes, batch_size)
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert all(piece.start % batch_size == 0 for piece in pieces)
    for file, count in enumerate(counts):
        own = [(one.start, one.stop) for one in pieces if one.before == sum(counts[:file])]
        assert [own[0][0], own[-1][1]] == [0, count]
        assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(own))


def test_each_process_gets_several_pieces_and_none_is_endless(tmp_path):
    few = cut([Rows(tmp_path, 10**6, True)], processes=2, batch_size=4096)
    assert 2 * 4 <= len(few) <= 2 * 9
    many = cut([Rows(tmp_path, 10**9, True)], processes=2, batch_size=4096)
    assert max(one.stop - one.start for one in many) <= 2**18
    huge = cut([Rows(tmp_path, 10**12, True)], processes=2, batch_size=4096)
    assert len(huge) <= 1_000_000, "names of files have six digits"


def test_a_form_that_is_read_from_its_beginning_is_one_piece(tmp_path):
    pieces = cut([Rows(tmp_path, 10**6, False), Rows(tmp_path, None, False)], 8, 10)
    assert [(one.start, one.stop) for one in pieces] == [(0, 10**6), (0, None)]


# --- run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [3, 10, 1000])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 103])
def test_pieces_write_what_one_process_writes_to_the_last_bit(group, batch_size, circuit, tmp_path):
    files = [write(tmp_path / "a.parquet", X, group), write(tmp_path / "b.parquet", X[:5], group)]
    work = work_of(circuit, batch_size=batch_size)
    _, done = run_all(work, files, tmp_path / "out")
    assert sum(one.rows for one in done) == 108
    plain = []
    for path in files:
        out = tmp_path / f"plain-{path.name}"
        hybridx.predict(circuit, path, out, batch_size=batch_size)
        plain.append(parquet.read_table(out))
    assert parquet.read_table(tmp_path / "out").equals(pyarrow.concat_tables(plain))


@pytest.mark.parametrize("form", ["npy", "npz", "csv", "json"])
def test_other_forms_are_a_piece_a_file(form, model, tmp_path):
    path = tmp_path / f"rows.{form}"
    if form == "npy":
        np.save(path, X)
    elif form == "npz":
        np.savez(path, x=X)
    elif form == "csv":
        np.savetxt(path, X, delimiter=",", header="x_0,x_1", comments="")
    else:
        path.write_text(json.dumps({"x": X.tolist()}))
    work = work_of(model, output_format=form, input_format=form)
    pieces, done = run_all(work, [path], tmp_path / "out")
    assert [one.rows for one in done] == [103]
    hybridx.predict(model, path, tmp_path / f"plain.{form}", batch_size=4)
    ours = (tmp_path / "out" / work.output(pieces[0])).read_bytes()
    if form == "json":  # a run says there on what it ran
        told, plain = (json.loads(text) for text in (ours, (tmp_path / "plain.json").read_bytes()))
        assert told["y"] == plain["y"]
    elif form != "npz":  # which has times in it
        assert ours == (tmp_path / f"plain.{form}").read_bytes()


def test_work_and_pieces_are_data(model, tmp_path):
    work = work_of(model)
    assert pickle.loads(pickle.dumps(work)) == work
    assert len(pickle.dumps(work)) < 2000
    piece = Piece(3, str(tmp_path), 1, 5, 0, None)
    assert msgspec.json.decode(msgspec.json.encode(piece), type=Piece) == piece
    assert str(replace(piece, stop=9)) == f"{tmp_path}, rows 1 to 9"


def test_a_piece_run_again_writes_the_same_file(circuit, tmp_path):
    work = work_of(circuit)
    pieces, _ = run_all(work, [write(tmp_path / "a.parquet", X)], tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    run_piece(work.open(), work, pieces[1], tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_errors_count_rows_from_the_first_of_the_file(model, tmp_path):
    rows = X.astype(np.float64)
    rows[77, 1] = 1e300
    path, work = write(tmp_path / "a.parquet", rows), work_of(model)
    session = work.open()
    pieces, _ = divide(session, work, [path], 2)
    (piece,) = (one for one in pieces if one.start <= 77 < one.stop)
    assert piece.start > 4
    with pytest.raises(InputRangeError) as told:
        run_piece(session, work, piece, tmp_path)
    assert told.value.row == 78
    assert not list(tmp_path.glob("part-*"))


def test_an_empty_cell_is_named_by_its_row(model, tmp_path):
    table = pyarrow.table({"x_0": [1.0] * 50 + [None], "x_1": [1.0] * 51})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    work = work_of(model)
    session = work.open()
    pieces, _ = divide(session, work, [tmp_path / "a.parquet"], 2)
    with pytest.raises(TableError, match="row 51"):
        run_piece(session, work, pieces[-1], tmp_path)


def test_rows_that_are_not_finite_are_counted_by_their_place_in_the_file(model, tmp_path):
    rows = X.copy()
    rows[[50, 51, 102]] = -1  # whose logarithm is not a number
    _, done = run_all(work_of(model), [write(tmp_path / "a.parquet", rows)], tmp_path / "out")
    found = [one.not_finite["y"] for one in done if one.not_finite]
    assert sum(count for count, _ in found) == 3
    assert found[0][1] == 50


def test_another_model_under_the_path_is_refused(model, circuit):
    work = work_of(model)
    model.write_bytes(circuit.read_bytes())
    with pytest.raises(OtherModelError, match=work.digest[:12]):
        work.open()


def test_another_file_of_data_under_the_path_is_refused(model, tmp_path):
    work, path = work_of(model), write(tmp_path / "a.parquet", X)
    session = work.open()
    pieces, _ = divide(session, work, [path], 1)
    write(path, X[:50])
    with pytest.raises(OtherDataError, match="bytes"):
        run_piece(session, work, pieces[0], tmp_path)


def test_limits_of_the_caller_hold_in_each_process(model, tmp_path):
    path = write(tmp_path / "a.parquet", X)
    with hybridx.limits(data_rows=50), pytest.raises(TooLargeError, match="data_rows"):
        divide(load(model), work_of(model), [path], 1)
    work = work_of(model, limits={"data_rows": 50})
    with pytest.raises(TooLargeError, match="data_rows"):
        run_piece(work.open(), work, Piece(0, str(path), 0, path.stat().st_size, 0, 4), tmp_path)


def test_rows_that_depend_on_each_other_are_refused(tmp_path):
    model = small_models.model_file(
        tmp_path / "mean.onnx",
        [("ReduceMax", ["x"], "most"), ("Sub", ["x", "most"], "y")],
        [("x", ["batch", 2])],
        [("y", ["batch", 2])],
    )
    work = work_of(model)
    with pytest.raises(NotDivisibleError, match="depend on each other"):
        divide(work.open(), work, [write(tmp_path / "a.parquet", X)], 2)


def test_a_file_that_does_not_fit_is_refused_before_anything_runs(model, tmp_path):
    parquet.write_table(pyarrow.table({"a": [1.0]}), tmp_path / "b.parquet")
    work = work_of(model)
    files = [write(tmp_path / "a.parquet", X), tmp_path / "b.parquet"]
    with pytest.raises(InputNamesError):
        divide(work.open(), work, files, 2)


# --- devices -------------------------------------------------------------------------------------

SAMPLED = {"device": "default.qubit", "shots": 20, "seed": 5}


def test_samples_are_those_of_one_process(circuit, tmp_path):
    path = write(tmp_path / "a.parquet", np.tile(X[:1], (9, 1)))  # all rows alike
    work = work_of(circuit, execution=SAMPLED, batch_size=2)
    _, done = run_all(work, [path, path], tmp_path / "out")
    assert sum(one.sent.circuits for one in done) == 18
    found = parquet.read_table(tmp_path / "out")
    hybridx.predict(circuit, path, tmp_path / "plain.parquet", batch_size=2, **SAMPLED)
    assert found.slice(0, 9).equals(parquet.read_table(tmp_path / "plain.parquet"))
    assert len({*found["y_0"].to_pylist()}) > 1, "equal rows have samples of their own"
    assert not found.slice(9).equals(found.slice(0, 9)), "also equal rows of another file"


def test_a_budget_is_that_of_all_processes_together(circuit, tmp_path):
    path = write(tmp_path / "a.parquet", X)
    work = work_of(circuit, execution={**SAMPLED, "max_circuits": 102})
    with pytest.raises(OverBudgetError, match="103"):
        divide(work.open(), work, [path], 2)
    work = work_of(circuit, execution={**SAMPLED, "max_circuits": 103})
    pieces, _ = divide(work.open(), work, [path], 2)
    assert len(pieces) > 2


def sent_to(account):
    return len(account.read_text().splitlines()) if account.exists() else 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("device", killed_slices.DEVICES)
def test_pieces_of_a_killed_process_are_paid_for_once(device, circuit, tmp_path):
    """Killed at some of its steps; the steps of one slice are all taken by `make test-trust`."""
    files, account, out = [write(tmp_path / "a.parquet", X[:5])], tmp_path / "sent", tmp_path / "o"
    execution = {"device": killed_slices.DEVICES[device](account)}
    work = work_of(circuit, execution=execution, batch_size=2)
    session, folder = load(circuit, **execution), tmp_path / "parts"
    hybridx.predict(circuit, files[0], tmp_path / "plain.parquet", batch_size=2, device=Service())

    def run_as_an_actor(given):
        actor = given.open()
        for piece in divide(actor, given, files, 2)[0]:
            run_piece(actor, given, piece, folder)

    def begin(**options):
        return shared(session, work, files, out, **{"resume": False, "resend": False, **options})

    def attempt(kill_at):
        """Kill an actor; return the steps that it made, and whether nobody knows what it sent."""
        for path in (*folder.glob("*"), account):
            path.unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
        try:
            with begin() as given:
                steps = killed(lambda: run_as_an_actor(given), kill_at, killed_slices.FILES)
                before = sent_to(account)
                run_as_an_actor(given)  # as Ray does with what was lost
        except UnansweredError:
            assert sent_to(account) == before, "nothing is sent twice unasked"
            with pytest.raises(UnansweredError), begin(resume=True):
                pass
            with begin(resume=True, resend=True) as given:
                run_as_an_actor(given)
            return steps, True
        return steps, False

    whole, _ = attempt(0)
    assert whole > 200
    for kill_at in np.linspace(1, whole, 8).astype(int):
        _, is_unknown = attempt(int(kill_at))
        assert 3 <= sent_to(account) <= 3 + is_unknown, kill_at
        assert parquet.read_table(folder).equals(parquet.read_table(tmp_path / "plain.parquet"))
        assert sorted(path.name for path in tmp_path.glob("o*")) == []


def test_results_of_an_earlier_run_are_not_replaced_unasked(circuit, tmp_path):
    files = [write(tmp_path / "a.parquet", X[:5])]
    execution = {"device": Account(tmp_path / "sent")}
    work, session = work_of(circuit, execution=execution), load(circuit, **execution)
    (tmp_path / "out.partial").touch()
    with (
        pytest.raises(PartialResultsError),
        shared(session, work, files, tmp_path / "out", resume=False, resend=False),
    ):
        pass
    free = work_of(circuit)
    with (
        pytest.raises(OptionNeedsError, match="cost"),
        shared(free.open(), free, files, tmp_path / "out", resume=True, resend=False),
    ):
        pass


# --- batches -------------------------------------------------------------------------------------


def batch_of(rows):
    batch = {"x_0": rows[:, 0].copy(), "x_1": rows[:, 1].copy(), "id": np.arange(len(rows)) + 7}
    for column in batch.values():
        column.setflags(write=False)
    return batch


def test_a_batch_of_columns_gives_columns(model):
    session = load(model)
    found = run_batch(session, batch_of(X), keep=["id"])
    assert list(found) == ["id", "y_0", "y_1"]
    np.testing.assert_array_equal(found["id"], np.arange(103) + 7)
    whole = session.run({"x": X})["y"]
    np.testing.assert_array_equal(np.stack([found["y_0"], found["y_1"]], 1), whole)
    arrays = run_batch(session, {"x": X, "other": X})
    np.testing.assert_array_equal(arrays["y_0"], whole[:, 0])
    swapped = run_batch(session, batch_of(X[:, ::-1]), columns=["x_1", "x_0"])
    np.testing.assert_array_equal(swapped["y_0"], whole[:, 0])


@pytest.mark.parametrize(
    ("change", "options", "error"),
    [
        ({}, {"keep": ["no"]}, TableError),
        ({}, {"columns": ["x_0"]}, InputNamesError),
        ({"x_0": np.array(["a", "b", "c"])}, {}, hybridx.errors.InputDtypeError),
        ({"x_0": np.array([1, 1e300, 1])}, {}, InputRangeError),
        ({"y_0": np.ones(3)}, {"keep": ["y_0"], "columns": ["x_0", "x_1"]}, OptionError),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(change, options, error, model):
    with pytest.raises(error) as told:
        run_batch(load(model), {**batch_of(X[:3]), **change}, **options)
    if error is InputRangeError:
        assert told.value.row == 2


def test_samples_of_a_row_depend_on_its_number_alone(circuit):
    rows = batch_of(np.tile(X[:1], (6, 1)))
    session = load(circuit, **SAMPLED)
    whole = run_batch(session, rows, numbers="id")
    assert len({*whole["y_0"].tolist()}) > 1
    for part in (slice(4, 6), slice(0, 3)):
        again = run_batch(
            load(circuit, **SAMPLED), {k: v[part] for k, v in rows.items()}, numbers="id"
        )
        np.testing.assert_array_equal(again["y_0"], whole["y_0"][part])
    with pytest.raises(OptionNeedsError, match="numbers"):
        run_batch(session, rows)


def test_a_model_that_names_its_columns_takes_these(tmp_path):
    model = small_models.log(tmp_path / "named.onnx", metadata=Metadata("0", columns=("b", "a")))
    found = run_batch(load(model), {"a": X[:, 1], "b": X[:, 0], "label": X[:, 0]})
    np.testing.assert_allclose(found["y_0"], np.log(X[:, 0]), rtol=1e-6)
