"""What is known of devices: their options, their seeds, their secrets, what they lack."""

from __future__ import annotations

import sys
import types

import pytest

from hybridx.device_table import FAMILIES
from hybridx.errors import (
    DeviceFailedError,
    MissingCredentialsError,
    MissingOptionError,
    MissingPluginError,
    OptionError,
    OptionNeedsError,
    ProviderFailedError,
    SecretOptionError,
)
from hybridx.runtime import available_providers, device_statuses, onnx, start_session
from hybridx.runtime.devices import (
    check_device_name,
    check_options,
    check_required,
    make_device,
)
from hybridx.runtime.secrets import is_secret, scrub
from tests.runtime.models import GRAPHS
from tests.runtime.remote import Service, rows

SECRET = "tk-5f1e9a2b7c"


# A service may have credentials in the environment or not: its error says whether they matter.
LOGINS = {"none there": {}, "one there": {"IONQ_API_KEY": SECRET, "QISKIT_IBM_TOKEN": SECRET}}


@pytest.fixture(params=LOGINS.values(), ids=LOGINS)
def login(request, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in LOGINS["one there"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def artifact():
    return GRAPHS["a circuit and no more"]()


@pytest.fixture
def opened(monkeypatch):
    """What PennyLane is asked to open."""
    calls = []

    def device(name, **keywords):
        calls.append((name, keywords))
        return object()

    monkeypatch.setattr("pennylane.device", device)
    return calls


@pytest.mark.parametrize(
    ("name", "seeded"),
    [
        ("default.qubit", {"seed": 4}),
        ("lightning.qubit", {"seed": 4}),
        ("qiskit.aer", {"seed_simulator": 4}),
        ("default.tensor", {}),
        ("ionq.qpu", {}),
        ("some.other", {}),
    ],
)
def test_a_seed_goes_to_the_devices_that_take_one(name, seeded, opened):
    make_device(name, 3, 4)
    assert opened == [(name, {"wires": 3, **seeded})]


def test_options_reach_the_device(opened):
    make_device("default.mixed", 2, None, {"readout_prob": 0.1})
    assert opened == [("default.mixed", {"wires": 2, "readout_prob": 0.1})]


@pytest.mark.usefixtures("login")
def test_what_wants_an_object_is_given_one_by_its_name(opened, monkeypatch):
    fake = types.ModuleType("qiskit_ibm_runtime")
    fake.fake_provider = types.SimpleNamespace(FakeManilaV2=lambda: "the backend")
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime", fake)
    make_device("qiskit.remote", 2, None, {"backend": "FakeManilaV2"})
    assert opened[0][1]["backend"] == "the backend"
    with pytest.raises(DeviceFailedError, match="nearest: FakeManilaV2"):
        make_device("qiskit.remote", 2, None, {"backend": "FakeManila"})


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("ionq.qpu", {"api_key": SECRET}, SecretOptionError),
        ("braket.aws.qubit", {"aws_session_token": SECRET}, SecretOptionError),
        ("default.qubit", {"wires": 3}, OptionError),
    ],
)
def test_options_that_a_device_must_not_have(name, options, error):
    with pytest.raises(error) as caught:
        check_options(name, options)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["qiskit.remote", "braket.aws.qubit", "rigetti.qpu"])
def test_options_that_a_device_must_have(name):
    with pytest.raises(MissingOptionError):
        check_required(name, {"parallel": True}, 10)
    check_required(name, {"backend": "a", "device_arn": "b", "device": "c"}, 10)


@pytest.mark.parametrize("name", ["qiskit.remote", "ionq.simulator", "aqt.sim"])
def test_a_service_is_not_left_to_choose_its_shots(name):
    with pytest.raises(OptionNeedsError):
        check_required(name, {"backend": "a"}, None)


@pytest.mark.parametrize("name", ["default.qubit", "qiskit.aer", "some.other"])
def test_a_device_on_this_machine_may_be_exact(name):
    check_required(name, {}, None)


@pytest.mark.usefixtures("without_plugins")
def test_default_tensor_says_what_it_needs():
    with pytest.raises(MissingPluginError) as caught:
        check_device_name("default.tensor")
    assert caught.value.plugin == "quimb"


@pytest.mark.parametrize(
    "name",
    ["IONQ_API_KEY", "AWS_SECRET_ACCESS_KEY", "QISKIT_IBM_TOKEN", "DB_PASSWORD", "api_key", "PAT"],
)
def test_names_of_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["PATH", "HOME", "shots", "noise_model", "KEYBOARD", "method"])
def test_names_of_no_secrets(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    "text",
    [
        f"401: key {SECRET} is not known",
        f"https://user:{SECRET}@host/api failed",
        f"header Authorization: Bearer {SECRET}",
        "GET /?key=tk-5f1e9a2b7c%2Fx",
    ],
)
def test_secrets_are_not_shown(text, monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", SECRET)
    assert SECRET not in scrub(text)


def test_plain_words_are_left_alone(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "none")
    text = "there is none: Token authentication failed for basic circuits"
    assert scrub(text) == text


def fail_with(monkeypatch, error):
    def device(*_, **__):
        raise error

    monkeypatch.setattr("pennylane.device", device)


def test_a_failure_to_open_shows_no_secret(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", SECRET)
    fail_with(monkeypatch, RuntimeError(f"key {SECRET} is odd"))
    with pytest.raises(DeviceFailedError) as caught:
        make_device("ionq.qpu", 2)
    assert "<IONQ_API_KEY>" in caught.value.reason
    # A traceback shows the cause too.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_failure_to_run_shows_no_secret(artifact, monkeypatch, caplog):
    monkeypatch.setenv("SOME_PASSWORD", SECRET)
    service = Service(mishaps={1: ConnectionError(SECRET), 2: ValueError(f"with {SECRET}")})
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(DeviceFailedError) as caught:
        start_session(artifact, device=service).run({"x": rows(2)})
    assert "<SOME_PASSWORD>" in caplog.text
    assert SECRET not in str(caught.value) + caplog.text
    assert caught.value.__cause__ is None


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    ("name", "error", "place"),
    [
        ("ionq.qpu", PermissionError("API key must be provided"), "IONQ_API_KEY"),
        ("aqt.sim", ValueError("No valid api key for AQT platform found."), "AQT_TOKEN"),
    ],
)
def test_a_service_without_credentials_says_where_they_go(name, error, place, monkeypatch):
    fail_with(monkeypatch, error)
    with pytest.raises(MissingCredentialsError) as caught:
        make_device(name, 2)
    assert caught.value.place == place
    assert str(error) in caught.value.reason


@pytest.mark.usefixtures("login")
def test_a_service_that_fails_for_another_reason_is_not_told_to_log_in(monkeypatch):
    fail_with(monkeypatch, RuntimeError("no such target"))
    with pytest.raises(DeviceFailedError) as caught:
        make_device("ionq.qpu", 2)
    assert caught.value.reason == "RuntimeError: no such target"


def test_a_device_on_this_machine_has_no_credentials(monkeypatch):
    fail_with(monkeypatch, PermissionError("API key must be provided"))
    with pytest.raises(DeviceFailedError):
        make_device("qiskit.aer", 2)


@pytest.mark.usefixtures("without_plugins")
def test_every_family_is_in_the_report_of_what_is_there(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", SECRET)
    statuses = {status.name: status for status in device_statuses()}
    for family in FAMILIES:
        assert any(name.startswith(family.prefix) for name in statuses), family.prefix
    assert statuses["default.qubit"].is_ready
    assert statuses["ionq.*"].needs == "pip install pennylane-ionq"
    assert "AWS_PROFILE" in statuses["braket.*"].needs
    assert SECRET not in str(statuses)


def test_a_provider_that_does_not_start_is_no_silent_processor(artifact, monkeypatch):
    """ONNX Runtime itself falls back without an error where a provider's libraries are missing."""
    monkeypatch.setattr(onnx, "available_providers", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(onnx, "_providers", lambda _: ["CPUExecutionProvider"])
    with pytest.raises(ProviderFailedError) as caught:
        start_session(artifact, provider="cuda")
    assert caught.value.provider == "cuda"


def test_the_provider_that_was_taken_is_recorded(artifact):
    assert "cpu" in available_providers()
    # What auto takes depends on the machine.
    for provider, taken in (("auto", available_providers()), ("cpu", ("cpu",))):
        assert start_session(artifact, provider=provider).usage.provider in taken
        # There is no classical part.
        session = start_session(artifact, device="default.qubit", provider=provider)
        assert session.usage.provider == "none"
