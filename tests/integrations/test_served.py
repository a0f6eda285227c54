"""A served file: when it is ready, what it answers, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import hybridx
from hybridx.errors import (
    ChangedFileError,
    FileMissingError,
    InconsistentResultError,
    InputDtypeError,
    InputNamesError,
    InputRangeError,
    InputShapeError,
    MismatchError,
    NoSelfTestError,
    NotReadyError,
    OverBudgetError,
    QueueFullError,
    RequestTooLargeError,
    ServerSettingError,
    TooLateError,
)
from hybridx.integrations import Served, Settings, refusal_of, served_from, settings_of
from hybridx.runtime import Session
from tests.integrations.models import expected, write_model
from tests.runtime.models import TURN, build
from tests.runtime.remote import rows

X = rows(7, seed=9)
SECONDS = 20  # nothing here takes that long


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("served") / "model.onnx")


@pytest.fixture
def served(model):
    one = Served(model)
    one.start()
    yield one
    one.close()


class Gate:
    """Holds every run of a session until it is opened, and counts how many have come to it."""

    def __init__(self, monkeypatch):
        self.open = threading.Event()
        self.came = threading.Semaphore(0)
        self.runs = 0
        run = Session.run

        def held(session, inputs):
            self.runs += 1
            self.came.release()
            assert self.open.wait(SECONDS)
            return run(session, inputs)

        monkeypatch.setattr(Session, "run", held)

    def wait(self):
        assert self.came.acquire(timeout=SECONDS)


@pytest.fixture
def gate(monkeypatch):
    gates = []

    def shut():
        gates.append(Gate(monkeypatch))
        return gates[-1]

    yield shut
    for one in gates:
        one.open.set()


def waiting(served, count):
    """Wait until so many requests are inside."""
    end = time.monotonic() + SECONDS
    while served.counts().waiting != count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_served_file_gives_what_a_session_gives(served, model):
    (found,) = served.predict({"x": X}).values()
    np.testing.assert_array_equal(found, hybridx.load(model)(X))
    np.testing.assert_allclose(found, expected(X), atol=1e-6)
    np.testing.assert_array_equal(served.predict({"x": X.tolist()})["y"], found)
    found = asyncio.run(served.predict_async({"x": X}))["y"]
    np.testing.assert_array_equal(found, hybridx.load(model)(X))
    assert [str(one) for one in served.inputs] == ["x: float32 (batch, 2)"]
    (output,) = served.outputs
    assert (output.name, output.dtype, output.shape) == ("y", "float32", ("batch", 2))


def test_it_is_ready_only_after_its_self_test(model):
    served = Served(model)
    assert not served.is_ready
    with pytest.raises(NotReadyError):
        served.predict({"x": X})
    with pytest.raises(NotReadyError):
        _ = served.inputs
    served.start_behind().join(SECONDS)
    assert served.is_ready
    assert served.predict({"x": X})["y"].shape == (7, 2)
    session = served.session
    served.start()
    assert served.session is session


@pytest.mark.parametrize("settings", [{}, {"device": "default.qubit"}])
def test_a_file_whose_self_test_is_spoilt_never_gets_ready(settings, tmp_path):
    served = Served(write_model(tmp_path / "model.onnx", spoilt=0.01), Settings(**settings))
    with pytest.raises(MismatchError):
        served.start()
    served.start_behind().join(SECONDS)
    assert not served.is_ready
    assert served.why_not_ready == "its start failed with HX601; the server's log says why"


def test_a_sampling_device_passes_a_statistical_test_before_it_is_ready(model, monkeypatch):
    settings = Settings(device="default.qubit", shots=1000, seed=3)
    served = Served(model, settings)
    served.start()
    tested = served.counts()
    assert (tested.submissions, tested.circuits, tested.shots) == (1, 5, 5_000)
    (found,) = served.predict({"x": X}).values()
    assert np.abs(found - expected(X)).max() < 0.2  # six standard deviations of 1000 shots
    after = served.counts()
    assert (after.submissions, after.circuits, after.shots) == (2, 12, 12_000)
    served.close()
    assert served.counts().shots == 12_000

    # The device is opened with another circuit's results: far from those of the file.
    from hybridx.runtime.executor import DeviceExecutor

    execute = DeviceExecutor.execute
    monkeypatch.setattr(DeviceExecutor, "execute", lambda *given: -execute(*given))
    with pytest.raises(InconsistentResultError):
        Served(model, settings).start()


def test_what_cannot_be_tested_or_was_changed_is_not_served(tmp_path, model):
    untested = build([(TURN, ["x"], "y")], [("y", ["batch", 2])])
    (tmp_path / "untested.onnx").write_bytes(untested.content)
    with pytest.raises(NoSelfTestError):
        Served(tmp_path / "untested.onnx").start()
    with pytest.raises(FileMissingError):
        Served(tmp_path / "gone.onnx").start()


@pytest.mark.parametrize(
    ("inputs", "exact", "error"),
    [
        ({"z": X}, False, InputNamesError),
        ({"x": X, "z": X}, False, InputNamesError),
        ({}, False, InputNamesError),
        ({"x": X[:, :1]}, False, InputShapeError),
        ({"x": X[0]}, False, InputShapeError),
        ({"x": [["a", "b"]]}, False, InputDtypeError),
        ({"x": [[1.0], [1.0, 2.0]]}, False, InputDtypeError),
        ({"x": X.astype(np.float64)}, True, InputDtypeError),
        ({"x": X.astype(np.int64)}, True, InputDtypeError),
        ({"x": np.full((1, 2), 1e300)}, False, InputRangeError),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(served, inputs, exact, error):
    with pytest.raises(error) as caught:
        served.predict(inputs, exact=exact)
    with pytest.raises(error):
        asyncio.run(served.predict_async(inputs, exact=exact))
    told = refusal_of(caught.value)
    assert (told.kind, told.http, told.grpc) == ("invalid", 400, "INVALID_ARGUMENT")
    assert told.text.startswith(caught.value.code)
    assert "/" not in told.text
    assert served.counts().refused == {"invalid": 2}


def test_too_many_rows_are_refused_before_they_run(model, gate):
    served = Served(model, Settings(rows=6))
    served.start()
    runs = gate()
    with pytest.raises(RequestTooLargeError) as caught:
        served.predict({"x": X})
    assert refusal_of(caught.value).http == 400
    assert runs.runs == 0


def test_64_clients_at_once_get_their_own_rows(served, model):
    each = [rows(1 + index % 3, seed=index) for index in range(64)]
    with ThreadPoolExecutor(64) as clients:
        found = list(clients.map(lambda one: served.predict({"x": one})["y"], each))
    session = hybridx.load(model)
    for given, answer in zip(each, found, strict=True):
        np.testing.assert_array_equal(answer, session(given))

    async def all_at_once():
        return await asyncio.gather(*(served.predict_async({"x": one}) for one in each))

    for given, answer in zip(each, asyncio.run(all_at_once()), strict=True):
        np.testing.assert_array_equal(answer["y"], session(given))
    counts = served.counts()
    assert (counts.requests, counts.answered, counts.refused) == (128, 128, {})
    assert counts.rows == 2 * sum(map(len, each))
    assert counts.seconds > 0


def test_a_device_has_one_request_at_a_time_and_a_bounded_queue(model, gate):
    served = Served(model, Settings(device="default.qubit", queue=2, workers=4))
    served.start()
    before = served.counts().circuits
    runs = gate()
    with ThreadPoolExecutor(3) as clients:
        inside = [clients.submit(served.predict, {"x": X}) for _ in range(3)]
        waiting(served, 3)
        runs.wait()
        with pytest.raises(QueueFullError) as caught:
            served.predict({"x": X})
        assert refusal_of(caught.value).http == 429
        assert refusal_of(caught.value).grpc == "RESOURCE_EXHAUSTED"
        assert runs.runs == 1
        runs.open.set()
        for one in inside:
            np.testing.assert_allclose(one.result()["y"], expected(X), atol=1e-6)
    waiting(served, 0)
    served.predict({"x": X})
    # What was refused was not sent: four requests of seven rows were, each row a circuit.
    assert served.counts().circuits - before == 4 * 7
    assert served.counts().refused == {"busy": 1}


def test_the_budget_of_a_server_is_kept(model):
    # The self-test takes five circuits, each row of a request one more.
    served = Served(model, Settings(device="default.qubit", max_circuits=7))
    served.start()
    served.predict({"x": X[:1]})
    with pytest.raises(OverBudgetError) as caught:
        served.predict({"x": X})
    told = refusal_of(caught.value)
    assert (told.kind, told.http, told.grpc) == ("spent", 429, "RESOURCE_EXHAUSTED")
    served.predict({"x": X[:1]})
    assert served.counts().circuits == 7
    with pytest.raises(OverBudgetError):
        served.predict({"x": X[:1]})
    with pytest.raises(OverBudgetError):
        Served(model, Settings(device="default.qubit", max_circuits=4)).start()


def test_a_request_past_its_time_is_told_whether_it_ran(model, gate):
    served = Served(model, Settings(device="default.qubit", seconds=0.2))
    served.start()
    runs = gate()
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(served.predict, {"x": X})
        runs.wait()
        second = clients.submit(asyncio.run, served.predict_async({"x": X}))
        with pytest.raises(TooLateError, match="it runs on, and its result is lost"):
            first.result()
        with pytest.raises(TooLateError, match="it was not run") as caught:
            second.result()
    told = refusal_of(caught.value)
    assert (told.http, told.grpc) == (504, "DEADLINE_EXCEEDED")
    runs.open.set()
    waiting(served, 0)
    assert runs.runs == 1
    assert served.predict({"x": X})["y"].shape == (7, 2)
    assert served.counts().refused == {"late": 2}


def test_a_client_who_leaves_the_queue_is_not_run(model, gate):
    served = Served(model, Settings(device="default.qubit"))
    served.start()
    runs = gate()

    async def leave():
        first = asyncio.ensure_future(served.predict_async({"x": X}))
        second = asyncio.ensure_future(served.predict_async({"x": X}))
        await asyncio.to_thread(runs.wait)
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        runs.open.set()
        return (await asyncio.gather(first, second, return_exceptions=True)), runs.runs

    (first, second), count = asyncio.run(leave())
    assert first["y"].shape == (7, 2)
    assert isinstance(second, asyncio.CancelledError)
    assert count == 1
    assert served.counts().refused == {"left": 1}


def test_closing_answers_what_is_here_and_refuses_what_comes(model, gate):
    served = Served(model, Settings(workers=2))
    served.start()
    runs = gate()
    with ThreadPoolExecutor(6) as clients:
        inside = [clients.submit(served.predict, {"x": X}) for _ in range(5)]
        waiting(served, 5)
        closing = clients.submit(served.close)
        while served.is_ready:
            time.sleep(0.001)
        with pytest.raises(NotReadyError) as caught:
            served.predict({"x": X})
        assert (refusal_of(caught.value).http, refusal_of(caught.value).grpc) == (
            503,
            "UNAVAILABLE",
        )
        runs.open.set()
        assert closing.result()
        for one in inside:
            np.testing.assert_allclose(one.result()["y"], expected(X), atol=1e-6)
    assert served.close()


def test_a_file_that_is_closed_while_it_starts_never_gets_ready(model, monkeypatch):
    from hybridx.integrations import served as module

    held, came = threading.Event(), threading.Event()
    reproduce = module.reproduce

    def slow(session):
        came.set()
        assert held.wait(SECONDS)
        return reproduce(session)

    monkeypatch.setattr(module, "reproduce", slow)
    served = Served(model)
    starting = served.start_behind()
    assert came.wait(SECONDS)
    assert served.why_not_ready == "its self-test runs"
    assert served.close()
    held.set()
    starting.join(SECONDS)
    assert served.why_not_ready == "the server ends"
    with pytest.raises(NotReadyError):
        served.start()
    with pytest.raises(NotReadyError):
        served.predict({"x": X})


def test_closing_does_not_wait_for_ever(model, gate):
    served = Served(model)
    served.start()
    runs = gate()
    with ThreadPoolExecutor(1) as clients:
        inside = clients.submit(served.predict, {"x": X})
        runs.wait()
        assert not served.close(seconds=0.05)
        runs.open.set()
        assert inside.exception() is None or isinstance(inside.exception(), hybridx.HybridxError)


def test_clients_are_told_neither_paths_nor_secrets(served, monkeypatch, tmp_path):
    secret = "abc-123-xyz-secret"

    def fail(session, inputs):
        raise error

    monkeypatch.setattr(Session, "run", fail)
    for error in (
        ChangedFileError(str(tmp_path / secret), "it differs"),
        hybridx.errors.DeviceFailedError("service", f"{secret} at /root/.config"),
        hybridx.errors.StoppedRunError("node", f"/root/{secret}"),
        RuntimeError(f"/root/{secret}"),
    ):
        with pytest.raises(type(error)) as caught:
            served.predict({"x": X})
        told = refusal_of(caught.value).text
        assert secret not in told
        assert "/" not in told
        assert "log says why" in told or "stopped on these inputs" in told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_says_that_it_is_not_ready(served):
    from tests.runtime.sharing.test_forks import in_child

    assert in_child(lambda: served.why_not_ready) == (
        "this process was forked after the model was loaded"
    )
    assert served.is_ready


def test_settings_come_from_a_file_or_from_variables(model):
    served = served_from(
        {
            "HYBRIDX_SERVE_MODEL": str(model),
            "HYBRIDX_SERVE_DEVICE": "default.qubit",
            "HYBRIDX_SERVE_SHOTS": "100",
            "HYBRIDX_SERVE_OPTIONS": '{"max_workers": 1}',
            "HYBRIDX_SERVE_KEY": "7",
            "HOME": "/nowhere",
        }
    )
    said = {"device": "default.qubit", "shots": 100, "options": {"max_workers": 1}, "key": "7"}
    assert served.settings == settings_of(said)
    assert served.settings.given() == said
    assert served.path == model
    assert Settings().given() == {}


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"shot": 3}, "shot"),
        ({"shots": "many"}, "shots"),
        ({"shots": 1.5}, "shots"),
        ({"device": None}, "device"),
        ({"queue": -1}, "queue"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": 1e9}, "seconds"),
        ({"rows": 0}, "rows"),
        ({"workers": 0}, "workers"),
        ({"dry_run": True}, "dry_run"),
    ],
)
def test_wrong_settings_are_refused_by_name(said, name):
    with pytest.raises(ServerSettingError) as caught:
        settings_of(said)
    assert caught.value.name == name


def test_variables_that_cannot_be_read_are_refused():
    for variables in (
        {},
        {"HYBRIDX_SERVE_MODEL": "m.onnx", "HYBRIDX_SERVE_SHOTS": "a lot"},
        {"HYBRIDX_SERVE_MODEL": "m.onnx", "HYBRIDX_SERVE_SHOT": "3"},
    ):
        with pytest.raises(ServerSettingError):
            served_from(variables)
