"""Processes that share a journal: each submission is sent by one of them, once."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from hybridx.errors import (
    ForeignResultsError,
    NotWritableError,
    OptionNeedsError,
    OverBudgetError,
    ResultsInUseError,
    UnansweredError,
)
from hybridx.runtime import load, run_slice, share_results
from hybridx.runtime.submission.journal import Journal, RunIdentity, locks_of
from hybridx.runtime.submission.shared_journal import SharedJournal
from hybridx.runtime.submission.tally import Tally
from tests.runtime.models import GRAPHS
from tests.runtime.remote import Account, JobAccount, rows
from tests.runtime.submission import killed_slices

pytest.importorskip("fcntl")
RUN = RunIdentity("m", "some.service", 10, None, "o", "d")
RESULTS = np.arange(6.0).reshape(2, 3)
SHAPE = RESULTS.shape
TALLY = Tally(1, 2, 20)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "y.partial"


def test_each_finds_what_the_others_have(path):
    first, second = SharedJournal(path, RUN), SharedJournal(path, RUN)
    with first.holding("a"):
        first.begin("a", TALLY)
        first.keep("a", RESULTS, "left")
    with second.holding("a"):
        np.testing.assert_array_equal(second.find("a", SHAPE), RESULTS)
        assert second.device_of("a") == "left"
    with second.holding("b"):
        second.begin("b", TALLY)
        second.fail("b")
    first.catch_up()
    assert first.sent == second.sent == Tally(2, 4, 40)
    assert first.unanswered == {}


def test_a_second_one_waits_for_the_first(path):
    first, second = SharedJournal(path, RUN), SharedJournal(path, RUN)
    found = []

    def wait():
        with second.holding("a"):
            found.append(second.find("a", SHAPE))

    with first.holding("a"):
        first.begin("a", TALLY)
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        assert not found
        first.keep("a", RESULTS)
    waiting.join(5)
    np.testing.assert_array_equal(found[0], RESULTS)
    assert [one.name for one in locks_of(path).iterdir()] == ["all"]


def test_what_a_dead_one_had_sent_is_not_sent_again(path):
    dead = SharedJournal(path, RUN)
    dead.begin("a", TALLY)
    dead.name_jobs("a", ("17", "18"))
    dead.close()
    other = SharedJournal(path, RUN)
    with other.holding("a"), pytest.raises(UnansweredError) as caught:
        other.check("a")
    assert caught.value.sent == "2 circuits with 20 shots (jobs 17, 18)"
    with other.holding("b"):
        other.check("b")
    asked = SharedJournal(path, RUN, resend_below=path.stat().st_size)
    with asked.holding("a"):
        asked.check("a")
        asked.begin("a", TALLY)
        # What was sent since is not what was asked for.
        with pytest.raises(UnansweredError):
            asked.check("a")


def test_a_line_that_was_cut_short_is_overwritten(path):
    SharedJournal(path, RUN).keep("a", RESULTS)
    whole = path.read_bytes()
    for length in (3, len(whole) - 9):
        path.write_bytes(whole[:length])
        SharedJournal(path, RUN).keep("b", RESULTS)
        found = SharedJournal(path, RUN)
        assert found.find("b", SHAPE) is not None
        assert found.find("a", SHAPE) is None


def test_a_run_alone_goes_on_with_it_and_the_other_way_round(path):
    shared = SharedJournal(path, RUN)
    shared.keep("a", RESULTS)
    with shared.holding("b"), pytest.raises(ResultsInUseError):
        Journal(path, RUN, resume=True)
    alone = Journal(path, RUN, resume=True)
    assert alone.find("a", SHAPE) is not None
    alone.keep("b", RESULTS)
    shared.catch_up()
    assert shared.find("b", SHAPE) is not None
    alone.remove()
    assert list(path.parent.iterdir()) == []


def test_another_run_is_refused(path):
    SharedJournal(path, RUN).keep("a", RESULTS)
    with pytest.raises(ForeignResultsError, match="data"):
        SharedJournal(path, RunIdentity("m", "some.service", 10, None, "o", "e"))
    with pytest.raises(NotWritableError, match="does not exist"):
        SharedJournal(path.parent / "nowhere" / "y.partial", RUN)


@pytest.fixture
def model(tmp_path):
    pytest.importorskip("pennylane")
    (tmp_path / "model.onnx").write_bytes(GRAPHS["side by side, unlike depths"]().content)
    return tmp_path / "model.onnx"


def test_a_bound_holds_over_all(model, path, tmp_path):
    account = tmp_path / "account.txt"
    for row in (0, 3):
        session = load(model, device=Account(account), max_circuits=15)
        share_results(session, path, data="x")
        if row == 0:
            run_slice(session, {"x": rows(3)}, row)
            continue
        with pytest.raises(OverBudgetError) as caught:
            run_slice(session, {"x": rows(3)}, row)
        assert (caught.value.count, caught.value.limit) == (18, 15)
    assert len(account.read_text().splitlines()) == 5


def test_rows_that_are_alike_are_sent_for_each_place(model, path, tmp_path):
    account = tmp_path / "account.txt"
    for row, repeat, count in ((0, 0, 3), (0, 0, 3), (3, 0, 6), (3, 1, 9), (3, 1, 9)):
        session = load(model, device=Account(account))
        share_results(session, path, data="x")
        run_slice(session, {"x": rows(3)}, row, repeat)
        assert len(account.read_text().splitlines()) == count


def test_a_slice_that_is_repeated_in_one_process_is_sent_once(model, path, tmp_path):
    account = tmp_path / "account.txt"
    session = load(model, device=Account(account))
    share_results(session, path, data="x")
    for _ in range(2):
        run_slice(session, {"x": rows(3)}, 3)
    assert len(account.read_text().splitlines()) == 3


def test_a_job_whose_name_is_known_is_fetched(model, path, tmp_path, monkeypatch):
    account = tmp_path / "account.txt"
    device = JobAccount(account)
    session = load(model, device=device)
    share_results(session, path, data="x")
    monkeypatch.setattr(device, "fetch_jobs", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_slice(session, {"x": rows(3)}, 0)
    again = load(model, device=JobAccount(account))
    share_results(again, path, data="x")
    run_slice(again, {"x": rows(3)}, 0)
    assert len(account.read_text().splitlines()) == 3


def test_only_devices_have_a_journal(model, path):
    with pytest.raises(OptionNeedsError):
        share_results(load(model), path, data="x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("device", killed_slices.DEVICES)
def test_a_slice_of_a_killed_process_is_paid_for_once(device, tmp_path):
    """Some of its steps; `make test-trust` takes them all."""
    pytest.importorskip("pennylane")
    device = killed_slices.DEVICES[device]
    expected = killed_slices.prepare(tmp_path)
    steps = killed_slices.steps_of(tmp_path, device)
    assert steps > 200
    for kill_at in np.linspace(1, steps, 6).astype(int):
        killed_slices.check(tmp_path, expected, device, int(kill_at))
