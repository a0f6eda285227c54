"""What pip installs into an environment, from the bounds in `pyproject.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.rows import read_rows

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# The tests that say most in few minutes: each private name, each kind of circuit through each
# format, each library's own interfaces.
CORE = (
    "tests/artifact/test_contract.py",
    "tests/capture/qnode",
    "tests/capture/test_internals.py",
    "tests/capture/test_module.py",
    "tests/golden/test_golden.py",
    "tests/program",
    "tests/runtime",
    "tests/targets/test_splice.py",
    "tests/targets/test_torch_internals.py",
    "tests/versions/test_commands.py",
    "tests/test_parity.py",
    "tests/test_sensitivity.py",
)
TOOLS = ("hypothesis", "pytest")
REQUIREMENT = re.compile(r"([\w.-]+)(?:>=([\d.]+))?(?:,<([\d.]+))?")


@dataclass(frozen=True)
class Environment:
    """A row of `environments.toml`."""

    name: str
    python: str
    versions: Literal["oldest", "newest", "alone"]
    instead: tuple[str, ...] = ()
    default: bool = False
    opset: int = 0
    without: tuple[str, ...] = ()

    def requirements(self) -> list[str]:
        """Return what pip is to install, the interpreter's own packages apart."""
        if self.versions == "alone":
            return ["--no-deps", *self.instead]
        declared = declared_requirements()
        if self.versions == "oldest":
            declared = [oldest(requirement) for requirement in declared]
        replaced = set(map(_name, self.instead))
        declared = [one for one in declared if _name(one) not in replaced]
        return [*declared, *self.instead, *TOOLS]


def environments() -> dict[str, Environment]:
    """Return the rows by their names."""
    return read_rows(HERE / "environments.toml", Environment)


def declared_requirements() -> list[str]:
    """Return what the base install and the `export` extra require, with their bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["export"]]


def oldest(requirement: str) -> str:
    """Return the requirement of the oldest release that another allows.

    Example:
        >>> oldest("numpy>=2.0,<2.5")
        'numpy==2.0.*'
    """
    found = REQUIREMENT.fullmatch(requirement)
    if found is None or found[2] is None:
        raise ValueError(f"{requirement!r} in pyproject.toml has no lower bound")
    return f"{found[1]}=={found[2]}.*"


def _name(requirement: str) -> str:
    return re.split(r"[<>=]", requirement)[0]
