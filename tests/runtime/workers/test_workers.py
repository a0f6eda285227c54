"""Rows that several processes run: what comes back is what one process gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import hybridx
from hybridx.errors import (
    ConflictingOptionsError,
    DeviceFailedError,
    InputRangeError,
    OptionError,
    OptionNeedsError,
    OverBudgetError,
    SessionNotPickledError,
    UnansweredError,
    WorkersEndedError,
)
from tests.runtime.models import GRAPHS, TURN, build
from tests.runtime.remote import Account, Service, rows
from tests.runtime.workers import devices

pytest.importorskip("pennylane")
pytestmark = pytest.mark.slow

ROWS = 24
SECONDS = 60  # that a process may take on a busy machine
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(hybridx.__file__).parents[1])}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a model and rows, some of them alike."""
    content = GRAPHS["one behind another"]().content
    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "one.onnx").write_bytes(build([(TURN, ["x"], "y")], [("y", ["batch", 2])]).content)
    x = rows(ROWS)
    x[5] = x[17]
    np.save(tmp_path / "x.npy", x)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(output=None, model="model.onnx", **options):
    return hybridx.predict(model, "x.npy", output, **{"batch_size": 5, **options})


def sent(place, name="account.txt"):
    path = place / name
    return len(path.read_text().splitlines()) if path.exists() else 0


def arrays(path):
    with np.load(path) as found:
        return dict(found)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], strict=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"device": "default.qubit", "shots": 20, "seed": 4, "repeats": 3},
        {"device": "lightning.qubit", "shots": 20, "seed": 4},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_workers_give_what_one_process_gives(place, options):
    if options.get("device") == "lightning.qubit":
        pytest.importorskip("pennylane_lightning")
    alone = predict("alone.npz", **options)
    for workers in (2, 3) if options else (3,):
        shared = predict("shared.npz", workers=workers, overwrite=True, **options)
        assert (place / "alone.npz").read_bytes() == (place / "shared.npz").read_bytes()
        assert shared.rows == alone.rows == ROWS
        assert shared.usage == alone.usage
        assert shared.notes == ()
    assert_same(predict(workers=2, **options).outputs, predict(**options).outputs)
    assert not list(place.glob("*.partial*"))


def run_script(text):
    """Run a script as a user does, and return what it prints."""
    Path("script.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "script.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_without_a_guard_runs_once(place):
    text = (
        "import hybridx\n"
        "print(hybridx.predict('model.onnx', 'x.npy', batch_size=5, workers=2).rows)\n"
    )
    assert run_script(text) == f"{ROWS}\n"


def test_a_number_that_does_not_fit_has_its_row(place):
    x = rows(ROWS).astype(np.float64)
    x[13, 1] = 1e300
    with pytest.raises(InputRangeError) as caught:
        hybridx.predict("model.onnx", x, batch_size=5, workers=2)
    assert caught.value.row == 14
    np.save("x.npy", x)


def test_few_rows_are_one_slice(place):
    note = "the 24 rows are one slice, so one process ran them; --batch-size makes more"
    for options in ({}, {"device": "default.qubit"}):
        assert predict(workers=2, batch_size=100, **options).notes == (note,)


@pytest.mark.parametrize("options", [{}, {"device": "default.qubit", "shots": 20, "seed": 4}])
def test_few_rows_are_divided_whatever_the_number_of_workers(place, options):
    found = [predict(workers=workers, batch_size=None, **options) for workers in (1, 2, 4)]
    for one in found[1:]:
        assert_same(one.outputs, found[0].outputs)
        assert one.notes == ()
    np.save("x.npy", rows(100))
    with_slices_of_four = predict(batch_size=4, **options).outputs
    assert_same(predict(workers=2, batch_size=None, **options).outputs, with_slices_of_four)


def test_what_cannot_be_meant_is_refused(place):
    for workers in (0, 1000, 2.5):
        with pytest.raises(OptionError):
            predict(workers=workers)
    with pytest.raises(ConflictingOptionsError):
        predict(workers=2, isolated=True)
    with pytest.raises(OptionNeedsError, match="output"):
        predict(workers=2, device=Account(place / "account.txt"))
    device = Service()
    device.line = lambda: None
    with pytest.raises(SessionNotPickledError):
        predict("y.npy", workers=2, device=device)
    assert sent(place) == 0


def test_a_bound_holds_over_all_workers(place):
    options = {"device": "default.qubit", "shots": 10, "workers": 2}
    with pytest.raises(OverBudgetError) as caught:
        predict("y.npy", max_circuits=71, **options)
    assert caught.value.count == 72
    predict("y.npy", max_circuits=72, **options)


def test_a_worker_that_is_killed_loses_its_slice_to_another_one(place):
    expected = predict(device="default.qubit").outputs
    deadly = devices.Deadly(place / "account.txt", 2)
    deadly.name = "default.qubit"
    got = predict("y.npz", device=deadly, workers=2)
    assert_same(arrays("y.npz"), expected)
    assert (place / "account.killed").read_text() == "xx"
    # Two of the submissions were sent again.
    assert sent(place) == got.usage.submissions == 15 + 2


def test_rows_that_end_each_worker_are_refused(place):
    deadly = devices.Deadly(place / "account.txt", 99)
    deadly.name = "default.qubit"
    with pytest.raises(WorkersEndedError) as caught:
        predict(device=deadly, workers=2)
    assert caught.value.count == 3
    assert caught.value.rows in ("rows 1 to 5", "rows 6 to 10")
    assert caught.value.reason == "it was ended by signal SIGKILL"


def test_what_a_killed_worker_had_paid_for_is_not_sent_again(place):
    device = devices.DeadlyService(place / "account.txt", 1)
    expected = predict(device="default.qubit").outputs
    with pytest.raises(UnansweredError):
        predict("y.npz", device=device, workers=2)
    before = sent(place)
    with pytest.raises(UnansweredError):
        predict("y.npz", device=device, workers=2, resume=True)
    assert sent(place) == before
    predict("y.npz", device=device, workers=3, resume=True, resend=True)
    assert_same(arrays("y.npz"), expected)
    assert sent(place) == 15 + 1
    assert not list(place.glob("*.partial*"))


def test_a_job_of_a_killed_worker_is_fetched(place):
    expected = predict(device="default.qubit").outputs
    got = predict("y.npz", device=devices.DeadlyJobs(place / "account.txt"), workers=2)
    assert_same(arrays("y.npz"), expected)
    assert sent(place) == got.usage.submissions == 15


def test_an_error_of_the_device_keeps_what_was_paid_for(place):
    device = Account(place / "account.txt", mishaps={4: ValueError("no")})
    with pytest.raises(DeviceFailedError, match="no"):
        predict("y.npz", device=device, workers=2)
    device = Account(place / "account.txt")
    predict("y.npz", device=device, resume=True)
    # Each worker has a device of its own, whose fourth submission fails.
    again = sent(place) - 15
    assert again in (1, 2)
    predict("y.npz", device=device, workers=2, overwrite=True)
    assert sent(place) == 30 + again


@pytest.mark.parametrize(
    ("how", "device", "workers"),
    [
        (signal.SIGINT, "Local", 1),
        (signal.SIGINT, "Slow", 3),
        (signal.SIGTERM, "Slow", 1),
        (signal.SIGKILL, "Local", 3),
    ],
)
def test_a_signal_stops_all_workers_and_the_run_goes_on(place, how, workers, device):
    code = (
        # A shell lets what it starts behind it ignore this signal.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import hybridx, pathlib; from tests.runtime.workers import devices; "
        f"device = devices.{device}(pathlib.Path('account.txt')); "
        "hybridx.predict('model.onnx', 'x.npy', 'y.npz', batch_size=5, workers=2, device=device)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=ENVIRONMENT,
    )
    ended = time.monotonic() + SECONDS
    while sent(place) < 5:
        assert run.poll() is None
        assert time.monotonic() < ended
        time.sleep(0.02)
    run.send_signal(how)
    run.communicate(timeout=SECONDS)
    assert run.returncode == -how
    pids = {int(pid) for pid in (place / "account.pids").read_text().split()}
    ended = time.monotonic() + SECONDS
    while any(map(is_there, pids)):
        assert time.monotonic() < ended
        time.sleep(0.02)
    before = sent(place)
    made = getattr(devices, device)(place / "account.txt", 0.0)
    options = {"device": made, "workers": workers, "resume": True}
    lost = 0
    try:
        predict("y.npz", **options)
    except UnansweredError:
        assert device == "Slow"
        assert sent(place) == before
        lost = 2
        predict("y.npz", **options, resend=True)
    assert_same(arrays("y.npz"), predict(device="default.qubit").outputs)
    most = 15 + (2 if device == "Local" else lost)
    assert 15 <= sent(place) <= most


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_device_may_come_from_a_module_beside_the_script(place):
    (place / "own_device.py").write_text(
        "from tests.runtime.remote import Service\nclass Own(Service):\n    name = 'own.device'\n"
    )
    text = (
        "import hybridx, own_device\n"
        "device = own_device.Own()\n"
        "print(hybridx.predict('model.onnx', 'x.npy', 'y.npz', batch_size=5, workers=2,\n"
        "                      device=device).usage.submissions)\n"
    )
    assert run_script(text) == "15\n"
