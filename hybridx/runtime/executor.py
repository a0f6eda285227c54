"""Executors: they run circuits for a session, on a device, by counting only, or with a record.

Every submission to a device (one circuit for some rows) passes through `DeviceExecutor`. It looks
the submission up among results that are kept already, counts it, compares the count with the
bounds, sends it, repeats it if the error may pass, and keeps its results.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Circuit, apart, by_shifts, encode, result_count
from hybridx.device_table import family_of
from hybridx.errors import HybridxError, NotWritableError, OverBudgetError
from hybridx.runtime.execution import Execution
from hybridx.runtime.submission.cancel import cancel_on_interrupt
from hybridx.runtime.submission.journal import Journal, digest
from hybridx.runtime.submission.retry import submit
from hybridx.runtime.submission.tally import Tally

Results: TypeAlias = NDArray[np.float64]

log = logging.getLogger(__name__)


class Executor(Protocol):
    """Runs circuits."""

    def execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        """Return the results of a circuit for each row of its parameters.

        Args:
            circuit: the circuit.
            parameters: shape `(batch, P)`.

        Returns:
            float64, shape `(batch, M)`.
        """
        ...


class DeviceExecutor:
    """Runs circuits on one device for one session.

    Attributes:
        sent: what the device was sent so far, repetitions included.
        kept: how many submissions were found in the journal.
        journal: where results are kept; None if they are not.
    """

    def __init__(
        self,
        execution: Execution,
        name: str,
        open_device: Callable[[int | None], Any],
        *,
        takes_seed: bool,
    ) -> None:
        """Open the device.

        Args:
            execution: how the device is used.
            name: of the device.
            open_device: returns the device, with a seed if one is given.
            takes_seed: whether the device samples the same with the same seed.
        """
        self._execution = execution
        self._name = name
        self._open = open_device
        # A seeded device is opened again for each submission. It is opened here too, so that its
        # errors are raised when the session starts.
        self._device = open_device(None)
        self._seed = execution.seed if takes_seed else None
        family = family_of(name)
        self._may_cost = family is None or not family.is_local
        # If a submission fails, all its results are lost. A service that makes a job of each
        # circuit is therefore given one row at a time, so that the results of every paid job are
        # kept.
        self._rows = 1 if self._may_cost and _sends_one_by_one(self._device) else None
        self._times: Counter[str] = Counter()
        self.sent = Tally()
        self.kept = 0
        self.journal: Journal | None = None
        self._has_unkept = False

    def execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        """Return the results of a circuit for each row, float64, shape `(batch, M)`.

        A row with NaN or infinity among its parameters is not sent; its results are NaN.

        Raises:
            OverBudgetError: a bound would be exceeded; nothing was sent.
            DeviceFailedError: the device raised, and again at every repetition.
        """
        results = np.full((len(parameters), result_count(circuit)), np.nan)
        is_sent = np.isfinite(parameters).all(axis=1)
        parts = [self._execute(circuit, rows) for rows in _parts(parameters[is_sent], self._rows)]
        results[is_sent] = np.concatenate([results[:0], *parts])
        return results

    def _execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        if self._seed is None and self.journal is None:
            # Nothing depends on what was sent before, so nothing of it is remembered.
            return self._submit(circuit, parameters, "")
        key = submission_key(circuit, parameters, self._times)
        found = self.find(key, (len(parameters), result_count(circuit)))
        if found is not None:
            self.kept += 1
            return found
        try:
            results = self._submit(circuit, parameters, key)
        except HybridxError:
            self._note(lambda journal: journal.fail(key))
            raise
        self._note(lambda journal: journal.keep(key, results))
        return results

    def find(self, key: str, shape: tuple[int, int]) -> Results | None:
        """Return results of a shape that were kept.

        Raises:
            BrokenResultsError: they have another shape.
        """
        return self.journal.find(key, shape) if self.journal else None

    def tally_of(self, circuit: Circuit, parameters: NDArray[Any]) -> Tally:
        """Return how much a circuit sends to the device, without sending it."""
        from hybridx.runtime.pennylane import prepare

        # All rows are split alike: what decides is the circuit, not the numbers in a row.
        one = prepare(circuit, parameters[:1], self._device, self._execution.shots)
        rows = len(parameters)
        return Tally(1, rows * len(one.tapes), rows * one.shots)

    def counting(self) -> CountingExecutor:
        """Return an executor that counts the submissions to come instead of sending them."""
        return CountingExecutor(self.tally_of, self.find, Counter(self._times), self._rows)

    def _submit(self, circuit: Circuit, parameters: NDArray[Any], key: str) -> Results:
        from hybridx.runtime.pennylane import failure, prepare

        def prepared() -> Callable[[], Results]:
            device = self._device_for(key)
            submission = prepare(circuit, parameters, device, self._execution.shots)
            # Every attempt counts: a device may have run what failed on the way back.
            tally = Tally(1, len(submission.tapes), submission.shots)
            check_bounds(self._execution, self._name, self.sent + tally)
            self._begin(key, tally)
            self.sent += tally

            def send() -> Results:
                with cancel_on_interrupt(lambda: self._note(lambda journal: journal.fail(key))):
                    return submission.send()

            return send

        return submit(
            prepared,
            self._execution.retries,
            self._name,
            lambda error: failure(circuit, self._name, error),
        )

    def _device_for(self, key: str) -> Any:
        """Return the device, with a seed of its own for each submission.

        So the samples of a submission do not depend on what was sent before it, and a run that is
        resumed returns the samples of a run that was never stopped.
        """
        if self._seed is None:
            return self._device
        seeds = [self._seed, int(key[:16], 16)]
        return self._open(int(np.random.SeedSequence(seeds).generate_state(1)[0] >> 1))

    def _begin(self, key: str, tally: Tally) -> None:
        """Note in the journal that something is sent that may cost, or refuse to send it."""
        if self.journal is None or not self._may_cost:
            return
        try:
            self.journal.begin(key, tally)
        except NotWritableError:
            # Results that are only in memory would be lost if the run ended here.
            if not self._has_unkept:
                raise

    def _note(self, write: Callable[[Journal], None]) -> None:
        """Write to the journal; the run goes on without, as the results are in memory."""
        if self.journal is None:
            return
        try:
            write(self.journal)
        except NotWritableError as error:
            self._has_unkept = True
            log.warning("results so far are not kept: %s", error.reason)


class CountingExecutor:
    """Counts what would be sent to a device; results that are not known are zeros.

    Attributes:
        sent: what would be sent.
        kept: how many submissions were found in the journal.
    """

    def __init__(
        self,
        tally_of: Callable[[Circuit, NDArray[Any]], Tally],
        find: Callable[[str, tuple[int, int]], Results | None] = lambda *_: None,
        times: Counter[str] | None = None,
        rows_at_once: int | None = None,
    ) -> None:
        """Begin to count.

        Args:
            tally_of: returns how much a circuit with its parameters would send.
            find: returns results that are known, by the key of their submission and their shape.
            times: how often each submission was sent before.
            rows_at_once: how many rows are one submission; None for all.
        """
        self._rows = rows_at_once
        self._tally_of = tally_of
        self._find = find
        self._times = Counter() if times is None else times
        self._known: dict[tuple[bytes, int], Tally] = {}
        self.sent = Tally()
        self.kept = 0

    def execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        """Count a submission, and return its results if they are kept, or else zeros."""
        parts = [self._execute(circuit, rows) for rows in _parts(parameters, self._rows)]
        return np.concatenate([np.zeros((0, result_count(circuit))), *parts])

    def _execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        shape = (len(parameters), result_count(circuit))
        found = self._find(submission_key(circuit, parameters, self._times), shape)
        if found is not None:
            self.kept += 1
            return found
        same = (encode(circuit).encode(), len(parameters))
        if same not in self._known:
            # Parameters that were computed from zeros may be NaN or infinite, which a device
            # refuses.
            likely = np.where(np.isfinite(parameters), parameters, 1.0)
            self._known[same] = self._tally_of(circuit, likely)
        self.sent += self._known[same]
        return np.zeros(shape)


@dataclass(frozen=True, eq=False)
class CircuitRun:
    """The parameters that one circuit was given, and the results that came back.

    Attributes:
        name: of the circuit in the file.
        circuit: the circuit.
        parameters: shape `(batch, P)`.
        results: float64, shape `(batch, M)`.
    """

    name: str
    circuit: Circuit
    parameters: NDArray[Any]
    results: Results


class RecordingExecutor:
    """Hands circuits to another executor and records what came back.

    Attributes:
        runs: all runs, in order.
    """

    def __init__(self, executor: Executor, circuits: Mapping[str, Circuit]) -> None:
        """Begin a record.

        Args:
            executor: runs the circuits.
            circuits: those of the file, by name; what is run of them is recognised by identity.
        """
        self._executor = executor
        self._names = {
            id(apart(circuit).circuit if circuit.derivative else circuit): name
            for name, circuit in circuits.items()
        }
        self.runs: list[CircuitRun] = []

    def execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        """Return the results of a circuit for each row, float64, shape `(batch, M)`."""
        results = self._executor.execute(circuit, parameters)
        self.runs.append(CircuitRun(self._names[id(circuit)], circuit, parameters, results))
        return results


def run_on(executor: Executor, circuit: Circuit, parameters: NDArray[Any]) -> Results:
    """Return what a circuit gives for each row; a derivative by its circuit at shifted parameters.

    Args:
        executor: gets circuits that are no derivatives.
        circuit: of a file.
        parameters: the columns that it takes.
    """
    if not circuit.derivative:
        return executor.execute(circuit, parameters)
    return by_shifts(circuit, parameters, executor.execute)


def check_bounds(execution: Execution, name: str, tally: Tally) -> None:
    """Refuse what would exceed a bound.

    Raises:
        OverBudgetError: it names the bound.
    """
    for unit, count, limit in (
        ("circuits", tally.circuits, execution.max_circuits),
        ("shots", tally.shots, execution.max_shots),
    ):
        if limit is not None and count > limit:
            raise OverBudgetError(name, count, unit, limit)


def submission_key(circuit: Circuit, parameters: NDArray[Any], times: Counter[str]) -> str:
    """Return the key under which the results of a submission are kept, and count it in `times`.

    The same circuit may be sent twice with the same parameters. Its samples then differ, so the key
    also depends on how often the same was sent.
    """
    rows = np.ascontiguousarray(parameters, dtype="<f8")
    same = digest(encode(circuit), str(rows.shape), rows.tobytes())
    times[same] += 1
    return digest(same, str(times[same]))


def _sends_one_by_one(device: Any) -> bool:
    from hybridx.runtime.pennylane import sends_one_by_one

    return sends_one_by_one(device)


def _parts(parameters: NDArray[Any], rows: int | None) -> list[NDArray[Any]]:
    """Return the rows in parts that are sent together; an empty list if there are no rows."""
    step = rows or max(len(parameters), 1)
    return [parameters[start : start + step] for start in range(0, len(parameters), step)]
