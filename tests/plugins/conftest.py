"""All tests here are slow and share an environment and a folder with model files."""

from __future__ import annotations

import numpy as np
import pytest

from hybridx.artifact import Metadata, SelfTest
from hybridx.circuit import parse, simulate
from tests.plugins.environment import make
from tests.runtime.models import GRAPHS, TURN, build
from tests.runtime.remote import rows


@pytest.fixture(scope="session")
def base():
    return make("base")


@pytest.fixture(scope="session")
def braket():
    return make("braket")


@pytest.fixture(scope="session")
def qiskit():
    return make("qiskit")


@pytest.fixture(scope="session")
def inputs():
    return rows(5)


@pytest.fixture(scope="session")
def exact(inputs):
    """The outputs of `model.onnx` by the reference simulator: two expectation values a row."""
    means = simulate(parse(TURN), inputs)
    assert np.abs(means).max() < 0.999, "at ±1 a mean has no spread to measure errors in"
    return means


@pytest.fixture
def place(tmp_path, inputs, exact):
    """A folder with data and two models: one circuit, and three circuits with classical parts."""
    outputs = {"y": exact.astype(np.float32)}
    metadata = Metadata("0", self_test=SelfTest({"x": inputs}, outputs, 1e-5))
    model = build([(TURN, ["x"], "y")], [("y", ["batch", 2])], metadata=metadata)
    (tmp_path / "model.onnx").write_bytes(model.content)
    (tmp_path / "deep.onnx").write_bytes(GRAPHS["one behind another"]().content)
    np.save(tmp_path / "x.npy", inputs)
    return tmp_path
