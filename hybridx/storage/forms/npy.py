"""`.npy`: one array without a name, read row by row."""

from __future__ import annotations

import tokenize
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import IO

import numpy as np

from hybridx.errors import OptionError, TableError
from hybridx.storage.forms.form import Array, ArrayData, Form, Outputs, Spec

_BYTES_AT_A_TIME = 2**24
_REMEDY = "write it with numpy.save or numpy.savez"


# What `ast.literal_eval` raises beside what NumPy does, which reads the header with it.
_BROKEN_HEADER = (
    *(ValueError, TypeError, RecursionError, MemoryError, OSError, EOFError),
    *(tokenize.TokenError, SyntaxError),
)


class ArrayStream:
    """An array in NumPy's format, whose rows are read one after another.

    Attributes:
        spec: its shape and dtype.
    """

    def __init__(self, file: IO[bytes], path: str) -> None:
        """Read the header.

        Raises:
            TableError: there is none, or the array holds Python objects.
        """
        self._file, self._path = file, path
        try:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if read_header is None:  # the third version is for records with names in Unicode
                raise TableError(path, "it holds records, not numbers", _REMEDY)
            with warnings.catch_warnings():
                # A header that Python 2 wrote is read, and NumPy warns of the time that it takes.
                warnings.simplefilter("ignore", UserWarning)
                shape, self._is_fortran, dtype = read_header(file)
            if dtype.names is not None:
                raise TableError(path, "it holds records, not numbers", _REMEDY)
        except _BROKEN_HEADER as error:
            raise TableError(path, f"it is not a NumPy file ({error})", _REMEDY) from error
        if any(length < 0 for length in shape):
            raise TableError(path, f"it is not a NumPy file (its shape is {shape})", _REMEDY)
        if dtype.hasobject:
            raise TableError(
                path,
                "it holds Python objects, which are not loaded: allow_pickle=False",
                "convert the array to numbers before it is saved",
            )
        if not dtype.itemsize:
            raise TableError(path, f"it holds no numbers, but {dtype.str}", _REMEDY)
        self.spec = Spec(tuple(map(int, shape)), dtype)
        # Columns that follow each other cannot be read row by row.
        self._loaded = self._all() if self._is_fortran and len(shape) > 1 else None
        self._row = 0

    def whole(self) -> Array:
        """Return the array, of which nothing was read before."""
        return self._all() if self._loaded is None else self._loaded

    def take(self, rows: int) -> Array:
        """Return the next rows, as many as there are."""
        start, length = self._row, self.spec.shape[0]
        stop = min(start + rows, length)
        self._row = stop
        if self._loaded is not None:
            return np.ascontiguousarray(self._loaded[start:stop])
        return self._read((stop - start, *self.spec.shape[1:]))

    def _all(self) -> Array:
        if not self._is_fortran:
            return self._read(self.spec.shape)
        return self._read(self.spec.shape[::-1]).T

    def _read(self, shape: tuple[int, ...]) -> Array:
        needed = int(np.prod(shape, dtype=object)) * self.spec.dtype.itemsize
        content = bytearray()
        # A header that is wrong asks for more memory than there is.
        while part := self._file.read(min(needed - len(content), _BYTES_AT_A_TIME)):
            content += part
        if len(content) != needed:
            raise TableError(
                self._path,
                f"it is not a NumPy file (it ends {needed - len(content):,} bytes too early)",
                _REMEDY,
            )
        return np.frombuffer(content, self.spec.dtype).reshape(shape)


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
        self._stream = ArrayStream(file, path)
        self.path = path
        self.arrays = {"": self._stream.spec}

    def slices(self, size: int, whole: Collection[str] = ()) -> Iterator[dict[str, Array]]:
        """Yield `size` rows at a time, or all of them."""
        if "" in whole:
            yield {"": self._stream.whole()}
            return
        for _ in range(0, max(self._stream.spec.shape[0], 1), size):
            yield {"": self._stream.take(size)}


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
