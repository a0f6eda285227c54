"""The table of bounds, and the ways to change one."""

from __future__ import annotations

import threading

import pytest

import hybridx
from hybridx.bounds import BOUNDS, FILE_BYTES, WIRES, changed_limits, refuse_above
from hybridx.cli.app import COMMANDS, app
from hybridx.errors import BeyondReadingError, OptionError, TooLargeError, for_command_line


def test_each_bound_is_explained_and_can_be_the_name_of_an_option():
    for name, bound in BOUNDS.items():
        assert name == bound.name
        assert name.isidentifier()
        assert name == name.lower()
        assert 0 < bound.default <= bound.most
        assert bound.unit
        assert len(bound.reason) > 20


def test_a_bound_is_the_last_that_passes():
    refuse_above(WIRES, 1_000, "it")
    with pytest.raises(TooLargeError) as caught:
        refuse_above(WIRES, 1_001, "the circuit")
    assert (caught.value.found, caught.value.limit) == ("1001 wires", "1000 wires")


def test_the_remedy_names_the_limit_that_lets_it_pass():
    with pytest.raises(TooLargeError) as caught:
        refuse_above(WIRES, 5_000, "the circuit")
    assert "use hybridx.limits(wires=5000)" in caught.value.help
    with for_command_line():
        assert "give --limit wires=5000" in caught.value.help
    with hybridx.limits(wires=5_000):
        refuse_above(WIRES, 5_000, "the circuit")


def test_what_no_limit_lets_pass_is_called_so():
    with pytest.raises(BeyondReadingError, match="1500000000 bytes, and no higher"):
        refuse_above(FILE_BYTES, 2**40, "the file")


def test_limits_nest_and_end():
    with hybridx.limits(wires=7, gates=3):
        with hybridx.limits(wires=8):
            assert changed_limits() == {"wires": 8, "gates": 3}
        assert WIRES.limit == 7
        with pytest.raises(ZeroDivisionError), hybridx.limits(wires=9):
            raise ZeroDivisionError
        assert WIRES.limit == 7
    assert WIRES.limit == 1_000


def test_limits_are_of_one_thread():
    seen = []
    with hybridx.limits(wires=7):
        thread = threading.Thread(target=lambda: seen.append(WIRES.limit))
        thread.start()
        thread.join()
    assert seen == [1_000]


@pytest.mark.parametrize(
    ("numbers", "fact"),
    [
        ({"wire": 3}, "wires"),
        ({"wires": -1}, "0 to"),
        ({"wires": 2.0}, "whole numbers"),
        ({"wires": True}, "whole numbers"),
        ({"file_bytes": 2**31}, "0 to 2147483647"),
    ],
)
def test_limits_that_cannot_be_are_refused(numbers, fact):
    with pytest.raises(OptionError, match=fact), hybridx.limits(**numbers):
        raise AssertionError


@pytest.mark.parametrize("name", [one for one in COMMANDS if one != "doctor"])
def test_every_command_that_reads_a_file_takes_limits(name):
    from typer.main import get_command

    command = get_command(app).commands[name]
    assert "--limit" in {opt for one in command.params for opt in one.opts}
