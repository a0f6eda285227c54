"""The peer's side of the connection to `bench.py`: one JSON object a line in each direction.

A request is {"load": name, "wires", "layers", "rows", "model", "checked", "results", "once"} or
{"time": seconds}, and may say {"clock": "cpu"}. `rows` and `results` are .npy files, the second of
the rows numbered in `checked`. A peer that cannot do what a request asks replies with the reason.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.workloads import Array, Workload, make

THREADS = int(os.environ.get("BENCH_THREADS", "1"))


class CannotError(Exception):
    """The peer has no way to compute this workload; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task to prepare: a workload and its rows, or the file of an export and its rows."""

    workload: Workload
    rows: Array
    model: Path


CLOCKS: Mapping[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "cpu": time.process_time,  # of all threads: for machines that do other work as well
}

Call: TypeAlias = Callable[[], Any]
Prepare: TypeAlias = Callable[[Task], Call]
"""Returns, for a task, a call on its rows that ends when the results are ready.

The input is already an array of the peer's own library and the output may stay one, so that no
conversion is timed.
"""


def serve(prepare: Prepare | Mapping[str, Prepare], packages: tuple[str, ...]) -> None:
    """Answer requests until stdin ends; the first argument selects among several peers."""
    if isinstance(prepare, Mapping):
        prepare = prepare[sys.argv[1]]
    answer(partial(_load, prepare), packages)


def answer(
    load: Callable[[dict[str, Any]], tuple[Call, dict[str, Any]]], packages: tuple[str, ...]
) -> None:
    """Answer requests until stdin ends.

    Args:
        load: from a request to the call that is to be timed, and the reply.
        packages: whose versions are told first.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the replies
    call: Call | None = None
    print(json.dumps(_versions(packages)), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "load" in request:
                call = None
                gc.collect()
                call, reply = load(request)
            else:
                assert call is not None, "load comes first"
                reply = {
                    "seconds": _measure(call, request["time"], CLOCKS[request.get("clock", "wall")])
                }
        except Exception as error:
            reply = {"refused": f"{type(error).__name__}: {error}".strip()[:300]}
        print(json.dumps(reply), file=replies, flush=True)


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: metadata.version(name) for name in packages}


def _load(prepare: Prepare, request: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
    """Return the call, how long it took to the first results, and how long another call takes."""
    workload = make(request["load"], request["wires"], request["layers"])
    rows = np.load(request["rows"])
    started = time.perf_counter()
    call = prepare(Task(workload, rows, Path(request["model"])))
    prepared = time.perf_counter()
    results = np.asarray(call())
    first = time.perf_counter()
    if request["checked"]:
        np.save(request["results"], results.reshape(len(rows), -1)[request["checked"]])
    seconds = again(call, first - prepared, request["once"])
    return call, {"prepared": first - started, "call": seconds}


def again(
    call: Call, first: float, once: float, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the seconds of a second call, or of the first one if that took over `once`."""
    if first > once:
        return first
    started = clock()
    call()
    return clock() - started


def _measure(call: Call, seconds: float, clock: Callable[[], float]) -> list[float]:
    """Return the times of the calls that fit, after a warm-up call, or of one long call."""
    times: list[float] = []
    started = clock()
    call()
    now = clock()
    if now - started > seconds:
        return [now - started]
    deadline = now + seconds
    while True:
        started = now
        call()
        now = clock()
        times.append(now - started)
        if now >= deadline:
            return times
