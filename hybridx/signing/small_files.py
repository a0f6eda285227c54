"""Keys and signatures read from disk: small files, whoever wrote them."""

from __future__ import annotations

from pathlib import Path

from hybridx.bounds import Bound, refuse_above
from hybridx.errors import FileMissingError, NotAFileError
from hybridx.storage import check_readable, read_bytes


def read_small(path: Path, bound: Bound) -> bytes:
    """Return the content of a small file.

    Raises:
        FileMissingError: it cannot be read.
        NotAFileError: it is a pipe or a device; model-signing reads keys once more.
        TooLargeError: it has more bytes than the bound says.
    """
    check_readable(path)
    if path.is_dir():
        raise FileMissingError(str(path), "it is a folder")
    if not path.is_file():
        raise NotAFileError(str(path), "a pipe")
    refuse_above(bound, path.stat().st_size, str(path))
    return read_bytes(path)
