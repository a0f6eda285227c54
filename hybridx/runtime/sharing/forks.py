"""What a forked process has of its parent: all of its memory, and none of its other threads.

A lock that another thread held is never given back, a pool waits for threads that are not there,
and so does the end of an object that owns such a pool.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final
from weakref import WeakSet

_LOADING: Final = threading.RLock()
_OWNERS: Final[WeakSet[Any]] = WeakSet()


@contextmanager
def loading() -> Iterator[None]:
    """While active, no other thread is in such a block, and a fork waits.

    Libraries that load a model hold locks of the whole process, and switch settings of it.
    """
    _watch()
    with _LOADING:
        yield


def owns_threads(owner: Any) -> None:
    """Let forked processes never free an object that has threads, for it would wait for them."""
    _watch()
    _OWNERS.add(owner)


@cache
def _watch() -> None:
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(
            before=_LOADING.acquire, after_in_parent=_LOADING.release, after_in_child=_in_child
        )


def _in_child() -> None:
    for owner in _OWNERS:
        # One reference that nobody gives back, not even the end of the interpreter.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
    _OWNERS.clear()
    _LOADING.release()
