"""Rows on several devices: who gets which, what it costs, and what is done when one fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hybridx
from hybridx.errors import (
    ConflictingOptionsError,
    DeviceFailedError,
    OptionError,
    OptionNeedsError,
    OverBudgetError,
    RepeatedOptionError,
)
from hybridx.runtime.several import Price, devices_apart
from hybridx.runtime.workers.pool import Team, cheapest
from tests.runtime.models import GRAPHS
from tests.runtime.remote import Account, rows
from tests.runtime.workers import devices

pytest.importorskip("pennylane")


def test_devices_are_told_apart():
    found = devices_apart(
        {
            "device": ("a=default.qubit", "default.mixed"),
            "shots": 5,
            "options": {"c_dtype": "x", "a:shots": 7, "default.mixed:readout_prob": 0.1},
        },
        {"a": 0.5, "default.mixed": "0.01/shot"},
    )
    assert [one.label for one in found] == ["a", "default.mixed"]
    assert [one.execution["device"] for one in found] == ["default.qubit", "default.mixed"]
    assert [one.execution["shots"] for one in found] == [7, 5]
    assert found[0].execution["options"] == {"c_dtype": "x"}
    assert found[1].execution["options"] == {"c_dtype": "x", "readout_prob": 0.1}
    assert [one.price for one in found] == [Price(0.5), Price(0.0, 0.01)]


@pytest.mark.parametrize(
    ("given", "prices", "error"),
    [
        ({"device": ["default.qubit", "default.qubit"]}, {}, RepeatedOptionError),
        ({"device": ["default.qubit", "onnx"]}, {}, OptionError),
        ({"device": ["a=x", "b=y"], "fallback": "onnx"}, {}, ConflictingOptionsError),
        ({"device": ["a=x", "b=y"], "options": {"c:n": 1}}, {}, OptionNeedsError),
        ({"device": ["a=x", "b=y"]}, {"a": 1}, OptionNeedsError),
        ({"device": ["a=x", "b=y"]}, {"a": 1, "b": 1, "c": 1}, OptionNeedsError),
        ({"device": ["a=x", "b=y"]}, {"a": 1, "b": -1}, OptionError),
        ({"device": ["a=x", "b=y"]}, {"a": 1, "b": "nan"}, OptionError),
        ({"device": ["a=x", "b=y"]}, {"a": 1, "b": "1/row"}, OptionError),
    ],
)
def test_what_cannot_be_meant_is_refused(given, prices, error):
    with pytest.raises(error):
        devices_apart(given, prices)


@pytest.mark.parametrize("call", [hybridx.load, hybridx.verify])
def test_only_a_run_takes_several(call, model):
    with pytest.raises(OptionError, match="only hybridx run"):
        call(model, device=["default.qubit", "default.mixed"])


def test_a_price_needs_several(model):
    with pytest.raises(OptionNeedsError):
        hybridx.predict(model, rows(3), device="default.qubit", prices={"default.qubit": 1})


def given_out(prices, count):
    """Return which team gets each of some slices, if none of them ever ends."""
    teams = [Team(None, 1, str(index), price) for index, price in enumerate(prices)]
    got = []
    for _ in range(count):
        team = cheapest(teams)
        team.waiting.append(None)
        got.append(int(team.label))
    return got


def test_slices_go_where_they_cost_least():
    assert given_out([1.0, 1.0], 4) == [0, 1, 0, 1]
    assert given_out([1.0, 3.0], 8).count(0) == 6
    assert given_out([1.0, 0.0], 3) == [1, 1, 1]
    assert given_out([0.0, 0.0], 4) == [0, 1, 0, 1]


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(GRAPHS["one behind another"]().content)
    np.save(tmp_path / "x.npy", rows(12))
    return tmp_path / "model.onnx"


def account(name, kind=Account, **options):
    return kind(Path(f"{name}.txt").absolute(), **options)


def sent(name):
    path = Path(f"{name}.txt")
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.slow
def test_rows_are_spread_and_say_where_they_ran(model, tmp_path):
    expected = hybridx.predict(model, "x.npy", device="default.qubit", batch_size=3).outputs
    both = {"left": account("left"), "right": account("right")}
    got = hybridx.predict(model, "x.npy", "y.npz", device=both, batch_size=3, tell_devices=True)
    with np.load("y.npz") as found:
        np.testing.assert_array_equal(found["y"], expected["y"])
        which = found["device"]
    assert got.device == got.usage.device == "left, right"
    assert [one.label for one in got.devices] == ["left", "right"]
    assert [one.submissions for one in got.devices] == [sent("left"), sent("right")]
    assert sum(one.submissions for one in got.devices) == got.usage.submissions == 12
    for index, one in enumerate(got.devices):
        assert one.rows == (which == index).sum() == one.submissions
        assert one.circuits == 3 * one.rows
        assert one.rows > 0
    assert [(one.row, one.rows) for one in got.row_devices] == [(0, 3), (3, 3), (6, 3), (9, 3)]
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.slow
def test_a_device_that_fails_leaves_its_rows_to_the_others(model):
    local = devices.Failing()
    local.name = "default.failing"
    expected = hybridx.predict(model, "x.npy", device="default.qubit", batch_size=3).outputs
    both = {"bad": local, "good": account("good")}
    got = hybridx.predict(model, "x.npy", "y.npz", device=both, batch_size=3)
    np.testing.assert_array_equal(got.outputs["y"], expected["y"])
    (note,) = got.notes
    assert note.startswith("device bad is given up, and its rows go to the others: HX503")
    assert [one.rows for one in got.devices] == [0, 12]
    with pytest.raises(DeviceFailedError):
        hybridx.predict(model, "x.npy", device={"bad": local, "worse": local}, batch_size=3)


@pytest.mark.slow
def test_what_may_have_been_paid_for_does_not_go_to_another_device(model):
    both = {"bad": devices.Failing(), "good": account("good")}
    with pytest.raises(DeviceFailedError):
        hybridx.predict(model, "x.npy", "y.npz", device=both, batch_size=3)
    # What the other one gave is kept, and a run on it goes on from there.
    before = sent("good")
    fine = {"bad": account("bad"), "good": account("good")}
    hybridx.predict(model, "x.npy", "y.npz", device=fine, batch_size=3, resume=True)
    assert sent("good") + sent("bad") == 12
    assert sent("good") >= before


@pytest.mark.slow
def test_bounds_hold_over_all_devices(model):
    both = {"left": account("left"), "right": account("right")}
    options = {"device": both, "batch_size": 3}
    with pytest.raises(OverBudgetError):
        hybridx.predict(model, "x.npy", "y.npz", max_circuits=35, **options)
    assert sent("left") + sent("right") == 0
    hybridx.predict(model, "x.npy", "y.npz", max_circuits=36, overwrite=True, **options)


@pytest.mark.slow
def test_the_command_takes_several(model):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hybridx", "run", str(model), "-i", "x.npy", "-o", "y.json"),
            *("--device", "a=default.qubit", "--device", "b=default.mixed", "--json"),
            *("--price", "a=1", "--price", "b=1000", "--batch-size", "3"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one["rows"] for one in told["devices"]] == [12, 0]
    assert told["row_devices"][0] == {"row": 0, "rows": 3, "devices": ["a"]}
    written = json.loads(Path("y.json").read_text())
    assert written["row_devices"] == told["row_devices"]
