"""Run many samples in a worker process, which is replaced when it dies, hangs or grows."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import resource
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.onnx._internal.exporter._registration import ONNXRegistry

from tests.operators.trial import Outcome, attempt

RESULTS = Path(__file__).parents[2] / "build" / "operators.jsonl"
"""One outcome a line; of a sample that stands there twice, the later line counts."""

TIMEOUT = 90.0
MOST_MEMORY = 2_500_000
"""In kB: a worker above it is replaced. torch keeps what it compiles."""


def read_results(path: Path = RESULTS) -> dict[str, Outcome]:
    """Return the outcomes that a file holds, by sample."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {one["name"]: Outcome(**one) for one in map(json.loads, lines)}


def write_result(outcome: Outcome, path: Path = RESULTS) -> None:
    """Add an outcome to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")


def run_all(names: Iterable[str], timeout: float = TIMEOUT) -> Iterator[Outcome]:
    """Yield what came of each sample."""
    worker: _Worker | None = None
    try:
        for name in names:
            worker = worker or _Worker()
            outcome, goes_on = worker.attempt(name, timeout)
            if not goes_on:
                worker.stop()
                worker = None
            yield outcome
    finally:
        if worker is not None:
            worker.stop()


class _Worker:
    """A copy of this process that attempts one sample after the other."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there,), daemon=True)
        self._process.start()
        there.close()

    def attempt(self, name: str, timeout: float) -> tuple[Outcome, bool]:
        """Return what came of a sample, and whether the worker can go on."""
        self._here.send(name)
        try:
            if not self._here.poll(timeout):
                text = f"not done after {timeout:.0f} s"
                return Outcome(name, "crash", "", text, timeout), False
            found: tuple[Outcome, bool] = self._here.recv()
        except (EOFError, ConnectionError):
            return Outcome(name, "crash", "", "the process died"), False
        return found

    def stop(self) -> None:
        """End the process."""
        self._here.close()
        self._process.kill()
        self._process.join()


def _work(pipe: Any) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # torch reads the sources of its 500 translations in each export, which takes half of the time.
    ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    with Path(os.devnull).open("w") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
    while True:
        try:
            name = pipe.recv()
        except EOFError:
            return
        outcome = attempt(name)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pipe.send((outcome, used < MOST_MEMORY))
