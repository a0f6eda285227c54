"""Files written as a whole: first checked, written under a temporary name, then renamed.

Whoever is killed while writing leaves the old file or the new one. What else it left is removed by
the next command that writes to the folder (`temporaries.py`). A link is followed: what it names is
replaced. A file keeps its mode and, where the system allows it, its owner. Of a new one the system
takes away what the umask says, which belongs to the whole process and is never read or set here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hybridx.bounds import FILE_BYTES, HELD_BYTES, Bound, refuse_above, refuse_more
from hybridx.errors import (
    FileMissingError,
    NotAFileError,
    NotWritableError,
    OutputExistsError,
    ResultsInUseError,
)
from hybridx.storage.renames import exchange, sync_files, sync_folder
from hybridx.storage.temporaries import (
    NewFile,
    clean,
    copy_owner_and_mode,
    is_at,
    lock_file,
    new_file,
    new_folder,
)

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_BYTES_AT_A_TIME = 2**16
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
        elif stat.S_ISREG(mode):
            try:
                # Some files of the system can be opened and not read, or have nothing to read yet.
                is_waiting = not file.peek(1) and file.raw.read(1) is None
            except OSError:
                file.close()
                raise
            if is_waiting:
                file.close()
                raise NotAFileError(str(path), "a device")
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


def read_bytes(path: Path, bound: Bound = FILE_BYTES) -> bytes:
    """Return the content of `path`.

    Args:
        path: of a file.
        bound: on its bytes.

    Raises:
        FileMissingError: the file does not exist or cannot be read.
        NotAFileError: it is a pipe, a device or a socket.
        TooLargeError: it is over the bound.
    """
    with open_file(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            refuse_above(bound, size, f"the size of {path}")
            if size:
                return file.read(size)
            parts = []  # of a pipe, which has no size
            least = min(bound, HELD_BYTES, key=lambda one: one.limit)
            while part := file.read(_BYTES_AT_A_TIME):
                parts.append(part)
                if len(parts) * _BYTES_AT_A_TIME > least.limit:
                    refuse_more(least, f"the size of {path}")
            return b"".join(parts)
        except OSError as error:
            raise FileMissingError(str(path), error.strerror or str(error)) from error


def check_readable(path: Path) -> None:
    """Refuse an input that is not there, before anything that would read it is imported.

    Raises:
        FileMissingError: there is neither a file nor a folder, or it may not be read.
        NotAFileError: it is a pipe, a device or a socket.
    """
    if not os.path.lexists(path):
        recover(path)
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
        NotWritableError: its folder does not exist or cannot be written to, it is no file, or one
            without permission to write.
    """
    _check_file(path, overwrite=overwrite)


def write_whole(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write `content` so that `path` either holds all of it or is unchanged.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    write_from(path, _writing(content), overwrite=overwrite)


def write_from(path: Path, fill: Callable[[IO[bytes]], object], *, overwrite: bool) -> None:
    """Write what `fill` writes so that `path` either holds all of it or is unchanged.

    Args:
        path: of the file.
        fill: writes the content into an open file.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    place = _check_file(path, overwrite=overwrite)
    with _refusals(path):
        with ExitStack() as stack:
            _complete(stack, place, fill).become(place, overwrite=overwrite)
        sync_folder(place.parent)


def write_together(files: Mapping[Path, bytes], *, overwrite: bool) -> None:
    """Write files of one folder so that they all hold their content or are all unchanged.

    If the process is killed in the moment between the first rename and the last one, the next
    command that reads or writes there makes the remaining ones. Files that links put into
    different folders are written one folder after the other.

    Raises:
        OutputExistsError: one of them exists and may not be replaced.
        NotWritableError: the file system refuses.
    """
    folders: dict[Path, dict[str, Path]] = {}
    for path in files:
        place = _check_file(path, overwrite=overwrite)
        folders.setdefault(place.parent, {})[place.name] = path
    with _refusals(next(iter(files), Path())), ExitStack() as stack:
        complete = {
            folder: {
                name: _complete(stack, folder / name, _writing(files[path]))
                for name, path in names.items()
            }
            for folder, names in folders.items()
        }
        for folder, made in complete.items():
            if len(made) > 1:
                together = stack.enter_context(new_folder(folder))
                together.rename_files(made, overwrite=overwrite)
            else:
                ((name, file),) = made.items()
                file.become(folder / name, overwrite=overwrite)
    for folder in folders:
        sync_folder(folder)


def check_folder_writable(
    path: Path, marker: str, is_ours: Callable[[str], bool], *, overwrite: bool
) -> None:
    """Refuse an output folder before the work that fills it.

    Args:
        path: of the folder.
        marker: a file name; only a folder that contains this file may be replaced.
        is_ours: returns True for the names of files that may be deleted with the folder; a file in
            a folder below is called `below/name`, and the folder itself `below/`.
        overwrite: replace an existing folder, if it contains the marker and only such files.

    Raises:
        OutputExistsError: `path` exists, is not empty, and may not be replaced.
        NotWritableError: it is not such a folder, or its parent cannot be written to.
    """
    _check_folder(path, marker, is_ours, overwrite=overwrite)


@dataclass(frozen=True)
class NewContent:
    """What a folder is to hold.

    Attributes:
        folder: empty at first, beside the folder that it will be.
        place: the folder that it will be, with all links followed.
        usual: the marker that is there already, whose mode new files get; None if none is.
    """

    folder: Path
    place: Path
    usual: os.stat_result | None


def write_folder(
    path: Path,
    files: Mapping[str, bytes],
    marker: str,
    is_ours: Callable[[str], bool],
    *,
    overwrite: bool,
) -> None:
    """Write a folder of files so that `path` either holds all of them or is unchanged.

    A name such as `below/name` is that of a file in a folder below.

    The old folder and the new one exchange their names in one step. Where the system cannot do
    that, the old one is renamed first. If the process is killed before the next rename, the next
    command that reads or writes there makes it.

    Raises as `check_folder_writable`.
    """
    with new_content(path, marker, is_ours, overwrite=overwrite) as made, _refusals(path):
        for name, content in files.items():
            (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
            _fill(made.folder / name, content, _about(made.place / name) or made.usual)


@contextmanager
def new_content(
    path: Path, marker: str, is_ours: Callable[[str], bool], *, overwrite: bool
) -> Iterator[NewContent]:
    """Yield an empty folder that becomes `path` at the end, unless something is raised.

    Other processes may fill it. Of a killed process it is removed as what `write_folder` leaves.

    Raises as `check_folder_writable`.
    """
    place = _check_folder(path, marker, is_ours, overwrite=overwrite)
    # What is raised by whoever fills the folder is no refusal of this file system.
    with ExitStack() as stack:
        with _refusals(path):
            before, usual = _about(place), _about(place / marker)
            made = stack.enter_context(new_folder(place.parent))
        yield NewContent(made.new, place, usual)
        with _refusals(path):
            if before is not None:
                copy_owner_and_mode(made.new, before)
            sync_files(made.new)
            if usual is None:  # there is no folder, or an empty one
                if before is not None and os.name == "nt":
                    place.rmdir()  # Windows replaces no folder, also no empty one
                made.new.rename(place)
            elif exchange(made.new, place):
                # Somebody may have put a file there since it was checked.
                if foreign := _first_foreign(made.new, is_ours):
                    exchange(made.new, place)
                    raise NotWritableError(str(path), _with_others(foreign))
            else:
                made.rename_folder(place)
    with _refusals(path):
        sync_folder(place.parent)


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one file that is there."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def recover(path: Path) -> None:
    """Complete what a killed process had begun to write to `path`, and remove what it left."""
    with suppress(OSError, ValueError):
        clean(Path(os.path.realpath(path)).parent)


def open_alone(path: Path, mode: str) -> IO[bytes]:
    """Open a file that no other process may have open in this way.

    Raises:
        ResultsInUseError: another run has the file.
        NotAFileError: it is a pipe, a device or a socket.
        OSError: the file system refuses.
    """
    if path.exists():
        check_readable(path)
    file = path.open(mode)
    # Another run that had the file may have removed it before it gave it up.
    if not lock_file(file) or not is_at(file, path):
        file.close()
        raise ResultsInUseError(str(path))
    return file


def remove_alone(file: IO[bytes], path: Path) -> None:
    """Remove a file that `open_alone` has opened, and give it up."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # Windows removes no open files
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # a full disk may lack the room for its last bytes
        file.close()


def _check_file(path: Path, *, overwrite: bool) -> Path:
    """Return where a file is written: `path`, or what it leads to if it is a link."""
    place, about = _look(path)
    if about is not None:
        if stat.S_ISDIR(about.st_mode):
            raise NotWritableError(str(path), "it is a folder")
        if not stat.S_ISREG(about.st_mode):
            raise NotWritableError(str(path), "it is a device or a pipe, not a file")
        if not overwrite:
            raise OutputExistsError(str(path))
        _check_permission(path, place, about)
    _check_parent(path, place.parent)
    clean(place.parent)
    return place


def _check_folder(
    path: Path, marker: str, is_ours: Callable[[str], bool], *, overwrite: bool
) -> Path:
    place, about = _look(path)
    if about is not None:
        if not stat.S_ISDIR(about.st_mode):
            raise NotWritableError(str(path), "it is a file, and a folder is to be written")
        with _refusals(path):
            if Path(os.path.realpath(".")).is_relative_to(place):
                raise NotWritableError(str(path), "it is the folder that you are in")
            names = sorted(inside.name for inside in place.iterdir())
            if names:
                if marker not in names:
                    raise NotWritableError(
                        str(path), f"it is a folder with other files, without {marker}"
                    )
                if foreign := _first_foreign(place, is_ours):
                    raise NotWritableError(str(path), _with_others(foreign))
                if not overwrite:
                    raise OutputExistsError(str(path))
                _check_permission(path, place, about)
    _check_parent(path, place.parent)
    clean(place.parent)
    return place


def _first_foreign(folder: Path, is_ours: Callable[[str], bool], above: str = "") -> str | None:
    """Return the first name in a folder that is not that of a file of ours, or None."""
    for inside in sorted(folder.iterdir()):
        name = above + inside.name
        is_folder = inside.is_dir() and not inside.is_symlink()
        if not is_ours(f"{name}/" if is_folder else name):
            return name
        if is_folder and (foreign := _first_foreign(inside, is_ours, f"{name}/")):
            return foreign
    return None


def _with_others(name: str) -> str:
    return f"it is a folder with other files: {name}"


def _look(path: Path) -> tuple[Path, os.stat_result | None]:
    """Return the path behind all links, and what is there: None if nothing.

    Raises:
        NotWritableError: nobody could write there.
    """
    with _refusals(path):
        try:
            about = _about(path)
        except ValueError as error:
            raise NotWritableError(str(path), str(error)) from error
        return Path(os.path.realpath(path)), about


def _check_permission(path: Path, place: Path, about: os.stat_result) -> None:
    # To replace a file, its folder needs permission, not the file. But who takes it away from a
    # file means that the file stays as it is. The superuser may write to any file.
    if not os.access(place, os.W_OK) or not about.st_mode & 0o222:
        raise NotWritableError(str(path), "it is read-only")


def _check_parent(path: Path, folder: Path) -> None:
    shown = path.parent if not path.is_symlink() else folder
    with _refusals(path):
        if not folder.is_dir():
            raise NotWritableError(str(path), f"the folder {shown} does not exist")
        if not os.access(folder, os.W_OK):
            raise NotWritableError(str(path), f"the folder {shown} may not be written to")


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Let a refusal of the file system be an error of ours."""
    try:
        yield
    except FileExistsError as error:
        raise OutputExistsError(str(path)) from error
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise OutputExistsError(str(path)) from error
        raise NotWritableError(str(path), error.strerror or str(error)) from error


def _about(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _writing(content: bytes) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(content)


def _complete(stack: ExitStack, place: Path, fill: Callable[[IO[bytes]], object]) -> NewFile:
    """Return a new file with its content, owner and mode, that only lacks its name."""
    before = _about(place)
    made = stack.enter_context(new_file(place.parent, _mode(before)))
    fill(made.file)
    if before is not None:
        copy_owner_and_mode(made.file.fileno(), before)
    made.keep()
    return made


def _mode(before: os.stat_result | None) -> int:
    return 0o666 if before is None else before.st_mode & 0o777


def _fill(path: Path, content: bytes, before: os.stat_result | None) -> None:
    """Write a new file into a folder that nobody else sees."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, _mode(before)), "wb") as file:
        file.write(content)
    if before is not None:
        copy_owner_and_mode(path, before)
