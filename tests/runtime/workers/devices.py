"""Devices that workers import, and that say on the disk what they were sent."""

from __future__ import annotations

import os
import signal
import time

from tests.runtime.remote import Account, JobAccount, Service


class Slow(Account):
    """A service that takes a while, and says so while it does."""

    def __init__(self, path, seconds=0.2):
        super().__init__(path)
        self._seconds = seconds

    def execute(self, circuits, execution_config=None):
        with self._path.with_suffix(".pids").open("a") as pids:
            pids.write(f"{os.getpid()}\n")
        results = super().execute(circuits, execution_config)
        time.sleep(self._seconds)
        return results


class Local(Slow):
    """A device of this machine."""

    name = "default.slow"


class Deadly(Local):
    """A device that ends its process, the first few times."""

    def __init__(self, path, times):
        super().__init__(path, 0.0)
        self._times = times

    def execute(self, circuits, execution_config=None):
        results = super().execute(circuits, execution_config)
        marks = self._path.with_suffix(".killed")
        marks.touch()
        if len(marks.read_text()) < self._times:
            with marks.open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return results


class DeadlyService(Deadly):
    """A service that ends its client behind a submission."""

    name = "some.service"


class DeadlyJobs(JobAccount):
    """A service that ends its client while it waits for a job, once."""

    def fetch_jobs(self, names, circuits, config):
        mark = self._path.with_suffix(".killed")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fetch_jobs(names, circuits, config)


class Failing(Service):
    """A service that refuses everything."""

    name = "some.failing"

    def execute(self, circuits, execution_config=None):
        raise ValueError("it is closed")
