"""Ctrl-C while a job of a service is waited for: the job is cancelled, so that it costs no more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)


@contextmanager
def cancel_on_interrupt(when_cancelled: Callable[[], object]) -> Iterator[None]:
    """Cancel the jobs that are waited for when Ctrl-C interrupts the block.

    Args:
        when_cancelled: called if there were jobs, and all of them are cancelled.

    Raises:
        KeyboardInterrupt: again, after the jobs are cancelled.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        cancelled, left = cancel_waiting(stop.__traceback__)
        if cancelled:
            log.warning("cancelled %s", ", ".join(cancelled))
            if not left:
                when_cancelled()
        raise


def cancel_waiting(traceback: TracebackType | None) -> tuple[list[str], list[str]]:
    """Cancel the jobs whose methods stand in a traceback.

    A plug-in does not hand out its job, but a method of the job is on the stack while the plug-in
    waits for it.

    Returns:
        The identifiers of those that are cancelled, and of those that could not be.
    """
    cancelled: dict[int, str] = {}
    left: dict[int, str] = {}
    while traceback is not None:
        for job, name in _jobs(traceback.tb_frame.f_locals.get("self")):
            if id(job) in cancelled:
                continue
            try:
                job.cancel()
            except Exception:
                # A job that has ended cannot be cancelled, and a service may be out of reach.
                left[id(job)] = name
                continue
            cancelled[id(job)] = name
        traceback = traceback.tb_next
    return list(cancelled.values()), list(left.values())


def job_names(holders: Iterable[Any]) -> dict[str, None]:
    """Return the identifiers of the jobs among some objects, in order, each once."""
    return {name: None for one in holders for _, name in _jobs(one)}


def _jobs(holder: Any) -> Iterator[tuple[Any, str]]:
    """Yield the jobs that an object is or has, with their identifiers."""
    for job in (holder, *_tasks(holder)):
        name = _job_name(job)
        if name is not None:
            yield job, name


def _tasks(batch: Any) -> tuple[Any, ...]:
    """Return the tasks of a batch, as Braket keeps them."""
    tasks = getattr(batch, "tasks", None)
    return tuple(tasks) if isinstance(tasks, list | tuple) else ()


def _job_name(job: Any) -> str | None:
    """Return the identifier of an object that can be cancelled, or None if it is no job."""
    if not callable(getattr(job, "cancel", None)):
        return None
    for attribute in ("job_id", "id", "task_id"):
        found = getattr(job, attribute, None)
        if found is not None:
            return str(found() if callable(found) else found)
    return None
