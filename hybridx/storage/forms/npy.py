"""`.npy`: one array without a name, read row by row."""

from __future__ import annotations

import math
import os
import re
import stat
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from io import BufferedIOBase
from typing import IO, Any, Final, cast

import numpy as np

from hybridx.bounds import HELD_BYTES, refuse_above
from hybridx.errors import OptionError, TableError
from hybridx.storage.forms.form import Array, ArrayData, Form, Outputs, Spec

_BYTES_AT_A_TIME = 2**24
_REMEDY = "write it with numpy.save or numpy.savez"
_MAGIC: Final = b"\x93NUMPY"
_LENGTHS: Final = {(1, 0): struct.Struct("<H"), (2, 0): struct.Struct("<I")}
_LONGEST_HEADER: Final = 10_000  # bytes; NumPy itself reads no more, and writes 118
_MOST_AXES: Final = 32  # that every version of NumPy has
_LARGEST: Final = 2**62  # bytes

# The header is a dict of Python with three entries. It is read by these words, not as Python.
_ENTRY: Final = re.compile(
    r"""\s*(?P<quote>['"])(?P<key>\w+)(?P=quote)\s*:\s*
    (?:(?P<mark>['"])(?P<text>[^'"]*)(?P=mark) | (?P<word>True|False) | (?P<records>\[.*\])
    | (?P<shape>\(\s*(?:-?\d+L?\s*,\s*)*(?:-?\d+L?\s*)?\)))\s*(?:,|(?=\}))""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_DTYPE: Final = re.compile(r"[<>|=]?(?:[biufcSUVMmO]\d*(?:\[\w+\])?|\?)", re.ASCII)


class ArrayStream:
    """An array in NumPy's format, whose rows are read one after another.

    Attributes:
        spec: its shape and dtype.
    """

    def __init__(self, file: IO[bytes], path: str, length: int | None = None) -> None:
        """Read the header.

        Args:
            file: is read from its beginning.
            path: for messages.
            length: of the file in bytes, if that is known.

        Raises:
            TableError: there is none, the array holds Python objects, or the file is too short.
        """
        self._file, self._path = cast("BufferedIOBase", file), path
        header, start = self._header()
        self._is_fortran, self.spec = self._read_header(header)
        lacking = 0 if length is None else _size(self.spec.shape, self.spec) - (length - start)
        if lacking > 0:
            raise self._truncated(lacking)
        # Columns that follow each other cannot be read row by row.
        self._is_whole = self._is_fortran and len(self.spec.shape) > 1
        self._loaded: Array | None = None
        self._row = 0

    def whole(self) -> Array:
        """Return the array, of which nothing was read before."""
        if self._loaded is None:
            shape = self.spec.shape
            self._loaded = self._read(shape[::-1]).T if self._is_whole else self._read(shape)
        return self._loaded

    def take(self, rows: int) -> Array:
        """Return the next rows, as many as there are."""
        start, length = self._row, self.spec.shape[0]
        stop = min(start + rows, length)
        self._row = stop
        if self._is_whole:
            return np.ascontiguousarray(self.whole()[start:stop])
        return self._read((stop - start, *self.spec.shape[1:]))

    def _header(self) -> tuple[str, int]:
        """Return the header, and where it ends."""
        try:
            magic = self._file.read(len(_MAGIC) + 2)
            if magic[:-2] != _MAGIC:
                raise self._strange("it does not begin as one")
            # The third version is for records with names in Unicode.
            packed = _LENGTHS.get((magic[-2], magic[-1]))
            if packed is None:
                raise self._records()
            size = self._file.read(packed.size)
            (length,) = packed.unpack(size) if len(size) == packed.size else (0,)
            if length > _LONGEST_HEADER:
                raise self._strange(f"its header has {length:,} bytes")
            text = self._file.read(length)
        except (OSError, EOFError) as error:
            raise self._strange(str(error)) from error
        if not text or len(text) != length:
            raise self._strange("its header is cut off")
        return text.decode("latin1").strip(), len(magic) + packed.size + length

    def _read_header(self, text: str) -> tuple[bool, Spec]:
        found: dict[str, re.Match[str]] = {}
        position = 1
        while entry := _ENTRY.match(text, position):
            found[entry["key"]] = entry
            position = entry.end()
        descr, order, shape = (found.get(key) for key in ("descr", "fortran_order", "shape"))
        if descr is not None and descr["records"]:
            raise self._records()
        if text[:1] != "{" or text[position:].strip() != "}" or len(found) != 3:
            raise self._strange("its header cannot be read")
        if not (descr and order and shape and descr["text"] and order["word"] and shape["shape"]):
            raise self._strange("its header cannot be read")
        dtype = self._dtype(descr["text"])
        numbers = re.findall(r"-?\d+", shape["shape"])
        if len(numbers) == 1 and "," not in shape["shape"]:
            raise self._strange("its shape is a number")
        # Longer numbers are refused before Python computes with them.
        lengths = tuple(int(one[:20]) for one in numbers)
        bytes_of_a_row = math.prod(length or 1 for length in lengths) * (dtype.itemsize or 1)
        if min(lengths, default=0) < 0 or len(lengths) > _MOST_AXES or bytes_of_a_row > _LARGEST:
            raise self._strange(f"its shape is ({', '.join(numbers)})")
        return order["word"] == "True", Spec(lengths, dtype)

    def _dtype(self, text: str) -> np.dtype[Any]:
        try:
            dtype = np.dtype(text) if _DTYPE.fullmatch(text) else None
        except (TypeError, ValueError, OverflowError):
            dtype = None
        if dtype is None:
            raise self._strange(f"its dtype is {text!r}")
        if dtype.hasobject:
            raise TableError(
                self._path,
                "it holds Python objects, which are not loaded: allow_pickle=False",
                "convert the array to numbers before it is saved",
            )
        if not dtype.itemsize:
            raise TableError(self._path, f"it holds no numbers, but {dtype.str}", _REMEDY)
        return dtype

    def _read(self, shape: tuple[int, ...]) -> Array:
        needed = _size(shape, self.spec)
        refuse_above(HELD_BYTES, needed, f"what is read at once of {self._path}")
        content = bytearray(needed)
        view, filled = memoryview(content), 0
        while filled < needed:
            part = view[filled : filled + _BYTES_AT_A_TIME]
            if not (count := self._file.readinto(part)):
                raise self._truncated(needed - filled)
            filled += count
        return np.frombuffer(content, self.spec.dtype).reshape(shape)

    def _strange(self, reason: str) -> TableError:
        return TableError(self._path, f"it is not a NumPy file ({reason})", _REMEDY)

    def _truncated(self, lacking: int) -> TableError:
        return self._strange(f"it ends {lacking:,} bytes too early")

    def _records(self) -> TableError:
        return TableError(self._path, "it holds records, not numbers", _REMEDY)


def _size(shape: Sequence[int], spec: Spec) -> int:
    return math.prod(shape) * spec.dtype.itemsize


def write_stream(file: IO[bytes], outputs: Outputs, name: str) -> None:
    """Write one array in NumPy's format."""
    spec = outputs.specs[name]
    header = {
        "descr": np.lib.format.dtype_to_descr(spec.dtype),
        "fortran_order": False,
        "shape": spec.shape,
    }
    np.lib.format.write_array_header_1_0(file, header)
    for part in outputs.parts(name):
        file.write(np.ascontiguousarray(part).tobytes())


class _NpyData(ArrayData):
    def __init__(self, file: IO[bytes], path: str) -> None:
        self._stream = ArrayStream(file, path, _length_of(file))
        self.path = path
        self.arrays = {"": self._stream.spec}

    def slices(self, size: int, whole: Collection[str] = ()) -> Iterator[dict[str, Array]]:
        """Yield `size` rows at a time, or all of them."""
        if "" in whole:
            yield {"": self._stream.whole()}
            return
        for _ in range(0, max(self._stream.spec.shape[0], 1), size):
            yield {"": self._stream.take(size)}


def _length_of(file: IO[bytes]) -> int | None:
    """Return the length of a file on the disk, or None of a pipe."""
    try:
        known = os.fstat(file.fileno())
    except OSError:  # it is in memory
        return None
    return known.st_size if stat.S_ISREG(known.st_mode) else None


class Npy(Form):
    """One array in NumPy's format."""

    name = "npy"

    def open(
        self, file: IO[bytes], path: str, *, header: bool = True, chosen: Sequence[str] = ()
    ) -> ArrayData:
        """Return the array, whose name is ""."""
        return _NpyData(file, path)

    def check(self, specs: Mapping[str, Spec]) -> None:
        """Refuse more arrays than one."""
        if len(specs) != 1:
            raise OptionError("an .npy file for several outputs", ", ".join(specs), ".npz, .json")

    def write(self, file: IO[bytes], outputs: Outputs, about: Mapping[str, object]) -> None:
        """Write the array."""
        (name,) = outputs.specs
        write_stream(file, outputs, name)
