"""Threads take turns: on the device of a session, and in PennyLane.

PennyLane keeps one list of the operators that are being recorded, for all threads, so circuits that
two threads prepare or run at the same time mix. Most devices keep a state as well: two runs on one
`lightning.qubit` overwrite each other's. One thread at a time in PennyLane is right for every
device, and no device is opened twice or sent a circuit twice for it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE: Final = 5.0
"""Seconds that a thread waits before it says so, once for each lock."""

log = logging.getLogger(__name__)


class Turn:
    """A lock that one thread holds at a time, as often as it takes it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._has_told = False

    def __enter__(self) -> None:
        if self._lock.acquire(timeout=PATIENCE):
            return
        if not self._has_told:
            self._has_told = True
            log.warning(
                "waiting for another thread: the circuits of a process run one after another"
            )
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


# By process: after a fork nobody gives back what another thread of the parent process holds.
_TURNS: Final[dict[int, Turn]] = {}


@contextmanager
def turn_in_pennylane() -> Iterator[None]:
    """While active, no other thread of hybridx opens, asks or runs a PennyLane device."""
    with _TURNS.setdefault(os.getpid(), Turn()):
        yield
