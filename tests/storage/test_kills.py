"""Whoever is killed while writing, or refused by the file system, leaves the old or the new."""

from __future__ import annotations

import os

import pytest

from hybridx.storage import recover, write_whole
from tests.storage.steps import KILLED, failing
from tests.storage.writes import SYSTEMS, WRITES, found, put

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# The others are slow tests.
QUICK = {
    ("linux", "a file"),
    ("linux", "a pair of which one is new"),
    ("linux", "a folder"),
    ("no exchange", "a folder"),
    ("names from the beginning", "a new file"),
    ("no name for an open file", "a file"),
}
EVERY = [
    pytest.param(
        system,
        what,
        marks=() if (system, what) in QUICK else pytest.mark.slow,
        id=f"{what}-{system}",
    )
    for system in SYSTEMS
    for what in WRITES
]


@pytest.mark.parametrize(("system", "what"), EVERY)
def test_a_kill_before_any_call_leaves_the_old_or_the_new(system, what, tmp_path, monkeypatch):
    write, old, new = WRITES[what]
    SYSTEMS[system](monkeypatch)
    put(tmp_path, old)
    code, calls = failing(lambda: write(tmp_path), tmp_path, 0)
    assert (code, found(tmp_path)) == (0, new)
    between = 0
    for kill_at in range(1, calls + 1):
        put(tmp_path, old)
        code, _ = failing(lambda: write(tmp_path), tmp_path, kill_at, KILLED)
        assert code < 0
        now = found(tmp_path, ours=False)
        between += now not in (old, new)
        # The next command removes what is left, and goes on between two renames.
        if kill_at % 2:
            recover(tmp_path / "any")
            then = found(tmp_path)
        else:
            write_whole(tmp_path / "other", b"", overwrite=False)
            then = found(tmp_path)
            assert then.pop("other") == b""
        assert then in (old, new), kill_at
        assert then == now or now not in (old, new), kill_at
    # Two names cannot change in one step, nor can a folder where the system does not exchange two.
    assert (between > 0) == ("pair" in what or (system, what) == ("no exchange", "a folder"))


@pytest.mark.parametrize(("system", "what"), EVERY)
def test_a_call_that_fails_is_a_refusal_and_changes_nothing(system, what, tmp_path, monkeypatch):
    write, old, new = WRITES[what]
    SYSTEMS[system](monkeypatch)
    put(tmp_path, old)
    _, calls = failing(lambda: write(tmp_path), tmp_path, 0)
    refused = 0
    for fail_at in range(1, calls + 1):
        put(tmp_path, old)
        code, _ = failing(lambda: write(tmp_path), tmp_path, fail_at)
        refused += code == 3
        assert code in (0, 3), fail_at
        assert found(tmp_path, ours=False) == (old if code else new), fail_at
        recover(tmp_path / "any")
        assert found(tmp_path) == (old if code else new), fail_at
    assert refused
