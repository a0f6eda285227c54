"""An engine in a process of its own, which may end or hang without harm to ours."""

from __future__ import annotations

import base64
import json
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

SECONDS = 240


class RefusedError(Exception):
    """The engine does not run a file."""


class Host:
    """A process that answers requests of `alone/serve.py`, started again when it ends.

    It is a context manager, and ends the process at its end.

    Args:
        command: what starts it.
        variables: of its environment.
        seconds: how long it may take for an answer.
    """

    def __init__(
        self, command: Sequence[str], variables: Mapping[str, str], seconds: float = SECONDS
    ) -> None:
        self._command, self._variables = list(command), dict(variables)
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._errors: TextIO | None = None

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        assert self._errors is not None
        self._errors.close()

    def run(self, path: Path, inputs: Sequence[np.ndarray], *, alone: bool) -> list[np.ndarray]:
        """Return the outputs of a file for each input.

        Args:
            path: a file with one input and one output.
            inputs: values of the input.
            alone: without help from another execution provider.

        Raises:
            RefusedError: the engine refuses it, ends, or takes too long.
        """
        said = {"path": str(path), "alone": alone, "inputs": list(map(_written, inputs))}
        answer = self._ask(json.dumps(said))
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        return [_read(one) for one in answer["outputs"]]

    def _ask(self, request: str) -> dict[str, Any]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                env=self._variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise RefusedError(self._death()) from None
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            if not waiting.select(self._seconds):
                self._end()
                raise RefusedError(f"it takes more than {self._seconds:g} s")
        line = process.stdout.readline()
        if not line:
            raise RefusedError(self._death())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _death(self) -> str:
        """Return how the process ended, and what it said last."""
        assert self._process is not None
        assert self._errors is not None
        code = self._process.wait()
        self._end()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._errors.seek(0)
        last = [line for line in self._errors.read().splitlines() if line.strip()][-1:]
        return ": ".join([f"the process ends with {how}", *last])

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _written(array: np.ndarray) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": array.shape, "data": data}


def _read(tensor: dict[str, Any]) -> np.ndarray:
    numbers = np.frombuffer(base64.b64decode(tensor["data"]), tensor["dtype"])
    return numbers.reshape(tensor["shape"])
