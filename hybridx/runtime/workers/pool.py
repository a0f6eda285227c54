"""Several processes that run slices of rows: outputs come in order, and few wait for their turn."""

from __future__ import annotations

import logging
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

from hybridx.errors import (
    DeviceError,
    HybridxError,
    OverBudgetError,
    WorkerNotStartedError,
    WorkersEndedError,
    first_line,
)
from hybridx.runtime.isolated.messages import error_of
from hybridx.runtime.session import Session, pickled_parts, sending_executor
from hybridx.runtime.slices import rows_of
from hybridx.runtime.submission.tally import Tally
from hybridx.runtime.workers.child import GRACE_SECONDS
from hybridx.runtime.workers.worker import ENDED, Answer, Slice, Worker
from hybridx.storage import Array

TRIES: Final = 3
"""How many workers a slice may end before it is refused."""

_SLICES_EACH: Final = 2  # that a worker has, or that wait for one
_SECONDS_BETWEEN_LOOKS: Final = 0.5  # at signals, where waiting for an answer hides them

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ran:
    """Where rows ran.

    Attributes:
        row: how many rows stand in front of them.
        rows: how many there are.
        devices: the labels of the devices whose results they have.
    """

    row: int
    rows: int
    devices: tuple[str, ...]


@dataclass(eq=False)
class Team:
    """The workers of one device, or those that need none.

    Attributes:
        session: what each of them has.
        workers: how many there are.
        label: of the device.
        price: what a slice costs there, in a unit of the caller's.
        share: arguments of `share_results`, if they have a journal.
    """

    session: Session
    workers: int
    label: str = ""
    price: float = 1.0
    share: Mapping[str, Any] | None = None
    at_work: list[Worker] = field(default_factory=list)
    waiting: deque[Slice] = field(default_factory=deque)

    @property
    def open(self) -> int:
        """How many slices it has."""
        return len(self.waiting) + sum(worker.at_work is not None for worker in self.at_work)

    @property
    def may_cost(self) -> bool:
        """Whether its device may cost money."""
        executor = sending_executor(self.session)
        return executor is not None and executor.may_cost


class Pool:
    """Processes that hold a session each, as long as a `with` block lasts.

    Attributes:
        sent: what all of them sent to devices, as far as they could tell.
        sent_to: what of it went to each device, by its label.
        ran: where the rows ran whose outputs were given, in order.
        notes: what the user should know.
    """

    def __init__(
        self, teams: Sequence[Team], threads: int, before: Callable[[], object] = lambda: None
    ) -> None:
        """Begin without processes, which start with the first slices.

        Args:
            teams: of workers.
            threads: that each worker may use.
            before: called before the first of them starts.

        Raises:
            SessionNotPickledError: a device or an option of it cannot be pickled.
        """
        self.sent = Tally()
        self.sent_to: dict[str, Tally] = {}
        self.ran: list[Ran] = []
        self.notes: list[str] = []
        self._teams = list(teams)
        self._threads, self._before = threads, before
        self._starts = {id(team): _start_of(team, threads) for team in teams}
        self._heard: SimpleQueue[Answer] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(is_interrupted=kind is not None and not issubclass(kind, Exception))

    def run(
        self, slices: Iterable[Mapping[str, Array]], row: int, repeat: int = 0
    ) -> Iterator[Mapping[str, Array]]:
        """Yield the outputs of slices in their order; see `Runner`.

        The error of the first slice that has one is raised when all slices before it have given
        their outputs.

        Raises:
            WorkersEndedError: a slice has ended all workers that it was given to.
            WorkerNotStartedError: a worker has ended before it had a slice.
            HybridxError: as `Session.run`.
        """
        self._before()
        numbered = self._numbered(slices, row, repeat)
        open_slices: deque[Slice] = deque()
        results: dict[int, _Outputs | HybridxError] = {}
        has_more = True
        while True:
            while has_more and len(open_slices) < _SLICES_EACH * self._workers:
                one = next(numbered, None)
                if one is None:
                    has_more = False
                else:
                    open_slices.append(one)
                    cheapest(self._teams).waiting.append(one)
            self._hand_out()
            if not open_slices:
                return
            while open_slices and open_slices[0].index not in results:
                result = self._hear()
                if result is None:
                    continue
                index, came = result
                results[index] = came
                if isinstance(came, HybridxError):
                    # What stands in front of it is still wanted.
                    has_more = False
                    for team in self._teams:
                        team.waiting = deque(one for one in team.waiting if one.index < index)
                self._hand_out()
            one = open_slices.popleft()
            found = results.pop(one.index)
            if isinstance(found, HybridxError):
                raise found
            self.ran.append(Ran(one.row, one.rows, found.devices))
            yield found.arrays

    @property
    def _workers(self) -> int:
        return sum(team.workers for team in self._teams)

    def _numbered(
        self, slices: Iterable[Mapping[str, Array]], row: int, repeat: int
    ) -> Iterator[Slice]:
        for index, inputs in enumerate(slices):
            rows = rows_of(self._teams[0].session, inputs)
            yield Slice(index, inputs, row, rows, repeat)
            row += rows

    def _hand_out(self) -> None:
        """Give what waits to workers that have nothing to do, and start those that are missing."""
        for team in self._teams:
            idle = [one for one in team.at_work if one.is_loaded and one.at_work is None]
            while team.waiting and idle:
                idle.pop().run(team.waiting.popleft())
            missing = team.workers - len(team.at_work)
            # More than there are slices would only be started.
            coming = sum(not one.is_loaded for one in team.at_work)
            for _ in range(min(missing, len(team.waiting) - coming)):
                team.at_work.append(self._new_worker(team))

    def _new_worker(self, team: Team) -> Worker:
        path = team.session.artifact.path
        return Worker(path, self._starts[id(team)], self._threads, self._heard)

    def _hear(self) -> tuple[int, _Outputs | HybridxError] | None:
        """Wait for an answer, and return what it says of a slice by its index; None if nothing."""
        try:
            answer = self._heard.get(timeout=_SECONDS_BETWEEN_LOOKS)
        except Empty:
            return None
        worker, values = answer.worker, answer.values
        team = next((one for one in self._teams if worker in one.at_work), None)
        if team is None:
            return None  # of a device that was given up
        if answer.kind == ENDED:
            return self._replace(team, worker, str(values["reason"]))
        if answer.kind == "loaded":
            worker.is_loaded = True
            self._hand_out()
            return None
        one, worker.at_work = worker.at_work, None
        if answer.kind == "defect":
            raise RuntimeError(f"a worker failed:\n{values['text']}")
        sent = Tally(values["submissions"], values["circuits"], values["shots"])
        self.sent += sent
        self.sent_to[team.label] = self.sent_to.get(team.label, Tally()) + sent
        if answer.kind == "outputs":
            assert one is not None
            return one.index, _Outputs(answer.arrays, tuple(values["devices"]))
        error = error_of(values)
        if error is None:
            raise RuntimeError(f"a worker failed: {values['name']} {values['facts']}")
        if self._gives_up(team, error, one, may_have_run=bool(values["may_have_run"])):
            return None
        if one is None:
            raise error  # the session does not load
        return one.index, error

    def _replace(
        self, team: Team, worker: Worker, reason: str
    ) -> tuple[int, _Outputs | HybridxError] | None:
        """Take the slice from a worker that has ended; others run it, or it is refused."""
        team.at_work.remove(worker)
        worker.kill()
        one, path = worker.at_work, team.session.artifact.path
        if one is None:
            if worker.is_loaded:
                return None  # it had nothing to do, and others do what there is
            raise WorkerNotStartedError(path, reason)
        one.ended += 1
        if one.ended >= TRIES:
            return one.index, WorkersEndedError(one.ended, str(one), path, reason)
        log.warning("a worker: %s; %s run again in another one", reason, one)
        team.waiting.appendleft(one)
        self._hand_out()
        return None

    def _gives_up(
        self, team: Team, error: HybridxError, one: Slice | None, *, may_have_run: bool
    ) -> bool:
        """Go on without a device that fails, if others are left and nothing can run twice."""
        fails = isinstance(error, DeviceError) and not isinstance(error, OverBudgetError)
        if not fails or may_have_run or len(self._teams) == 1:
            return False
        note = f"device {team.label} is given up, and its rows go to the others: "
        self.notes.append(note + first_line(error))
        log.warning("%s", self.notes[-1])
        self._teams.remove(team)
        taken = [worker.at_work for worker in team.at_work if worker.at_work is not None]
        for worker in team.at_work:
            _end([worker], may_cost=team.may_cost, is_interrupted=False)
        for other in [*([] if one is None else [one]), *taken, *team.waiting]:
            cheapest(self._teams).waiting.append(other)
        self._hand_out()
        return True

    def _end(self, *, is_interrupted: bool) -> None:
        for team in self._teams:
            _end(team.at_work, may_cost=team.may_cost, is_interrupted=is_interrupted)
            team.at_work.clear()


@dataclass(frozen=True, eq=False)
class _Outputs:
    arrays: Mapping[str, Array]
    devices: tuple[str, ...]


def cheapest(teams: Sequence[Team]) -> Team:
    """Return the team whose open slices, with one more, cost least at its price."""
    return min(teams, key=lambda team: ((team.open + 1) * team.price, team.open))


def share_of_cores(workers: int) -> int:
    """Return how many threads each of some workers may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // workers)


def _start_of(team: Team, threads: int) -> bytes:
    content, path, given, requested = pickled_parts(team.session)
    if given["threads"] is None:
        given = {**given, "threads": threads}
    return pickle.dumps(((content, path, given, requested), team.share))


def _end(workers: Sequence[Worker], *, may_cost: bool, is_interrupted: bool) -> None:
    """End workers.

    Args:
        workers: that are not needed any more.
        may_cost: whether their device may cost money.
        is_interrupted: whether what a device has now is cancelled, or its results are waited for.
    """
    if may_cost:
        for worker in workers:
            worker.interrupt() if is_interrupted else worker.end()
        for worker in workers:
            worker.wait(GRACE_SECONDS if is_interrupted else None)
    for worker in workers:
        worker.kill()
