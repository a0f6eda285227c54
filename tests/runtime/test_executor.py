"""What stands between a model and a device that costs money."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest

import hybridx
from hybridx.errors import (
    BrokenResultsError,
    DeviceFailedError,
    ForeignResultsError,
    MissingPluginError,
    OptionError,
    OptionNeedsError,
    OverBudgetError,
    PartialResultsError,
    ResultsInUseError,
    UnansweredError,
    UnknownDeviceError,
)
from hybridx.runtime import Execution, Options, start_session
from tests.runtime.models import GRAPHS
from tests.runtime.remote import Service, rows

X = rows(3)
DEEP = "side by side, unlike depths"  # three calls of circuits


@pytest.fixture(scope="module")
def artifact():
    return GRAPHS[DEEP]()


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """How long a session would have slept."""
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.fixture(autouse=True)
def notes(caplog):
    """What is logged for people, warnings and what is no more than information."""
    caplog.set_level(logging.INFO, "hybridx")


@pytest.fixture
def folder(tmp_path, artifact):
    (tmp_path / "model.onnx").write_bytes(artifact.content)
    np.save(tmp_path / "x.npy", X)
    return tmp_path


def predict(folder, service, **options):
    return hybridx.predict(
        folder / "model.onnx", folder / "x.npy", folder / "y.npz", device=service, **options
    )


def test_an_execution_and_its_keyword_arguments_keep_step():
    named = [field.name for field in dataclasses.fields(Execution)]
    assert named == list(Options.__annotations__)


def test_a_device_object_serves_as_well_as_a_name(artifact):
    service = Service()
    session = start_session(artifact, device=service)
    expected = start_session(artifact).run({"x": X})["y"]
    # float32 bodies against complex128 simulation.
    np.testing.assert_allclose(session.run({"x": X})["y"], expected, rtol=0, atol=1e-5)
    assert session.device == "some.service"
    assert service.got == [3, 3, 3]
    used = session.usage
    assert (used.submissions, used.circuits, used.total_shots) == (3, 9, 0)


def test_what_may_pass_is_repeated_and_waits_longer_each_time(artifact, pauses, caplog):
    service = Service(mishaps={1: ConnectionError("reset"), 2: TimeoutError("slow")})
    session = start_session(artifact, device=service, shots=10)
    session.run({"x": X})
    assert (service.calls, service.got) == (5, [3, 3, 3])
    assert pauses == [1.0, 2.0]
    assert ["reset" in caplog.messages[0], "slow" in caplog.messages[1]] == [True, True]
    # The device may have run what did not come back.
    assert (session.usage.submissions, session.usage.total_shots) == (5, 150)


@pytest.mark.parametrize(
    ("mishap", "retries", "calls"),
    [(ValueError("no such gate"), 3, 1), (ConnectionError("reset"), 0, 1)],
    ids=["for good", "not wanted"],
)
def test_what_does_not_pass_is_not_repeated(mishap, retries, calls, artifact, pauses):
    service = Service(mishaps={1: mishap})
    with pytest.raises(DeviceFailedError) as caught:
        start_session(artifact, device=service, retries=retries).run({"x": X})
    assert caught.value.name == "some.service"
    assert (service.calls, pauses) == (calls, [])


def test_repetitions_end(artifact, pauses):
    service = Service(mishaps={call: ConnectionError("reset") for call in range(1, 9)})
    with pytest.raises(DeviceFailedError):
        start_session(artifact, device=service, retries=2).run({"x": X})
    assert (service.calls, pauses) == (3, [1.0, 2.0])


@pytest.mark.parametrize(
    ("bounds", "unit", "count"),
    [
        ({"max_circuits": 8}, "circuits", 9),
        ({"max_shots": 899}, "shots", 900),
        ({"max_circuits": 0}, "circuits", 9),
    ],
    ids=str,
)
def test_a_bound_stops_a_run_before_anything_is_sent(bounds, unit, count, artifact, folder):
    service = Service()
    with pytest.raises(OverBudgetError) as caught:
        start_session(artifact, device=service, shots=100, **bounds).run({"x": X})
    assert (caught.value.unit, caught.value.count) == (unit, count)
    with pytest.raises(OverBudgetError):
        predict(folder, service, shots=100, batch_size=1, **bounds)
    assert service.calls == 0
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "x.npy"]


def test_a_service_that_takes_one_circuit_at_a_time_loses_none(folder, monkeypatch):
    monkeypatch.setattr("hybridx.runtime.pennylane._ONE_BY_ONE", {"some.service"})
    broken = Service(mishaps={5: ValueError("out of order")})
    with pytest.raises(DeviceFailedError):
        predict(folder, broken, shots=10)
    whole = Service()
    report = predict(folder, whole, shots=10, resume=True, max_circuits=5)
    assert (broken.got, whole.got) == ([1] * 4, [1] * 5)
    assert (report.usage.resumed, report.usage.circuits) == (4, 5)


def test_a_bound_that_is_met_exactly_lets_a_run_pass_once(artifact):
    session = start_session(artifact, device=Service(), shots=100, max_circuits=9, max_shots=900)
    session.run({"x": X})
    with pytest.raises(OverBudgetError):
        session.run({"x": X})
    assert session.usage.circuits == 9


def test_a_repetition_counts_against_the_bound(artifact):
    service = Service(mishaps={3: ConnectionError("reset")})
    with pytest.raises(OverBudgetError):
        start_session(artifact, device=service, max_circuits=9).run({"x": X})
    assert service.calls == 3


def test_a_dry_run_sends_nothing_and_counts_what_a_run_sends(folder, caplog):
    service = Service()
    planned = predict(folder, service, shots=100, dry_run=True, batch_size=2)
    assert (service.calls, planned.is_dry, planned.outputs) == (0, True, {})
    assert caplog.messages == ["some.service would get 9 circuits with 900 shots in 6 submissions"]
    assert not (folder / "y.npz").exists()
    done = predict(folder, service, shots=100, batch_size=2)
    fields = ("submissions", "circuits", "total_shots")
    for field in fields:
        assert getattr(planned.usage, field) == getattr(done.usage, field)
    assert service.got == [2, 2, 2, 1, 1, 1]


@pytest.mark.usefixtures("without_plugins")
def test_a_dry_run_needs_no_plug_in(folder, caplog):
    words = {"device": "ionq.qpu", "shots": 50, "dry_run": True}
    report = hybridx.predict(folder / "model.onnx", folder / "x.npy", **words)
    # A row of TURN measures Z0 and X0@Y1, which share no basis: two circuits; so of MIX.
    assert report.usage.circuits > 9
    assert report.usage.total_shots == 50 * report.usage.circuits
    assert "estimated" in caplog.messages[0]


@pytest.mark.parametrize("seed", [None, 7])
def test_a_run_that_fails_in_its_third_submission_goes_on_from_there(
    seed, folder, artifact, caplog
):
    broken = Service(mishaps={3: ValueError("out of order")})
    with pytest.raises(DeviceFailedError):
        predict(folder, broken, seed=seed)
    assert not (folder / "y.npz").exists()
    assert "2 submissions are kept" in caplog.messages[-1]
    assert "--resume" in caplog.messages[-1]
    with pytest.raises(PartialResultsError):
        predict(folder, Service(), seed=seed)
    whole = Service()
    report = predict(folder, whole, seed=seed, resume=True)
    assert (whole.calls, whole.got) == (1, [3])
    assert (report.usage.resumed, report.usage.submissions) == (2, 1)
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "x.npy", "y.npz"]
    expected = start_session(artifact).run({"x": X})["y"]
    np.testing.assert_allclose(report.outputs["y"], expected, rtol=0, atol=1e-5)


def test_what_is_resumed_equals_what_was_not_stopped(folder, monkeypatch):
    """Samples too: each submission has a seed of its own."""
    words = {"shots": 20, "seed": 5, "batch_size": 2}
    at_once = predict(folder, "default.qubit", **words).outputs["y"]
    (folder / "y.npz").unlink()
    import pennylane as qml

    whole = qml.devices.DefaultQubit.execute
    left = [None] * 3

    def failing(*args, **kwargs):
        if not left:
            raise ValueError("out of order")
        left.pop()
        return whole(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(qml.devices.DefaultQubit, "execute", failing)
        with pytest.raises(DeviceFailedError):
            predict(folder, "default.qubit", **words)
    resumed = predict(folder, "default.qubit", resume=True, **words)
    assert (resumed.usage.resumed, resumed.usage.submissions) == (3, 3)
    np.testing.assert_array_equal(resumed.outputs["y"], at_once)


def stopped(folder, **options):
    """Leave results of two submissions."""
    with pytest.raises(DeviceFailedError):
        predict(folder, Service(mishaps={3: ValueError("out of order")}), **options)
    return folder / "y.npz.partial"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: np.save(folder / "x.npy", X + 1), "data"),
        (
            lambda folder: (folder / "model.onnx").write_bytes(
                GRAPHS["one behind another"]().content
            ),
            "model",
        ),
    ],
    ids=["data", "model"],
)
def test_results_of_another_run_are_refused(change, what, folder):
    partial = stopped(folder)
    before = partial.read_bytes()
    change(folder)
    service = Service()
    with pytest.raises(ForeignResultsError) as caught:
        predict(folder, service, resume=True)
    assert caught.value.what == what
    assert (service.calls, partial.read_bytes()) == (0, before)
    predict(folder, service, overwrite=True)
    assert not partial.exists()


@pytest.mark.parametrize(("options", "what"), [({"shots": 9}, "shots"), ({"seed": 9}, "seed")])
def test_results_of_other_settings_are_refused(options, what, folder):
    stopped(folder)
    with pytest.raises(ForeignResultsError) as caught:
        predict(folder, Service(), resume=True, **options)
    assert caught.value.what == what


def test_slices_of_another_size_are_refused_as_they_would_be_paid_for_again(folder):
    stopped(folder)
    service = Service()
    with pytest.raises(ForeignResultsError) as caught:
        predict(folder, service, resume=True, batch_size=1)
    assert (caught.value.what, caught.value.expected, service.calls) == ("batch size", "1", 0)


def test_rows_of_a_run_without_a_device_are_not_taken_for_paid_results(folder):
    content = b'{"hybridx_rows":1,"run":{},"arrays":{}}\n'
    (folder / "y.npz.partial").write_bytes(content)
    with pytest.raises(ForeignResultsError) as caught:
        predict(folder, Service(), resume=True)
    assert (caught.value.what, caught.value.found) == ("device", "onnx")
    assert (folder / "y.npz.partial").read_bytes() == content


def test_a_line_that_a_crash_cut_short_is_sent_again(folder):
    partial = stopped(folder)
    lines = partial.read_bytes().splitlines(keepends=True)
    assert len(lines) == 7  # the run; three submissions sent, two with results and one that failed
    partial.write_bytes(b"".join(lines[:5])[:-9])
    service = Service()
    with pytest.raises(UnansweredError) as caught:
        predict(folder, service, resume=True)
    assert (caught.value.sent, service.calls) == ("3 circuits", 0)
    assert predict(folder, service, resume=True, resend=True).usage.resumed == 1
    assert service.calls == 2


@pytest.mark.parametrize(
    "content",
    [b"no", b"no JSON\n", b"{}\n", b'{"hybridx_results":3,"run":{}}\n', b"\x80\x04N.\n"],
    ids=["a word", "text", "no head", "newer", "pickle"],
)
def test_results_that_cannot_be_read_are_refused(content, folder):
    partial = stopped(folder)
    partial.write_bytes(content)
    service = Service()
    with pytest.raises(BrokenResultsError):
        predict(folder, service, resume=True)
    assert (service.calls, partial.read_bytes()) == (0, content)


def test_a_stop_by_hand_keeps_what_came_back(folder, caplog):
    with pytest.raises(KeyboardInterrupt):
        predict(folder, Service(mishaps={2: KeyboardInterrupt()}))
    assert "had 3 circuits and may have run them" in caplog.messages[-1]
    assert "1 submission is kept" in caplog.messages[-1]
    service = Service()
    with pytest.raises(UnansweredError):
        predict(folder, service, resume=True)
    assert service.calls == 0
    predict(folder, service, resume=True, resend=True)
    assert service.calls == 2


def test_what_is_sent_again_needs_a_run_to_go_on_with(folder):
    with pytest.raises(OptionNeedsError, match="resend=True needs resume"):
        predict(folder, Service(), resend=True)


def test_two_runs_do_not_keep_their_results_in_one_file(folder):
    """The second is refused before it sends anything."""
    other, refused = Service(), []

    class Meanwhile(Service):
        def execute(self, circuits, execution_config=None):
            with pytest.raises(ResultsInUseError) as caught:
                predict(folder, other, resume=True)
            refused.append(caught.value)
            return super().execute(circuits, execution_config)

    predict(folder, Meanwhile())
    assert (len(refused), other.calls) == (3, 0)


def test_repeats_give_means_and_standard_errors(folder, artifact):
    exact = start_session(artifact).run({"x": X})["y"]
    report = predict(folder, "default.qubit", shots=400, seed=1, repeats=25)
    mean, error = report.outputs["y"], report.outputs["y_standard_error"]
    assert report.usage.circuits == 25 * 9
    # The model is not linear in what it measures, so its mean is biased by the order of 1/shots;
    # of six values one beyond 6 standard errors estimated from 25 runs would be a defect.
    assert (np.abs(mean - exact) < 6 * error + 0.01).all()
    assert (error > 0).all()
    again = predict(folder, "default.qubit", shots=400, seed=1, repeats=25, overwrite=True)
    np.testing.assert_array_equal(again.outputs["y"], mean)


def test_what_does_not_go_together_is_refused(folder, artifact):
    service = Service()
    with pytest.raises(OptionNeedsError, match="needs shots"):
        predict(folder, service, repeats=2)
    with pytest.raises(OptionNeedsError, match="needs device"):
        start_session(artifact, shots=10)
    with pytest.raises(OptionError, match="npz"):
        hybridx.predict(
            folder / "model.onnx",
            folder / "x.npy",
            folder / "y.npy",
            device=service,
            shots=5,
            repeats=2,
        )
    assert service.calls == 0


@pytest.mark.parametrize(
    "options",
    [
        {"shots": 0},
        {"shots": 1.5},
        {"seed": -1},
        {"retries": -1},
        {"repeats": 0, "shots": 5},
        {"max_shots": -1},
        {"batch_size": 0},
    ],
    ids=str,
)
def test_numbers_that_count_nothing_are_refused(options, folder):
    service = Service()
    with pytest.raises(OptionError, match="a whole number from"):
        predict(folder, service, **options)
    assert service.calls == 0


@pytest.mark.usefixtures("without_plugins")
def test_a_fallback_is_taken_only_for_what_is_missing(artifact, caplog):
    words = {"fallback": "default.qubit"}
    session = start_session(artifact, device="ionq.qpu", **words)
    assert (session.device, session.usage.requested) == ("default.qubit", "ionq.qpu")
    assert "pennylane-ionq" in caplog.messages[0]
    with pytest.raises(UnknownDeviceError):
        start_session(artifact, device="default.qbit", **words)
    with pytest.raises(MissingPluginError):
        start_session(artifact, device="default.qubit", fallback="aqt.sim")


@pytest.mark.usefixtures("without_plugins")
def test_a_fallback_to_the_file_itself_has_no_shots(artifact):
    session = start_session(artifact, device="ionq.qpu", shots=10, fallback="onnx")
    assert (session.device, session.usage.shots) == ("onnx", None)
