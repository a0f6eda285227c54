"""Whole files: checked before the work, written under a temporary name, renamed into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
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


def check_folder_writable(
    path: Path, marker: str, is_ours: Callable[[str], bool], *, overwrite: bool
) -> None:
    """Refuse an output folder early.

    Args:
        path: of the folder.
        marker: a file in it that shows what may be replaced: no other folder is deleted.
        is_ours: true of the names of files that may be deleted with it.
        overwrite: replace an existing folder of such files only, the marker among them.

    Raises:
        OutputExistsError: `path` exists, is not empty, and may not be replaced.
        NotWritableError: it is no folder of that kind, or its parent cannot be written to.
    """
    if not path.is_dir():
        if path.exists():
            raise NotWritableError(str(path), "it is a file, and a folder is to be written")
        check_writable(path, overwrite=overwrite)
        return
    try:
        names = sorted(inside.name for inside in path.iterdir())
    except OSError as error:
        raise NotWritableError(str(path), error.strerror or str(error)) from error
    if names:
        if marker not in names:
            raise NotWritableError(str(path), f"it is a folder with other files, without {marker}")
        if foreign := [name for name in names if not is_ours(name)]:
            raise NotWritableError(str(path), f"it is a folder with other files: {foreign[0]}")
        if not overwrite:
            raise OutputExistsError(str(path))
    place = path.resolve()
    if Path.cwd().is_relative_to(place):
        raise NotWritableError(str(path), "it is the folder that you are in")
    if not os.access(place.parent, os.W_OK):
        raise NotWritableError(str(path), f"the folder {place.parent} may not be written to")


def write_folder(
    path: Path,
    files: Mapping[str, bytes],
    marker: str,
    is_ours: Callable[[str], bool],
    *,
    overwrite: bool,
) -> None:
    """Write a folder of files so that `path` either holds all of them or is as it was.

    Raises as `check_folder_writable`.
    """
    check_folder_writable(path, marker, is_ours, overwrite=overwrite)
    place = path.resolve()  # what a link leads to is replaced, not the link
    try:
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as beside:
            new, old = Path(beside) / "new", Path(beside) / "old"
            new.mkdir()
            for name, content in files.items():
                (new / name).write_bytes(content)
            _exchange(place, new, old)
    except OSError as error:
        raise NotWritableError(str(path), error.strerror or str(error)) from error


def _exchange(place: Path, new: Path, old: Path) -> None:
    """Put a folder in its place, and the one that is there aside, or leave all as it is."""
    # A folder with files in it cannot be replaced by one call: the old one leaves first.
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except BaseException:
        if old.exists():
            old.rename(place)
        raise


def _umask() -> int:
    # The process's mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
