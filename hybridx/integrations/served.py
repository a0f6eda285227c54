"""`Served`: a model file behind a server of somebody else, which is all that such a server needs.

A server loads a file once, tests it, and runs what its clients send. `Served` does that with what
who runs the server has fixed in `Settings`. Requests wait in a bounded queue and run in threads of
its own, so that the server's own loop answers on. On a device one request runs at a time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hybridx.api import output_summaries, reproduce
from hybridx.deployment import MODEL, Settings, settings_from
from hybridx.errors import (
    HybridxError,
    InputDtypeError,
    NotReadyError,
    QueueFullError,
    RequestTooLargeError,
    ServerSettingError,
    TooLateError,
)
from hybridx.integrations.refusals import refusal_of
from hybridx.runtime import (
    Session,
    Usage,
    agreements_of,
    as_array,
    load_vouching,
    uses_device,
)
from hybridx.storage import Array, check_readable

if TYPE_CHECKING:
    from hybridx.api import OutputSummary
    from hybridx.artifact import Signature

Given: TypeAlias = Mapping[str, Any] | Callable[[], Mapping[str, Any]]

log = logging.getLogger(__name__)


@dataclass
class _Request:
    """A request of a client, as it is counted."""

    rows: int = 0


@dataclass(frozen=True)
class Counts:
    """What a served file did so far.

    Attributes:
        requests: that came, also those that were refused.
        rows: of the requests that were answered.
        seconds: that answered requests took in all, waiting included.
        answered: requests that got their outputs.
        refused: requests that did not, by the kind of refusal; `left` counts clients who went away.
        waiting: requests that wait or run now.
        submissions: calls of the device, those of the self-test included.
        circuits: that were sent to it.
        shots: that were asked of it.
        is_ready: the self-test has passed, and the server does not end.
    """

    requests: int
    rows: int
    seconds: float
    answered: int
    refused: Mapping[str, int]
    waiting: int
    submissions: int
    circuits: int
    shots: int
    is_ready: bool


class Served:
    """A file that is loaded once and answers requests of many threads.

    It is ready when `start` has returned. `predict` and `predict_async` do the same for callers
    that may wait and for a loop of asyncio.

    Attributes:
        path: of the file.
        settings: what is fixed by who runs the server.
    """

    def __init__(self, path: str | Path, settings: Settings | None = None) -> None:
        """Note what is to be served; nothing is loaded yet.

        Args:
            path: an ONNX file, a bundle or a file of torch.
            settings: of the server.
        """
        self.path = Path(path)
        self.settings = Settings() if settings is None else settings
        self._state = threading.Condition()
        self._starting = threading.Lock()
        self._reason = "it is not loaded yet"
        self._session: Session | None = None
        self._used: Usage | None = None
        self._is_closed = False
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0
        self._most = 0
        self._inside = 0
        self._requests = self._rows = self._answered = 0
        self._seconds = 0.0
        self._refused: Counter[str] = Counter()

    def start(self) -> None:
        """Load the file and run its self-test; ready at the end. A second call does nothing.

        On a device that samples, its results are tested against the distribution that a correct
        device gives, as `hybridx run` without data does.

        Raises:
            HybridxError: the file or the device is not fit to be served; it never gets ready.
        """
        with self._starting:
            if self._session is not None:
                return
            try:
                self._start()
            except HybridxError as error:
                log.warning("the served file does not get ready: %s", error)
                self._fail(f"its start failed with {error.code}; the server's log says why")
                raise

    def _start(self) -> None:
        with self._state:
            if self._is_closed:
                raise NotReadyError(self._reason)
            self._reason = "its self-test runs"
        check_readable(self.path)
        session = load_vouching(self.path, **self.settings.execution)
        report = reproduce(session)
        agreements_of(session)
        is_alone = uses_device(session)
        workers = 1 if is_alone else self.settings.workers or _cores()
        with self._state:
            if self._is_closed:
                session.close()
                raise NotReadyError(self._reason)
            self._session = session
            self._most = workers + self.settings.queue
            self._process = os.getpid()
            self._pool = ThreadPoolExecutor(workers, thread_name_prefix="hybridx-served")
            self._reason = ""
        log.info("the self-test has passed on %s: worst error %.1e", session.device, report.worst)

    def start_behind(self) -> threading.Thread:
        """Start in a thread, so that a server is live before the file is ready.

        What fails is told in the log, and the file never gets ready.
        """
        thread = threading.Thread(target=self._start_quietly, name="hybridx-start", daemon=True)
        thread.start()
        return thread

    def _start_quietly(self) -> None:
        try:
            self.start()
        except HybridxError:
            pass  # `start` has logged it, and `why_not_ready` says so
        except BaseException:
            self._fail("its start failed; the server's log says why")
            log.exception("the served file does not start")

    def _fail(self, reason: str) -> None:
        with self._state:
            if not self._is_closed:
                self._reason = reason

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered now."""
        return not self.why_not_ready

    @property
    def why_not_ready(self) -> str:
        """What it waits for, without a path; empty if it is ready."""
        if not self._reason and self._process != os.getpid():
            return "this process was forked after the model was loaded"
        return self._reason

    @property
    def session(self) -> Session:
        """The session of the file.

        Raises:
            NotReadyError: the file was not started.
        """
        session = self._session
        if session is None:
            raise NotReadyError(self.why_not_ready)
        return session

    @cached_property
    def inputs(self) -> tuple[Signature, ...]:
        """Name, dtype and shape of each input; only after `start`."""
        return tuple(self.session.inputs)

    @cached_property
    def outputs(self) -> tuple[OutputSummary, ...]:
        """The outputs, in order, for a file of torch without dtypes and shapes; after `start`."""
        return output_summaries(self.session.artifact)

    def predict(self, inputs: Given, *, exact: bool = False) -> dict[str, Array]:
        """Return the outputs of a request by name.

        Args:
            inputs: arrays or nested lists by the names of the inputs; or a function that reads them
                from the request, whose errors are counted as those of the request.
            exact: the arrays must have the dtypes of the model, as in protocols that name them.
                Otherwise numbers are converted where the model's dtype holds them.

        Raises:
            InputError: the names, shapes, dtypes or numbers are not the model's.
            RequestTooLargeError: there are more rows than a request may have.
            NotReadyError: the file is not ready, or the server ends.
            QueueFullError: too many requests wait; nothing was sent to the device.
            TooLateError: there is no result within `seconds`; the message says whether it was sent.
            OverBudgetError: a bound on what the device is sent would be exceeded; nothing was sent.
            DeviceFailedError: the device raised.
        """
        with self._request() as request:
            future = self._submitted(request, inputs, exact)
            try:
                return future.result(self.settings.seconds)
            except FutureTimeoutError:
                raise self._late(future) from None

    async def predict_async(self, inputs: Given, *, exact: bool = False) -> dict[str, Array]:
        """Return the outputs of a request by name; arguments and errors as `predict`.

        A request whose task is cancelled while it waits is not run.
        """
        with self._request() as request:
            future = self._submitted(request, inputs, exact)
            try:
                async with asyncio.timeout(self.settings.seconds):
                    # The future is cancelled by `_late` alone, which tells whether it could be.
                    return await asyncio.shield(asyncio.wrap_future(future))
            except TimeoutError:
                raise self._late(future) from None
            except asyncio.CancelledError:
                future.cancel()
                raise

    @contextmanager
    def _request(self) -> Iterator[_Request]:
        """Count a request, how it ends and how long it takes."""
        request, started = _Request(), time.perf_counter()
        ending = "left"
        try:
            yield request
            ending = ""
        except Exception as error:
            ending = refusal_of(error).kind
            if ending == "failed":
                log.exception("a request failed")
            raise
        finally:
            with self._state:
                self._requests += 1
                if ending:
                    self._refused[ending] += 1
                else:
                    self._answered += 1
                    self._rows += request.rows
                    self._seconds += time.perf_counter() - started

    def _submitted(self, request: _Request, inputs: Given, exact: bool) -> Future[dict[str, Array]]:
        """Let a request wait for its turn, if the queue is not full."""
        if reason := self.why_not_ready:
            raise NotReadyError(reason)
        given = inputs() if callable(inputs) else inputs
        arrays = {name: as_array(value, name) for name, value in given.items()}
        request.rows = max((len(one) for one in arrays.values() if one.ndim), default=1)
        if request.rows > self.settings.rows:
            raise RequestTooLargeError(request.rows, self.settings.rows)
        if exact:
            _check_dtypes(arrays, self.inputs)
        with self._state:
            # The state may have changed since, and no request may come after `close` has looked.
            if self._pool is None or self._session is None or self._reason:
                raise NotReadyError(self._reason)
            if self._inside >= self._most:
                raise QueueFullError(self._inside)
            self._inside += 1
            future = self._pool.submit(self._session.run, arrays)
        future.add_done_callback(self._leave)
        return future

    def _leave(self, _: object) -> None:
        with self._state:
            self._inside -= 1
            self._state.notify_all()

    def _late(self, future: Future[dict[str, Array]]) -> TooLateError:
        """Return the error of a request whose time is over, and run it no more if it waits yet."""
        was_waiting = future.cancel()
        sent = "it was not run" if was_waiting else "it runs on, and its result is lost"
        return TooLateError(self.settings.seconds, sent)

    def counts(self) -> Counts:
        """Return what was done so far."""
        with self._state:
            used = self._usage()
            return Counts(
                self._requests,
                self._rows,
                self._seconds,
                self._answered,
                dict(self._refused),
                self._inside,
                used.submissions if used else 0,
                used.circuits if used else 0,
                used.total_shots if used else 0,
                self.is_ready,
            )

    def close(self, seconds: float | None = None) -> bool:
        """Refuse new requests, answer those that are here, and free the model's memory.

        Args:
            seconds: how long it waits for them; by default as long as a request may take.

        Returns:
            False if a request still ran at the end of that time.
        """
        limit = self.settings.seconds if seconds is None else seconds
        with self._state:
            self._reason, self._is_closed = "the server ends", True
            is_done = self._state.wait_for(lambda: not self._inside, limit)
            self._used = self._usage()
            session, self._session = self._session, None
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if session is not None:
            session.close()  # what still runs ends
        return is_done

    def _usage(self) -> Usage | None:
        """Return what was sent to the device, also after the end."""
        if self._session is None or self._process != os.getpid():
            return self._used
        return self._session.usage


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_dtypes(arrays: Mapping[str, Array], inputs: Sequence[Signature]) -> None:
    """Refuse arrays of other dtypes than the model's.

    Raises:
        InputDtypeError: one has another; the first is named.
    """
    for one in inputs:
        if one.name in arrays and arrays[one.name].dtype != one.dtype:
            raise InputDtypeError(one.name, str(arrays[one.name].dtype), one.dtype.name)


def served_from(variables: Mapping[str, str] = os.environ) -> Served:
    """Return what environment variables say is to be served; `HYBRIDX_SERVE_MODEL` is the file.

    Raises:
        ServerSettingError: there is no file, or a variable is wrong.
    """
    if MODEL not in variables:
        raise ServerSettingError("model", "not given", f"the path of a model file, in {MODEL}")
    return Served(variables[MODEL], settings_from(variables))
