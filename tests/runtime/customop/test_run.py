"""One run: what its circuits raise is kept, whatever it is and whenever it comes."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from hybridx.circuit import parse
from hybridx.runtime.customop import run as module
from hybridx.runtime.customop.run import Run, call_operator, numbered
from tests.runtime.models import TURN

CIRCUIT = parse(TURN)
ROWS = np.zeros((3, CIRCUIT.parameters))
RESULTS = np.full((3, 2), 0.5)


class Executor:
    """Does what it is given, one action a call."""

    def __init__(self, *actions):
        self.actions = list(actions)
        self.calls = 0

    def execute(self, circuit, parameters):
        assert circuit is CIRCUIT
        self.calls += 1
        action = self.actions.pop(0) if self.actions else None
        if callable(action):
            return action()
        if action is not None:
            raise action
        return RESULTS


def new_run(*actions):
    executor = Executor(*actions)
    return Run({"0": CIRCUIT}, executor), executor


def test_results_pass():
    run, _ = new_run()
    np.testing.assert_array_equal(run.results("0", ROWS), RESULTS)
    assert run.error is None


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), KeyboardInterrupt(), SystemExit(3), MemoryError(), GeneratorExit()],
    ids=repr,
)
def test_whatever_is_raised_is_kept_and_the_results_are_nan(error):
    run, _ = new_run(error)
    results = run.results("0", ROWS)
    assert results.shape == RESULTS.shape
    assert np.isnan(results).all()
    assert run.error is error


def test_after_a_failure_no_circuit_runs_and_the_first_error_stays():
    first = ValueError("first")
    run, executor = new_run(first, ValueError("second"))
    for _ in range(3):
        assert np.isnan(run.results("0", ROWS)).all()
    assert (run.error, executor.calls) == (first, 1)


def test_the_gate_is_open_inside_of_a_circuit_and_closed_outside():
    seen = []

    def look():
        seen.append(run.gate.is_open)
        return RESULTS

    run, _ = new_run(look, ValueError("no"))
    assert not run.gate.is_open
    run.results("0", ROWS)
    assert (seen, run.gate.is_open) == ([True], False)
    run.results("0", ROWS)
    assert not run.gate.is_open


@pytest.fixture
def sigint():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_that_waits_arrives_in_the_next_circuit():
    run, executor = new_run()
    with run.gate.installed():
        signal.raise_signal(signal.SIGINT)
        assert np.isnan(run.results("0", ROWS)).all()
    assert isinstance(run.error, KeyboardInterrupt)
    assert executor.calls == 0


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_before_an_error_is_kept_is_kept_instead(monkeypatch):
    """It arrives between the first exception and the statement that closes the gate."""
    run, _ = new_run(ValueError("no"))
    close, interrupts = run.gate.close, []

    def interrupted():
        if not interrupts:
            interrupts.append(1)
            signal.raise_signal(signal.SIGINT)
        close()

    monkeypatch.setattr(run.gate, "close", interrupted)
    with run.gate.installed():
        assert np.isnan(run.results("0", ROWS)).all()
    assert isinstance(run.error, KeyboardInterrupt)


@pytest.mark.usefixtures("sigint")
def test_a_second_ctrl_c_waits_for_the_end_of_the_run():
    def twice():
        signal.raise_signal(signal.SIGINT)

    run, _ = new_run(twice)
    keep = Run.__setattr__

    def interrupted(self, name, value):
        if name == "error":
            signal.raise_signal(signal.SIGINT)
        keep(self, name, value)

    class Interrupted(Run):
        __setattr__ = interrupted

    run.__class__ = Interrupted
    results = []
    with pytest.raises(KeyboardInterrupt), run.gate.installed():
        results.append(run.results("0", ROWS))
    assert np.isnan(results[0]).all()
    assert isinstance(run.error, KeyboardInterrupt)


def test_the_operator_finds_each_run_by_its_number():
    (first, one), (second, two) = new_run(), new_run()
    with numbered(first) as a, numbered(second) as b:
        assert a != b
        call_operator(ROWS, np.array([b]), "0")
        assert (one.calls, two.calls) == (0, 1)
        call_operator(ROWS, np.array([a]), "0")
        assert (one.calls, two.calls) == (1, 1)
    assert not module._RUNS


def test_a_run_that_ends_with_an_error_leaves_nothing():
    run, _ = new_run()
    with pytest.raises(ValueError, match="inside"), numbered(run):
        raise ValueError("inside")
    assert not module._RUNS
