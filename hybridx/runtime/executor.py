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
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Circuit, apart, by_shifts, encode, result_count
from hybridx.device_table import family_of
from hybridx.errors import HybridxError, NotWritableError, OverBudgetError
from hybridx.runtime.execution import Execution
from hybridx.runtime.submission.cancel import cancel_on_interrupt
from hybridx.runtime.submission.jobs import fetches
from hybridx.runtime.submission.journal import Journal, digest
from hybridx.runtime.submission.retry import submit
from hybridx.runtime.submission.tally import Tally

Results: TypeAlias = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a slice stands in a run of many rows.

    Attributes:
        row: the number of rows in front of it.
        repeat: the number of runs of all rows before this one.
    """

    row: int = 0
    repeat: int = 0


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
        label: what the journal calls the device, if there are several.
        devices: the labels of those whose results the slice at work has.
        has_sent: whether the last submission reached the device, or may have.
        is_ending: set by another thread; what is sent ends, and nothing more is sent.
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
        self._place = Place()
        self.sent = Tally()
        self.kept = 0
        self.journal: Journal | None = None
        self.label = ""
        self.devices: set[str] = set()
        self.has_sent = False
        self.is_ending = False
        self._has_unkept = False

    def begin(self, place: Place) -> None:
        """Begin a slice: its submissions are known by their rows, whatever was sent before."""
        self._place, self._times = place, Counter()
        self.devices = set()

    @property
    def may_cost(self) -> bool:
        """Whether the device may cost money: it is not known to be on this machine."""
        return self._may_cost

    @property
    def sends_one_by_one(self) -> bool:
        """Whether each row is a submission of its own, however the rows are divided."""
        return self._rows == 1

    @property
    def fetches(self) -> bool:
        """Whether the device gives the results of a job whose name is known."""
        return fetches(self._device)

    def execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        """Return the results of a circuit for each row, float64, shape `(batch, M)`.

        A row with NaN or infinity among its parameters is not sent; its results are NaN.

        Raises:
            OverBudgetError: a bound would be exceeded; nothing was sent.
            DeviceFailedError: the device raised, and again at every repetition.
        """
        results = np.full((len(parameters), result_count(circuit)), np.nan)
        is_sent = np.isfinite(parameters).all(axis=1)
        first = np.flatnonzero(is_sent)
        parts = [
            self._execute(circuit, rows, int(first[start]))
            for start, rows in _parts(parameters[is_sent], self._rows)
        ]
        results[is_sent] = np.concatenate([results[:0], *parts])
        return results

    def _execute(self, circuit: Circuit, parameters: NDArray[Any], first: int) -> Results:
        if self._seed is None and self.journal is None:
            # Nothing depends on what was sent before, so nothing of it is remembered.
            return self._submit(circuit, parameters, "")
        key = submission_key(circuit, parameters, self._times, self._place, first)
        if self.journal is None:
            return self._submit(circuit, parameters, key)
        with self.journal.holding(key):
            found = self.find(key, (len(parameters), result_count(circuit)))
            if found is not None:
                self.kept += 1
                self.devices.add(self.journal.device_of(key))
                return found
            if not self._jobs_of(key):
                self.journal.check(key)
            try:
                results = self._submit(circuit, parameters, key)
            except HybridxError:
                self._note(lambda journal: journal.fail(key))
                raise
            self._note(lambda journal: journal.keep(key, results, self.label))
        self.devices.add(self.label)
        return results

    def find(self, key: str, shape: tuple[int, int]) -> Results | None:
        """Return results of a shape that were kept.

        Raises:
            BrokenResultsError: they have another shape.
        """
        return self.journal.find(key, shape) if self.journal is not None else None

    def _expected(self, key: str, shape: tuple[int, int]) -> Results | None:
        """Return kept results, or zeros for those that only have to be fetched."""
        found = self.find(key, shape)
        return np.zeros(shape) if found is None and self._jobs_of(key) else found

    def tally_of(self, circuit: Circuit, parameters: NDArray[Any]) -> Tally:
        """Return how much a circuit sends to the device, without sending it."""
        from hybridx.runtime.pennylane import prepare

        # All rows are split alike: what decides is the circuit, not the numbers in a row.
        one = prepare(circuit, parameters[:1], self._device, self._execution.shots)
        rows = len(parameters)
        return Tally(1, rows * len(one.tapes), rows * one.shots)

    def counting(self) -> CountingExecutor:
        """Return an executor that counts the submissions to come instead of sending them."""
        counting = CountingExecutor(self.tally_of, self._expected, self._rows)
        counting.follow(self._place, self._times)
        return counting

    def _submit(self, circuit: Circuit, parameters: NDArray[Any], key: str) -> Results:
        """Send a circuit, or wait for the jobs of it that were sent already."""
        from hybridx.runtime.pennylane import failure, prepare

        self.has_sent = False

        def prepared() -> Callable[[], Results]:
            device = self._device_for(key)
            submission = prepare(circuit, parameters, device, self._execution.shots)
            if jobs := self._jobs_of(key):
                return partial(submission.fetch, jobs)
            # Every attempt counts: a device may have run what failed on the way back.
            tally = Tally(1, len(submission.tapes), submission.shots)
            self._begin(key, tally)
            self.sent += tally
            self.has_sent = True

            def send() -> Results:
                with cancel_on_interrupt(lambda: self._note(lambda journal: journal.fail(key))):
                    return submission.send(self._naming_jobs(key))

            return send

        return submit(
            prepared,
            self._execution.retries,
            self._name,
            lambda error: failure(circuit, self._name, error),
        )

    def _jobs_of(self, key: str) -> tuple[str, ...]:
        """Return the names of jobs that were sent and whose results the device can still give."""
        return self.journal.jobs_of(key) if self.journal is not None and self.fetches else ()

    def _naming_jobs(self, key: str) -> Callable[[tuple[str, ...]], object] | None:
        """Return what notes the names of jobs while they are waited for; None if nobody asks."""
        if self.journal is None or not self._may_cost:
            return None
        return lambda ids: self._note(lambda journal: journal.name_jobs(key, ids))

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
        """Note in the journal that something is sent, or refuse to send it."""
        if self.is_ending:
            raise KeyboardInterrupt
        check_bounds(self._execution, self._name, self.sent + tally)
        if self.journal is None:
            return
        try:
            self.journal.begin(
                key,
                tally,
                paid=self._may_cost,
                device=self.label,
                bound=lambda total: check_bounds(self._execution, self._name, total),
            )
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
        rows_at_once: int | None = None,
    ) -> None:
        """Begin to count.

        Args:
            tally_of: returns how much a circuit with its parameters would send.
            find: returns results that are known, by the key of their submission and their shape.
            rows_at_once: how many rows are one submission; None for all.
        """
        self._rows = rows_at_once
        self._tally_of = tally_of
        self._find = find
        self._times: Counter[str] = Counter()
        self._place = Place()
        self._known: dict[tuple[bytes, int], Tally] = {}
        self.sent = Tally()
        self.kept = 0

    def follow(self, place: Place, times: Counter[str]) -> None:
        """Go on where another executor stands: in its slice, behind what it has sent of it."""
        self._place, self._times = place, Counter(times)

    def begin(self, place: Place) -> None:
        """Begin a slice, as `DeviceExecutor` does."""
        self.follow(place, Counter())

    def execute(self, circuit: Circuit, parameters: NDArray[Any]) -> Results:
        """Count a submission, and return its results if they are kept, or else zeros."""
        parts = [
            self._execute(circuit, rows, start) for start, rows in _parts(parameters, self._rows)
        ]
        return np.concatenate([np.zeros((0, result_count(circuit))), *parts])

    def _execute(self, circuit: Circuit, parameters: NDArray[Any], first: int) -> Results:
        shape = (len(parameters), result_count(circuit))
        key = submission_key(circuit, parameters, self._times, self._place, first)
        found = self._find(key, shape)
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


def submission_key(
    circuit: Circuit,
    parameters: NDArray[Any],
    times: Counter[str],
    place: Place,
    first: int,
) -> str:
    """Return the key under which the results of a submission are kept, and count it in `times`.

    The same circuit may be sent twice with the same parameters. Its samples then differ, so the key
    also depends on the row, and on how often the same was sent for it. It does not depend on what
    other rows were sent, so that it is the same whoever runs the slice, and however often.

    Args:
        circuit: what is run.
        parameters: of the rows of the submission.
        times: how often each submission of the slice was sent before.
        place: of the slice in the run.
        first: the first row of the submission in the slice.
    """
    rows = np.ascontiguousarray(parameters, dtype="<f8")
    where = (place.row + first, place.repeat)
    of_rows = [str(where)] if any(where) else []
    same = digest(encode(circuit), str(rows.shape), rows.tobytes(), *of_rows)
    times[same] += 1
    return digest(same, str(times[same]))


def _sends_one_by_one(device: Any) -> bool:
    from hybridx.runtime.pennylane import sends_one_by_one

    return sends_one_by_one(device)


def _parts(parameters: NDArray[Any], rows: int | None) -> list[tuple[int, NDArray[Any]]]:
    """Return the rows in parts that are sent together, each behind the number of its first row."""
    step = rows or max(len(parameters), 1)
    return [(start, parameters[start : start + step]) for start in range(0, len(parameters), step)]
