"""Jobs of services by their names, so that what was paid for can be fetched after a kill.

A device of PennyLane sends circuits and waits for them in one call, and hands out no job. Two ways
are left. A device that has the two methods of `JobDevice` is asked for its jobs. Of any other one,
the job whose method waits is found on the stack of the thread that waits, so that its name is known
to whoever looks for it with the vendor.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Protocol

from hybridx.runtime.submission.cancel import job_names

_SECONDS_BETWEEN_LOOKS: Final = 0.2

Naming = Callable[[tuple[str, ...]], object]


class JobDevice(Protocol):
    """What a device of PennyLane has beside `execute`, if its results can be fetched later."""

    def submit_jobs(self, circuits: Sequence[Any], config: Any) -> Sequence[str]:
        """Send circuits, and return the names of their jobs without waiting for results."""
        ...

    def fetch_jobs(self, names: Sequence[str], circuits: Sequence[Any], config: Any) -> Any:
        """Wait for jobs that this device or an earlier one has sent.

        Returns:
            What `execute` returns for these circuits.
        """
        ...


def fetches(device: Any) -> bool:
    """Return whether a device gives the results of a job whose name is known."""
    return all(callable(getattr(device, name, None)) for name in ("submit_jobs", "fetch_jobs"))


def execute(device: Any, circuits: Sequence[Any], config: Any, naming: Naming | None) -> Any:
    """Return what a device gives for circuits, and tell the names of its jobs meanwhile."""
    if naming is None:
        return device.execute(circuits, config)
    if fetches(device):
        names = tuple(map(str, device.submit_jobs(circuits, config)))
        naming(names)
        return device.fetch_jobs(names, circuits, config)
    with _watched(naming):
        return device.execute(circuits, config)


@contextmanager
def _watched(naming: Naming) -> Iterator[None]:
    """While active, tell the names of jobs whose methods this thread is in."""
    waiting, is_over = threading.get_ident(), threading.Event()
    told: dict[str, None] = {}

    def look() -> None:
        while not is_over.wait(_SECONDS_BETWEEN_LOOKS):
            found = job_names(_holders(sys._current_frames().get(waiting)))
            if not found.keys() <= told.keys():
                told.update(found)
                naming(tuple(told))

    watcher = threading.Thread(target=look, name="hybridx-jobs", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _holders(frame: FrameType | None) -> Iterator[Any]:
    while frame is not None:
        yield frame.f_locals.get("self")
        frame = frame.f_back
