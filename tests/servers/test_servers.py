"""The kept results of servers, their page, and that the trial itself sees what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.documents.servers import CHECKED, PAGE, page
from tests.integrations.models import expected
from tests.runtime.remote import rows
from tests.servers import server, trial
from tests.servers.client import WAYS, Answer
from tests.servers.results import FOLDERS, Result, complaints, read, write
from tests.servers.server import Running, pins, servers, with_home
from tests.servers.trial import COLUMNS, Cell

GOOD = Cell(True, "yes")
RESULT = Result("2026-11-29", "1.0", "Python 3.11", cells=dict.fromkeys(COLUMNS, GOOD))


def test_the_kept_results_hold_every_column_of_every_server():
    kept = read()
    assert list(kept) == [FOLDERS, *servers()]
    for name, one in servers().items():
        assert kept[name].version == one.version
        assert kept[name].not_tried or set(kept[name].cells) == set(COLUMNS)
        assert complaints(kept[name], None, one.lacks) == []
        assert set(one.lacks) <= set(COLUMNS)
    assert set(kept[FOLDERS].cells) == set(CHECKED)
    assert all(cell.is_so for cell in kept[FOLDERS].cells.values())


@pytest.mark.parametrize("name", ["httpx", "tritonclient", *servers()])
def test_environments_are_pinned(name):
    assert pins(name)
    assert all(re.fullmatch(r"[\w.,\[\]-]+==[\w.+!]+", one) for one in pins(name))


def test_the_page_has_what_a_server_does_and_does_not():
    known = servers()
    bad = replace(RESULT, cells={**RESULT.cells, "drain": Cell(False, "2 of 6 lost")})
    unasked = replace(RESULT, cells={**RESULT.cells, "gRPC": Cell(False, trial.NOT_TRIED)})
    assert "| gRPC | not tried |" in page(known, {"mlserver": unasked})
    text = page(known, {"mlserver": bad, "kserve": RESULT})
    assert "| drained at SIGTERM | **no**: 2 of 6 lost | yes |" in text
    assert "| | MLServer 1.0 | KServe's SDK 1.0 |" in re.sub(" +", " ", text)
    missing = replace(RESULT, not_tried="pip cannot install it here", cells={})
    text = page(known, {"mlserver": RESULT, "kserve": missing})
    assert "* KServe's SDK 1.0 is not tried: pip cannot install it here" in text
    assert "**no**" not in text
    kept = PAGE.read_text(encoding="utf-8")
    assert all(one.title in kept for one in known.values())


def test_what_became_worse_is_complained_of():
    bad = replace(RESULT, cells={**RESULT.cells, "gRPC": Cell(False, "refused: 500")})
    assert complaints(RESULT, None) == []
    assert complaints(bad, None) == ["gRPC: refused: 500"]
    assert complaints(bad, RESULT) == ["gRPC: refused: 500"]
    assert complaints(bad, RESULT, ["gRPC"]) == []
    gone = replace(RESULT, not_tried="there is no pip", cells={})
    assert complaints(gone, RESULT) == ["it is not tried: there is no pip"]
    assert complaints(gone, gone) == []


def test_results_are_kept_as_they_are(tmp_path):
    write({"mlserver": RESULT}, tmp_path / "results.json")
    assert read(tmp_path / "results.json") == {"mlserver": RESULT}


class Made:
    """A server that answers as a function says, with counters of its own."""

    def __init__(self, answer, monkeypatch, *, counted=1.0):
        self.answer, self.counted = answer, counted
        self.server = servers()["mlserver"]
        self.shots = self.asked = self.rows = 0
        self.ports = {}
        monkeypatch.setattr(trial, "ask", self.ask)

    def ask(self, running, way, requests):
        answers = [self.answer(number, one) for number, one in enumerate(requests)]
        for request, one in zip(requests, answers, strict=True):
            count = len(next(iter(request.values())))
            self.shots += count * trial.SHOTS
            if one.outputs:
                self.asked += 1
                self.rows += count
        return answers

    def counters(self):
        return {
            'hybridx_requests_total{result="answered"}': self.asked * self.counted,
            "hybridx_rows_total": self.rows * self.counted,
            "hybridx_seconds_total": 1.0,
            "hybridx_shots_total": float(self.shots),
        }


def right(_, request):
    return Answer({"y": expected(request["x"]).astype(np.float32)})


def sampled(_, request):
    noise = np.random.default_rng(0).normal(size=(len(request["x"]), 2)) / np.sqrt(trial.SHOTS)
    return Answer({"y": (expected(request["x"]) + noise).astype(np.float32)})


@pytest.mark.parametrize(
    ("answer", "is_so"),
    [
        (lambda *_: Answer(code="400", text="HX401 inputs z"), True),
        (lambda *_: Answer(code="INVALID_ARGUMENT", text="HX402 input"), True),
        (lambda *_: Answer(code="500", text="HX401 inputs z"), False),
        (lambda *_: Answer(code="400", text="a bad request"), False),
        (lambda *_: Answer(code="400", text="HX402 /root/model.onnx"), False),
        (lambda *_: Answer({"y": np.zeros((3, 2))}), False),
    ],
)
def test_wrong_requests_must_be_refused_in_the_protocols_way(answer, is_so, monkeypatch):
    cells = {}
    trial._try_errors(Made(answer, monkeypatch), ["json"], cells)
    assert cells["errors"].is_so == is_so


@pytest.mark.parametrize(
    ("answer", "is_so"),
    [
        (sampled, True),
        (right, False),  # exact: nothing was sampled
        (lambda *_: Answer(code="500", text="no"), False),
        (lambda _, request: Answer({"y": np.zeros((len(request["x"]), 2), np.float32)}), False),
    ],
)
def test_samples_must_be_samples_and_near_the_exact_values(answer, is_so, monkeypatch):
    assert trial._device_cell(Made(answer, monkeypatch), "json").is_so == is_so


def full(number, request):
    return right(number, request) if number <= trial.QUEUE else Answer(code="429", text="full")


@pytest.mark.parametrize(
    ("answer", "is_so"),
    [
        (full, True),
        (right, False),  # nothing is refused
        (lambda number, one: right(number, one) if number < 3 else Answer(code="429"), False),
        (lambda number, one: right(number, one) if number < 9 else Answer(code="500"), False),
        (
            lambda number, one: (
                Answer({"y": expected(one["x"]) + 1}) if number < 9 else Answer(code="429")
            ),
            False,
        ),
    ],
)
def test_a_full_queue_must_answer_some_and_refuse_the_others_as_too_many(
    answer, is_so, monkeypatch
):
    assert trial._queue_cell(Made(answer, monkeypatch), ["json"]).is_so == is_so


def test_clients_must_get_their_own_numbers_and_be_counted(monkeypatch):
    def session(x):
        return expected(x).astype(np.float32)

    for answer, counted, is_right, is_counted in (
        (right, 1.0, True, True),
        (right, 0.5, True, False),
        (lambda *_: right(0, {"x": rows(1)}), 1.0, False, True),
    ):
        cells = {}
        made = Made(answer, monkeypatch, counted=counted)
        trial._try_clients(made, ["json"], session, cells)
        assert cells["clients"].is_so == is_right
        assert cells["metrics"].is_so == is_counted


def test_counters_are_read_whatever_stands_before_and_behind_their_names(monkeypatch, tmp_path):
    scrape = """\
# TYPE {0}hybridx_rows_total counter
{0}hybridx_rows_total{{model="iris",Version="2"}} 3.0
{0}hybridx_requests_total{{model="iris",result="answered"}} 2.0
{0}hybridx_waiting 1.0
other_hybridx_rows_total 7.0
"""
    wanted = {
        "hybridx_rows_total": 3.0,
        'hybridx_requests_total{result="answered"}': 2.0,
        "hybridx_waiting": 1.0,
    }
    for one in servers().values():
        monkeypatch.setattr(
            server, "_get", lambda *_, prefix=one.prefix: (200, scrape.format(prefix))
        )
        monkeypatch.setattr(Running, "_addresses", lambda _: ["127.0.0.1:1/metrics"])
        assert Running(one, tmp_path).scraped() == wanted


def test_what_a_server_leaves_behind_is_found(tmp_path):
    home = {"HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], env=home, stdin=subprocess.PIPE, start_new_session=True
    ) as left:
        assert with_home(str(tmp_path)) == [left.pid]
        assert left.pid not in with_home(str(tmp_path / "other"))
        left.stdin.close()
        left.wait()
        assert with_home(str(tmp_path)) == []


def test_equal_means_equal_to_the_last_bit():
    one = expected(rows(3)).astype(np.float32)
    assert trial._is_same(Answer({"y": one}), one)
    near = one.copy()
    near[1, 0] = np.nextafter(near[1, 0], np.float32(2))
    for other in (near, one.astype(np.float64), one[:2], one.T):
        assert not trial._is_same(Answer({"y": other}), one)
    assert not trial._is_same(Answer(code="400"), one)


def test_every_kind_of_client_has_its_ways():
    assert {one.client for one in servers().values()} <= set(WAYS)
    assert {column for ways in WAYS.values() for column in ways.values()} <= set(COLUMNS)
