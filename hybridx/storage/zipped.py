"""Zip archives for torch, written so that equal contents give equal bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping

_ROOT = "model/"
_ALIGNMENT = 64  # torch maps only tensors with this alignment into memory
_EXTRA_HEADER = 4
_LOCAL_HEADER = 30
_PADDING_ID = b"FB"  # the extra field that torch uses for padding


def unzip(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name, without the common top-level folder, and the bytes of each member."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield name.partition("/")[2], archive.read(name)


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
