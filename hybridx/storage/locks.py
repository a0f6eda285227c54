"""Files that are locked for a while, by which processes of one or several machines take turns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hybridx.errors import NotLockedError, NotWritableError
from hybridx.storage.files import remove_alone
from hybridx.storage.temporaries import is_at, try_lock

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.25


@contextmanager
def held(path: Path, *, keep: bool = False) -> Iterator[None]:
    """While active, no other process and no other thread holds `path`; wait until that is so.

    The system gives up what a killed process held.

    Args:
        path: of a file that holds nothing, in a folder that is made if it is not there.
        keep: leave the file there at the end, for those that come often.

    Raises:
        NotLockedError: this file system has no locks.
        NotWritableError: it refuses.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            path.parent.mkdir(exist_ok=True)
            file = path.open("ab")
        except FileNotFoundError:
            if path.parent.parent.is_dir():
                continue  # whoever ended just now has removed the folder
            raise NotWritableError(str(path.parent), "its folder does not exist") from None
        except OSError as error:
            raise NotWritableError(str(path), error.strerror or str(error)) from error
        is_taken = try_lock(file)
        # Whoever held it may have removed the name before it gave the file up.
        if is_taken and is_at(file, path):
            break
        file.close()
        if is_taken is None:
            raise NotLockedError(str(path.parent))
        if is_taken is False:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    try:
        yield
    finally:
        if keep:
            file.close()
        else:
            remove_alone(file, path)


def is_held(path: Path) -> bool:
    """Return whether another process or thread holds a file now."""
    try:
        with path.open("ab") as file:
            return try_lock(file) is False
    except OSError:
        return False


def remove_held(folder: Path) -> None:
    """Remove a folder of such files, which nobody holds any more."""
    with suppress(OSError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
