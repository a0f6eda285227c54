"""Refuse models whose outputs are random: run them again and name the line that draws."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridx.capture.python.patches import intercepting
from hybridx.capture.python.source_location import is_users, place
from hybridx.errors import FreshModuleError, RandomnessError

_RUNS = 8
"""Number of further runs of a model that draws; a fair coin agrees in all of them 1 time in 256."""


@contextmanager
def draws_noted() -> Iterator[list[str]]:
    """Note which global generators changed their state, and generators made without a seed.

    Integers that libraries draw do not count: `patches.py` restores the state after them. A
    PennyLane device that is made in forward, for example, draws a seed for its shots.
    """
    sources: list[str] = []
    with intercepting(note_unseeded=lambda _: sources.append(_UNSEEDED)):
        before = _state()
        yield sources
        sources += _moved(before, _state())


def refuse_draws(
    model: nn.Module, run: Callable[[], Sequence[Tensor]], outputs: Sequence[Tensor]
) -> None:
    """Run a model that draws several more times, and refuse it if its outputs change.

    Args:
        model: whose submodules are named.
        run: calls it on the example.
        outputs: of the first call.

    Raises:
        RandomnessError: the outputs depend on a random generator.
        FreshModuleError: they depend on the weights of a module that forward makes.
    """
    with torch.no_grad():
        if all(_same(outputs, run()) for _ in range(_RUNS)):
            return
        finder = _Finder(model)
        with finder.watching():
            run()
    if finder.module is not None:
        raise FreshModuleError(finder.module, finder.place)
    raise RandomnessError(finder.source, finder.place)


def _same(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


_UNSEEDED = "an unseeded NumPy generator"


def _state() -> dict[str, Any]:
    """Return the state of each global generator, in a form that can be compared."""
    numpys: Any = np.random.get_state()  # noqa: NPY002 - models use it
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": (numpys[1].tobytes(), *numpys[2:]),
        "Python": random.getstate(),
    }


def _moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [f"{name}'s global generator" for name in before if before[name] != after[name]]


class _Finder:
    """Finds the first line of the user's code that changes the state of a generator.

    Attributes:
        source: which generator.
        place: the line.
        module: the class of the module that the line makes, if any.
    """

    def __init__(self, model: nn.Module) -> None:
        self.source = "a generator"
        self.place = "an unknown place"
        self.module: str | None = None
        self._model = model
        self._found = False
        self._before = _state()
        self._line: tuple[FrameType, int] | None = None
        self._made: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While active, compare the generators' states after each line of the user's code."""
        tracer = sys.gettrace()

        def found(frame: FrameType) -> None:
            self._find(_UNSEEDED, (frame, frame.f_lineno))

        sys.settrace(self._called)
        try:
            with intercepting(note_unseeded=found):
                yield
        finally:
            sys.settrace(tracer)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code is nn.Module.__init__.__code__:
            self._made.append(type(frame.f_locals["self"]).__name__)
        return self._step if is_users(frame.f_code.co_filename) and not self._found else None

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self._found:
            return None
        moved = _moved(self._before, _state())
        if moved:
            self._find(moved[0], self._line or (frame, frame.f_lineno))
        # After a return, execution continues on the line that made the call.
        current = frame.f_back if event == "return" else frame
        while current is not None and not is_users(current.f_code.co_filename):
            current = current.f_back
        if current is not None:
            self._line = current, current.f_lineno
        self._made.clear()
        return self._step

    def _find(self, source: str, line: tuple[FrameType, int]) -> None:
        if self._found:
            return
        self._found = True
        self.source = source
        self.module = self._made[-1] if self._made else None
        self.place = place(self._model, line)
