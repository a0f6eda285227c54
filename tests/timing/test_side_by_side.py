"""What durations say, on a clock that goes on only while a call runs."""

from __future__ import annotations

import pytest

from hybridx.timing import pace_of, percentile, side_by_side


class Clock:
    """A clock that calls move on."""

    def __init__(self):
        self.now = 0.0
        self.order = []

    def __call__(self):
        return self.now

    def call(self, name, seconds):
        """Return a call that takes so long."""

        def run():
            self.order.append(name)
            self.now += seconds

        return run


def test_each_is_warmed_up_and_then_they_take_turns():
    clock = Clock()
    # Lengths that binary numbers have exactly.
    calls = {"short": clock.call("short", 1 / 64), "long": clock.call("long", 0.5)}
    taken = side_by_side(calls, seconds=1.0, clock=clock)
    assert clock.order[:8] == [*["short"] * 7, "long"]  # a tenth of a second each, at least one
    assert clock.order[8:] == ["short", "short", "long"] * 4  # until 2 s are over
    assert taken == {"short": [1 / 64] * 8, "long": [0.5] * 4}


def test_a_call_longer_than_its_time_is_timed_once():
    clock = Clock()
    assert side_by_side({"x": clock.call("x", 9.0)}, seconds=1.0, clock=clock) == {"x": [9.0]}


@pytest.mark.parametrize(("share", "expected"), [(50, 5), (90, 9), (99, 10), (1, 1)])
def test_percentiles_are_durations_that_were_seen(share, expected):
    assert percentile([10, 1, 3, 2, 5, 4, 7, 6, 9, 8], share) == expected


def test_a_pace_is_rows_and_ratios_of_medians():
    pace = pace_of(32, [0.5, 0.25, 2.0], first=[0.125], circuits=0.5)
    assert (pace.p50, pace.p99, pace.calls) == (0.5, 2.0, 3)
    assert (pace.rows_per_second, pace.ratio, pace.circuits) == (64.0, 4.0, 0.5)
    assert pace_of(None, [0.5], first=[0.5], circuits=None).rows_per_second == 2.0
