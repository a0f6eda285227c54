"""`.npz`: named arrays in a zip archive, each read row by row."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from hybridx.bounds import MEMBERS, UNPACKED_BYTES, refuse_above
from hybridx.errors import OptionError, TableError
from hybridx.storage.forms.form import Array, ArrayData, Form, Outputs, Spec, refuse_repeated
from hybridx.storage.forms.npy import ArrayStream, write_stream
from hybridx.storage.zipped import check_list

_MEMBER = ".npy"
_LONGEST_MEMBER = 2**16 - 1  # bytes

# RuntimeError: a password is needed. NotImplementedError: an unknown compression.
_BROKEN = (ValueError, OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        problem = f"it is not a NumPy file ({error})"
        raise TableError(path, problem, "write it with numpy.savez") from error


class _NpzData(ArrayData):
    def __init__(self, file: IO[bytes], path: str) -> None:
        self.path = path
        with _refusing(path):
            check_list(file)
            archive = zipfile.ZipFile(file)
            members = archive.infolist()
            refuse_above(MEMBERS, len(members), f"the number of members of {path}")
            names = [member.filename.removesuffix(_MEMBER) for member in members]
            refuse_repeated(names, "arrays", "array", path)
            packed = [one for one in members if one.compress_type != zipfile.ZIP_STORED]
            if any(one.compress_type != zipfile.ZIP_DEFLATED for one in packed):
                raise zipfile.BadZipFile("it is compressed in another way than NumPy's")
            unpacked = sum(one.file_size for one in packed)
            refuse_above(UNPACKED_BYTES, unpacked, f"what is compressed in {path}")
            self._streams = {
                name: ArrayStream(archive.open(member), path, member.file_size)
                for name, member in zip(names, members, strict=True)
            }
        self.arrays = {name: stream.spec for name, stream in self._streams.items()}

    def slices(self, size: int, whole: Collection[str] = ()) -> Iterator[dict[str, Array]]:
        """Yield `size` rows of every array at a time, beside the whole ones."""
        sliced = [name for name in self.arrays if name not in whole]
        with _refusing(self.path):
            shared = {name: self._streams[name].whole() for name in self.arrays if name in whole}
        rows = max((self.arrays[name].shape[0] for name in sliced), default=0)
        for _ in range(0, max(rows, 1), size):
            with _refusing(self.path):
                taken = {name: self._streams[name].take(size) for name in sliced}
            yield {name: shared[name] if name in shared else taken[name] for name in self.arrays}


class Npz(Form):
    """Named arrays, each in NumPy's format."""

    name = "npz"
    seeks = True

    def open(
        self, file: IO[bytes], path: str, *, header: bool = True, chosen: Sequence[str] = ()
    ) -> ArrayData:
        """Return the arrays."""
        return _NpzData(file, path)

    def check(self, specs: Mapping[str, Spec]) -> None:
        """Refuse names under which `numpy.load` would not find an array."""
        for name in specs:
            if not _is_member(name) or name.removesuffix(_MEMBER) in specs.keys() - {name}:
                raise OptionError("the name of an array in an .npz file", name[:60], ".json, .csv")

    def write(self, file: IO[bytes], outputs: Outputs, about: Mapping[str, object]) -> None:
        """Write the bytes that `numpy.savez` writes: that takes names as keywords, and not all."""
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in outputs.specs:
                member = zipfile.ZipInfo(name + _MEMBER)
                with archive.open(member, "w", force_zip64=True) as inside:
                    write_stream(inside, outputs, name)


def _is_member(name: str) -> bool:
    """Return whether a zip archive can hold a member of that name."""
    try:
        length = len((name + _MEMBER).encode())
    except UnicodeEncodeError:
        return False
    return length <= _LONGEST_MEMBER and "\0" not in name
