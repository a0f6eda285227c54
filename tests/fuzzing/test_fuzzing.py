"""The inputs that fuzzing begins with, and those it has found, without atheris."""

from __future__ import annotations

import random

import pytest

from hybridx.errors import FileMissingError
from tests.fuzzing.changes import change_archive, packed, unpacked
from tests.fuzzing.oracle import tried
from tests.fuzzing.target import HERE, Target
from tests.fuzzing.targets import TARGETS

CHANGES = 60


# Commands take seconds, and tests/cli/test_fuzz.py tries others each time.
QUICK = [
    pytest.param(name, marks=pytest.mark.slow if name == "commands" else ()) for name in TARGETS
]


@pytest.mark.parametrize("name", QUICK)
def test_inputs_to_begin_with_are_read(name):
    target = TARGETS[name]
    for data in target.seeds():
        assert (tried(target, data), data) == (None, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_are_read_or_refused(name):
    """A few of the changes that fuzzing makes, the same ones each time."""
    target, rng = TARGETS[name], random.Random(1)
    seeds = [*target.seeds()]

    def mutate(data):
        at = rng.randrange(len(data) + 1)
        return data[:at] + rng.randbytes(rng.randrange(3)) + data[at + rng.randrange(3) :]

    for _ in range(CHANGES):
        data = rng.choice(seeds)
        changed = mutate(data) if target.change is None else target.change(rng, data, mutate)
        assert (tried(target, changed), changed) == (None, changed)


def test_every_folder_of_inputs_is_of_a_target():
    for kind in ("found", "seeds"):
        assert {one.name for one in (HERE / kind).glob("*")} <= TARGETS.keys()


def test_a_changed_archive_is_still_one():
    data = packed({"manifest.json": b'{"sha256": {"a.json": "0"}}', "a.json": b'{"x": [1, 2]}'})
    rng = random.Random(1)
    contents = [unpacked(change_archive(rng, data, lambda part: part + b"1")) for _ in range(20)]
    assert len({one.get("a.json") for one in contents}) > 3


def refuses(data):
    raise FileMissingError(data.decode(), "no such file")


def takes_time(data):
    while True:
        pass


def ends(data):
    raise SystemExit(3)


def is_wrong(data):
    assert data == b"", "another one comes back"


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (takes_time, "TooSlowError"),
        (ends, "SystemExit"),
        (is_wrong, "AssertionError"),
        (lambda data: {}["x"], "KeyError"),
    ],
)
def test_what_is_neither_an_answer_nor_our_error_is_found(read, kind, monkeypatch):
    monkeypatch.setattr("tests.fuzzing.oracle.CPU_SECONDS", 0.1 if read is takes_time else 10)
    found = tried(Target("a target", read, lambda: iter(())), b"x")
    assert found is not None
    assert found.kind == kind


def test_a_peak_of_memory_is_found(monkeypatch):
    peaks = iter([2**30, 2**31 + 1])
    monkeypatch.setattr("tests.fuzzing.oracle._peak", lambda: next(peaks))
    assert tried(Target("a target", lambda data: None, lambda: iter(())), b"").kind == "memory"


def test_our_error_is_no_finding():
    assert tried(Target("a target", refuses, lambda: iter(())), b"\x1b[31mx") is None
