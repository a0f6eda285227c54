"""Handlers of signals: called while the gate is open, kept waiting while it is closed."""

from __future__ import annotations

import signal
import threading

import pytest

from hybridx.runtime.customop.signals import SignalGate

FIRST, SECOND = signal.SIGUSR1, signal.SIGUSR2


class Stop(Exception):  # noqa: N818
    """What a handler raises."""


class Seen(list):
    """Which handlers were called.

    Attributes:
        raising: the signals whose handlers raise.
    """

    raising = frozenset()


@pytest.fixture
def called():
    """What the handlers of two signals were called with; a number in `raising` makes one raise."""

    def handler(number, _):
        seen.append(number)
        if number in seen.raising:
            raise Stop(number)

    seen = Seen()
    before = {number: signal.signal(number, handler) for number in (FIRST, SECOND)}
    yield seen
    for number, former in before.items():
        signal.signal(number, former)


def come(*numbers):
    for number in numbers:
        signal.raise_signal(number)


def test_a_closed_gate_lets_signals_wait_until_the_end(called):
    gate = SignalGate()
    with gate.installed():
        come(FIRST, SECOND)
        assert called == []
    assert called == [FIRST, SECOND]


def test_an_open_gate_calls_handlers_at_once(called):
    gate = SignalGate()
    with gate.installed():
        gate.open()
        come(FIRST)
        assert called == [FIRST]
        gate.close()
        come(SECOND)
        assert called == [FIRST]


def test_opening_calls_the_handlers_that_wait(called):
    gate = SignalGate()
    with gate.installed():
        come(FIRST)
        gate.open()
        assert (called, gate.is_open) == ([FIRST], True)
    assert called == [FIRST]


@pytest.mark.parametrize("waits", [True, False], ids=["from waiting", "at once"])
def test_a_handler_that_raises_leaves_the_gate_closed(waits, called):
    called.raising = frozenset({FIRST})
    gate = SignalGate()
    with gate.installed():
        if waits:
            come(FIRST)
            with pytest.raises(Stop):
                gate.open()
        else:
            gate.open()
            with pytest.raises(Stop):
                come(FIRST)
        assert not gate.is_open
        come(SECOND)
        assert called == [FIRST]
    assert called == [FIRST, SECOND]


def test_a_signal_inside_of_a_handler_waits_for_its_end(called):
    order = []

    def handler(number, _):
        order.append("begins")
        come(SECOND)
        order.append(f"ends, {len(called)} called")

    signal.signal(FIRST, handler)
    gate = SignalGate()
    with gate.installed():
        gate.open()
        come(FIRST)
        assert (order, called) == (["begins", "ends, 0 called"], [SECOND])


def test_every_waiting_handler_is_called_even_if_one_raises(called):
    called.raising = frozenset({FIRST})
    with pytest.raises(Stop), SignalGate().installed():
        come(FIRST, SECOND, SECOND)
    assert called == [FIRST, SECOND, SECOND]


@pytest.mark.parametrize("error", [None, ValueError("inside")])
def test_handlers_are_put_back(error, called):
    before = [signal.getsignal(number) for number in (FIRST, SECOND, signal.SIGINT)]

    def work():
        with SignalGate().installed():
            assert signal.getsignal(FIRST) is not before[0]
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(ValueError, match="inside"):
            work()
    assert [signal.getsignal(number) for number in (FIRST, SECOND, signal.SIGINT)] == before


def test_what_is_ignored_or_left_to_the_system_stays_so():
    before = signal.signal(FIRST, signal.SIG_IGN)
    try:
        with SignalGate().installed():
            assert signal.getsignal(FIRST) is signal.SIG_IGN
            come(FIRST)
    finally:
        signal.signal(FIRST, before)


def test_other_threads_leave_the_handlers_alone(called):
    found = []

    def work():
        with SignalGate().installed():
            found.append(signal.getsignal(FIRST))

    thread = threading.Thread(target=work)
    before = signal.getsignal(FIRST)
    thread.start()
    thread.join()
    assert found == [before]
