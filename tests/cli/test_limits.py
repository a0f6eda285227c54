"""`--limit`: what a command reads, and what it says of the limits themselves."""

from __future__ import annotations

import pytest

import hybridx
from tests.cli.shell import command


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["wires=1"], "give --limit wires=2"),
        (["wires=1", "wires=9"], "--limit wires"),
        (["wires"], "NAME=NUMBER"),
        (["wires=" + "9" * 30], "NAME=NUMBER"),
        (["wire=9"], "wires, derivatives, gates"),
    ],
)
def test_what_a_limit_refuses(model, folder, options, fact):
    words = [word for option in options for word in ("--limit", option)]
    done = command("inspect", model, *words, folder=folder)
    assert done.code == 3
    assert fact in done.talk


def test_a_command_reads_within_its_limits(model, folder):
    words = ("--limit", "wires=9", "--limit", "gates=100")
    assert command("inspect", model, *words, folder=folder).code == 0


def test_limits_reach_the_process_of_its_own(model):
    with hybridx.limits(file_bytes=1_600_000_000):
        session = hybridx.load(model, isolated=True)
    session.close()
