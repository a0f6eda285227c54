"""`--engine custom-op`, as a user asks for it."""

from __future__ import annotations

import numpy as np
import pytest

from hybridx.artifact import Metadata, SelfTest
from hybridx.runtime import start_session
from tests.cli.shell import command, listing
from tests.runtime.models import GRAPHS

ENGINE = ("--engine", "custom-op")


@pytest.fixture
def folder(tmp_path):
    """A hand-made model with a self-test."""
    make = GRAPHS["one behind another"]
    inputs = {"x": np.random.default_rng(1).uniform(-3, 3, (3, 2)).astype(np.float32)}
    metadata = Metadata("0", self_test=SelfTest(inputs, start_session(make()).run(inputs), 1e-5))
    (tmp_path / "model.onnx").write_bytes(make(metadata=metadata).content)
    return tmp_path


def test_the_self_test_passes_with_circuits_as_a_custom_operator(folder):
    pytest.importorskip("onnxruntime_extensions", reason="there are no wheels for Python 3.14")
    words = ("run", "model.onnx", "--device", "default.qubit", *ENGINE)
    finished = command(*words, folder=folder)
    assert finished.code == 0, finished.talk
    assert "verified" in finished.out


@pytest.mark.parametrize(
    ("words", "code", "facts"),
    [
        (ENGINE, "HX021", ["--engine custom-op needs --device"]),
        (("--device", "default.qubit", "--engine", "warp"), "HX017", ["'warp'", "split, custom"]),
    ],
    ids=["no device", "unknown"],
)
def test_an_engine_that_cannot_be_is_refused(words, code, facts, folder):
    before = listing(folder)
    finished = command("run", "model.onnx", *words, folder=folder)
    assert finished.code == 3
    assert finished.out == ""
    assert f"error {code} " in finished.talk
    assert [fact for fact in facts if fact not in finished.talk] == [], finished.talk
    assert listing(folder) == before
