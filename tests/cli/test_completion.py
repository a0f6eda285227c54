"""What a shell offers behind an option, and help and version in all their forms."""

from __future__ import annotations

import os

import pytest

from tests.cli.shell import new_command


def completions(words, folder):
    """What bash is offered for the last of some words."""
    variables = os.environ | {
        "_HYBRIDX_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    patch = "import sys; sys.argv[0] = 'hybridx'"
    return new_command(folder=folder, variables=variables, patch=patch).out.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("hybridx run model.onnx --device default.qub", ["default.qubit"]),
        ("hybridx run model.onnx --device on", ["onnx"]),
        ("hybridx export m.py:model --format tor", ["torchscript"]),
        ("hybridx export m.py:model --dtype float6", ["float64"]),
        ("hybridx verify model.onnx --provider cu", ["cuda"]),
        ("hybridx insp", ["inspect"]),
        ("hybridx run model.onnx --max-ci", ["--max-circuits"]),
    ],
)
def test_a_shell_completes(words, offered, tmp_path):
    assert completions(words, tmp_path) == offered


@pytest.mark.parametrize("words", [("-h",), ("--help",), ("run", "-h"), ("export", "--help"), ()])
def test_help_is_printed_and_names_nothing_that_only_the_repository_has(words, tmp_path):
    finished = new_command(*words, folder=tmp_path)
    assert (finished.code, finished.talk) == (0, "")
    assert "Usage: hybridx" in finished.out
    assert "exported/" not in finished.out
    assert "docs/" not in finished.out
