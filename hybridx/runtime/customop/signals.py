"""Handlers of signals that are called only while somebody can catch what they raise.

Python calls the handler of a signal between any two steps of the main thread, also on the way from
ONNX Runtime to the custom operator and back. An exception there would end the process.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], object]


class SignalGate:
    """Calls handlers of signals while it is open, and lets signals wait while it is closed.

    A handler that raises leaves the gate closed, so that no second handler can raise before the
    first exception is caught.

    Attributes:
        is_open: whether handlers are called as soon as their signals come.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._waiting: deque[tuple[Handler, int, FrameType | None]] = deque()

    def open(self) -> None:
        """Call the handlers of waiting signals, and those of later ones as they come."""
        self.is_open = True
        self._call_waiting()

    def close(self) -> None:
        """Let signals wait from now on."""
        self.is_open = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put the gate in front of all handlers, and call those of waiting signals at the end.

        Does nothing in other threads than the main one, where Python calls no handlers.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        found = {int(number): signal.getsignal(number) for number in signal.valid_signals()}
        before = {number: handler for number, handler in found.items() if callable(handler)}

        def handle(number: int, frame: FrameType | None) -> None:
            self._waiting.append((before[number], number, frame))
            if self.is_open:
                self._call_waiting()

        try:
            for number in before:
                signal.signal(number, handle)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._call_all()

    def _call_waiting(self) -> None:
        """Call waiting handlers until one raises; then the gate stays closed."""
        self.is_open = False
        while self._waiting:
            handler, number, frame = self._waiting.popleft()
            handler(number, frame)
        self.is_open = True

    def _call_all(self) -> None:
        """Call every waiting handler, also those behind one that raises."""
        try:
            while self._waiting:
                handler, number, frame = self._waiting.popleft()
                handler(number, frame)
        finally:
            if self._waiting:
                self._call_all()
