"""One run of a session whose circuits are a custom operator, and how the operator finds it.

The operator is registered once for the whole process, so each run of a session has a number. The
number is an input of the graph and of every circuit node in it; the operator finds the run by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from hybridx.circuit import Circuit, result_count
from hybridx.runtime.customop.signals import SignalGate
from hybridx.runtime.executor import Executor, run_on
from hybridx.storage import Array

_RUNS: dict[int, Run] = {}
_NUMBERS = itertools.count()


class Run:
    """One run of a session; keeps what its circuits raise.

    Attributes:
        error: the first exception that a circuit raised.
        gate: lets handlers of signals raise only while a circuit runs, where this run keeps what
            they raise.
    """

    def __init__(self, circuits: Mapping[str, Circuit], executor: Executor) -> None:
        """Begin a run.

        Args:
            circuits: by the place of their node.
            executor: runs them.
        """
        self._circuits = circuits
        self._executor = executor
        self.error: BaseException | None = None
        self.gate = SignalGate()

    def results(self, place: str, parameters: Array) -> Array:
        """Return the results of a circuit, or NaN once one has failed; never raises.

        Args:
            place: of the circuit's node.
            parameters: shape `(batch, P)`.

        Returns:
            Shape `(batch, M)`.
        """
        circuit = self._circuits[place]
        # Everything is kept: a device is third-party code, and Ctrl-C arrives anywhere. The outer
        # `try` is for a signal that arrives before the inner `except` has closed the gate; there is
        # no third, because a handler that raises has closed the gate itself.
        try:
            try:
                if self.error is None:
                    self.gate.open()
                    results = run_on(self._executor, circuit, parameters)
                    self.gate.close()
                    return results
            except BaseException as error:
                self.gate.close()
                self.error = error
        except BaseException as error:
            self.gate.close()
            self.error = error
        return np.full((len(parameters), result_count(circuit)), np.nan)


@contextmanager
def numbered(run: Run) -> Iterator[int]:
    """Give a run a number, under which the operator finds it until the end of the block."""
    number = next(_NUMBERS)
    _RUNS[number] = run
    try:
        yield number
    finally:
        del _RUNS[number]


def call_operator(parameters: Array, number: Array, place: str) -> Array:
    """Return the results of a circuit in a run; this is the custom operator. Never raises.

    Args:
        parameters: shape `(batch, P)`.
        number: of the run, shape `(1,)`.
        place: of the circuit's node.
    """
    return _RUNS[int(number[0])].results(place, parameters)
