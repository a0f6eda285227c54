"""Whole files: checked before the work, written under a temporary name, renamed into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hybridx.errors import FileMissingError, NotWritableError, OutputExistsError


def read_bytes(path: Path) -> bytes:
    """Return the content of `path`.

    Raises:
        FileMissingError: the file does not exist or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileMissingError(str(path), error.strerror or str(error)) from error


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Refuse an output early, before minutes of work are spent on it.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: its folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise NotWritableError(str(path), "it is a folder")
    if path.exists() and not overwrite:
        raise OutputExistsError(str(path))
    folder = path.parent
    if not folder.is_dir():
        raise NotWritableError(str(path), f"the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise NotWritableError(str(path), f"the folder {folder} may not be written to")


def write_whole(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write `content` so that `path` either holds all of it or is as it was.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    check_writable(path, overwrite=overwrite)
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise NotWritableError(str(path), error.strerror or str(error)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_folder_writable(path: Path, marker: str, *, overwrite: bool) -> None:
    """Refuse an output folder early.

    Args:
        path: of the folder.
        marker: a file in it that shows what may be replaced: no other folder is deleted.
        overwrite: replace an existing folder that has the marker, or is empty.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: it is no folder of that kind, or its parent cannot be written to.
    """
    if not path.is_dir():
        if path.exists():
            raise NotWritableError(str(path), "it is a file, and a folder is to be written")
        check_writable(path, overwrite=overwrite)
        return
    if any(path.iterdir()):
        if not (path / marker).is_file():
            raise NotWritableError(str(path), f"it is a folder with other files, without {marker}")
        if not overwrite:
            raise OutputExistsError(str(path))
    check_writable(path.with_name(f".{path.name}"), overwrite=True)


def write_folder(path: Path, files: Mapping[str, bytes], marker: str, *, overwrite: bool) -> None:
    """Write a folder of files so that `path` either holds all of them or is as it was.

    Raises as `check_folder_writable`.
    """
    check_folder_writable(path, marker, overwrite=overwrite)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as place:
            new, old = Path(place) / "new", Path(place) / "old"
            new.mkdir()
            for name, content in files.items():
                (new / name).write_bytes(content)
            # A folder cannot be replaced by one call: the old one leaves first.
            if path.exists():
                path.rename(old)
            new.rename(path)
    except OSError as error:
        raise NotWritableError(str(path), error.strerror or str(error)) from error


def _umask() -> int:
    # The process's mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
