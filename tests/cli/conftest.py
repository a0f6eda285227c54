"""A working directory for each command, and an exported model to work on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cli.shell import DATA, USER_MODEL, Warm


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    runner = Warm(tmp_path_factory.mktemp("warm"))
    yield runner
    runner.close()


@pytest.fixture
def folder(tmp_path):
    """A working directory with the user's file in it."""
    (tmp_path / "user_model.py").write_text(USER_MODEL.read_text())
    return tmp_path


@pytest.fixture(scope="session")
def exported(warm, tmp_path_factory):
    """The bytes of the user's model, exported."""
    folder = tmp_path_factory.mktemp("exported")
    command = ("export", f"{USER_MODEL}:model", "--shape", "N,4", "-o", "model.onnx")
    finished = warm(*command, folder=folder)
    assert finished.code == 0, finished.talk
    return (folder / "model.onnx").read_bytes()


@pytest.fixture
def model(folder, exported):
    """The exported model in the working directory, and data that fit it."""
    path = folder / "model.onnx"
    path.write_bytes(exported)
    np.save(folder / "x.npy", DATA)
    return path
