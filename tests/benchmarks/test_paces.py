"""Which peers are left out: bounds from cells with fewer rows or fewer threads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.grid import WIRES_WITH_TWO_THREADS, all_cells
from benchmarks.paces import CANNOT_WIN, TOO_SLOW, Paces
from benchmarks.records import Cell
from benchmarks.workloads import WORKLOADS

ONE = Cell("W1", 8, 3, 1, 1)


def paces(cell, **seconds):
    known = Paces()
    known.remember(cell, {peer: {"median": time} for peer, time in seconds.items()})
    return known


def test_nothing_is_known_of_another_circuit_or_of_fewer_rows():
    known = paces(replace(ONE, batch=32), A=1.0)
    for cell in (ONE, replace(ONE, batch=32, wires=10), replace(ONE, batch=32, layers=4)):
        assert known.most("A", cell) is None
        assert known.least("A", cell) == 0
        assert known.fastest(["A"], cell) is None


def test_more_rows_take_at_least_as_long_and_at_most_in_proportion():
    known = paces(replace(ONE, batch=32), A=1.0)
    assert known.least("A", replace(ONE, batch=256)) == 1
    assert known.most("A", replace(ONE, batch=256)) == 8


def test_a_further_row_takes_at_least_half_of_what_one_took_before():
    known = paces(ONE, A=1.0)
    known.remember(replace(ONE, batch=33), {"A": {"median": 9.0}})
    known.remember(replace(ONE, batch=33, threads=2), {"A": {"median": 5.0}})
    assert known.least("A", replace(ONE, batch=256)) == pytest.approx(9 + 223 / 8)
    assert known.least("A", replace(ONE, batch=256, threads=2)) == pytest.approx(5)
    known.remember(replace(ONE, batch=99), {"A": {"median": 8.0}})
    assert known.least("A", replace(ONE, batch=256)) == 8


def test_threads_divide_a_time_at_most_by_their_number():
    known = paces(replace(ONE, batch=32), A=1.0)
    assert known.least("A", replace(ONE, batch=32, threads=2)) == 0.5
    assert known.most("A", replace(ONE, batch=32, threads=2)) == 1


def test_the_cell_nearest_in_rows_and_then_in_threads_counts():
    known = paces(ONE, A=1.0)
    for batch, threads, seconds in ((32, 1, 5.0), (1, 2, 0.7), (1024, 1, 90.0)):
        cell = replace(ONE, batch=batch, threads=threads)
        known.remember(cell, {"A": {"median": seconds}})
    assert known.most("A", replace(ONE, batch=64)) == 10
    assert known.most("A", replace(ONE, threads=2)) == pytest.approx(0.7)


def test_the_fastest_is_never_one_that_cannot_be():
    known = paces(ONE, A=1e-3, B=0.9, C=0.5)
    known.remember(replace(ONE, batch=32), {"C": {"median": 0.6}})
    cell = replace(ONE, batch=256)
    name, most = known.fastest("ABC", cell)
    assert (name, most) == ("A", pytest.approx(0.256))
    assert known.least(name, cell) <= most
    assert all(known.least(peer, cell) > most for peer in "BC")


def test_a_peer_is_left_out_only_where_it_cannot_be_the_fastest():
    known = paces(ONE, A=1e-3, B=0.9, C=0.2, D=0.04)
    cell = replace(ONE, batch=150)
    reasons = {peer: known.why_not(peer, "ABCDE", cell) for peer in "ABCDE"}
    assert reasons == {"A": None, "B": CANNOT_WIN, "C": CANNOT_WIN, "D": TOO_SLOW, "E": None}


def test_of_slow_peers_the_fastest_and_those_near_it_are_run():
    known = paces(ONE, A=1.0, B=3.0, C=5.0)
    cell = replace(ONE, batch=32)
    assert [known.why_not(peer, "ABC", cell) for peer in "ABC"] == [None, None, TOO_SLOW]


def test_a_peer_that_ended_is_not_asked_for_more():
    known = Paces()
    known.remember(replace(ONE, batch=32), {"A": {"refused": "too long", "ended": True}})
    known.remember(ONE, {"B": {"refused": "cannot"}})

    def why(peer, **sizes):
        return known.why_not(peer, "AB", replace(ONE, **sizes))

    assert why("A", wires=10, batch=32) == "too long (8 wires, batch 32)"
    assert why("A", wires=10) is None
    assert why("A", workload="W2", batch=32) is None
    assert why("B") is None


def test_batches_ascend_and_one_thread_comes_first():
    cells = list(all_cells())
    assert len(set(cells)) == len(cells)
    place = {cell: number for number, cell in enumerate(cells)}
    for cell in cells:
        for size in ("batch", "threads"):
            more = [
                other
                for other in cells
                if getattr(other, size) > getattr(cell, size)
                and replace(other, **{size: getattr(cell, size)}) == cell
            ]
            assert all(place[other] > place[cell] for other in more)


def test_two_threads_are_a_part_of_the_grid():
    assert WIRES_WITH_TWO_THREADS.keys() == WORKLOADS.keys()
    assert all(set(w) <= set(WORKLOADS[name].wires) for name, w in WIRES_WITH_TWO_THREADS.items())
