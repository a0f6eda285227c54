"""How a name is given to a file or a folder: the calls of Linux, of macOS and of all others."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

# From linux/fs.h and sys/stdio.h.
_LINUX_AT_FDCWD, _LINUX_NOREPLACE, _LINUX_EXCHANGE = -100, 1, 2
_MACOS_SWAP, _MACOS_EXCL = 2, 4

# What file systems answer that do not know a flag, and kernels and sandboxes that do not know the
# call.
_UNKNOWN = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}


def exchange(one: Path, other: Path) -> bool:
    """Give each of two names what the other one names, in one step.

    Returns:
        False if the system or the file system cannot; then nothing was changed.

    Raises:
        OSError: the file system refuses.
    """
    return _rename(one, other, _LINUX_EXCHANGE, _MACOS_SWAP)


def rename_new(source: Path, target: Path) -> None:
    """Rename a file, and replace nothing.

    Raises:
        FileExistsError: `target` exists.
        OSError: the file system refuses.
    """
    if _rename(source, target, _LINUX_NOREPLACE, _MACOS_EXCL):
        return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    os.rename(source, target)  # noqa: PTH104 - on Windows it replaces nothing, as Path.replace does


def sync_file(opened: int) -> None:
    """Force the content of an open file to the disk, where the file system can.

    Raises:
        OSError: it has no room, or the disk fails.
    """
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


def sync_files(folder: Path) -> None:
    """Force all files in a folder and below to the disk, after all are written: that waits once.

    Raises:
        OSError: the disk has no room, or fails.
    """
    for path in folder.iterdir():
        if path.is_dir():
            sync_files(path)
            continue
        opened = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            sync_file(opened)
        finally:
            os.close(opened)
    sync_folder(folder)


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


def _rename(source: Path, target: Path, linux: int, macos: int) -> bool:
    """Rename with a flag; return False where the system cannot."""
    import ctypes

    call = _renaming()
    if call is None:
        return False
    here, there = os.fsencode(source), os.fsencode(target)
    if sys.platform == "darwin":
        failed = call(here, there, macos)
    else:
        failed = call(_LINUX_AT_FDCWD, here, _LINUX_AT_FDCWD, there, linux)
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(target))


@cache
def _renaming() -> Callable[..., Any] | None:
    """Return the call of the C library that renames with flags, or None if it has none."""
    import ctypes

    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    if name is None:
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if call is not None:
        path, flags = ctypes.c_char_p, ctypes.c_uint
        at = (ctypes.c_int, path, ctypes.c_int, path, flags)
        call.argtypes = (path, path, flags) if sys.platform == "darwin" else at
        call.restype = ctypes.c_int
    return call
