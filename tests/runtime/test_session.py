"""What a session takes and refuses, and how it treats devices."""

from __future__ import annotations

import numpy as np
import pytest

from hybridx.circuit import parse, simulate
from hybridx.errors import (
    DeviceFailedError,
    InputDtypeError,
    InputNamesError,
    InputShapeError,
    MissingExtraError,
    MissingPluginError,
    OptionError,
    UnknownDeviceError,
)
from hybridx.runtime import check_device_name, device_names, start_session
from tests.runtime.models import GRAPHS, TURN

X = np.random.default_rng(6).uniform(-3, 3, (3, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def artifact():
    return GRAPHS["a circuit and no more"]()


@pytest.fixture(scope="module")
def session(artifact):
    return start_session(artifact)


def test_a_session_shows_what_users_need_and_no_more(session):
    """What the rest of hybridx does with a session are functions of the room."""
    assert [name for name in dir(session) if not name.startswith("_")] == [
        "artifact",
        "close",
        "device",
        "input_names",
        "inputs",
        "metadata",
        "output_names",
        "run",
        "shots",
        "signed",
        "usage",
    ]


@pytest.mark.parametrize(
    ("inputs", "error", "fields"),
    [
        ({}, InputNamesError, {"given": "none", "expected": "x"}),
        ({"z": X, "x": X}, InputNamesError, {"given": "x, z", "expected": "x"}),
        ({"x": X[:, :1]}, InputShapeError, {"found": "(3, 1)", "expected": "(batch, 2)"}),
        ({"x": X[0]}, InputShapeError, {"found": "(2,)", "expected": "(batch, 2)"}),
        ({"x": np.float32(1)}, InputShapeError, {"found": "()", "expected": "(batch, 2)"}),
        ({"x": X + 1j}, InputDtypeError, {"found": "complex64", "expected": "float32"}),
        ({"x": X.astype("U9")}, InputDtypeError, {"found": "<U9", "expected": "float32"}),
        ({"x": X.astype(object)}, InputDtypeError, {"found": "object", "expected": "float32"}),
    ],
    ids=["none", "extra", "width", "rank", "scalar", "complex", "strings", "objects"],
)
def test_what_does_not_fit_is_refused(inputs, error, fields, session):
    with pytest.raises(error) as caught:
        session.run(inputs)
    assert fields.items() <= caught.value.facts().items()


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8", "bool"])
def test_numbers_are_converted(dtype, session):
    array = np.array([[0, 1], [1, 1]], dtype=dtype)
    expected = session.run({"x": array.astype(np.float32)})["y"]
    np.testing.assert_array_equal(session.run({"x": array})["y"], expected)


def test_lists_are_arrays_too(session):
    expected = session.run({"x": X})["y"]
    np.testing.assert_array_equal(session.run({"x": X.tolist()})["y"], expected)


@pytest.mark.parametrize("device", ["onnx", "default.qubit"])
def test_no_rows_give_no_rows(device, artifact):
    assert start_session(artifact, device=device).run({"x": X[:0]})["y"].shape == (0, 2)


@pytest.mark.parametrize("name", ["onnx", "default.qubit", "lightning.qubit"])
def test_known_devices_pass(name):
    check_device_name(name)
    assert name == "onnx" or name in device_names()


@pytest.mark.usefixtures("without_plugins")
@pytest.mark.parametrize(
    ("name", "error", "fields"),
    [
        ("default.qbit", UnknownDeviceError, {"name": "default.qbit"}),
        ("lightning.nosuch", UnknownDeviceError, {"name": "lightning.nosuch"}),
        ("", UnknownDeviceError, {"name": ""}),
        ("qiskit.aer", MissingPluginError, {"plugin": "pennylane-qiskit"}),
        ("cirq.simulator", MissingPluginError, {"plugin": "pennylane-cirq"}),
        ("braket.aws.qubit", MissingPluginError, {"plugin": "amazon-braket-pennylane-plugin"}),
    ],
)
def test_unknown_devices_are_refused_by_what_they_lack(name, error, fields):
    with pytest.raises(error) as caught:
        check_device_name(name)
    assert fields.items() <= caught.value.facts().items()


def test_the_nearest_name_comes_first():
    with pytest.raises(UnknownDeviceError) as caught:
        check_device_name("default.qbit")
    assert caught.value.nearest.startswith("default.qubit")


def test_without_pennylane_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    check_device_name("onnx")
    with pytest.raises(MissingExtraError) as caught:
        check_device_name("default.qubit")
    assert caught.value.extra == "devices"


def test_an_unknown_provider_is_refused(artifact):
    with pytest.raises(OptionError) as caught:
        start_session(artifact, provider="tpu")
    assert "cpu" in caught.value.choices


SHOTS = 20_000


def sampled(artifact, seed, shots=SHOTS):
    return start_session(artifact, device="default.qubit", shots=shots, seed=seed).run({"x": X})[
        "y"
    ]


def test_a_seed_repeats_its_samples_and_another_seed_does_not(artifact):
    first = sampled(artifact, seed=1, shots=100)
    np.testing.assert_array_equal(sampled(artifact, seed=1, shots=100), first)
    assert (sampled(artifact, seed=2, shots=100) != first).any()


def test_samples_have_the_exact_mean(artifact):
    exact = simulate(parse(TURN), X.astype(np.float64))
    # A mean of n samples of +-1 has the deviation sqrt((1 - mean^2) / n); the seed is fixed, and
    # of six values one beyond 4.5 deviations would have had a chance of 4e-5.
    bound = 4.5 * np.sqrt((1 - exact**2) / SHOTS)
    assert (np.abs(sampled(artifact, seed=3) - exact) < bound).all()
    # Few samples lie on the grid of multiples of 2/n: they are samples, not exact values.
    few = sampled(artifact, seed=3, shots=10)
    np.testing.assert_allclose(few * 5, np.round(few * 5), rtol=0, atol=1e-6)


class Failing:
    """What a remote device may do."""

    def __new__(cls, *_, **__):
        raise ConnectionError("no route to the machine")


def test_a_device_that_does_not_open_is_named(artifact, monkeypatch):
    monkeypatch.setattr("pennylane.device", Failing)
    with pytest.raises(DeviceFailedError) as caught:
        start_session(artifact, device="default.qubit")
    assert caught.value.name == "default.qubit"
    assert caught.value.reason == "ConnectionError: no route to the machine"
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_device_that_fails_in_the_middle_is_named(artifact, monkeypatch):
    import pennylane as qml

    session = start_session(artifact, device="default.qubit")
    monkeypatch.setattr(qml.devices.DefaultQubit, "execute", Failing)
    with pytest.raises(DeviceFailedError) as caught:
        session.run({"x": X})
    assert caught.value.name == "default.qubit"
    assert "no route to the machine" in caught.value.reason
