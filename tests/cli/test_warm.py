"""Commands in a copy of a warm process do what they do in a new one."""

from __future__ import annotations

import pytest

from tests.cli.shell import command, new_command

WORDS = {
    "help": ("--help",),
    "a word that is not known": ("--nosuch",),
    "doctor": ("doctor", "--json"),
    "a file": ("inspect", "model.onnx"),
    "no file": ("inspect", "other.onnx"),
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_command_says_the_same(words, folder, model):
    assert command(*words, folder=folder) == new_command(*words, folder=folder)


def test_a_command_leaves_nothing_for_the_next(folder):
    patch = "import numpy; numpy.float32 = None; print('patched')"
    assert command("--version", folder=folder, patch=patch).out.startswith("patched")
    code = "import numpy; print(numpy.float32)"
    assert "None" not in command("--version", folder=folder, patch=code).out


def test_what_ends_python_ends_a_command(folder):
    finished = command(folder=folder, patch="raise ZeroDivisionError('mine')")
    assert (finished.code, finished.out) == (1, "")
    assert finished.talk.endswith("ZeroDivisionError: mine\n")
