"""The hybridx of another environment, run as its user runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.cli.shell import Finished, new_command
from tests.fresh_machine import fresh


@dataclass(frozen=True)
class Installed:
    """A virtual environment with hybridx in it, which knows nothing of this folder.

    Attributes:
        home: its folder.
    """

    home: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def hybridx(self, *arguments: object, folder: Path) -> Finished:
        """Run `python -m hybridx` in it, in a folder that is also the user's home."""
        variables = fresh(os.environ, folder)
        variables.pop("PYTHONPATH", None)  # else it would run the hybridx of this folder
        return new_command(*arguments, folder=folder, python=self.python, variables=variables)
