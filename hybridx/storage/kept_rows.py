"""Rows of a run, kept in a file until its output is written: after a kill the run goes on there.

The first line is JSON that identifies the run and describes the arrays. Then come the slices, each
a line of JSON and the bytes of its arrays. The file is only appended to; a last slice that a crash
cut short is dropped.
"""

from __future__ import annotations

import math
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, TypeAlias

import msgspec
import numpy as np

from hybridx.bounds import DATA_ROWS, HELD_BYTES, refuse_above
from hybridx.errors import BrokenResultsError, ForeignResultsError, NotWritableError
from hybridx.storage.files import open_alone, open_file, remove_alone
from hybridx.storage.forms.form import Array, Outputs, Spec

FORMAT = 1
_SECONDS_BETWEEN_SYNCS = 1.0


_LONGEST_LINE = 10_000_000  # bytes; a slice has some hundred, and a name some
_Length: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_Rows: TypeAlias = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hybridx_rows: int
    run: dict[str, str]
    arrays: dict[str, tuple[str, Annotated[tuple[_Length, ...], msgspec.Meta(max_length=32)]]]
    # dtype, and shape of a row


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: _Rows
    data: str  # hash of all inputs up to here
    checksum: int  # CRC-32 of the bytes that follow


@dataclass(frozen=True, slots=True)
class _Slice:
    offset: int
    rows: int
    data: str


class KeptRows(Outputs):
    """The outputs of a run that were computed so far, slice by slice.

    Attributes:
        path: of the file, which is created with the first slice.
        specs: shape and dtype of each array that is kept, by name.
    """

    def __init__(self, path: Path, run: Mapping[str, str], *, resume: bool) -> None:
        """Begin a file, or continue an existing one.

        Args:
            path: of the file.
            run: what identifies the run, by the words that a message calls it.
            resume: read the slices of an earlier run; otherwise an existing file is replaced.

        Raises:
            ForeignResultsError: the file belongs to another run.
            BrokenResultsError: the file cannot be read.
            ResultsInUseError: another run has the file.
        """
        self.path = path
        self.specs: dict[str, Spec] = {}
        self.was_there = resume and path.exists()
        self._run = dict(run)
        self._slices: list[_Slice] = []
        self._length = 0
        self._synced = 0.0  # nothing is written yet
        self._file: IO[bytes] | None = None
        if self.was_there:
            try:
                self._file = open_alone(path, "r+b")
                self._read()
            except OSError as error:
                raise BrokenResultsError(str(path), error.strerror or str(error)) from error
            except BaseException:
                self.close()
                raise

    def __len__(self) -> int:
        return len(self._slices)

    @property
    def count(self) -> int:
        """The number of rows that are kept."""
        return sum(one.rows for one in self._slices)

    def check(self, index: int, data: str) -> None:
        """Refuse to go on with other inputs than those of the kept slices.

        Args:
            index: of a kept slice.
            data: hash of all inputs up to its end.

        Raises:
            ForeignResultsError: the hash is another one.
        """
        kept = self._slices[index].data
        if kept != data:
            raise ForeignResultsError(str(self.path), "data", kept[:12], data[:12])

    def keep(self, arrays: Mapping[str, Array], data: str) -> None:
        """Append a slice.

        Args:
            arrays: its outputs, with one length of the first axis.
            data: hash of all inputs up to its end.

        Raises:
            NotWritableError: the file system refuses.
            ResultsInUseError: another run has the file.
        """
        content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())
        rows = len(next(iter(arrays.values())))
        line = msgspec.json.encode(_Line(rows, data, zlib.crc32(content))) + b"\n"
        try:
            if not self._synced:
                self._begin(arrays)
            assert self._file is not None
            self._file.write(line + content)
            self._file.flush()
            if time.monotonic() - self._synced > _SECONDS_BETWEEN_SYNCS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise NotWritableError(str(self.path), error.strerror or str(error)) from error
        self._add(_Slice(self._length + len(line), rows, data))
        self._length += len(line) + len(content)

    def parts(self, name: str) -> Iterator[Array]:
        """Yield one array slice by slice."""
        yield from (self._load(one, [name])[name] for one in self._slices)

    def rows(self) -> Iterator[Mapping[str, Array]]:
        """Yield all arrays slice by slice."""
        yield from (self._load(one, list(self.specs)) for one in self._slices)

    def close(self) -> None:
        """Close the file and keep it; one that was begun without getting rows is removed."""
        if self._file is None:
            return
        if self._synced and not self._slices:
            self.remove()
            return
        with suppress(OSError):  # what could not be written cannot be written now
            self._file.close()
        self._file = None

    def remove(self) -> None:
        """Remove the file, once the output that holds its rows is written."""
        if self._file is not None:
            remove_alone(self._file, self.path)
            self._file = None

    def _begin(self, arrays: Mapping[str, Array]) -> None:
        self._synced = time.monotonic()
        if self._slices:
            assert self._file is not None
            self._file.truncate(self._length)
            self._file.seek(self._length)
            return
        self.specs = {
            name: Spec((0, *array.shape[1:]), array.dtype) for name, array in arrays.items()
        }
        described = {name: (spec.dtype.str, spec.shape[1:]) for name, spec in self.specs.items()}
        head = msgspec.json.encode(_Head(FORMAT, self._run, described)) + b"\n"
        if self._file is None:
            self._file = open_alone(self.path, "a+b")
        self._file.seek(0)
        self._file.truncate()
        self._file.write(head)
        self._length = len(head)

    def _add(self, added: _Slice) -> None:
        self._slices.append(added)
        self.specs = {
            name: Spec((spec.shape[0] + added.rows, *spec.shape[1:]), spec.dtype)
            for name, spec in self.specs.items()
        }

    def _load(self, one: _Slice, names: list[str]) -> dict[str, Array]:
        loaded = {}
        with self.path.open("rb") as file:
            offset = one.offset
            for name, spec in self.specs.items():
                shape = (one.rows, *spec.shape[1:])
                size = math.prod(shape) * spec.dtype.itemsize
                if name in names:
                    file.seek(offset)
                    loaded[name] = np.frombuffer(file.read(size), spec.dtype).reshape(shape)
                offset += size
        return loaded

    def _read(self) -> None:
        try:
            with open_file(self.path) as file:
                head = msgspec.json.decode(file.readline(_LONGEST_LINE))
                if isinstance(head, dict) and "hybridx_results" in head:
                    run = head.get("run")
                    device = run.get("device") if isinstance(run, dict) else None
                    raise ForeignResultsError(str(self.path), "device", str(device), "onnx")
                found = msgspec.convert(head, _Head)
                if found.hybridx_rows != FORMAT:
                    problem = f"its format is {found.hybridx_rows}, not {FORMAT}"
                    raise BrokenResultsError(str(self.path), problem)
                for what, ours in self._run.items():
                    theirs = found.run.get(what, "not known")
                    if theirs != ours:
                        raise ForeignResultsError(str(self.path), what, theirs[:12], ours[:12])
                self.specs = {
                    name: Spec((0, *shape), _dtype(dtype))
                    for name, (dtype, shape) in found.arrays.items()
                }
                self._length = file.tell()
                self._read_slices(file)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OSError) as error:
            raise BrokenResultsError(str(self.path), str(error)) from error

    def _read_slices(self, file: IO[bytes]) -> None:
        width = sum(math.prod(spec.shape[1:]) * spec.dtype.itemsize for spec in self.specs.values())
        size, rows = os.fstat(file.fileno()).st_size, 0
        while text := file.readline(_LONGEST_LINE):
            try:
                line = msgspec.json.decode(text, type=_Line)
            except msgspec.MsgspecError:
                return
            rows += line.rows
            refuse_above(DATA_ROWS, rows, f"the number of rows of {self.path}")
            needed = line.rows * width
            if needed > size:
                return
            refuse_above(HELD_BYTES, needed, f"what is read at once of {self.path}")
            content = file.read(needed)
            if len(content) != needed or zlib.crc32(content) != line.checksum:
                return
            self._add(_Slice(file.tell() - len(content), line.rows, line.data))
            self._length = file.tell()


def _dtype(text: str) -> np.dtype[Any]:
    """Return a dtype of numbers.

    Raises:
        ValueError: it is another one.
    """
    if not re.fullmatch(r"[<>|=]?[biufc]\d{1,2}", text, re.ASCII):
        raise ValueError(f"{text!r} is no dtype of numbers")
    return np.dtype(text)
