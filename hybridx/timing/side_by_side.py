"""Time several calls in turns, so that what else the machine does slows all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_TURNS = 50  # in the time of one call's measurement, so that all of them see the same minutes
_WARM_UP = 0.1  # of the time of the measurement


@dataclass(frozen=True)
class Pace:
    """How long the calls of one batch size take.

    Attributes:
        batch: rows of one call; None for a model without a batch.
        calls: how many were timed.
        p50: seconds that half of the calls take at most.
        p90: seconds that 90 of 100 calls take at most.
        p99: seconds that 99 of 100 calls take at most.
        rows_per_second: at the median.
        ratio: the median divided by that of the first runner.
        circuits: which part of the median the circuits take, from 0 to 1; None if unknown. Compiled
            ones are timed in calls of their own, each of which costs some microseconds.
    """

    batch: int | None
    calls: int
    p50: float
    p90: float
    p99: float
    rows_per_second: float
    ratio: float
    circuits: float | None


def side_by_side(
    calls: Mapping[str, Callable[[], object]], *, seconds: float, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the durations in seconds of the calls, by their names.

    Each is called before its time counts. They then take turns, a short one several times in its
    turn, until all have had their time; each is timed at least once.

    Args:
        calls: what is timed.
        seconds: for each of them.
        clock: gives seconds, as `time.perf_counter` does.
    """
    for call in calls.values():
        _during(call, seconds * _WARM_UP, clock)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = clock() + seconds * len(calls)
    while True:
        for name, call in calls.items():
            taken[name] += _during(call, seconds / _TURNS, clock)
        if clock() >= end:
            return taken


def _during(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    """Return the durations of as many calls as begin in a time, of at least one."""
    taken: list[float] = []
    end = clock() + seconds
    while True:
        started = clock()
        call()
        done = clock()
        taken.append(done - started)
        if done >= end:
            return taken


def pace_of(
    batch: int | None,
    taken: Sequence[float],
    *,
    first: Sequence[float],
    circuits: float | None,
) -> Pace:
    """Return what durations say.

    Args:
        batch: rows of one call; None for a model without a batch.
        taken: seconds of each call; at least one.
        first: likewise, of the first runner.
        circuits: which part the circuits take, if known.
    """
    p50, p90, p99 = (percentile(taken, share) for share in (50, 90, 99))
    return Pace(
        batch=batch,
        calls=len(taken),
        p50=p50,
        p90=p90,
        p99=p99,
        rows_per_second=(1 if batch is None else batch) / p50,
        ratio=p50 / percentile(first, 50),
        circuits=circuits,
    )


def percentile(taken: Sequence[float], share: int) -> float:
    """Return the least duration that `share` of 100 calls do not exceed."""
    ordered = sorted(taken)
    return ordered[max(0, -(-share * len(ordered) // 100) - 1)]
