"""Files on devices with shots: consistent by a stated test, and refused where they are not."""

from __future__ import annotations

import pennylane as qml
import pytest
import torch

import hybridx
from hybridx import api
from hybridx.errors import InconsistentResultError, MismatchError, OptionError, OptionNeedsError
from tests.cli.user_model import Small

SHOTS = 2000
SAMPLED = {"device": "default.qubit", "shots": 10}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("verifying") / "model.onnx"
    hybridx.export(Small(), (torch.zeros(3, 4),), path)
    return path


def noisy(wires=4):
    """A device on which every gate depolarises its wires a little."""
    noise = qml.NoiseModel(
        {qml.BooleanFn(lambda op: True): lambda op, **_: [
            qml.DepolarizingChannel(0.05, wires=wire) for wire in op.wires
        ]}
    )  # fmt: skip
    return qml.noise.add_noise(qml.device("default.mixed", wires=wires), noise)


@pytest.mark.parametrize("engine", ["split", "custom-op"])
def test_a_right_device_is_consistent_and_the_file_exact(path, engine):
    report = api.self_test(path, device="default.qubit", shots=SHOTS, seed=5, engine=engine)
    assert report.consistency.p_value > report.consistency.significance == 0.01
    assert report.consistency.tests > 0
    assert report.worst <= report.tolerance
    assert (report.device, report.usage.shots) == ("default.qubit", SHOTS)


def test_it_may_be_compared_with_the_model_too(path):
    report = hybridx.verify(
        path, against=Small(), device="lightning.qubit", shots=SHOTS, seed=5, significance=0.001
    )
    assert report.batches == (1, 2, 5, 16)
    assert report.consistency.significance == 0.001


def test_a_noisy_device_is_told_from_a_right_one(path):
    with pytest.raises(InconsistentResultError, match=f"{SHOTS} shots"):
        hybridx.verify(path, device=noisy(), shots=SHOTS)


def test_a_tolerance_compares_samples_as_they_are(path):
    with pytest.raises(MismatchError):
        hybridx.verify(path, device="default.qubit", shots=100, seed=1, atol=1e-6)
    assert hybridx.verify(path, device="default.qubit", shots=SHOTS, seed=1, atol=1.0).worst < 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"significance": 0.01}, OptionNeedsError),
        ({"significance": 0.01, "atol": 1.0, **SAMPLED}, OptionNeedsError),
        ({"significance": 1.5, **SAMPLED}, OptionError),
    ],
)
def test_a_significance_that_says_nothing_is_refused(path, options, error):
    with pytest.raises(error):
        hybridx.verify(path, **options)
