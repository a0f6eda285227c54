"""Writes of every kind, killed before every line of the code that makes them."""

from __future__ import annotations

import os

import pytest

from hybridx.storage import recover
from tests.storage.steps import killed
from tests.storage.writes import SYSTEMS, WRITES, found, put


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("what", WRITES)
def test_a_kill_before_any_line_leaves_the_old_or_the_new(what, system, tmp_path, monkeypatch):
    write, old, new = WRITES[what]
    SYSTEMS[system](monkeypatch)
    put(tmp_path, old)
    steps = killed(lambda: write(tmp_path), 0)
    assert found(tmp_path) == new
    assert steps > 20
    for kill_at in range(1, steps + 1):
        put(tmp_path, old)
        killed(lambda: write(tmp_path), kill_at)
        now = found(tmp_path, ours=False)
        whole = "pair" not in what and system != "no exchange"
        assert now in (old, new) or not whole, kill_at
        recover(tmp_path / "any")
        assert found(tmp_path) in (old, new), kill_at
        assert now != new or found(tmp_path) == new, kill_at
