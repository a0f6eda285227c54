"""The engine that runs a file in a process of its own, with bounds of time and memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

import hybridx
from hybridx.artifact import PARAMETERS, RESULTS, Artifact
from hybridx.bounds import changed_limits
from hybridx.errors import IsolatedRunError
from hybridx.runtime.circuits.alone import CompiledCircuit
from hybridx.runtime.execution import MEMORY_LIMIT, TIME_LIMIT, Execution
from hybridx.runtime.isolated.messages import (
    OutOfTurnError,
    ended_by,
    error_of,
    receive,
    send,
)
from hybridx.storage import Array

_ENTRY: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from hybridx.runtime.isolated.child import main; main()"
)
_IMPORT_SECONDS: Final = 300.0  # for Python and torch, on a slow disk
_MEGABYTE: Final = 2**20

# What ONNX Runtime and torch say when they get no memory.
_OUT_OF_MEMORY: Final = re.compile(
    r"allocate memory|bad_alloc|not enough memory|failed to allocate", re.I
)


class IsolatedEngine:
    """Runs a file in a process of its own, which ends with this engine.

    Attributes:
        provider: what runs the file there.
    """

    def __init__(self, artifact: Artifact, execution: Execution) -> None:
        """Start a process and load the file there.

        Raises:
            IsolatedRunError: the process ended, or took more time than it may.
            HybridxError: the file does not load there, for the reason that it would not load here.
        """
        self._path = artifact.path
        self._seconds = TIME_LIMIT if execution.time_limit is None else execution.time_limit
        megabytes = MEMORY_LIMIT if execution.memory_limit is None else execution.memory_limit
        self._most_bytes = megabytes * _MEGABYTE
        self._lock = threading.Lock()
        self._process = _start(artifact.path)
        self._end = weakref.finalize(self, _end, self._process, os.getpid())
        values = {
            "path": artifact.path,
            "provider": execution.provider,
            "threads": execution.threads,
            "bytes": self._most_bytes,
            "limits": changed_limits(),
            "seconds": self._seconds + _IMPORT_SECONDS,
        }
        content = np.frombuffer(artifact.content, np.uint8)
        self._ask("load", values, {"content": content}, "imported", _IMPORT_SECONDS)
        said, _ = self._answer("loaded", self._seconds)
        self.provider = str(said.get("provider"))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name.

        Raises:
            IsolatedRunError: the process ended, or took more time than it may.
            HybridxError: it failed for the reason for which it would have failed here.
        """
        with self._lock:
            values = {"seconds": self._seconds}
            _, outputs = self._ask("run", values, inputs, "outputs", self._seconds)
        return outputs

    def run_body(self, compiled: CompiledCircuit, parameters: Array) -> Array:
        """Return what a compiled circuit gives for parameters of shape `(batch, P)`.

        Raises as `run`.
        """
        with self._lock:
            values = {
                "seconds": self._seconds,
                "circuit": compiled.circuit,
                "dtype": compiled.dtype.name,
                "place": compiled.place,
            }
            given = {PARAMETERS: parameters}
            _, outputs = self._ask("body", values, given, "outputs", self._seconds)
        if RESULTS not in outputs:
            raise IsolatedRunError(self._path, "it sent something else than results")
        return outputs[RESULTS]

    def _ask(
        self,
        kind: str,
        values: Mapping[str, Any],
        arrays: Mapping[str, Array],
        expected: str,
        seconds: float,
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        if not self._end.alive:
            raise IsolatedRunError(self._path, "the process ended in an earlier run")
        assert self._process.stdin is not None
        with _Watch(self._process, seconds) as watch:
            try:
                send(self._process.stdin, kind, values, arrays)
            except OSError:
                raise self._ended(watch, seconds) from None
            return self._read(expected, watch, seconds)

    def _answer(self, expected: str, seconds: float) -> tuple[dict[str, Any], dict[str, Array]]:
        with _Watch(self._process, seconds) as watch:
            return self._read(expected, watch, seconds)

    def _read(
        self, expected: str, watch: _Watch, seconds: float
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        assert self._process.stdout is not None
        try:
            kind, values, arrays = receive(self._process.stdout, self._most_bytes)
        except OutOfTurnError:
            raise self._ended(watch, seconds) from None
        if kind == "error":
            error = error_of(values)
            if error is not None and _OUT_OF_MEMORY.search(str(error)):
                reason = f"it needs more than {self._most_bytes // _MEGABYTE} megabytes"
                error = IsolatedRunError(self._path, reason)
            raise error or self._ended(watch, seconds)
        if kind != expected:
            raise self._ended(watch, seconds)
        return values, arrays

    def _ended(self, watch: _Watch, seconds: float) -> IsolatedRunError:
        """End the process, and return why it has no answer."""
        if watch.is_over:
            reason = f"it took more than {seconds:g} seconds"
        else:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                reason = "it sent something else than results"
            else:
                reason = ended_by(self._process.returncode)
        self._end()
        return IsolatedRunError(self._path, reason)


class _Watch:
    """Ends a process that takes longer than it may, also where a pipe cannot be waited for."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.is_over = False
        self._process = process
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def _end(self) -> None:
        self.is_over = True
        self._process.kill()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _start(path: str) -> subprocess.Popen[bytes]:
    root = str(Path(hybridx.__file__).parents[1])
    try:
        # -P: a file in the folder of the user is not taken for a module.
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _ENTRY, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise IsolatedRunError(path, f"Python does not start: {error}") from error


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork of the process to which it belongs
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue  # what was not sent yet is of no use any more
    process.wait()
