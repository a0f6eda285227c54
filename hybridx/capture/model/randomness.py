"""Refuse models whose outputs are random: run them again and name the line that draws."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybridx.capture.model.changed_line import ChangedLine
from hybridx.capture.python.patches import intercepting
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


def refuse_draws(model: nn.Module, run: Callable[[], Sequence[Tensor]]) -> None:
    """Run a model that draws several times, and refuse it if its outputs change.

    Args:
        model: whose submodules are named.
        run: calls it on the example.

    Raises:
        RandomnessError: the outputs depend on a random generator.
        FreshModuleError: they depend on the weights of a module that forward makes.
    """
    with torch.no_grad():
        outputs = run()
        if all(_same(outputs, run()) for _ in range(_RUNS)):
            return
        before = _state()
        draw = ChangedLine(model, lambda: next(iter(_moved(before, _state())), None))

        def made(frame: FrameType) -> None:
            draw.found(_UNSEEDED, (frame, frame.f_lineno))

        with draw.watching(), intercepting(note_unseeded=made):
            run()
    if draw.module is not None:
        raise FreshModuleError(draw.module, draw.place)
    raise RandomnessError(draw.change or "a generator", draw.place)


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
