"""Ctrl-C while a job is waited for: which jobs are cancelled, and what happens if one cannot be."""

from __future__ import annotations

import pytest

from hybridx.runtime.submission.cancel import cancel_on_interrupt


class Job:
    """As a vendor's client waits."""

    def __init__(self, error=KeyboardInterrupt):
        self.error = error
        self.cancelled = 0

    def job_id(self):
        return "job-17"

    def cancel(self):
        self.cancelled += 1

    def result(self):
        return self._wait()

    def _wait(self):
        raise self.error


class Task:
    """As Braket names a task, by an attribute."""

    id = "task-1"

    def __init__(self):
        self.cancelled = 0

    def cancel(self):
        self.cancelled += 1


class Ended(Task):
    id = "task-2"

    def cancel(self):
        raise RuntimeError("it has ended")


class Batch:
    """As Braket waits for several tasks; it cannot be cancelled itself."""

    def __init__(self, *tasks):
        self.tasks = list(tasks)

    def results(self):
        raise KeyboardInterrupt


class Pool:
    """What can be cancelled and is known to no service by a name."""

    def __init__(self):
        self.cancelled = 0

    def cancel(self):
        self.cancelled += 1

    def wait(self):
        raise KeyboardInterrupt


def interrupted(call):
    """Return whether all jobs were cancelled."""
    told = []
    with pytest.raises(KeyboardInterrupt), cancel_on_interrupt(lambda: told.append(1)):
        call()
    return bool(told)


def test_the_job_that_is_waited_for_is_cancelled_once_and_named(caplog):
    job = Job()
    assert interrupted(job.result)
    assert job.cancelled == 1
    assert caplog.messages == ["cancelled job-17"]


def test_each_task_of_a_batch_is_cancelled_and_one_that_has_ended_is_not_named(caplog):
    tasks = [Ended(), Task()]
    assert not interrupted(Batch(*tasks).results)  # the one that has ended may cost
    assert tasks[1].cancelled == 1
    assert caplog.messages == ["cancelled task-1"]


def test_what_is_no_job_is_left_alone(caplog):
    pool = Pool()
    assert not interrupted(pool.wait)
    assert (pool.cancelled, caplog.messages) == (0, [])


def test_an_error_cancels_nothing(caplog):
    job = Job(error=ConnectionError("reset"))
    with pytest.raises(ConnectionError), cancel_on_interrupt(lambda: None):
        job.result()
    assert (job.cancelled, caplog.messages) == (0, [])
