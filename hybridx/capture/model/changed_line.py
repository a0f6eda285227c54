"""Find the first line of the user's code after which something has changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch import nn

from hybridx.capture.python.source_location import is_users, place


class ChangedLine:
    """Looks for a change after each line of the user's code.

    Args:
        model: whose submodules are named.
        look: returns what has changed, or None.

    Attributes:
        change: what has changed first.
        place: the line that changed it.
        module: the class of the module that the line makes, if any.
    """

    def __init__(self, model: nn.Module, look: Callable[[], str | None]) -> None:
        self.change: str | None = None
        self.place = "an unknown place"
        self.module: str | None = None
        self._model = model
        self._look = look
        self._line: tuple[FrameType, int] | None = None
        self._made: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While active, look after each line of the user's code."""
        tracer = sys.gettrace()
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(tracer)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code is nn.Module.__init__.__code__:
            self._made.append(type(frame.f_locals["self"]).__name__)
        is_looked_at = is_users(frame.f_code.co_filename) and self.change is None
        return self._step if is_looked_at else None

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self.change is not None:
            return None
        change = self._look()
        if change is not None:
            self.found(change, self._line or (frame, frame.f_lineno))
        # After a return, execution continues on the line that made the call.
        current = frame.f_back if event == "return" else frame
        while current is not None and not is_users(current.f_code.co_filename):
            current = current.f_back
        if current is not None:
            self._line = current, current.f_lineno
        self._made.clear()
        return self._step

    def found(self, change: str, line: tuple[FrameType, int]) -> None:
        """Take note of a change, unless there was one before."""
        if self.change is None:
            self.change = change
            self.module = self._made[-1] if self._made else None
            self.place = place(self._model, line)
