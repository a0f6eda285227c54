"""Named arrays in files: `.npz`, `.npy`, `.csv` and `.json`, chosen by the ending."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx.errors import OptionError, TableError
from hybridx.storage.files import read_bytes, write_whole
from hybridx.storage.table import read_table

Array: TypeAlias = NDArray[Any]

READABLE = (".npy", ".npz", ".csv")
WRITABLE = (".npy", ".npz", ".csv", ".json")


def read_arrays(path: Path, *, columns: Sequence[str] = ()) -> dict[str, Array]:
    """Read the named arrays of a file; the only array of a `.npy` or `.csv` has the name "".

    Args:
        path: ends in `.npy`, `.npz` or `.csv`.
        columns: the columns of a CSV file to take, in this order; all of them by default.

    Raises:
        FileMissingError: the file cannot be read.
        OptionError: the ending is another one.
        TableError: the content is not what the ending says, or holds Python objects.
    """
    match path.suffix.lower():
        case ".csv":
            table = read_table(path)
            return {"": table.numbers(columns or table.columns)}
        case ".npy" | ".npz":
            return _read_numpy(path)
        case _:
            raise OptionError("the ending of an input file", path.name, ", ".join(READABLE))


def _read_numpy(path: Path) -> dict[str, Array]:
    content = read_bytes(path)
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            # By the names of the members: `a.npy` may be an array, or the member of the array `a`.
            members = set(loaded.zip.namelist())
            return {
                name: loaded[name + _MEMBER if name + _MEMBER in members else name]
                for name in loaded.files
            }
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise TableError(
            str(path), f"it is not a NumPy file ({error})", "write it with numpy.save or savez"
        ) from error


def write_arrays(
    path: Path,
    arrays: Mapping[str, Array],
    *,
    overwrite: bool,
    about: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Write named arrays; the ending of `path` chooses the form.

    A CSV file has one column per element of a row, named `output` or `output_3`; arrays are laid
    side by side and have one length of the first axis. A JSON file also holds what is said about
    the arrays, under names that no array has.

    Raises:
        OptionError: the ending is unknown, or the form cannot hold these arrays.
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    write_whole(path, encode_arrays(path, arrays, about), overwrite=overwrite)


def encode_arrays(
    path: Path, arrays: Mapping[str, Array], about: Mapping[str, object] = MappingProxyType({})
) -> bytes:
    """Return the content that `write_arrays` writes."""
    match path.suffix.lower():
        case ".npz":
            return _encode_npz(arrays)
        case ".npy":
            if len(arrays) != 1:
                raise OptionError("an .npy file for several outputs", path.name, ".npz, .json")
            buffer = io.BytesIO()
            np.save(buffer, next(iter(arrays.values())))
            return buffer.getvalue()
        case ".csv":
            return _encode_csv(arrays)
        case ".json":
            lists = {name: array.tolist() for name, array in arrays.items()}
            return msgspec.json.encode({**about, **lists}) + b"\n"
        case _:
            raise OptionError("the ending of an output file", path.name, ", ".join(WRITABLE))


_MEMBER = ".npy"
_LONGEST_MEMBER = 2**16 - 1  # bytes


def _encode_npz(arrays: Mapping[str, Array]) -> bytes:
    """Return the bytes that `numpy.savez` writes: that takes names as keywords, and not all.

    Raises:
        OptionError: `numpy.load` would not find an array under its name.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            if not _is_member(name) or name.removesuffix(_MEMBER) in arrays.keys() - {name}:
                raise OptionError("the name of an array in an .npz file", name[:60], ".json, .csv")
            member = zipfile.ZipInfo(name + _MEMBER)
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def _is_member(name: str) -> bool:
    """Return whether a zip archive can hold a member of that name."""
    try:
        length = len((name + _MEMBER).encode())
    except UnicodeEncodeError:
        return False
    return length <= _LONGEST_MEMBER and "\0" not in name


def _encode_csv(arrays: Mapping[str, Array]) -> bytes:
    lengths = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise OptionError("a .csv file for outputs without a common batch axis", "", ".npz, .json")
    (rows,) = lengths
    header: list[str] = []
    blocks: list[Array] = []
    for name, array in arrays.items():
        block = array.reshape(rows, -1)
        header += [name] if array.ndim == 1 else [f"{name}_{i}" for i in range(block.shape[1])]
        blocks.append(block)
    if len(set(header)) != len(header):
        repeated = next(one for one in header if header.count(one) > 1)
        raise OptionError("the name of a column in a .csv file", repeated[:60], ".npz, .json")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for index in range(rows):
        # `str` of a NumPy scalar is the shortest text that reads back to the same number.
        writer.writerow([str(value) for block in blocks for value in block[index]])
    return text.getvalue().encode()
