"""Sessions in a forked process give right answers, or say why not, and never wait for ever."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

from hybridx.errors import BrokenArtifactError, ForkedDeviceError
from hybridx.runtime import start_session
from hybridx.runtime.sharing.forks import loading
from hybridx.runtime.sharing.turns import turn_in_pennylane
from tests.runtime.models import GRAPHS
from tests.runtime.remote import rows

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

SECONDS = 30
X = rows(300)


def in_child(work):
    """Return what `work` returns or raises in a forked process, or fail if it does not end."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of threads; they are what is tested
        child = os.fork()
    if child == 0:
        try:
            found = work()
        except BaseException as error:
            found = error
        os.write(writing, pickle.dumps(found))
        os._exit(0)
    os.close(writing)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            with os.fdopen(reading, "rb") as pipe:
                return pickle.loads(pipe.read())
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    return pytest.fail("the forked process did not end")


@pytest.fixture
def session():
    # Two threads, so that there is a pool which the child does not have.
    return start_session(GRAPHS["side by side, unlike depths"](), threads=2)


def test_a_session_gives_the_same_in_a_child(session):
    expected = session.run({"x": X})["y"]
    for _ in range(3):
        found = in_child(lambda: [session.run({"x": X})["y"][:9] for _ in range(2)])
        np.testing.assert_array_equal(found, [expected[:9]] * 2)
    np.testing.assert_array_equal(session.run({"x": X})["y"], expected)


def test_a_child_may_drop_and_close_sessions(session):
    def drop():
        nonlocal session
        session.close()
        session = None
        return "ended"

    session.run({"x": X})
    assert in_child(drop) == "ended"


def test_a_child_of_a_busy_process_is_right(session):
    expected, ends = session.run({"x": X})["y"], threading.Event()
    artifact = session.artifact

    def run():
        while not ends.is_set():
            session.run({"x": X})

    def load():
        while not ends.is_set():
            start_session(artifact).run({"x": X[:2]})

    workers = [threading.Thread(target=work) for work in (run, load)]
    for one in workers:
        one.start()
    try:
        for _ in range(5):
            found = in_child(lambda: session.run({"x": X})["y"][:9])
            np.testing.assert_array_equal(found, expected[:9])
    finally:
        ends.set()
        for one in workers:
            one.join()


def test_a_fork_waits_for_what_is_loaded():
    """A lock that another thread holds at a fork is never given back in the child."""
    is_loading, ends = threading.Event(), threading.Event()

    def load():
        with loading():
            is_loading.set()
            ends.wait(5)

    def take():
        with loading():
            return "free"

    loader = threading.Thread(target=load)
    loader.start()
    is_loading.wait()
    threading.Timer(0.1, ends.set).start()
    assert in_child(take) == "free"
    assert take() == "free"
    loader.join()


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
def test_a_session_on_a_device_belongs_to_its_process(device):
    pytest.importorskip("pennylane")
    artifact = GRAPHS["a circuit and no more"]()
    with start_session(artifact, device=device) as session:
        expected = session.run({"x": X[:3]})["y"]
        error = in_child(lambda: session.run({"x": X[:3]}))
        assert isinstance(error, ForkedDeviceError)
        assert error.name == device
        # One that is opened in the child runs there, unless it waits for threads of the parent.
        found = in_child(lambda: start_session(artifact, device=device).run({"x": X[:3]})["y"])
        if device == "lightning.qubit":
            assert isinstance(found, ForkedDeviceError)
        else:
            np.testing.assert_array_equal(found, expected)


def test_a_child_does_not_wait_for_the_turn_of_a_thread_that_it_lacks():
    pytest.importorskip("pennylane")
    artifact, has_turn, ends = (
        GRAPHS["a circuit and no more"](),
        threading.Event(),
        threading.Event(),
    )

    def hold():
        with turn_in_pennylane():
            has_turn.set()
            ends.wait(SECONDS)

    holder = threading.Thread(target=hold)
    holder.start()
    has_turn.wait()
    try:
        found = in_child(lambda: start_session(artifact, device="default.qubit").run({"x": X[:3]}))
        assert found["y"].shape == (3, 2)
    finally:
        ends.set()
        holder.join()


@pytest.mark.parametrize("format", ["torchscript", "pt2"])
def test_a_session_of_torch_gives_the_same_in_a_child(format):
    torch = pytest.importorskip("torch")
    from tests.targets.spliced import artifact, content, sample

    whole = artifact(sample("sandwich"), format, content("sandwich", format))
    (fixed,) = whole.inputs
    session = start_session(replace(whole, inputs=(replace(fixed, shape=("batch", 4)),)))
    x = np.random.default_rng(0).standard_normal((5000, 4)).astype(np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        (expected,) = session.run({"input": x}).values()
        found, threads = in_child(
            lambda: (session.run({"input": x})["output"][:9], torch.get_num_threads())
        )
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(found, expected[:9], rtol=0, atol=1e-6)  # sums in another order
    assert threads == 4


def test_an_error_passes_between_processes():
    error = in_child(lambda: (_ for _ in ()).throw(BrokenArtifactError(path="a", problem="b")))
    assert isinstance(error, BrokenArtifactError)
    assert error.facts() == {"path": "a", "problem": "b"}
