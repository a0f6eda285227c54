"""The peer's side: steps of training, timed over the connection of `peers/serve.py`.

A request is {"load": name, "wires", "layers", "rows", "results", "once", "clock"} or {"time":
seconds, "clock"}.
`rows` is an .npz file of the rows and the targets. `results` gets the loss and the gradients of the
first step, which is one of those that are timed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from benchmarks.memory import peak, restart_peak
from benchmarks.peers.serve import CLOCKS, Call, again, answer
from benchmarks.training.lessons import Lesson
from benchmarks.workloads import Array, make

OUT_OF_MEMORY = "out of memory"
SIGNS = ("bad_alloc", "allocate memory", "out of memory", "memoryerror", "resource_exhausted")


@dataclass(frozen=True, slots=True)
class Training:
    """A model in training.

    Attributes:
        step: takes one step and returns its loss; it ends when the weights are changed.
        gradients: of the last step, by the names of the parameters.
        account: measures where the time of a step goes, for the report; by default it does not.
    """

    step: Callable[[], Any]
    gradients: Callable[[], Mapping[str, Array]]
    account: Callable[[], Mapping[str, float]] = dict


Begin: TypeAlias = Callable[[Lesson], Training]


def serve_steps(begin: Begin | Mapping[str, Begin], packages: tuple[str, ...]) -> None:
    """Answer requests until stdin ends; the first argument selects among several peers."""
    if isinstance(begin, Mapping):
        begin = begin[sys.argv[1]]
    answer(partial(_load, begin), packages)


def _load(begin: Begin, request: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
    """Return the step, how long it took to the first loss, and how long another step takes."""
    workload = make(request["load"], request["wires"], request["layers"])
    with np.load(request["rows"]) as given:
        lesson = Lesson(workload, given["rows"], given["targets"])
    clock = CLOCKS[request["clock"]]
    restart_peak()
    started = time.perf_counter()
    try:
        training = begin(lesson)
        before = clock()
        loss = float(np.asarray(training.step()))
        first, spent = time.perf_counter(), clock() - before
        found = {name: np.asarray(array) for name, array in training.gradients().items()}
        most = peak()
        restart_peak()
        seconds = again(training.step, spent, request["once"], clock)
        later = peak()
        account = dict(training.account())
    except Exception as error:  # a library has its own class for this, and a text
        if any(sign in f"{type(error).__name__}: {error}".lower() for sign in SIGNS):
            raise MemoryError(OUT_OF_MEMORY) from error
        raise
    np.savez(request["results"], loss=loss, **{f"of {name}": one for name, one in found.items()})
    return training.step, {
        "prepared": first - started,
        "call": seconds,
        "account": account,
        "first_bytes": most,
        "step_bytes": later,
    }
