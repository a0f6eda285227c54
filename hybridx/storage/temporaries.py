"""Files that are not complete yet: their names, whose they are, and what a killed process left.

Where a file needs a name before it is complete, that is `.hybridx-<16 digits>.tmp` in the folder of
its target. Several files that belong together, and a folder, are put into a folder of such a name.
Its process holds a lock on it until it is done, however it ends. So the next command that writes to
the same folder knows which of them nobody will complete, and removes them.

A folder that cannot be exchanged in one step, and files that belong together, need more than one
rename. A record in the folder says what is renamed. If a process is killed between two renames, the
next command makes the remaining ones.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

import msgspec

from hybridx.storage.renames import rename_new, sync_file

_NAME = re.compile(r"\.hybridx-[0-9a-f]{16}\.tmp")
_LOCK, _RECORD, _HALF_A_RECORD, _NEW, _OLD = "lock", "record.json", "half.json", "new", "old"
_RECORD_BYTES = 1 << 16
# Where files cannot be locked, whoever wrote to a file within a day may still be at work.
_SURELY_OVER = 24 * 3600

Stamp: TypeAlias = tuple[int, int]
"""Size and time of the last change of a file, in nanoseconds."""


class _Rename(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name, which need not be text, and for a file what stood there before."""

    name: bytes
    before: Stamp | None = None


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is renamed: either files or one folder."""

    files: tuple[_Rename, ...] = ()
    folder: _Rename | None = None


class NewFile:
    """A file that is not complete.

    Linux opens files without a name, of which a kill leaves nothing. Elsewhere it has a temporary
    name from the beginning.

    Attributes:
        file: open for reading and writing.
    """

    def __init__(self, folder: Path, mode: int) -> None:
        self._folder, self._mode = folder, mode
        self._path: Path | None = None
        self.file = _open_unnamed(folder, mode) or self._open()

    def keep(self) -> None:
        """Force the content to the disk.

        Raises:
            OSError: there is no room, or the disk fails.
        """
        self.file.flush()
        sync_file(self.file.fileno())

    def become(self, target: Path, *, overwrite: bool) -> None:
        """Give the file its name, which then names all of it or what it named before.

        Args:
            target: a path in the same folder or in one below.
            overwrite: replace a file.

        Raises:
            FileExistsError: there is a file that may not be replaced.
            OSError: the file system refuses.
        """
        if self._path is None:
            if self._link(target, may_be_there=overwrite):
                return
            path = self._folder / _name()
            # This file is locked already.
            if self._link(path, may_be_there=False):
                self._path = path
            else:
                self._copy()
        assert self._path is not None
        if os.name == "nt":  # Windows renames no open files
            self.file.close()
        if overwrite:
            self._path.replace(target)
        else:
            rename_new(self._path, target)
        self._path = None

    def discard(self) -> None:
        """Close the file, and remove it if it did not get its name."""
        with suppress(OSError):
            self.file.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _open(self) -> IO[bytes]:
        self._path, file = _open_named(self._folder, self._mode)
        return file

    def _link(self, path: Path, *, may_be_there: bool) -> bool:
        """Give a file without a name one; False if it has none for another reason than its room."""
        try:
            # Without a folder, Python does not follow the link on Linux.
            opened = self.file.fileno()
            os.link(_descriptor(self.file), path, src_dir_fd=opened, follow_symlinks=True)
        except FileExistsError:
            if may_be_there:
                return False
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
                raise
            return False
        return True

    def _copy(self) -> None:
        """Write the content again under a temporary name, where the system links no open file."""
        unnamed = self.file
        self.file = self._open()
        with unnamed:
            unnamed.seek(0)
            shutil.copyfileobj(unnamed, self.file)
            copy_owner_and_mode(self.file.fileno(), os.fstat(unnamed.fileno()))
        self.keep()


@contextmanager
def new_file(folder: Path, mode: int) -> Iterator[NewFile]:
    """Open a file in `folder` that is gone at the end, unless it got its name.

    Args:
        folder: of the file.
        mode: its permissions, from which the system takes those of the umask away.

    Raises:
        OSError: the file system refuses.
    """
    made = NewFile(folder, mode)
    try:
        yield made
    finally:
        made.discard()


class NewFolder:
    """A folder for what is to be renamed, removed at the end.

    Attributes:
        new: the new content: a folder that exists and is empty.
        old: where the content that is replaced may be put.
    """

    def __init__(self, path: Path) -> None:
        self.new, self.old = path / _NEW, path / _OLD
        self._path = path

    def rename_files(self, files: Mapping[str, NewFile], *, overwrite: bool) -> None:
        """Give all files their names in the folder of this folder, or none of them.

        If the process dies between two of them, the next command goes on.

        Raises:
            FileExistsError: there is a file that may not be replaced.
            OSError: the file system refuses.
        """
        targets = {name: self._path.parent / name for name in files}
        for name, file in files.items():
            file.become(self.new / name, overwrite=False)
        self.old.mkdir()
        before = {name: _stamp(target) for name, target in targets.items()}
        for name, target in targets.items():
            if before[name] is not None:
                _keep(target, self.old / name)
        renames = (_Rename(os.fsencode(name), stamp) for name, stamp in before.items())
        self._note(_Record(files=tuple(renames)))
        done: list[str] = []
        try:
            for name, target in targets.items():
                done.append(name)
                if overwrite:
                    (self.new / name).replace(target)
                else:
                    rename_new(self.new / name, target)
        except BaseException:
            for name in done:
                if before[name] is not None:
                    (self.old / name).replace(targets[name])
                elif not os.path.lexists(self.new / name):
                    targets[name].unlink()
            raise

    def rename_folder(self, target: Path) -> None:
        """Replace a folder by `new` in two steps; if the process dies, the next command ends it.

        Raises:
            OSError: the file system refuses.
        """
        self._note(_Record(folder=_Rename(os.fsencode(target.name))))
        target.rename(self.old)
        try:
            self.new.rename(target)
        except BaseException:
            self.old.rename(target)
            raise

    def _note(self, record: _Record) -> None:
        half = self._path / _HALF_A_RECORD
        half.write_bytes(msgspec.json.encode(record))
        half.replace(self._path / _RECORD)


@contextmanager
def new_folder(parent: Path) -> Iterator[NewFolder]:
    """Make a folder in `parent` that is removed at the end.

    Raises:
        OSError: the file system refuses.
    """
    path, lock = _create_folder(parent)
    try:
        made = NewFolder(path)
        made.new.mkdir()
        yield made
    finally:
        with suppress(OSError):  # first: what an error stopped is not to be continued
            (path / _RECORD).unlink(missing_ok=True)
        lock.close()
        _remove_folder(path)


def clean(folder: Path) -> None:
    """Remove the temporary files that killed processes left in `folder`, or complete their work.

    What cannot be removed stays there without a word: it is in nobody's way.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_dead(Path(entry.path))


def lock_file(file: IO[bytes]) -> bool:
    """Take an open file for this process until it is closed, however the process ends.

    Returns:
        False if another process has taken it; True too where files cannot be taken.
    """
    return _take(file.fileno()) is not False


def try_lock(file: IO[bytes]) -> bool | None:
    """Take an open file as `lock_file` does, but return None where files cannot be taken."""
    return _take(file.fileno())


def is_at(file: IO[bytes], path: Path) -> bool:
    """Return whether an open file is the one that a path names now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def copy_owner_and_mode(target: int | Path, about: os.stat_result) -> None:
    """Give a file or a folder the mode of another, and its owner where the system allows that.

    Args:
        target: its path, or an open file.
        about: the other one.
    """
    if hasattr(os, "chown"):
        now = os.stat(target)  # noqa: PTH116 - it may be an open file
        if (now.st_uid, now.st_gid) != (about.st_uid, about.st_gid):
            with suppress(PermissionError):
                os.chown(target, about.st_uid, about.st_gid)
    if os.chmod in os.supports_fd or isinstance(target, Path):
        os.chmod(target, about.st_mode & 0o777)  # noqa: PTH101


def _take(opened: int) -> bool | None:
    """Take an open file; None if files cannot be taken here."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return None
    return True


def _name() -> str:
    return f".hybridx-{secrets.token_hex(8)}.tmp"


def _open_unnamed(folder: Path, mode: int) -> IO[bytes] | None:
    """Open a file that has no name yet; None where the system cannot."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        file = os.fdopen(os.open(folder, os.O_RDWR | flag, mode), "w+b")
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.EISDIR, errno.ENOSYS):
            return None
        raise
    if lock_file(file) and os.path.exists(_descriptor(file)):  # noqa: PTH110 - follows no link
        return file
    file.close()
    return None


def _descriptor(file: IO[bytes]) -> str:
    return f"/proc/self/fd/{file.fileno()}"


def _open_named(folder: Path, mode: int) -> tuple[Path, IO[bytes]]:
    while True:
        path = folder / _name()
        file = os.fdopen(os.open(path, _open_flags(os.O_CREAT | os.O_EXCL), mode), "w+b")
        # Between these two calls another process may have taken it for one of a dead process.
        if lock_file(file) and is_at(file, path):
            return path, file
        file.close()


def _create_folder(parent: Path) -> tuple[Path, IO[bytes]]:
    while True:
        path = parent / _name()
        path.mkdir(0o700)
        lock = path / _LOCK
        try:
            file = os.fdopen(os.open(lock, _open_flags(os.O_CREAT | os.O_EXCL), 0o600), "w+b")
        except FileNotFoundError:
            if path.exists():
                raise
            continue
        except BaseException:
            with suppress(OSError):
                path.rmdir()
            raise
        if lock_file(file) and is_at(file, lock):
            return path, file
        file.close()


def _open_flags(more: int) -> int:
    binary, no_follow = getattr(os, "O_BINARY", 0), getattr(os, "O_NOFOLLOW", 0)
    return os.O_RDWR | binary | no_follow | getattr(os, "O_NONBLOCK", 0) | more


def _remove_dead(path: Path) -> None:
    """Remove a temporary file or folder, unless its process is at work."""
    is_folder = stat.S_ISDIR(path.lstat().st_mode)
    try:
        opened = os.open(path / _LOCK if is_folder else path, _open_flags(0))
    except FileNotFoundError:
        path.rmdir()  # killed before there was a lock, or at work this moment: then it tries again
        return
    try:
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode):
            return
        taken = _take(opened)
        if taken is False or (taken is None and time.time() - about.st_mtime < _SURELY_OVER):
            return
        if is_folder:
            _complete(path)
        if taken:  # whoever has made it this moment, and takes it next, must find it gone
            _remove(path, is_folder=is_folder)
    finally:
        os.close(opened)
    if taken is None:  # Windows removes no open file
        _remove(path, is_folder=is_folder)


def _remove(path: Path, *, is_folder: bool) -> None:
    if is_folder:
        _remove_folder(path)
    else:
        path.unlink()


def _remove_folder(path: Path) -> None:
    """Remove a temporary folder, its lock last, so that a kill leaves what is found again."""
    for name in (_NEW, _OLD):
        if (path / name).is_dir():
            _make_removable(path / name)
        shutil.rmtree(path / name, ignore_errors=True)
    with suppress(OSError):
        (path / _HALF_A_RECORD).unlink(missing_ok=True)
        (path / _RECORD).unlink(missing_ok=True)
        if [inside.name for inside in path.iterdir()] == [_LOCK]:
            (path / _LOCK).unlink()
        path.rmdir()


def _make_removable(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o700)


def _complete(path: Path) -> None:
    """Make the renames that a killed process had begun; none if it had not begun."""
    record = _read_record(path / _RECORD)
    if record is None:
        return
    new, old, parent = path / _NEW, path / _OLD, path.parent
    if record.folder is not None:
        target = parent / os.fsdecode(record.folder.name)
        if old.is_dir() and new.is_dir() and not os.path.lexists(target):
            new.rename(target)
        return
    renames = [(os.fsdecode(one.name), one.before) for one in record.files]
    left = [(name, before) for name, before in renames if os.path.lexists(new / name)]
    if len(left) < len(renames):
        for name, before in left:
            # Nothing is replaced that somebody has written since.
            if _stamp(parent / name) == before:
                (new / name).replace(parent / name)


def _read_record(path: Path) -> _Record | None:
    try:
        with path.open("rb") as file:
            record = msgspec.json.decode(file.read(_RECORD_BYTES), type=_Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    # Somebody may have put a folder of such a name there: it leads to nothing outside.
    renames = [*record.files, *([record.folder] if record.folder else [])]
    return record if all(_is_plain(one.name) for one in renames) else None


def _is_plain(name: bytes) -> bool:
    return name not in (b"", b".", b"..") and not set(name) & set(b"/\\\0:")


def _keep(path: Path, copy: Path) -> None:
    """Let a file have a second name, or a copy where files have one name."""
    try:
        copy.hardlink_to(path)
    except OSError:
        shutil.copy2(path, copy)


def _stamp(path: Path) -> Stamp | None:
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_size, about.st_mtime_ns
