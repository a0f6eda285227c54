"""Results that were paid for survive a kill at any step, and nothing is paid for twice unasked."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import hybridx
from hybridx.errors import (
    BrokenResultsError,
    NotWritableError,
    ResultsInUseError,
    TooLargeError,
    UnansweredError,
)
from hybridx.runtime.submission.journal import Journal, RunIdentity
from hybridx.runtime.submission.tally import Tally
from tests.runtime.submission import killed

RUN = RunIdentity("m", "some.service", 10, None, "o", "d")
RESULTS = np.arange(6.0).reshape(2, 3)
TALLY = Tally(1, 2, 20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_killed_run_is_paid_for_once(tmp_path):
    """Some of its steps; `make test-trust` takes them all."""
    pytest.importorskip("pennylane")
    expected = killed.prepare(tmp_path)
    steps = killed.in_child(tmp_path, 0)
    assert steps > 200
    for kill_at in np.linspace(1, steps, 6).astype(int):
        killed.check(tmp_path, expected, int(kill_at))


def written(path):
    """Write three submissions: with results, failed, and unanswered."""
    journal = Journal(path, RUN)
    journal.begin("a", TALLY)
    journal.keep("a", RESULTS)
    journal.begin("b", TALLY)
    journal.fail("b")
    journal.begin("c", TALLY)
    journal.close()
    return path.read_bytes()


def test_a_file_that_is_cut_anywhere_says_what_may_have_been_paid(tmp_path):
    path = tmp_path / "y.npz.partial"
    whole = written(path)
    ends = np.flatnonzero(np.frombuffer(whole, np.uint8) == ord("\n")) + 1
    # The first line is read as one, so a few of its lengths do; around each end all do.
    lengths = {int(end) + offset for end in ends for offset in (-2, -1, 0, 1, 9)} | {0, 1, 40}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        lines = int((ends <= length).sum())
        # After the head: a sent, a kept, b sent, b failed, c sent.
        unanswered = {2: {"a"}, 4: {"b"}, 6: {"c"}}.get(lines, set())
        if unanswered:
            with pytest.raises(UnansweredError) as caught:
                Journal(path, RUN, resume=True)
            assert caught.value.sent == "2 circuits with 20 shots"
        journal = Journal(path, RUN, resume=True, resend=True)
        assert (set(journal.unanswered), len(journal)) == (unanswered, int(lines >= 3))
        journal.keep("d", RESULTS)
        journal.close()
        again = Journal(path, RUN, resume=True, resend=True)
        assert again.find("d", RESULTS.shape) is not None
        assert (again.find("a", RESULTS.shape) is not None) == (lines >= 3)
        again.close()


def test_a_failed_submission_may_be_sent_again_unasked(tmp_path):
    path = tmp_path / "y.npz.partial"
    written(path)
    journal = Journal(path, RUN, resume=True, resend=True)
    journal.fail("c")
    journal.fail("never sent")
    journal.close()
    journal = Journal(path, RUN, resume=True)
    np.testing.assert_array_equal(journal.find("a", RESULTS.shape), RESULTS)
    assert journal.unanswered == {}
    journal.remove()
    assert not path.exists()


def test_one_run_at_a_time_has_the_file(tmp_path):
    pytest.importorskip("fcntl")
    first, second = (Journal(tmp_path / "y.partial", RUN) for _ in range(2))
    first.begin("a", TALLY)
    with pytest.raises(ResultsInUseError):
        second.begin("a", TALLY)
    first.close()
    second.begin("a", TALLY)
    second.close()


def test_nothing_is_sent_that_cannot_be_noted(tmp_path):
    journal = Journal(tmp_path / "nowhere" / "y.partial", RUN)
    with pytest.raises(NotWritableError):
        journal.begin("a", TALLY)
    assert journal.unanswered == {}


def test_results_of_another_shape_are_refused(tmp_path):
    path = tmp_path / "y.partial"
    written(path)
    journal = Journal(path, RUN, resume=True, resend=True)
    with pytest.raises(
        BrokenResultsError, match=r"\(2, 3\) results of a submission that has \(2, 4\)"
    ):
        journal.find("a", (2, 4))
    journal.close()


@pytest.mark.parametrize(
    "line",
    [
        {"type": "results", "key": "a", "rows": -1, "columns": 3, "values": ""},
        {"type": "results", "key": "a", "rows": 2**70, "columns": 2**70, "values": ""},
        {"type": "results", "key": "a", "rows": 2, "columns": 3, "values": "AAAA"},
        {"type": "sent", "key": "a", "circuits": 10**30, "shots": 1},
        {"type": "sent", "key": "a", "circuits": -1, "shots": 1},
        {"type": "sent", "key": "a", "circuits": [[[]]], "shots": 1},
    ],
)
def test_a_line_of_odd_numbers_is_refused(line, tmp_path):
    path = tmp_path / "y.partial"
    head, _, _ = written(path).partition(b"\n")
    path.write_bytes(head + b"\n" + json.dumps(line).encode() + b"\n")
    with pytest.raises(BrokenResultsError):
        Journal(path, RUN, resume=True)


def test_a_long_journal_is_not_read(tmp_path):
    path = tmp_path / "y.partial"
    written(path)
    with hybridx.limits(journal_bytes=100), pytest.raises(TooLargeError, match="the size of"):
        Journal(path, RUN, resume=True)
