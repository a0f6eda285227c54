"""All tests here are slow: they build the package, and install it in environments of their own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installed import Installed
from tests.package.installed import ROOT, make


@dataclass(frozen=True)
class Built:
    """The two files of a release."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def tools() -> Installed:
    """An environment with what builds and checks a package."""
    return make("tools", ["build", "twine"])


@pytest.fixture(scope="session")
def built(tools, tmp_path_factory) -> Built:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([tools.python, "-m", "build", "--outdir", folder, ROOT], check=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)
