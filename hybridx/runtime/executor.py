"""What stands between a model and a device that costs money.

Every submission (one circuit for some rows) passes here: it is counted, held against the bounds,
looked up among results that are kept already, sent, repeated if the error may pass, and kept.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx.circuit import Circuit, encode, result_count
from hybridx.device_table import family_of
from hybridx.errors import NotWritableError, OverBudgetError
from hybridx.runtime.execution import Execution
from hybridx.runtime.journal import Journal
from hybridx.runtime.secrets import describe, shown
from hybridx.runtime.vendor_errors import TRANSIENT

if TYPE_CHECKING:
    from hybridx.runtime.pennylane import Submission

Array: TypeAlias = NDArray[np.float64]

FIRST_PAUSE = 1.0
"""Seconds before the first repetition; each further one waits twice as long."""


@dataclass(frozen=True)
class Cost:
    """What goes to a device.

    Attributes:
        submissions: calls of the device, each for all rows of a slice.
        circuits: in them, after the device's own preprocessing.
        shots: of all circuits together.
    """

    submissions: int = 0
    circuits: int = 0
    shots: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Cost)))

    def __str__(self) -> str:
        counted = [
            f"{count:,} {unit if count != 1 else unit.removesuffix('s')}"
            for count, unit in ((self.circuits, "circuits"), (self.shots, "shots"))
            if count or unit == "circuits"
        ]
        times = f" in {self.submissions:,} submissions" if self.submissions > 1 else ""
        return " with ".join(counted) + times


class Sender(Protocol):
    """Gets results of circuits."""

    def results(self, circuit: Circuit, parameters: NDArray[Any]) -> Array:
        """Return the results of a circuit for each row, float64, shape `(batch, M)`."""
        ...


@dataclass(frozen=True, eq=False)
class CircuitRun:
    """What one circuit was given, and what came back.

    Attributes:
        circuit: what was run.
        parameters: shape `(batch, P)`.
        results: float64, shape `(batch, M)`.
    """

    circuit: Circuit
    parameters: NDArray[Any]
    results: Array


class Recorder:
    """Passes circuits on, and remembers what came back.

    Attributes:
        runs: in order.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.runs: list[CircuitRun] = []

    def results(self, circuit: Circuit, parameters: NDArray[Any]) -> Array:
        """Return the results of a circuit for each row, float64, shape `(batch, M)`."""
        results = self._sender.results(circuit, parameters)
        self.runs.append(CircuitRun(circuit, parameters, results))
        return results


class Jobs:
    """The submissions of one session.

    Attributes:
        sent: what the device was sent, repetitions included.
        kept: how many submissions were found in the journal.
        journal: where results are kept, if anywhere.
    """

    def __init__(
        self,
        execution: Execution,
        name: str,
        open_device: Callable[[int | None], Any],
        *,
        takes_seed: bool,
    ) -> None:
        """Take charge of a device.

        Args:
            execution: how it is used.
            name: of the device.
            open_device: returns it, with a seed if one is given.
            takes_seed: whether it samples the same with the same seed.
        """
        self._execution = execution
        self._name = name
        self._open = open_device
        # It opens here even if it is opened again with each seed: here one wants to hear of it.
        self._device = open_device(None)
        self._seed = execution.seed if takes_seed else None
        self._rows = _rows_at_once(name, self._device)
        self._times: Counter[str] = Counter()
        self.sent = Cost()
        self.kept = 0
        self.journal: Journal | None = None

    def results(self, circuit: Circuit, parameters: NDArray[Any]) -> Array:
        """Return the results of a circuit for each row, float64, shape `(batch, M)`.

        Raises:
            OverBudgetError: a bound would be exceeded; nothing was sent.
            DeviceFailedError: the device raised, and again at every repetition.
        """
        parts = [self._results(circuit, rows) for rows in _parts(parameters, self._rows)]
        return np.concatenate([np.zeros((0, result_count(circuit))), *parts])

    def _results(self, circuit: Circuit, parameters: NDArray[Any]) -> Array:
        key = _key(circuit, parameters, self._times)
        found = self.find(key)
        if found is not None:
            self.kept += 1
            return found
        results = self._send(circuit, parameters, key)
        self._keep(key, results)
        return results

    def find(self, key: str) -> Array | None:
        """Return results that were kept."""
        return self.journal.find(key) if self.journal else None

    def cost_of(self, circuit: Circuit, parameters: NDArray[Any]) -> Cost:
        """Return what a circuit costs, without sending it."""
        from hybridx.runtime.pennylane import prepare

        # A row is as the others; what is in it does not decide how it is split.
        one = prepare(circuit, parameters[:1], self._device, self._execution.shots)
        rows = len(parameters)
        return Cost(1, rows * len(one.tapes), rows * one.shots)

    def rehearsal(self) -> Rehearsal:
        """Return what counts the submissions to come instead of sending them."""
        return Rehearsal(self.cost_of, self.find, Counter(self._times), self._rows)

    def check(self, cost: Cost) -> None:
        """Refuse what would exceed a bound.

        Raises:
            OverBudgetError: it names the bound.
        """
        check_bounds(self._execution, self._name, self.sent + cost)

    def _send(self, circuit: Circuit, parameters: NDArray[Any], key: str) -> Array:
        from hybridx.runtime.pennylane import failure, prepare

        pause = FIRST_PAUSE
        for left in range(self._execution.retries, -1, -1):
            device = self._device_for(key)
            submission = prepare(circuit, parameters, device, self._execution.shots)
            cost = Cost(1, len(submission.tapes), submission.shots)
            # A device may have run what failed on the way back: every attempt counts.
            self.check(cost)
            self.sent += cost
            try:
                return _send_or_cancel(submission, self._execution)
            except Exception as error:
                if not left or not TRANSIENT.fit(error):
                    raise failure(circuit, self._name, error) from shown(error)
                self._execution.tell(
                    f"{self._name} failed ({describe(error)}); again in {pause:g} s"
                )
            time.sleep(pause)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    def _device_for(self, key: str) -> Any:
        """Return the device, seeded for one submission.

        So a submission's samples do not depend on which others were sent before it, and a run that
        is resumed gives what it would have given at once.
        """
        if self._seed is None:
            return self._device
        seeds = [self._seed, int(key[:16], 16)]
        return self._open(int(np.random.SeedSequence(seeds).generate_state(1)[0] >> 1))

    def _keep(self, key: str, results: Array) -> None:
        if self.journal is None:
            return
        try:
            self.journal.keep(key, results)
        except NotWritableError as error:
            # The run can still end well, and its results are in memory.
            self._execution.tell(f"results so far are not kept: {error.reason}")


class Rehearsal:
    """Counts what a run would send; results that are not known are zeros of the right shape.

    Attributes:
        sent: what would be sent.
        kept: how many submissions were found in the journal.
    """

    def __init__(
        self,
        cost_of: Callable[[Circuit, NDArray[Any]], Cost],
        find: Callable[[str], Array | None] = lambda _: None,
        times: Counter[str] | None = None,
        rows_at_once: int | None = None,
    ) -> None:
        """Begin to count; `times` says how often what was sent before."""
        self._rows = rows_at_once
        self._cost_of = cost_of
        self._find = find
        self._times = Counter() if times is None else times
        self._known: dict[tuple[bytes, int], Cost] = {}
        self.sent = Cost()
        self.kept = 0

    def results(self, circuit: Circuit, parameters: NDArray[Any]) -> Array:
        """Count a submission, and return its results if they are kept, or else zeros."""
        parts = [self._results(circuit, rows) for rows in _parts(parameters, self._rows)]
        return np.concatenate([np.zeros((0, result_count(circuit))), *parts])

    def _results(self, circuit: Circuit, parameters: NDArray[Any]) -> Array:
        found = self._find(_key(circuit, parameters, self._times))
        if found is not None:
            self.kept += 1
            return found
        same = (encode(circuit).encode(), len(parameters))
        if same not in self._known:
            # Zeros may have become anything on their way here, and a device looks at numbers.
            likely = np.where(np.isfinite(parameters), parameters, 1.0)
            self._known[same] = self._cost_of(circuit, likely)
        self.sent += self._known[same]
        return np.zeros((len(parameters), result_count(circuit)))


def check_bounds(execution: Execution, name: str, cost: Cost) -> None:
    """Refuse what would exceed a bound.

    Raises:
        OverBudgetError: it names the bound.
    """
    for unit, count, limit in (
        ("circuits", cost.circuits, execution.max_circuits),
        ("shots", cost.shots, execution.max_shots),
    ):
        if limit is not None and count > limit:
            raise OverBudgetError(name, count, unit, limit)


def _rows_at_once(name: str, device: Any) -> int | None:
    """Return how many rows are one submission; None for all.

    What fails is lost with all that was sent with it. A service that is sent one circuit at a time
    anyway is therefore given one row at a time, so that each that is paid for is kept.
    """
    from hybridx.runtime.pennylane import sends_one_by_one

    family = family_of(name)
    is_local = family is not None and family.is_local
    return 1 if not is_local and sends_one_by_one(device) else None


def _parts(parameters: NDArray[Any], rows: int | None) -> list[NDArray[Any]]:
    """Return the rows that are sent together; none, where there are none."""
    step = rows or max(len(parameters), 1)
    return [parameters[start : start + step] for start in range(0, len(parameters), step)]


def _send_or_cancel(submission: Submission, execution: Execution) -> Array:
    try:
        return submission.send()
    except KeyboardInterrupt as stop:
        cancelled = cancel_waiting(stop.__traceback__)
        if cancelled:
            execution.tell(f"cancelled {', '.join(cancelled)}")
        raise


def cancel_waiting(traceback: TracebackType | None) -> list[str]:
    """Cancel the jobs that were waited for when a traceback arose, and return their names.

    A plug-in keeps its job to itself, but the job's own method is on the stack while it waits.
    """
    cancelled: dict[int, str] = {}
    while traceback is not None:
        waiting = traceback.tb_frame.f_locals.get("self")
        for job in (waiting, *_tasks(waiting)):
            name = _job_name(job)
            if name is None or id(job) in cancelled:
                continue
            try:
                job.cancel()
            except Exception:
                # A job that has ended cannot be cancelled, and a service may be out of reach.
                continue
            cancelled[id(job)] = name
        traceback = traceback.tb_next
    return list(cancelled.values())


def _tasks(batch: Any) -> tuple[Any, ...]:
    tasks = getattr(batch, "tasks", None)
    return tuple(tasks) if isinstance(tasks, list | tuple) else ()


def _job_name(job: Any) -> str | None:
    """Return the identifier of what can be cancelled and is known to a service by it."""
    if not callable(getattr(job, "cancel", None)):
        return None
    for attribute in ("job_id", "id", "task_id"):
        found = getattr(job, attribute, None)
        if found is not None:
            return str(found() if callable(found) else found)
    return None


def digest(*parts: bytes | str | object) -> str:
    """Return one hash of several things: bytes, texts, or what JSON can hold."""
    total = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else msgspec.json.encode(part, order="sorted")
        total.update(len(content).to_bytes(8, "little") + content)
    return total.hexdigest()


def _key(circuit: Circuit, parameters: NDArray[Any], times: Counter[str]) -> str:
    """Return under what the results of a submission are kept.

    The same circuit may be sent twice with the same parameters; samples then differ, and so do the
    keys: the n-th time counts.
    """
    rows = np.ascontiguousarray(parameters, dtype="<f8")
    same = digest(encode(circuit), str(rows.shape), rows.tobytes())
    times[same] += 1
    return digest(same, str(times[same]))
