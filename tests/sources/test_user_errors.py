"""Errors in the user's own code name its file and line, and what they print goes to stderr."""

from __future__ import annotations

import pytest

from hybridx.errors import (
    FactoryFailedError,
    MadeByMainError,
    ModelEndsError,
    SourceNotFoundError,
    SourceRaisesError,
)
from hybridx.sources import found_source

# name: (source code, attribute, error, line, words that the message has)
CASES = {
    "syntax": ("a = 1\ndef f(:\n", "f", SourceRaisesError, 2, ["SyntaxError", "correct this"]),
    "argparse": (
        "import argparse\nargparse.ArgumentParser().parse_args(['--nosuch'])\n",
        "f",
        SourceRaisesError,
        2,
        ["SystemExit", "__main__"],
    ),
    "exit": ("import sys\nsys.exit()\n", "f", SourceRaisesError, 2, ["SystemExit", "__main__"]),
    "relative": ("from .other import f\n", "f", SourceRaisesError, 1, ["package.module:attribute"]),
    "package": ("import nosuch.part\n", "f", SourceRaisesError, 1, ["install nosuch"]),
    "file": ("open('weights.nosuch')\n", "f", SourceRaisesError, 1, ["weights.nosuch"]),
    "value": ("\n\n[][1]\n", "f", SourceRaisesError, 3, ["IndexError"]),
    "in a function": ("def g():\n    1 / 0\ng()\n", "f", SourceRaisesError, 2, ["ZeroDivision"]),
    "factory": ("def f():\n    return {}['k']\n", "f", FactoryFailedError, 2, ["KeyError"]),
    "factory that ends": ("import sys\ndef f():\n    sys.exit(1)\n", "f", ModelEndsError, 3, []),
}


@pytest.mark.parametrize(("code", "name", "kind", "line", "words"), CASES.values(), ids=CASES)
def test_an_error_names_the_line_of_the_user(code, name, kind, line, words, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(code)
    with pytest.raises(kind) as caught, found_source(f"{path}:{name}"):
        pass
    assert caught.value.place == f"{path}:{line}"
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_name_that_only_a_program_sets_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("if __name__ == '__main__':\n    model = 1\n")
    with pytest.raises(MadeByMainError), found_source(f"{path}:model"):
        pass


def test_a_module_that_is_not_there_is_not_an_error_in_the_users_code():
    with pytest.raises(SourceNotFoundError), found_source("nosuch.module:model"):
        pass
