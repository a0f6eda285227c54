"""All tests here are slow and share the built package and a folder of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web import cases
from tests.web.npm import WEB, install, npm


@pytest.fixture(scope="session")
def workspace() -> Path:
    """The workspace with what it depends on, and hybridx-web built and its types checked."""
    install()
    npm("run", "build", "--workspace", "hybridx-web")
    return WEB


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A folder with files, and what Python says of them."""
    folder = tmp_path_factory.mktemp("cases")
    cases.write(folder)
    return folder
