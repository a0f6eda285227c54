"""Threads on devices: one at a time in PennyLane, and a run at a time on a session."""

from __future__ import annotations

import logging
import threading
import time

import numpy as np
import pytest

from hybridx.device_table import family_of
from hybridx.errors import HybridxError, OverBudgetError, SessionClosedError
from hybridx.runtime import device_names, start_session
from hybridx.runtime.sharing import turns
from hybridx.runtime.sharing.turns import Turn, turn_in_pennylane
from tests.runtime.models import GRAPHS
from tests.runtime.remote import Service, rows

qml = pytest.importorskip("pennylane")

THREADS = 8
DEEP = "side by side, unlike depths"  # three calls of circuits
# These need packages that the tests do without, or compute nothing.
OTHER = ("default.clifford", "default.gaussian", "default.qutrit", "default.tensor", "null.qubit")
LOCAL = [
    name
    for name in device_names()
    if (family := family_of(name)) and family.is_local and not name.startswith(OTHER)
]
ENGINES = ("split", "custom-op")


def together(work, threads=THREADS):
    """Call `work(index)` in threads that begin at the same time, and return what each returned."""
    start, found = threading.Barrier(threads), [None] * threads

    def run(index):
        start.wait()
        try:
            found[index] = work(index)
        except HybridxError as error:
            found[index] = error

    workers = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    return found


class Overlapping(Service):
    """A device that notes how many threads are in it at the same time, of all such devices."""

    inside, most = 0, 0

    def _enter(self):
        Overlapping.inside += 1
        Overlapping.most = max(Overlapping.most, Overlapping.inside)
        time.sleep(0.005)
        Overlapping.inside -= 1

    def preprocess_transforms(self, execution_config=None):
        self._enter()
        return super().preprocess_transforms(execution_config)

    def execute(self, circuits, execution_config=None):
        self._enter()
        return super().execute(circuits, execution_config)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shared", ["session", "device", "nothing"])
def test_one_thread_at_a_time_is_in_pennylane(engine, shared, monkeypatch):
    if engine == "custom-op":
        pytest.importorskip("onnxruntime_extensions")
    monkeypatch.setattr(Overlapping, "most", 0)
    artifact, device = GRAPHS[DEEP](), Overlapping()

    def session():
        given = Overlapping() if shared == "nothing" else device
        return start_session(artifact, device=given, engine=engine)

    only = session()
    expected = start_session(artifact).run({"x": rows(2)})["y"]
    sessions = [only if shared == "session" else session() for _ in range(4)]
    found = together(lambda index: sessions[index].run({"x": rows(2)})["y"], 4)
    for one in found:
        np.testing.assert_allclose(one, expected, rtol=0, atol=1e-5)
    assert Overlapping.most == 1


@pytest.mark.parametrize("shots", [None, 100])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LOCAL)
def test_a_session_on_a_device_is_right_in_every_thread(name, engine, shots):
    if engine == "custom-op":
        pytest.importorskip("onnxruntime_extensions")
    artifact = GRAPHS["a circuit and no more"]()
    seed = {"seed": 3} if shots and family_of(name).seed else {}
    options = {"device": name, "engine": engine, "shots": shots, **seed}
    session, exact = start_session(artifact, **options), start_session(artifact)
    data = [rows(2, seed=index) for index in range(THREADS)]
    found = together(lambda index: [session.run({"x": data[index]})["y"] for _ in range(2)])
    for index, runs in enumerate(found):
        if seed:
            # The samples of a seed are those of one thread, whatever other threads do.
            alone = start_session(artifact, **options)
            expected = [alone.run({"x": data[index]})["y"] for _ in range(2)]
            np.testing.assert_array_equal(runs, expected)
        elif shots is None:
            expected = exact.run({"x": data[index]})["y"]
            for one in runs:
                np.testing.assert_allclose(one, expected, rtol=0, atol=1e-5)
    assert session.usage.submissions == 2 * THREADS


def test_a_bound_holds_for_all_threads_together():
    service = Service()
    session = start_session(GRAPHS[DEEP](), device=service, max_circuits=20)
    found = together(lambda _: session.run({"x": rows(2)}))
    refused = [one for one in found if isinstance(one, OverBudgetError)]
    # A run has six circuits: three runs fit, and nothing of the others is sent.
    assert (len(refused), service.got) == (THREADS - 3, [2] * 9)
    assert session.usage.circuits == 18


class Slow(Service):
    """A device that waits until it is told to go on."""

    def __init__(self):
        super().__init__()
        self.is_running, self.may_end = threading.Event(), threading.Event()

    def execute(self, circuits, execution_config=None):
        self.is_running.set()
        assert self.may_end.wait(20)
        return super().execute(circuits, execution_config)


def test_a_run_that_has_begun_ends_after_its_session_is_closed():
    artifact, device = GRAPHS["a circuit and no more"](), Slow()
    session, found = start_session(artifact, device=device), []
    runner = threading.Thread(target=lambda: found.append(session.run({"x": rows(2)})["y"]))
    runner.start()
    assert device.is_running.wait(20)
    session.close()
    with pytest.raises(SessionClosedError):
        session.run({"x": rows(2)})
    device.may_end.set()
    runner.join()
    expected = start_session(artifact).run({"x": rows(2)})["y"]
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-5)


def test_a_thread_that_waits_long_says_so(monkeypatch, caplog):
    caplog.set_level(logging.WARNING, "hybridx")
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    turn, is_held = Turn(), threading.Event()

    def hold():
        with turn, turn:  # a thread does not wait for itself
            is_held.set()
            time.sleep(0.1)

    for _ in range(2):  # it says so once
        is_held.clear()
        holder = threading.Thread(target=hold)
        holder.start()
        is_held.wait()
        with turn:
            pass
        holder.join()
    assert len(caplog.messages) == 1
    assert "waiting for another thread" in caplog.messages[0]


def test_a_turn_is_given_back_after_an_error():
    with pytest.raises(ValueError, match="broken"), turn_in_pennylane():
        raise ValueError("broken")
    done = threading.Event()

    def take():
        with turn_in_pennylane():
            done.set()

    threading.Thread(target=take).start()
    assert done.wait(5)


def test_sessions_are_loaded_run_and_closed_in_many_threads_at_once():
    artifacts = {name: GRAPHS[name]() for name in ("a circuit and no more", DEEP)}
    shared = {name: start_session(one) for name, one in artifacts.items()}
    expected = {name: session.run({"x": rows(3)})["y"] for name, session in shared.items()}

    def work(index):
        for turn in range(3):
            name = [*artifacts][(index + turn) % 2]
            options = {"device": "default.qubit"} if turn == index % 3 else {}
            with start_session(artifacts[name], **options) as session:
                for one in (session, shared[name]):
                    found = one.run({"x": rows(3)})["y"]
                    np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-5)
        return "right"

    assert together(work) == ["right"] * THREADS
