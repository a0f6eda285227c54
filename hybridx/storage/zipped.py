"""Zip archives: those for torch, whose equal contents give equal bytes, and the lists of others."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO

from hybridx.bounds import MEMBERS, refuse_above

_ROOT = "model/"
_ALIGNMENT = 64  # torch maps only tensors with this alignment into memory
_EXTRA_HEADER = 4
_LOCAL_HEADER = 30
_PADDING_ID = b"FB"  # the extra field that torch uses for padding

_END = struct.Struct("<4s4H2LH")  # the record at the end of an archive
_IS_ENCRYPTED = 1
_FAR_END = struct.Struct("<32xQQ8x")  # of an archive of more than 4 GB or 65,535 members
_FAR_LOCATOR = 20
_LONGEST_END = 2**16 + _END.size + _FAR_END.size + _FAR_LOCATOR  # with a comment
_LONG_ENTRY = 400  # bytes of a member in the list; NumPy's has 46 and a name


def unzip(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name, without the common top-level folder, and the bytes of each member.

    It is for archives that torch has just written; `stored_members` reads those of others.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield name.partition("/")[2], archive.read(name)


def stored_members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes as `unzip`, of an archive as `rezip` writes it.

    Its members are stored as they are. Archives of other kinds are refused before a member is read,
    so that nothing is larger than the archive.

    Raises:
        BadZipFile: it is no archive, or not of this kind.
        TooLargeError: it has too many members.
    """
    _check_end(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for info in archive.infolist():
            name = info.filename.partition("/")[2]
            total += info.file_size
            if not name or name in names:
                raise zipfile.BadZipFile(f"the member {info.filename!r} is there twice")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise zipfile.BadZipFile(f"the member {info.filename!r} is compressed")
            if info.flag_bits & _IS_ENCRYPTED:
                raise zipfile.BadZipFile(f"the member {info.filename!r} is encrypted")
            if total > len(content):
                raise zipfile.BadZipFile("its members are longer than it is")
            names[name] = info
        for name, info in names.items():
            yield name, archive.read(info)


def _check_end(content: bytes) -> None:
    """Refuse an archive by its last bytes, before its list of members is read.

    Raises:
        BadZipFile: something follows its list of members.
        TooLargeError: it has too many members.
    """
    if len(content) < _END.size or not content.startswith(b"PK"):
        raise zipfile.BadZipFile("it is no zip file")
    mark, disk, first, here, count, size, offset, comment = _END.unpack(content[-_END.size :])
    if mark != b"PK\x05\x06" or disk or first or comment or here != count:
        raise zipfile.BadZipFile("it is truncated, or something follows it")
    refuse_above(MEMBERS, count, "the number of members of an archive")
    if offset + size > len(content) - _END.size:
        raise zipfile.BadZipFile("its list of members is not in it")


def check_list(file: IO[bytes]) -> None:
    """Refuse any archive by its list of members, before the list is read.

    Raises:
        TooLargeError: the list is too long.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_END))
    tail = file.read(_LONGEST_END)
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if not 0 <= at <= len(tail) - _END.size:
        return  # it is no archive
    _, _, _, _, count, length, _, _ = _END.unpack_from(tail, at)
    far = at - _FAR_LOCATOR - _FAR_END.size
    if far >= 0 and tail[far : far + 4] == b"PK\x06\x06":
        count, length = _FAR_END.unpack_from(tail, far)
    # The list may hold more than it says.
    most = max(count, length // _LONG_ENTRY)
    refuse_above(MEMBERS, most, "the number of members of an archive")


def rezip(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of these members: sorted, uncompressed, aligned, without a date."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(_ROOT + name)  # dated 1980
            info.create_system = 0  # instead of the system of the machine
            start = written.tell() + _LOCAL_HEADER + len(info.filename.encode()) + _EXTRA_HEADER
            padding = -start % _ALIGNMENT
            info.extra = _PADDING_ID + padding.to_bytes(2, "little") + b"Z" * padding
            archive.writestr(info, members[name])
    return written.getvalue()
