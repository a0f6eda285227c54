"""What a data file says is compared with the bounds before it is read, however it says it."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import time
import zipfile

import numpy as np
import pytest

import hybridx
from hybridx.bounds import (
    DATA_ROWS,
    EXAMPLE_BYTES,
    HELD_BYTES,
    JSON_BYTES,
    JSON_VALUES,
    MEMBERS,
    ROW_CHARACTERS,
    TABLE_BYTES,
    TABLE_COLUMNS,
    UNPACKED_BYTES,
)
from hybridx.errors import TableError, TooLargeError
from hybridx.storage import KeptRows, open_data, read_arrays, read_whole_columns


def npy(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else header.encode()
    size = len(text) if length is None else length
    version, packed = ((1, 0), "<H") if size < 2**16 else ((2, 0), "<I")
    return b"\x93NUMPY" + bytes(version) + struct.pack(packed, size) + text + data


def of_shape(shape, descr="<f4", order="False"):
    return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"


def read_whole(path, **options):
    """All that a data file holds."""
    with open_data(path, **options) as data:
        if hasattr(data, "columns"):
            return read_whole_columns(data, [(name, float) for name in data.columns])
        (arrays,) = data.slices(1, whole=data.arrays.keys())
        return arrays


# --- NumPy's headers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n",
        '{"shape":(3,2),"fortran_order":False,"descr":"<f4"}',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 2L)}   \n",
        " { 'descr' : '<f4' ,\n 'fortran_order' : False , 'shape' : ( 3 , 2 , ) } ",
    ],
    ids=["NumPy's", "another writer's", "Python 2's", "with spaces"],
)
def test_a_header_of_any_writer_is_read(header, tmp_path):
    expected = np.arange(6, dtype="<f4").reshape(3, 2)
    (tmp_path / "x.npy").write_bytes(npy(header, expected.tobytes()))
    np.testing.assert_array_equal(read_whole(tmp_path / "x.npy")[""], expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (npy("__import__('os').abort()"), "its header cannot be read"),
        (npy("(" * 5000), "its header cannot be read"),
        (npy("-" * 9000 + "1"), "its header cannot be read"),
        (npy("{" + " " * 9000 + "}"), "its header cannot be read"),
        (npy("{'descr': '<f4', " * 500), "its header cannot be read"),
        (npy("{" * 9_000), "its header cannot be read"),
        (npy("{}", length=10**9), "its header has 1,000,000,000 bytes"),
        (npy("{'descr': '<f4'}"), "its header cannot be read"),
        (npy(of_shape("3")), "its header cannot be read"),
        (npy(of_shape("(3)")), "its shape is a number"),
        (npy(of_shape("(3 4)")), "its header cannot be read"),
        (npy(of_shape("(3-4,)")), "its header cannot be read"),
        (npy(of_shape("(True, True)")), "its header cannot be read"),
        (npy(of_shape("(3, 4)", order="7")), "its header cannot be read"),
        (npy(of_shape("(3, 4)", "f4,f4")), "its dtype is 'f4,f4'"),
        (npy(of_shape("(3, 4)", "(9,)f4")), "its dtype is '(9,)f4'"),
        (npy(of_shape("(3, 4)", "f3")), "its dtype is 'f3'"),
        (npy(of_shape("(3, 4)", "S" + "9" * 30)), "its dtype is"),
        (npy(of_shape("(3, 4)", "V0")), "no numbers, but |V0"),
        (npy(of_shape("(3, 4)", "U0")), "no numbers, but <U0"),
        (npy(of_shape(f"({'9' * 5000},)")), "its shape is"),
        (npy(of_shape(f"({2**62}, 0, {2**62})")), "its shape is"),
        (npy(of_shape((1,) * 33)), "its shape is"),
        (npy(of_shape((10**12, 4)), bytes(48)), "bytes too early"),
        (npy(of_shape((10**12, 4), order="True"), bytes(48)), "bytes too early"),
        (npy(of_shape((1,), "O"), b"cposix\nabort\n(tR."), "Python objects"),
        (npy("{'descr': [('a', '<f4', (2**20,))], 'shape': (1,), }"), "records"),
    ],
)
def test_a_header_is_data_and_costs_nothing(content, problem, tmp_path):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(TableError) as refused:
        read_whole(tmp_path / "x.npy")
    assert problem in refused.value.problem
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(TableError) as refused:
        read_whole(tmp_path / "x.npz")
    assert problem in refused.value.problem


# --- bounds --------------------------------------------------------------------------------------


def sparse(path, size, start=b""):
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)


def long_array(path):
    header = npy(of_shape((4, 2**30)))
    sparse(path, len(header) + 2**34, header)


def array_by_columns(path):
    header = npy(of_shape((4, 2**28), order="True"))
    sparse(path, len(header) + 2**32, header)


def packed(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy(of_shape((2**28, 4)), bytes(100)))
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(content)


def many_members(path):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(MEMBERS.limit + 1):
            archive.writestr(f"{number}.npy", b"")


def many_members_that_it_does_not_count(path):
    many_members(path)
    content = bytearray(path.read_bytes())
    content[-14:-10] = struct.pack("<HH", 1, 1)
    path.write_bytes(content)


def line_without_an_end(path):
    sparse(path, 2 * ROW_CHARACTERS.limit, b"a,b\n1,2\n")


def row_without_an_end(path):
    path.write_text("a,b\n1,2\n" + '"\n",' * (ROW_CHARACTERS.limit // 4 + 9))


def header_without_an_end(path):
    sparse(path, 2 * ROW_CHARACTERS.limit)


def many_columns(path):
    path.write_text(",".join(f"c{number}" for number in range(TABLE_COLUMNS.limit + 1)) + "\n")


def long_text(path):
    sparse(path, TABLE_BYTES.limit + 1, b"a,b\n1,2\n")


def packed_text(path):
    rows = io.BytesIO()
    line = b"1" * 99_999 + b"\n"
    with gzip.open(rows, "wb", compresslevel=1) as file:
        file.write(b"a\n")
        for _ in range(TABLE_BYTES.limit // len(line) + 1):
            file.write(line)
    path.write_bytes(rows.getvalue())


def many_rows(path):
    path.write_text("a\n" + "1\n" * (DATA_ROWS.limit + 1))


def long_json(path):
    sparse(path, JSON_BYTES.limit + 1, b"[1, 2]")


def many_values(path):
    path.write_text("[" + "[]," * JSON_VALUES.limit + "[]]")


def many_arrays(path):
    names = ",".join(f'"n{number}":[1]' for number in range(MEMBERS.limit + 1))
    path.write_text(f"{{{names}}}")


# Reading so much takes some seconds.
LOWERED = {"table_bytes": 2_000_000, "data_rows": 20_000, "row_characters": 1_000_000}


OVER = {
    "many arrays of JSON": ("x.json", many_arrays, MEMBERS),
    "a row of 4 GB": ("x.npy", long_array, HELD_BYTES),
    "columns of 4 GB": ("x.npy", array_by_columns, HELD_BYTES),
    "an archive that unpacks to 4 GB": ("x.npz", packed, UNPACKED_BYTES),
    "many members": ("x.npz", many_members, MEMBERS),
    "members that are not counted": ("x.npz", many_members_that_it_does_not_count, MEMBERS),
    "a long line": ("x.csv", line_without_an_end, ROW_CHARACTERS),
    "a long row": ("x.csv", row_without_an_end, ROW_CHARACTERS),
    "a long header": ("x.csv", header_without_an_end, ROW_CHARACTERS),
    "many columns": ("x.csv", many_columns, TABLE_COLUMNS),
    "a long text": ("x.tsv", long_text, TABLE_BYTES),
    "a long text, packed": ("x.csv.gz", packed_text, TABLE_BYTES),
    "many rows": ("x.csv", many_rows, DATA_ROWS),
    "a long JSON": ("x.json", long_json, JSON_BYTES),
    "many values of JSON": ("x.json", many_values, JSON_VALUES),
}


@pytest.mark.parametrize(("name", "make", "bound"), OVER.values(), ids=OVER)
def test_what_is_over_a_bound_is_refused_by_its_name(name, make, bound, tmp_path):
    started = time.process_time()
    with hybridx.limits(**LOWERED):
        make(tmp_path / name)
        with pytest.raises(TooLargeError) as refused:
            read_whole(tmp_path / name)
        assert int(refused.value.needed) > bound.limit
    assert refused.value.name == bound.name
    assert str(tmp_path / name) in refused.value.what or bound is MEMBERS
    assert time.process_time() - started < 5


def test_the_limit_in_the_message_lets_the_data_pass(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 50)
    with hybridx.limits(data_rows=20):
        with pytest.raises(TooLargeError) as refused:
            read_whole(path)
        with hybridx.limits(**{refused.value.name: int(refused.value.needed)}):
            assert len(read_whole(path)[0]) == 50


def test_an_example_is_smaller_than_data(tmp_path):
    header = npy(of_shape((EXAMPLE_BYTES.default // 4 + 1,)))
    sparse(tmp_path / "x.npy", len(header) + EXAMPLE_BYTES.default + 4, header)
    with pytest.raises(TooLargeError, match="20000004"):
        read_arrays(tmp_path / "x.npy")
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 9)
    with hybridx.limits(example_bytes=100), pytest.raises(TooLargeError, match="more than 100"):
        read_arrays(tmp_path / "t.csv")


def test_a_pipe_is_kept_on_the_disk_up_to_a_bound(tmp_path):
    reading, writing = os.pipe()
    content = io.BytesIO()
    np.savez(content, x=np.zeros(1000))
    os.write(writing, content.getvalue())
    os.close(writing)
    try:
        with (
            hybridx.limits(unpacked_bytes=1000),
            pytest.raises(TooLargeError, match="more than 1000"),
            open_data(f"/dev/fd/{reading}", format="npz"),
        ):
            pass
    finally:
        os.close(reading)


def test_rows_that_are_read_at_once_are_joined_from_pieces(tmp_path):
    path = tmp_path / "x.csv"
    width, rows = 1000, 700  # more cells than are taken at once
    values = np.arange(width * rows).reshape(rows, width)
    text = "\n".join(",".join(map(str, row)) for row in values)
    path.write_text(",".join(f"c{number}" for number in range(width)) + "\n" + text)
    with open_data(path) as table:
        blocks = list(table.slices([("c1", float), ("c999", int)], 600))
    assert [len(block[0]) for block in blocks] == [600, 100]
    np.testing.assert_array_equal(np.concatenate([b[0] for b in blocks]), values[:, 1])
    np.testing.assert_array_equal(np.concatenate([b[1] for b in blocks]), values[:, 999])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 900 + "]" * 900, "too deep"),
        ("[" * 100_000, "not JSON"),
        ('{"x": ' * 900 + "1" + "}" * 900, "is not a number"),
        (json.dumps([[1, [2]], [3, 4]]), "not of one length"),
        (json.dumps(["x" * 100_000] + ["a"] * 100_000), "is not a number"),
        ("[" + "9" * 5000 + "]", "not JSON"),
        ("{" + ",".join(f'"k{i}": 1' for i in range(50_000)) + ', "k49999": 2}', "there twice"),
    ],
    ids=["deep", "open", "objects", "ragged", "texts of unequal length", "digits", "names"],
)
def test_json_of_a_strange_form_is_refused_at_once(text, problem, tmp_path):
    (tmp_path / "x.json").write_text(text)
    started = time.process_time()
    with pytest.raises(TableError) as refused:
        read_whole(tmp_path / "x.json")
    assert problem in refused.value.problem
    assert time.process_time() - started < 2


# --- rows that a run has kept --------------------------------------------------------------------


def kept(tmp_path, head, *lines):
    path = tmp_path / "y.npy.partial"
    path.write_bytes(b"\n".join(json.dumps(one).encode() for one in (head, *lines)) + b"\n")
    return KeptRows(path, {"model": "m"}, resume=True)


@pytest.mark.parametrize(
    "array",
    [["O", [1]], ["V0", [1]], ["S999999999", [1]], ["f4,f4", []], ["<f4", [-1]], ["<f4", [2**40]],
     ["<f4", [1] * 33]],
)  # fmt: skip
def test_kept_rows_are_numbers(array, tmp_path):
    head = {"hybridx_rows": 1, "run": {"model": "m"}, "arrays": {"y": array}}
    with pytest.raises(hybridx.errors.BrokenResultsError):
        kept(tmp_path, head)


@pytest.mark.parametrize("head", [{"hybridx_results": 2, "run": 3}, [], 7, {"a": [[[]] * 9]}])
def test_what_holds_no_rows_is_refused(head, tmp_path):
    with pytest.raises((hybridx.errors.BrokenResultsError, hybridx.errors.ForeignResultsError)):
        kept(tmp_path, head)


def test_a_kept_slice_that_is_not_there_is_dropped_unread(tmp_path):
    head = {"hybridx_rows": 1, "run": {"model": "m"}, "arrays": {"y": ["<f4", [4]]}}
    for rows in (10**6, 0, -1, 2**40):
        there = kept(tmp_path, head, {"rows": rows, "data": "", "checksum": 0})
        there.close()
        assert there.count == 0
    with pytest.raises(TooLargeError, match="rows of"):
        kept(tmp_path, head, {"rows": 10**9, "data": "", "checksum": 0})
