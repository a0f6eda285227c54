"""A working directory for each command, and an exported model to work on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cli.shell import DATA, USER_MODEL, command


@pytest.fixture
def folder(tmp_path):
    """A working directory with the user's file in it."""
    (tmp_path / "user_model.py").write_text(USER_MODEL.read_text())
    return tmp_path


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """The folder with the user's model exported, and what the command reported."""
    folder = tmp_path_factory.mktemp("exported")
    words = ("export", f"{USER_MODEL}:model", "--shape", "N,4", "--json")
    return folder, command(*words, folder=folder).json()


@pytest.fixture(scope="session")
def exported(export):
    """The bytes of the exported model."""
    return (export[0] / "model.onnx").read_bytes()


@pytest.fixture(scope="session")
def export_report(export):
    return export[1]


@pytest.fixture
def model(folder, exported):
    """The exported model in the working directory, and data that fit it."""
    path = folder / "model.onnx"
    path.write_bytes(exported)
    np.save(folder / "x.npy", DATA)
    return path
