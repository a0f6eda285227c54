"""Each form of data files: what is written is read back, and all else is refused."""

from __future__ import annotations

import contextlib
import csv
import gzip
import importlib.util
import itertools
import json
import math
import sys

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybridx.errors import (
    FileMissingError,
    HybridxError,
    MissingExtraError,
    NotWritableError,
    OptionError,
    OptionNeedsError,
    OutputExistsError,
    TableError,
)
from hybridx.storage import (
    ENDINGS,
    InMemory,
    TableData,
    open_data,
    read_arrays,
    read_whole_columns,
    write_data,
)

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
needs_pyarrow = pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow is not installed")

NUMBERS = st.sampled_from([np.float32, np.float64, np.int64, np.bool_])
ARRAYS = hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
# All that the name of an output may be: what a dict that a model returns has for keys.
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.sampled_from(["file", "allow_pickle", "args", "kwds", "", ".", "..", "../x", "/x", "C:\\x"]),
)
NAMED = st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=3)
# What can stand side by side: arrays with the same number of rows, at least one.
SIDE_BY_SIDE = st.integers(1, 5).flatmap(
    lambda rows: st.dictionaries(
        st.sampled_from(["y", "z", "größe", "a,b", 'say "so"']),
        NUMBERS.flatmap(
            lambda dtype: hnp.arrays(
                dtype,
                hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3).map(
                    lambda shape: (rows, *shape)
                ),
            )
        ),
        min_size=1,
        max_size=3,
    )
)


def write(path, arrays, *, overwrite=True, **options):
    write_data(path, InMemory(arrays), overwrite=overwrite, **options)


def same(actual, expected):
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


def read_table(path, wanted, size, **options):
    """The wanted columns, read `size` rows at a time and joined."""
    with open_data(path, **options) as table:
        assert isinstance(table, TableData)
        blocks = list(table.slices(wanted, size))
    return [np.concatenate([block[i] for block in blocks]) for i in range(len(wanted))]


# --- what is written is read back ----------------------------------------------------------------


@given(NAMED, st.integers(1, 5))
def test_npz_reads_back_every_array(tmp_path_factory, arrays, size):
    assume(not any(name + ".npy" in arrays for name in arrays))  # is refused
    path = tmp_path_factory.getbasetemp() / "round.npz"
    write(path, arrays)
    found = read_arrays(path)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        same(found[name], array)


@given(ARRAYS)
def test_npy_reads_back(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "round.npy"
    write(path, {"y": array})
    same(read_arrays(path)[""], array)
    same(np.load(path), array)


@given(NAMED)
def test_json_reads_back_every_number_also_nan(tmp_path_factory, arrays):
    # A list says neither float32 nor the length of an axis beside one without elements.
    assume(all(array.size for array in arrays.values()))
    assume("execution" not in arrays)
    path = tmp_path_factory.getbasetemp() / "round.json"
    write(path, arrays)
    json.loads(path.read_text(), parse_constant=pytest.fail)
    found = read_arrays(path)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        same(found[name].astype(array.dtype), array)


KINDS = {"f": float, "i": int, "b": bool}


@pytest.mark.parametrize(
    "ending",
    ["csv", "tsv", "csv.gz", "tsv.gz", pytest.param("parquet", marks=needs_pyarrow)],
)
def test_tables_read_back_every_number_also_nan(ending, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"round.{ending}"

    @given(SIDE_BY_SIDE, st.integers(1, 4))
    def reads_back(arrays, size):
        write(path, arrays)
        for name, array in arrays.items():
            flat = array.reshape(len(array), -1)
            is_column = array.ndim == 1
            names = [name] if is_column else [f"{name}_{i}" for i in range(flat.shape[1])]
            wanted = [(column, KINDS[array.dtype.kind]) for column in names]
            found = np.stack(read_table(path, wanted, size), axis=-1)
            same(found.astype(array.dtype), flat)

    reads_back()


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_in_slices(ending, order, tmp_path):
    path = tmp_path / f"x.{ending}"
    array = np.asarray(np.arange(24.0).reshape(8, 3), order=order)
    if ending == "npy":
        np.save(path, array)
    else:
        np.savez_compressed(path, x=array, scale=np.arange(2))
    name, shared = ("", set()) if ending == "npy" else ("x", {"scale"})
    with open_data(path) as data:
        slices = list(data.slices(3, whole=shared))
    assert [len(one[name]) for one in slices] == [3, 3, 2]
    np.testing.assert_array_equal(np.concatenate([one[name] for one in slices]), array)
    assert all(one["scale"].tolist() == [0, 1] for one in slices if shared)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_no_rows_are_one_slice_without_rows(ending, tmp_path):
    path = tmp_path / f"x.{ending}"
    write(path, {"x": np.zeros((0, 3), np.float32)})
    with open_data(path) as data:
        (only,) = data.slices(5)
    assert [array.shape for array in only.values()] == [(0, 3)]


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "json", "csv.gz"])
def test_equal_arrays_give_equal_bytes(ending, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", itertools.count(1e9, 1e6).__next__)
    arrays = {"y": np.arange(6.0).reshape(2, 3)}
    for name in "ab":
        write(tmp_path / f"{name}.{ending}", arrays)
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


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
    write(path, {name: np.full(2, i) for i, name in enumerate(names)})
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
    write(tmp_path / "ours.npz", arrays)
    np.savez(tmp_path / "numpys.npz", **arrays)
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "numpys.npz").read_bytes()


def test_csv_lays_arrays_side_by_side(tmp_path):
    path = tmp_path / "y.csv"
    write(path, {"mean": np.array([1.5, np.nan]), "logits": np.array([[1, 2], [3, 4]])})
    with path.open() as file:
        assert list(csv.reader(file)) == [
            ["mean", "logits_0", "logits_1"],
            ["1.5", "1", "2"],
            ["nan", "3", "4"],
        ]


def test_csv_writes_the_shortest_text_of_a_number(tmp_path):
    path = tmp_path / "y.csv"
    write(path, {"y": np.array([0.1, 1 / 3], np.float32), "z": np.array([0.1, 1 / 3])})
    assert path.read_text().splitlines()[1:] == ["0.1,0.1", "0.33333334,0.3333333333333333"]


def test_json_is_lists_by_name_with_strings_for_what_is_no_number(tmp_path):
    path = tmp_path / "y.json"
    write(path, {"y": np.array([[0.5, np.nan], [np.inf, -np.inf]]), "n": np.array(3)})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "y": [[0.5, "NaN"], ["Infinity", "-Infinity"]],
        "n": 3,
    }


def test_what_a_file_says_of_arrays_stands_beside_them(tmp_path):
    path = tmp_path / "y.json"
    for name in ("y", "execution"):
        write(path, {name: np.array([1, 2])}, about={"execution": {"device": "qpu"}})
        assert {key: array.tolist() for key, array in read_arrays(path).items()} == {name: [1, 2]}
        assert ("qpu" in path.read_text()) == (name == "y")


def test_a_closed_pipe_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(FileMissingError, match="stdin"), open_data("-", format="csv"):
        pass
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(NotWritableError, match="stdout"):
        write_data("-", InMemory({"y": np.zeros(1)}), format="csv", overwrite=False)


def test_json_of_python_with_bare_words_is_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"x": [[math.nan, math.inf], [-math.inf, 2]]}))
    np.testing.assert_array_equal(read_arrays(path)["x"], [[np.nan, np.inf], [-np.inf, 2]])


# --- tables of other people ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "a;b\n1;2\n3;4\n",
        "a\tb\n1\t2\n3\t4\n",
        "\ufeffa , b\r\n1, 2\r\n\r\n3,4\r\n",
        "a,b\r1,2\r3,4",
        '"a","b"\n"1","2"\n"3","4"\n',
        "\n\na,b\n1,2\n\n3,4\n\n",
        "a,b,\n1,2,\n3,4,\n",
        "a,b\n+1,2.\n3e0,0004\n",
    ],
    ids=[
        *("commas", "semicolons", "tabs", "byte order mark, CRLF", "CR", "quotes", "empty lines"),
        *("comma at the end", "spellings"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_spellings_of_one_table_are_read_alike(text, is_packed, tmp_path):
    path = tmp_path / "t.csv"
    content = text.encode()
    path.write_bytes(gzip.compress(content) if is_packed else content)
    for kind in (float, int):
        if "e" not in text or kind is float:
            b, a = read_table(path, [("b", kind), ("a", kind)], 1)
            np.testing.assert_array_equal([a, b], [[1, 3], [2, 4]])
    (text_of_a,) = read_table(path, [("a", str)], 5)
    assert text_of_a.tolist() == [cell.strip() for cell in text_of_a]


def test_nan_and_infinity_are_numbers_in_every_spelling(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\nnan\nNaN\ninf\n-Infinity\n")
    np.testing.assert_array_equal(
        read_table(path, [("a", float)], 3)[0], [np.nan] * 2 + [np.inf, -np.inf]
    )


def test_whole_numbers_keep_every_digit(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"a\n{2**62 + 1}\n3.0\n-{2**63}\n")
    assert read_table(path, [("a", int)], 9)[0].tolist() == [2**62 + 1, 3, -(2**63)]


def test_without_a_header_columns_are_counted(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1,2\n3,4\n")
    assert [c.tolist() for c in read_table(path, [("1", float)], 1, header=False)] == [[2, 4]]


def test_a_header_of_numbers_that_are_named_is_a_header(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("0,1\n1,2\n3,4\n")
    assert read_table(path, [("1", float)], 1, columns=["1"])[0].tolist() == [2, 4]


CELLS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)


@given(st.data())
def test_a_table_reads_back_cell_by_cell(tmp_path_factory, data):
    width = data.draw(st.integers(1, 4))
    row = st.tuples(*[CELLS] * width)
    header = data.draw(st.lists(CELLS, min_size=width, max_size=width, unique=True))
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    assume("," in ",".join(header) or not {*";\t"} & {*"".join(header)})
    assume(width > 1 or not {*";\t"} & {*"".join(header)})
    path = tmp_path_factory.getbasetemp() / "round.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    columns = read_table(path, [(name, str) for name in header], 3, columns=header)
    assert [tuple(cells) for cells in zip(*columns, strict=True)] == rows


@needs_pyarrow
def test_parquet_is_read_in_slices(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    table = pyarrow.table(
        {"a": pyarrow.array(range(10), pyarrow.int32()), "name": list("abcdefghij")}
    )
    parquet.write_table(table, path, row_group_size=4)
    with open_data(path) as data:
        assert data.rows == 10
        blocks = list(data.slices([("a", float), ("name", str)], 3))
    assert [len(block[0]) for block in blocks] == [3, 3, 3, 1]
    assert np.concatenate([block[0] for block in blocks]).tolist() == list(range(10))
    assert "".join(np.concatenate([block[1] for block in blocks])) == "abcdefghij"


# --- what is refused -----------------------------------------------------------------------------


def text(content, **options):
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


def pickled(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def truncated(path):
    np.save(path, np.zeros(100))
    path.write_bytes(path.read_bytes()[:200])


def broken_zip(path):
    np.savez(path, x=np.zeros(100))
    path.write_bytes(path.read_bytes()[:200])


def bad_checksum(path):
    np.savez(path, x=np.full(100, 7.0))
    path.write_bytes(path.read_bytes().replace(np.float64(7).tobytes() * 4, b"x" * 32))


def object_in_zip(path):
    np.savez(path, x=np.array([{}], dtype=object))


def with_shape(*shape):
    def make(path):
        with path.open("wb") as file:
            header = {"descr": "<f8", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.write(bytes(64))

    return make


def broken_header(path):
    np.save(path, np.zeros(2))
    path.write_bytes(path.read_bytes().replace(b"(2,)", b"(2,("))


def records(path):
    np.save(path, np.zeros(2, [("größe", "f4")]))


HEADER = "a,b\n"
HALF = gzip.compress("".join(f"{n}\n" for n in ["a", *range(9999)]).encode())[:9000]
# name of the file, what makes it, words of the problem, words of the advice
REFUSED = {
    "objects": ("x.npy", pickled, "Python objects", "convert the array"),
    "truncated": ("x.npy", truncated, "728 bytes too early", "numpy.save"),
    "empty npy": ("x.npy", text(""), "not a NumPy file", "numpy.save"),
    "huge npy": ("x.npy", with_shape(10**16, 4), "bytes too early", "numpy.save"),
    "negative npy": ("x.npy", with_shape(-1, 4), "its shape is (-1, 4)", "numpy.save"),
    "broken header": ("x.npy", broken_header, "not a NumPy file", "numpy.save"),
    "text as npy": ("x.npy", text("some text"), "not a NumPy file", "numpy.save"),
    "records": ("x.npy", records, "records, not numbers", "numpy.save"),
    "objects in npz": ("x.npz", object_in_zip, "Python objects", "convert the array"),
    "half an npz": ("x.npz", broken_zip, "not a NumPy file", "numpy.savez"),
    "changed npz": ("x.npz", bad_checksum, "CRC", "numpy.savez"),
    "empty npz": ("x.npz", text(""), "not a NumPy file", "numpy.savez"),
    "empty csv": ("x.csv", text(""), "it has no rows", "column names in the first line"),
    "only a header": ("x.csv", text(HEADER), "no rows below a header", "first line"),
    "no header": ("x.csv", text("1,2\n3,4\n"), "first line holds numbers", "--no-header"),
    "one name twice": ("x.csv", text("a,b,a\n1,2,3\n"), "two columns are called 'a'", "of its own"),
    "short row": ("x.csv", text("a,b\n1,2\n1\n"), "row 2 has 1 cells, the header has 2", "as long"),
    "a word": ("x.csv", text("a,b\n1,2\n3,red\n"), "row 2, column 'b': 'red' is not", "--columns"),
    "empty cell": ("x.csv", text("a,b\n1,2\n3,\n"), "row 2, column 'b': the cell is empty", "nan"),
    "empty line": ("x.csv", text("a\n1\n\n3\n"), "row 2, column 'a': the cell is empty", "nan"),
    "thousands": ("x.csv", text('a,b\n1,"1,234.5"\n'), "'1,234.5' is not a number", "thousands"),
    "decimal comma": ("x.csv", text("a;b\n1;2,5\n"), "'2,5' is not a number", "decimal point"),
    "underscore": ("x.csv", text("a,b\n1,1_000\n"), "'1_000' is not a number", "thousands"),
    "long cell": ("x.csv", text(f"a,b\n1,{'9x' * 90}\n"), f"'{'9x' * 20}…' is not", "--columns"),
    "huge cell": ("x.csv", text(f"a,b\n1,{'9' * 200_000}\n"), "field larger", "close every quote"),
    "open quote": ("x.csv", text('a,b\n1,2\n3,"4\n5,6\n'), "not a table as text", "every quote"),
    "UTF-16": ("x.csv", text("a,b\n1,2\n".encode("utf-16")), "not UTF-8", "UTF-8"),
    "half a gzip": ("x.csv.gz", text(HALF), "not a table", "row"),
    "no JSON": ("x.json", text("{"), "it is not JSON", "write {"),
    "JSON number": ("x.json", text("3"), "no lists of numbers", "write {"),
    "JSON twice": ("x.json", text('{"x": [1], "x": [2]}'), "'x' is there twice", "once"),
    "JSON ragged": ("x.json", text('{"x": [[1], [1, 2]]}'), "'x': its lists are not", "write {"),
    "JSON null": ("x.json", text('{"x": [[1, null]]}'), "'x': null is not a number", '"NaN"'),
    "JSON text": ("x.json", text('[["1", 2]]'), '"1" is not a number', "without quotes"),
    "JSON large": ("x.json", text(f"[{10**30}]"), "is not a number", "NaN"),
    "JSON objects": ("x.json", text('[{"a": 1}, {"b": 1}]'), "row 2 has no 'a'", "same names"),
    "JSON cell": ("x.json", text('[{"a": 1}, {"a": "x"}]'), "row 2, column 'a': \"x\"", "columns"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "make", "problem", "advice"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_data_is_refused(name, make, problem, advice, tmp_path):
    path = tmp_path / name
    make(path)
    with pytest.raises(TableError) as caught:
        read_arrays(path)
    assert caught.value.path == str(path)
    assert problem in caught.value.problem
    assert advice in caught.value.advice


TOKENS = [
    b"",
    b"(6,)",
    b"True",
    b"nan",
    b"null",
    b'"',
    b",",
    b"\n",
    b"\0",
    b"\xff",
    b"9" * 30,
    b"{",
]


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "csv.gz", "json"])
def test_any_bytes_are_read_or_refused(ending, tmp_path_factory):
    path = tmp_path_factory.mktemp("broken") / f"x.{ending}"
    write(path, {"x": np.arange(1.0, 13).reshape(6, 2)})
    sound = path.read_bytes()

    @given(
        st.integers(0, len(sound)),
        st.integers(0, 12),
        st.one_of(st.binary(max_size=4), st.sampled_from(TOKENS)),
    )
    @example(sound.find(b"(6, 2)") + 1, 1, b"True")
    def is_read_or_refused(start, length, put):
        path.write_bytes(sound[:start] + put + sound[start + length :])
        with contextlib.suppress(HybridxError):
            read_arrays(path)

    is_read_or_refused()


@needs_pyarrow
@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"a": [1.0, None]}, "row 2, column 'a': the cell is empty"),
        ({"a": ["x", "y"]}, "column 'a' holds string, not numbers"),
        ({"a": [[1.0], [2.0]]}, "column 'a' holds list"),
        ({"a": []}, "no rows"),
    ],
    ids=["null", "text", "lists", "no rows"],
)
def test_what_is_no_number_in_parquet_is_refused(columns, problem, tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    types = {"a": pyarrow.float64()} if not columns["a"] else None
    parquet.write_table(pyarrow.table(columns, pyarrow.schema(types) if types else None), path)
    with pytest.raises(TableError) as caught:
        read_arrays(path)
    assert problem in caught.value.problem


@needs_pyarrow
def test_what_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TableError, match="not a Parquet file"):
        read_arrays(path)


@pytest.mark.parametrize("what", ["read", "write"])
def test_parquet_without_its_package_says_what_to_install(what, tmp_path, monkeypatch):
    monkeypatch.setattr("hybridx.storage.forms.parquet.find_spec", lambda _: None)
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r"pip install 'hybridx\[parquet\]'"):
        read_arrays(path) if what == "read" else write(path, {"y": np.zeros(2)})
    assert path.read_bytes() == b"PAR1"


@pytest.mark.parametrize(
    "names",
    [["a", "a.npy"], ["x" * 2**16], ["nul\0"], ["\ud800"]],
    ids=["member", "long", "0", "?"],
)
def test_a_name_under_which_numpy_finds_nothing_is_refused(names, tmp_path):
    path = tmp_path / "named.npz"
    with pytest.raises(OptionError, match=r"npz.*\n.*json"):
        write(path, dict.fromkeys(names, np.zeros(2)))
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("y.txt", {"y": np.zeros(2)}),
        ("y", {"y": np.zeros(2)}),
        ("y.npy.gz", {"y": np.zeros(2)}),
        ("y.npy", {"y": np.zeros(2), "z": np.zeros(2)}),
        ("y.csv", {"y": np.zeros(2), "z": np.zeros(3)}),
        ("y.csv", {"y": np.float64(1)}),
        ("y.csv", {"a": np.zeros((2, 2)), "a_0": np.zeros(2)}),
        ("y.csv", {"a": np.zeros((2, 0))}),
    ],
    ids=[
        *("ending", "no ending", "packed npy", "two in npy", "unequal in csv", "scalar in csv"),
        *("one name for two columns", "no columns"),
    ],
)
def test_what_a_form_cannot_hold_is_refused_and_not_written(name, arrays, tmp_path):
    with pytest.raises(OptionError):
        write(tmp_path / name, arrays)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "y.npy"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExistsError) as caught:
        write(path, {"y": np.zeros(2)}, overwrite=False)
    assert caught.value.path == str(path)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "json", "csv.gz"])
def test_a_full_disk_leaves_the_file_as_it_was(ending, tmp_path, monkeypatch):
    path = tmp_path / f"y.{ending}"
    write(path, {"y": np.zeros(2)})
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(InMemory, "rows", full)
        patch.setattr(InMemory, "parts", full)
        with pytest.raises(NotWritableError, match="No space left"):
            write(path, {"y": np.ones(2)})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {path.name: before}


@pytest.mark.parametrize("ending", [e for endings in ENDINGS.values() for e in endings])
def test_a_missing_file_is_named(ending, tmp_path):
    with pytest.raises(FileMissingError) as caught:
        read_arrays(tmp_path / f"nosuch{ending}")
    assert caught.value.path == str(tmp_path / f"nosuch{ending}")


def test_another_ending_is_refused_with_those_that_are_read(tmp_path):
    with pytest.raises(OptionError) as caught:
        read_arrays(tmp_path / "x.xlsx")
    assert caught.value.choices == ".npy, .npz, .csv, .csv.gz, .tsv, .tsv.gz, .json, .parquet"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"format": "xlsx"}, OptionError),
        ({"header": False}, OptionNeedsError),
    ],
    ids=["no such form", "no header of an array"],
)
def test_options_that_fit_no_file_are_refused(options, error, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(2))
    with pytest.raises(error), open_data(path, **options):
        pass


def test_a_form_that_is_named_stands_above_the_ending(tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("a\n1\n")
    with open_data(path, format="csv") as table:
        assert table.columns == ("a",)


def test_an_unknown_column_is_answered_with_the_known_ones(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with open_data(path) as table, pytest.raises(TableError) as caught:
        read_whole_columns(table, [("a", float), ("c", float)])
    assert "'c'" in caught.value.problem
    assert "a, b" in caught.value.advice


@pytest.mark.parametrize(
    ("form", "arrays"),
    [("npy", {"": [1.0, 2.0]}), ("npz", {"x": [1.0, 2.0]}), ("json", {"x": [1.0, 2.0]})],
)
def test_a_pipe_is_read_and_written(form, arrays, tmp_path, monkeypatch):
    class Stream:
        def __init__(self, file):
            self.buffer = file

        def flush(self):
            pass

    expected = {name: np.array(values) for name, values in arrays.items()}
    with (tmp_path / "pipe").open("wb") as file:
        monkeypatch.setattr(sys, "stdout", Stream(file))
        write_data("-", InMemory(expected), format=form, overwrite=False)
    with (tmp_path / "pipe").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", Stream(file))
        with open_data("-", format=form) as data:
            (found,) = data.slices(1, whole=set(data.arrays))
    assert {name: array.tolist() for name, array in found.items()} == arrays
