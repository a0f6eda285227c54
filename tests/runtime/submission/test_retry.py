"""Submissions that are repeated: which, how often, after which pauses, and with what said."""

from __future__ import annotations

import logging

import pytest

from hybridx.errors import DeviceFailedError, OverBudgetError
from hybridx.runtime.submission.retry import submit

SECRET = "tk-5f1e9a2b7c"


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """How long the process would have slept."""
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


class Line:
    """A bad line: it raises what it is given, one error an attempt, then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.prepared = 0

    def prepare(self):
        self.prepared += 1
        return self.send

    def send(self):
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def failure(error):
    return DeviceFailedError("some.service", str(error))


def run(line, retries=3):
    return submit(line.prepare, retries, "some.service", failure)


def test_what_passes_at_once_is_not_repeated(pauses):
    line = Line()
    assert (run(line), line.prepared, pauses) == ("answer", 1, [])


def test_each_pause_is_twice_as_long_and_said(pauses, caplog):
    line = Line(ConnectionError("reset"), TimeoutError("slow"), ConnectionError("reset"))
    assert (run(line), line.prepared) == ("answer", 4)
    assert pauses == [1.0, 2.0, 4.0]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert caplog.messages[1] == "some.service failed (TimeoutError: slow); again in 2 s"


@pytest.mark.parametrize("retries", [0, 2])
def test_repetitions_end_with_the_last_error(retries, pauses):
    line = Line(*(ConnectionError(f"reset {number}") for number in range(9)))
    with pytest.raises(DeviceFailedError, match=f"reset {retries}") as caught:
        run(line, retries)
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert (line.prepared, len(pauses)) == (retries + 1, retries)


def test_what_does_not_pass_is_raised_at_once(pauses):
    line = Line(ValueError("no such gate"))
    with pytest.raises(DeviceFailedError, match="no such gate"):
        run(line)
    assert (line.prepared, pauses) == (1, [])


def test_what_refuses_a_submission_is_raised_as_it_is(pauses):
    """A bound that is reached by repetitions is no failure of the device."""
    line = Line(ConnectionError("reset"))

    def prepare():
        if line.prepared:
            # As if its cause could pass: it was raised before anything was sent.
            raise OverBudgetError("some.service", 2, "circuits", 1) from ConnectionError()
        return line.prepare()

    with pytest.raises(OverBudgetError):
        submit(prepare, 3, "some.service", failure)
    assert pauses == [1.0]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_by_hand_is_not_repeated(stop):
    line = Line(stop())
    with pytest.raises(stop):
        run(line)
    assert line.prepared == 1


def test_no_secret_is_logged_or_shown(monkeypatch, caplog):
    monkeypatch.setenv("SOME_PASSWORD", SECRET)
    with pytest.raises(DeviceFailedError) as caught:
        run(Line(ConnectionError(SECRET), ValueError(f"with {SECRET}")))
    assert "<SOME_PASSWORD>" in caplog.text
    assert SECRET not in caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
