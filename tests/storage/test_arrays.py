"""Arrays and tables: written, read back, and refused where the content is another."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybridx.errors import FileMissingError, OptionError, OutputExistsError, TableError
from hybridx.storage import read_arrays, read_table, write_arrays

ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
# All that the name of an output may be: what a dict that a model returns has for keys.
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.sampled_from(["file", "allow_pickle", "args", "kwds", "", ".", "..", "../x", "/x", "C:\\x"]),
)


def same(actual, expected):
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


@given(st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=3))
def test_npz_round_trip(tmp_path_factory, arrays):
    assume(not any(name + ".npy" in arrays for name in arrays))  # is refused
    path = tmp_path_factory.getbasetemp() / "round.npz"
    write_arrays(path, arrays, overwrite=True)
    found = read_arrays(path)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        same(found[name], array)


@pytest.mark.parametrize(
    "names",
    [
        *(["file"], ["allow_pickle"], ["args", "kwds"], [""], ["a/b", "a"], ["..", "../x", "/x"]),
        *(["größe", "Größe"], ["a", "A"], ["a.npy"], ["x" * 60_000], ["a b\n"], ["self"]),
    ],
    ids=lambda names: " ".join(names)[:20],
)
def test_numpy_finds_every_array_under_its_name(names, tmp_path):
    path = tmp_path / "named.npz"
    write_arrays(path, {name: np.full(2, i) for i, name in enumerate(names)}, overwrite=False)
    with np.load(path) as loaded:
        assert loaded.files == names
        assert [loaded[name].tolist() for name in names] == [[i, i] for i in range(len(names))]


def test_each_array_is_read_under_its_name(tmp_path):
    path = tmp_path / "foreign.npz"
    np.savez(path, **{"a": np.zeros(2), "a.npy": np.ones(2)})
    assert {name: array.tolist() for name, array in read_arrays(path).items()} == {
        "a": [0, 0],
        "a.npy": [1, 1],
    }


def test_an_npz_file_has_the_bytes_that_numpy_writes(tmp_path):
    arrays = {"x": np.arange(6.0).reshape(2, 3), "y": np.array(True)}
    write_arrays(tmp_path / "ours.npz", arrays, overwrite=False)
    np.savez(tmp_path / "numpys.npz", **arrays)
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "numpys.npz").read_bytes()


@pytest.mark.parametrize(
    "names",
    [["a", "a.npy"], ["x" * 2**16], ["nul\0"], ["\ud800"]],
    ids=["member", "long", "0", "?"],
)
def test_a_name_under_which_numpy_finds_nothing_is_refused(names, tmp_path):
    path = tmp_path / "named.npz"
    with pytest.raises(OptionError, match=r"npz.*\n.*json"):
        write_arrays(path, dict.fromkeys(names, np.zeros(2)), overwrite=False)
    assert not path.exists()


def test_columns_of_one_name_are_refused(tmp_path):
    arrays = {"a": np.zeros((2, 2)), "a_0": np.zeros(2)}
    with pytest.raises(OptionError, match="'a_0'"):
        write_arrays(tmp_path / "named.csv", arrays, overwrite=False)


@given(ARRAYS)
def test_npy_round_trip(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "round.npy"
    write_arrays(path, {"y": array}, overwrite=True)
    same(read_arrays(path)[""], array)


FINITE = {
    np.float32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    np.float64: st.floats(allow_nan=False, allow_infinity=False),
}


@given(
    st.sampled_from(list(FINITE)).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4),
            elements=FINITE[dtype],
        )
    )
)
def test_csv_keeps_every_digit(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_arrays(path, {"y": array}, overwrite=True)
    same(read_arrays(path)[""].astype(array.dtype), array.reshape(len(array), -1))


def test_csv_lays_arrays_side_by_side(tmp_path):
    path = tmp_path / "y.csv"
    arrays = {"mean": np.array([1.5, 2.5]), "logits": np.array([[1, 2], [3, 4]])}
    write_arrays(path, arrays, overwrite=False)
    with path.open() as file:
        assert list(csv.reader(file)) == [
            ["mean", "logits_0", "logits_1"],
            ["1.5", "1", "2"],
            ["2.5", "3", "4"],
        ]


def test_json_is_lists_by_name(tmp_path):
    path = tmp_path / "y.json"
    write_arrays(path, {"y": np.array([[0.5, 1.0]]), "n": np.array(3)}, overwrite=False)
    assert json.loads(path.read_text()) == {"y": [[0.5, 1.0]], "n": 3}


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("y.txt", {"y": np.zeros(2)}),
        ("y", {"y": np.zeros(2)}),
        ("y.npy", {"y": np.zeros(2), "z": np.zeros(2)}),
        ("y.csv", {"y": np.zeros(2), "z": np.zeros(3)}),
        ("y.csv", {"y": np.float64(1)}),
    ],
    ids=["ending", "no ending", "two in npy", "unequal in csv", "scalar in csv"],
)
def test_what_a_form_cannot_hold_is_refused_and_not_written(name, arrays, tmp_path):
    with pytest.raises(OptionError):
        write_arrays(tmp_path / name, arrays, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "y.npy"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExistsError) as caught:
        write_arrays(path, {"y": np.zeros(2)}, overwrite=False)
    assert caught.value.path == str(path)
    assert path.read_bytes() == b"precious"


def pickled(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def truncated(path):
    np.save(path, np.zeros(100))
    path.write_bytes(path.read_bytes()[:200])


def broken_zip(path):
    np.savez(path, x=np.zeros(100))
    path.write_bytes(path.read_bytes()[:200])


def object_in_zip(path):
    np.savez(path, x=np.array([{}], dtype=object))


def content(data):
    return lambda path: path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.npy", pickled),
        ("x.npy", truncated),
        ("x.npy", content(b"")),
        ("x.npy", content(b"some text")),
        ("x.npz", object_in_zip),
        ("x.npz", broken_zip),
        ("x.npz", content(b"")),
        ("x.csv", content(b"")),
        ("x.csv", content(b"a,b\n")),
        ("x.csv", content(b"a,b\n1\n")),
        ("x.csv", content(b"a,b\n1,red\n")),
        ("x.csv", content(b"a,b\n1,\n")),
        ("x.csv", content(b"a,b\n1,inf\n")),
        ("x.csv", content(b"\xff\xfe\x00")),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_is_no_data_is_refused(name, make, tmp_path):
    path = tmp_path / name
    make(path)
    with pytest.raises(TableError) as caught:
        read_arrays(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("name", ["nosuch.npy", "nosuch.npz", "nosuch.csv"])
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(FileMissingError) as caught:
        read_arrays(tmp_path / name)
    assert caught.value.path == str(tmp_path / name)


def test_another_ending_is_refused_with_those_that_are_read(tmp_path):
    with pytest.raises(OptionError) as caught:
        read_arrays(tmp_path / "x.parquet")
    assert caught.value.choices == ".npy, .npz, .csv"


CELLS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)


@given(st.data())
def test_a_table_reads_back_cell_by_cell(tmp_path_factory, data):
    width = data.draw(st.integers(1, 4))
    row = st.tuples(*[CELLS] * width)
    header = data.draw(row)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    path = tmp_path_factory.getbasetemp() / "round.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    table = read_table(path)
    assert table.columns == header
    assert table.rows == tuple(rows)


def test_spaces_byte_order_marks_and_empty_lines_do_not_count(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffa , b\r\n1, 2\r\n\r\n3,4\r\n".encode())
    table = read_table(path)
    assert table.columns == ("a", "b")
    np.testing.assert_array_equal(table.numbers(["b", "a"]), [[2, 1], [4, 3]])
    assert table.text("a") == ("1", "3")


def test_a_wrong_cell_is_named_by_row_and_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,red\n")
    with pytest.raises(TableError) as caught:
        read_table(path).numbers(["a", "b"])
    assert caught.value.problem == "row 2, column 'b': 'red' is not a number"
    assert math.isclose(read_table(path).numbers(["a"])[1, 0], 3.0, rel_tol=0, abs_tol=0)


def test_an_unknown_column_is_answered_with_the_known_ones(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TableError) as caught:
        read_arrays(path, columns=("a", "c"))
    assert "'c'" in caught.value.problem
    assert "a, b" in caught.value.advice
