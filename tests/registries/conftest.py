"""All tests here are slow: they run programs in environments that pip makes in `.servers`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fresh_machine import ROOT, fresh, made

HERE = Path(__file__).parent


class Alone:
    """An environment in which a program of `alone` runs, with an empty home and no account."""

    def __init__(self, name, *, alone=False):
        pins = (HERE / f"{name}.txt").read_text(encoding="utf-8").split()
        self.python = made(ROOT / ".servers" / name, sys.executable, pins, alone=alone)
        if self.python is None:
            pytest.fail(f"pip cannot install {name}.txt; its own configuration says from where")

    def __call__(self, program, folder, *arguments, **variables):
        """What a program prints as JSON, in its last line."""
        done = subprocess.run(
            [str(self.python), str(HERE / "alone" / program), *map(str, arguments)],
            cwd=folder,
            env=fresh(os.environ, folder) | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def environment():
    """An environment by the name of its pins."""
    return Alone
