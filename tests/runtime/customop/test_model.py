"""Circuits as a custom operator: the same results, and a process that survives every failure."""

from __future__ import annotations

import dataclasses
import gc
import signal
import threading
import weakref

import numpy as np
import pytest

from hybridx.circuit import parse, simulate
from hybridx.errors import (
    DeviceFailedError,
    MissingExtraError,
    OptionError,
    OptionNeedsError,
    OverBudgetError,
)
from hybridx.runtime import onnxruntime_internals, start_session
from hybridx.runtime.customop import run
from tests.runtime.models import FIXED, GRAPHS, TURN, build

qml = pytest.importorskip("pennylane")
pytest.importorskip("onnxruntime_extensions", reason="there are no wheels for Python 3.14")

X = np.random.default_rng(5).uniform(-3, 3, (3, 2))
ONE = "a circuit and no more"
SPLIT = {"device": "default.qubit"}
CUSTOM = SPLIT | {"engine": "custom-op"}


def outputs(artifact, rows=X, **execution):
    return start_session(artifact, **execution).run({"x": rows})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GRAPHS)
def test_it_gives_what_the_split_engine_gives(name, dtype):
    artifact = GRAPHS[name](dtype=dtype)
    expected = outputs(artifact, **SPLIT)
    actual = outputs(artifact, **CUSTOM)
    assert list(actual) == list(expected)
    # ONNX Runtime fuses other operators in one session than in several: rounding, a few times.
    bound = {"float32": 1e-6, "float64": 1e-14}[dtype]
    for output, array in expected.items():
        assert (actual[output].dtype, actual[output].shape) == (array.dtype, array.shape)
        np.testing.assert_allclose(actual[output], array, rtol=0, atol=bound)


@pytest.mark.parametrize("options", [{"body": False}, {}], ids=["no bodies", "bodies"])
def test_circuits_run_on_the_device_and_nowhere_else(options, monkeypatch):
    artifact = GRAPHS["one behind another"](**options)
    session = start_session(artifact, **CUSTOM)
    monkeypatch.setattr(qml.devices.DefaultQubit, "execute", failing(ValueError("seen")))
    with pytest.raises(DeviceFailedError):
        session.run({"x": X})


def test_no_rows_give_no_rows():
    assert outputs(GRAPHS[ONE](), X[:0], **CUSTOM)["y"].shape == (0, 2)


def test_a_run_is_counted_as_by_the_split_engine():
    for name, make in GRAPHS.items():
        sessions = [start_session(make(), shots=10, **engine) for engine in (SPLIT, CUSTOM)]
        for session in sessions:
            session.run({"x": X})
        split, custom = (session.usage for session in sessions)
        # A model that is one circuit has no classical part, and the split engine no provider.
        assert dataclasses.replace(custom, provider=split.provider) == split, name


def test_nothing_is_sent_before_a_run():
    """ONNX Runtime may compute what depends on constants only beforehand."""
    session = start_session(GRAPHS["without data"](), **CUSTOM)
    assert session.usage.circuits == 0
    session.run({"x": X})
    first = session.usage.circuits
    session.run({"x": X})
    assert session.usage.circuits == 2 * first > 0


def test_equal_calls_are_samples_of_their_own():
    """ONNX Runtime may make one node of two that are equal in all."""
    artifact = build(
        [(TURN, ["x"], "a"), (TURN, ["x"], "b")], [("a", ["batch", 2]), ("b", ["batch", 2])]
    )
    found = outputs(artifact, shots=100, seed=1, **CUSTOM)
    assert (found["a"] != found["b"]).any()


def test_bounds_and_dry_runs_hold():
    session = start_session(GRAPHS[ONE](), max_circuits=2, **CUSTOM)
    with pytest.raises(OverBudgetError):
        session.run({"x": X})
    assert session.usage.circuits == 0
    dry = start_session(GRAPHS[ONE](), dry_run=True, **CUSTOM)
    assert not dry.run({"x": X})["y"].any()
    assert dry.usage.circuits == len(X)


# --- failures ------------------------------------------------------------------------------------


def failing(error):
    def execute(*_, **__):
        raise error

    return execute


@pytest.fixture
def session():
    return start_session(GRAPHS["one behind another"](), retries=0, **CUSTOM)


@pytest.fixture
def expected():
    return outputs(GRAPHS["one behind another"](), **SPLIT)["y"]


def test_a_device_that_fails_is_named_and_the_session_lives(session, expected, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(qml.devices.DefaultQubit, "execute", failing(ValueError("no route")))
        for _ in range(2):
            with pytest.raises(DeviceFailedError) as caught:
                session.run({"x": X})
            assert caught.value.name == "default.qubit"
            assert "ValueError: no route" in caught.value.reason
    np.testing.assert_allclose(session.run({"x": X})["y"], expected, rtol=0, atol=1e-6)
    assert not run._RUNS


def test_after_a_failure_nothing_more_is_sent(session, monkeypatch):
    calls = []

    def execute(*_, **__):
        calls.append(1)
        raise ValueError("no route")

    monkeypatch.setattr(qml.devices.DefaultQubit, "execute", execute)
    with pytest.raises(DeviceFailedError):
        session.run({"x": X})
    assert len(calls) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
def test_what_is_no_error_of_a_device_arrives_as_it_is(error, session, expected, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("hybridx.runtime.executor.DeviceExecutor.execute", failing(error("stop")))
        with pytest.raises(error, match="stop"):
            session.run({"x": X})
    np.testing.assert_allclose(session.run({"x": X})["y"], expected, rtol=0, atol=1e-6)


def test_an_operator_that_refuses_nan_is_not_the_reason(monkeypatch):
    """A NaN as an index is far out of range, and ONNX Runtime stops behind the circuit."""
    from onnx import TensorProto, helper

    artifact = build(
        [
            (TURN, ["x"], "a"),
            helper.make_node("Cast", ["a"], ["i"], to=TensorProto.INT64),
            helper.make_node("Gather", ["x", "i"], ["g"], axis=1),
            ("ReduceMax", ["g", "axes"], "y"),
        ],
        [("y", ["batch", 1, 1])],
        [("axes", np.array([1, 2]))],
    )
    session = start_session(artifact, retries=0, **CUSTOM)
    monkeypatch.setattr(qml.devices.DefaultQubit, "execute", failing(ValueError("no route")))
    with pytest.raises(DeviceFailedError) as caught:
        session.run({"x": X})
    assert caught.value.name == "default.qubit"


@pytest.fixture
def sigint():
    """The handler that Python has at a terminal; a process in the background may ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    # In this thread: one sent to the process may reach another thread first, and this one later.
    signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_inside_of_a_circuit_arrives(session, expected, monkeypatch):
    seen = []

    def execute(*_, **__):
        interrupt()
        seen.extend(range(10))  # the handler runs between two steps
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(qml.devices.DefaultQubit, "execute", execute)
        with pytest.raises(KeyboardInterrupt):
            session.run({"x": X})
    assert not seen
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    np.testing.assert_allclose(session.run({"x": X})["y"], expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_between_onnx_runtime_and_a_circuit_waits(session, expected, monkeypatch):
    """There nobody could catch it, and the process would end."""
    execute = run.Run.results
    arrived = []

    def results(*args):
        interrupt()
        # An assertion here would end the process too.
        arrived.append(True)
        return execute(*args)

    with monkeypatch.context() as patch:
        patch.setattr(run.Run, "results", results)
        with pytest.raises(KeyboardInterrupt):
            session.run({"x": X})
    assert arrived
    assert session.usage.circuits == 0
    np.testing.assert_allclose(session.run({"x": X})["y"], expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_behind_the_last_circuit_arrives_after_the_run(session, monkeypatch):
    make = onnxruntime_internals._Taken

    def late(*args):
        interrupt()
        return make(*args)

    monkeypatch.setattr(onnxruntime_internals, "_Taken", late)
    with pytest.raises(KeyboardInterrupt):
        session.run({"x": X})


def test_handlers_of_signals_that_do_not_raise_are_called_once(session, monkeypatch):
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    try:
        make = onnxruntime_internals._Taken

        def late(*args):
            signal.raise_signal(signal.SIGUSR1)
            return make(*args)

        monkeypatch.setattr(onnxruntime_internals, "_Taken", late)
        session.run({"x": X})
        assert seen == [signal.SIGUSR1] * 3
    finally:
        signal.signal(signal.SIGUSR1, before)


# --- several at once -----------------------------------------------------------------------------


def test_two_sessions_on_two_devices_live_side_by_side():
    makes = [GRAPHS["side by side, unlike depths"], GRAPHS["one behind another"]]
    devices = [qml.device("default.qubit", wires=2), qml.device("lightning.qubit", wires=2)]
    sessions = [
        start_session(make(), device=device, engine="custom-op")
        for make, device in zip(makes, devices, strict=True)
    ]
    for _ in range(2):
        for make, device, session in zip(makes, devices, sessions, strict=True):
            with device.tracker:
                actual = session.run({"x": X})["y"]
            assert device.tracker.totals["executions"] >= len(X)
            expected = outputs(make())["y"]
            np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


def test_both_dtypes_live_side_by_side():
    sessions = {
        dtype: start_session(GRAPHS[ONE](dtype=dtype), **CUSTOM) for dtype in ("float32", "float64")
    }
    exact = simulate(parse(TURN), X)
    assert np.abs(sessions["float64"].run({"x": X})["y"] - exact).max() < 1e-14
    assert np.abs(sessions["float32"].run({"x": X})["y"] - exact).max() < 1e-6


def test_threads_share_sessions():
    sessions = [start_session(GRAPHS[name](), **CUSTOM) for name in (ONE, "without data")]
    expected = [session.run({"x": X})["y"] for session in sessions]
    wrong = []

    def work(index):
        for _ in range(5):
            found = sessions[index % 2].run({"x": X})["y"]
            if not np.array_equal(found, expected[index % 2]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_session_that_is_gone_leaves_nothing_and_disturbs_nobody():
    first, second = (start_session(GRAPHS[ONE](), **CUSTOM) for _ in range(2))
    expected = first.run({"x": X})["y"]
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
    np.testing.assert_array_equal(second.run({"x": X})["y"], expected)


def test_the_operator_is_registered_once():
    from onnxruntime_extensions import Opdef

    for _ in range(3):
        start_session(GRAPHS[ONE](), **CUSTOM)
    names = [one.op_type for one in Opdef._odlist.values() if one.op_type.startswith("hybridx")]
    assert sorted(names) == ["hybridx::RunCircuit_float32", "hybridx::RunCircuit_float64"]


# --- what is refused -----------------------------------------------------------------------------


def test_an_engine_needs_a_device():
    with pytest.raises(OptionNeedsError) as caught:
        start_session(GRAPHS[ONE](), engine="custom-op")
    assert caught.value.option == "--engine custom-op"


def test_an_unknown_engine_is_refused():
    with pytest.raises(OptionError) as caught:
        start_session(GRAPHS[ONE](), device="default.qubit", engine="warp")
    assert caught.value.choices == "split, custom-op"


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        start_session(GRAPHS[ONE](), fallback="onnx", **CUSTOM)
    assert (caught.value.package, caught.value.extra) == ("onnxruntime-extensions", "custom-op")


def test_a_circuit_without_data_has_one_row():
    artifact = build([(FIXED, ["nothing"], "y")], [("y", [1, 2])], [("nothing", np.zeros((1, 0)))])
    np.testing.assert_allclose(
        outputs(artifact, **CUSTOM)["y"],
        simulate(parse(FIXED), np.zeros((1, 0))),
        rtol=0,
        atol=1e-6,
    )
