"""Files written as a whole: first checked, written under a temporary name, then renamed."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, cast

from hybridx.errors import FileMissingError, NotAFileError, NotWritableError, OutputExistsError

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_OWN_DESCRIPTORS = ("/dev/fd", "/proc/self/fd", f"/proc/{os.getpid()}/fd")
# Nothing waits for whoever would write into a pipe, and no device becomes the terminal.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading, or a pipe that this process has been given, such as `/dev/stdin`.

    Raises:
        FileMissingError: it does not exist or cannot be read.
        NotAFileError: it is another pipe, a device or a socket, whose reading may never end.
    """
    try:
        mode = path.stat().st_mode
        if kind := _other_kind(path, mode):
            raise NotAFileError(str(path), kind)
        file = open(path, "rb", opener=_at_once)  # noqa: SIM115
        # Another one may have taken the name since.
        if kind := _other_kind(path, os.fstat(file.fileno()).st_mode):
            file.close()
            raise NotAFileError(str(path), kind)
        if stat.S_ISFIFO(mode):
            os.set_blocking(file.fileno(), True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise FileMissingError(str(path), reason or str(error)) from error
    return file


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | _AT_ONCE)


def _other_kind(path: Path, mode: int) -> str:
    """Return what a path is that is neither a file nor a folder, or ""."""
    kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "")
    if kind == "a pipe" and os.path.realpath(path).startswith(_OWN_DESCRIPTORS):
        return ""
    return kind


def read_bytes(path: Path) -> bytes:
    """Return the content of `path`.

    Raises:
        FileMissingError: the file does not exist or cannot be read.
        NotAFileError: it is a pipe, a device or a socket.
    """
    with open_file(path) as file:
        try:
            return file.read()
        except OSError as error:
            raise FileMissingError(str(path), error.strerror or str(error)) from error


def check_readable(path: Path) -> None:
    """Refuse an input that is not there, before anything that would read it is imported.

    Raises:
        FileMissingError: there is neither a file nor a folder, or it may not be read.
        NotAFileError: it is a pipe, a device or a socket.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise FileMissingError(str(path), reason or str(error)) from error
    if kind := _other_kind(path, mode):
        raise NotAFileError(str(path), kind)


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Refuse an output before the work that makes it.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: its folder does not exist or cannot be written to.
    """
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:  # the name is too long
        raise NotWritableError(str(path), error.strerror or str(error)) from error
    if is_folder:
        raise NotWritableError(str(path), "it is a folder")
    if is_there and not path.is_file():
        raise NotWritableError(str(path), "it is a device or a pipe, not a file")
    if is_there and not overwrite:
        raise OutputExistsError(str(path))
    folder = path.parent
    if not folder.is_dir():
        raise NotWritableError(str(path), f"the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise NotWritableError(str(path), f"the folder {folder} may not be written to")


def write_whole(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write `content` so that `path` either holds all of it or is unchanged.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    write_from(path, lambda file: file.write(content), overwrite=overwrite)


def write_from(
    path: Path,
    fill: Callable[[IO[bytes]], object],
    *,
    overwrite: bool,
    beside: Path | None = None,
) -> None:
    """Write what `fill` writes so that `path` either holds all of it or is unchanged.

    Args:
        path: of the file.
        fill: writes the content into an open file.
        overwrite: replace an existing file.
        beside: the name of the file before it is complete, in the same folder; a file of this
            name is replaced. By default a new name.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    check_writable(path, overwrite=overwrite)
    temporary = beside
    try:
        with (
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)
            if beside is None
            else beside.open("wb")
        ) as file:
            temporary = Path(file.name)
            fill(cast("IO[bytes]", file))
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
    """Refuse an output folder before the work that fills it.

    Args:
        path: of the folder.
        marker: a file name; only a folder that contains this file may be replaced.
        is_ours: returns True for the names of files that may be deleted with the folder.
        overwrite: replace an existing folder, if it contains the marker and only such files.

    Raises:
        OutputExistsError: `path` exists, is not empty, and may not be replaced.
        NotWritableError: it is not such a folder, or its parent cannot be written to.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:  # the name is too long
        raise NotWritableError(str(path), error.strerror or str(error)) from error
    if not is_folder:
        if is_there:
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
    """Write a folder of files so that `path` either holds all of them or is unchanged.

    Raises as `check_folder_writable`.
    """
    check_folder_writable(path, marker, is_ours, overwrite=overwrite)
    place = path.resolve()  # replace the target of a link, not the link
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
    """Rename a folder into place and the old one out of the way, or change nothing."""
    # No single call replaces a folder that has files, so the old one is renamed first.
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except BaseException:
        if old.exists():
            old.rename(place)
        raise


def lock_file(file: IO[bytes]) -> bool:
    """Take an open file for this process until it is closed, however the process ends.

    Returns:
        False if another process has taken it; True too where files cannot be taken.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(opened)
    except OSError:
        pass
    finally:
        os.close(opened)


def _umask() -> int:
    # The umask of the process can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
