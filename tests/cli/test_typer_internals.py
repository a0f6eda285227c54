"""Values of options are read by hybridx; and a canary of the names of typer that this needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from hybridx.cli.app import app

group = typer.main.get_command(app)


def parsed(*words):
    """The values that `run` gets for these words behind the name of the file."""
    command = group.get_command(None, "run")
    return command.make_context("run", ["model.onnx", *words]).params


def test_typer_has_a_place_for_what_reads_a_value():
    options = typer.main.get_command(app).params
    assert options
    for one in options:
        assert one._runtime_param is None
        assert one.type_descriptor.annotation is bool
        assert one.get_runtime_param() is one._runtime_param


def test_every_kind_of_value_is_read():
    values = parsed("-i", "x.npy", "--shots", "12", "--option", "a=1", "--option", "b=2", "--json")
    assert values["model"] == Path("model.onnx")
    assert values["data"] == Path("x.npy")
    assert values["shots"] == 12
    assert values["option"] == ["a=1", "b=2"]
    assert values["json"] is True
    assert values["path"] is None
    assert values["retries"] == 3
    assert values["engine"] == "split"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--shots", "many"), "'many' is not a whole number from 1"),
        (("--shots", "0"), "'0' is not a whole number from 1"),
        (("--shots", "1.5"), "'1.5' is not a whole number from 1"),
        (("--seed", "-1"), "'-1' is not a whole number from 0"),
    ],
)
def test_a_wrong_value_is_refused_in_plain_words(words, told):
    with pytest.raises(typer.BadParameter) as refused:
        parsed(*words)
    assert refused.value.format_message() == f"Invalid value for '{words[0]}': {told}"


@pytest.mark.parametrize("value", ["nan", "-1e-9", "few"])
def test_a_tolerance_is_a_number_from_0(value):
    command = group.get_command(None, "verify")
    assert command.make_context("verify", ["m.onnx", "--atol", "1e-3"]).params["atol"] == 1e-3
    with pytest.raises(typer.BadParameter) as refused:
        command.make_context("verify", ["m.onnx", "--atol", value])
    assert f"{value!r} is not a number from 0" in refused.value.format_message()
