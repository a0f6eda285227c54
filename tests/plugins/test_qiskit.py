"""`pip install 'hybridx[qiskit]'`: Aer with and without noise, and simulated IBM backends."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plugins.sampled import FARTHEST, standard_errors

RUN = ("run", "model.onnx", "-i", "x.npy", "--json")
AER = ("--device", "qiskit.aer")
NOISE = ("--option", "noise_model=FakeManilaV2")
REMOTE = ("--device", "qiskit.remote", "--option", "backend=FakeManilaV2")
SHOTS = 20_000
# Five qubits with errors of half a percent a CNOT and two to five percent a readout: a mean of two
# readouts shrinks by a tenth, and nothing is farther off.
MOST_NOISE = 0.2


def test_aer_gives_exact_values(qiskit, place):
    here = qiskit.hybridx("run", "deep.onnx", "-i", "x.npy", "--json", folder=place).json()
    words = ("run", "deep.onnx", "-i", "x.npy", "--json", *AER, "--option", "method=statevector")
    report = qiskit.hybridx(*words, folder=place).json()
    assert (report["device"], report["usage"]["total_shots"]) == ("qiskit.aer", 0)
    np.testing.assert_allclose(report["outputs"]["y"], here["outputs"]["y"], rtol=0, atol=1e-5)


def test_aer_samples_and_a_seed_repeats_it(qiskit, place, exact):
    words = (*RUN, *AER, "--shots", SHOTS, "--seed", 7)
    finished = qiskit.hybridx(*words, folder=place)
    report = finished.json()
    # The two words need different bases, so each row takes two circuits.
    assert f"qiskit.aer gets 10 circuits with {10 * SHOTS:,} shots" in finished.talk
    usage = report["usage"]
    assert (usage["device"], usage["shots"], usage["seed"]) == ("qiskit.aer", SHOTS, 7)
    assert (usage["circuits"], usage["total_shots"]) == (10, 10 * SHOTS)
    assert standard_errors(report["outputs"]["y"], exact, SHOTS).max() < FARTHEST
    again = qiskit.hybridx(*words, folder=place).json()
    assert again["outputs"] == report["outputs"]
    other = qiskit.hybridx(*words[:-1], 8, folder=place).json()
    assert other["outputs"] != report["outputs"]


def test_the_noise_of_a_machine_is_seen(qiskit, place, exact):
    words = (*RUN, *AER, *NOISE, "--shots", SHOTS, "--seed", 7)
    means = np.array(qiskit.hybridx(*words, folder=place).json()["outputs"]["y"])
    assert standard_errors(means, exact, SHOTS).max() > FARTHEST
    assert np.abs(means - exact).max() < MOST_NOISE


def test_a_machine_that_is_not_there_is_named_with_those_that_are(qiskit, place):
    words = (*RUN, *AER, "--option", "noise_model=FakeManilla", "--shots", 10)
    assert "FakeManilaV2" in qiskit.hybridx(*words, folder=place).error("HX503")


def test_the_way_to_ibm_runs_on_a_machine_that_is_not_real(qiskit, place, exact):
    finished = qiskit.hybridx(*RUN, *REMOTE, "--shots", 4000, folder=place)
    report = finished.json()
    usage = report["usage"]
    assert (usage["device"], usage["circuits"]) == ("qiskit.remote", 10)
    # The plug-in makes one job of each circuit, so hybridx sends one row at a time.
    assert (usage["submissions"], usage["total_shots"]) == (5, 40_000)
    assert np.abs(np.array(report["outputs"]["y"]) - exact).max() < MOST_NOISE


def test_what_would_cost_is_bounded_before_it_is_sent(qiskit, place):
    words = (*RUN, *REMOTE, "--shots", 4000, "-o", "y.npz")
    assert "40000 shots" in qiskit.hybridx(*words, "--max-shots", 39_999, folder=place).error(
        "HX508"
    )
    report = qiskit.hybridx(*words, "--dry-run", folder=place).json()
    assert (report["is_dry"], report["usage"]["total_shots"]) == (True, 40_000)
    assert list(place.glob("y.npz*")) == []


def test_without_an_account_it_says_where_one_is_looked_for(qiskit, place):
    words = (*RUN, "--device", "qiskit.remote", "--option", "backend=ibm_fez", "--shots", 10)
    assert "QISKIT_IBM_TOKEN" in qiskit.hybridx(*words, folder=place).error("HX506")
    taken = qiskit.hybridx(*words, "--fallback", "qiskit.aer", folder=place).json()["usage"]
    assert (taken["device"], taken["requested"]) == ("qiskit.aer", "qiskit.remote")


def test_a_misspelled_backend_is_no_matter_of_an_account(qiskit, place):
    words = (*RUN, "--device", "qiskit.remote", "--option", "backend=FakeManila", "--shots", 10)
    assert "nearest: FakeManilaV2" in qiskit.hybridx(*words, folder=place).error("HX503")


def test_doctor_sees_the_plug_in(qiskit, place):
    report = qiskit.hybridx("doctor", "--json", folder=place).json()
    devices = {device["name"]: device for device in report["devices"]}
    assert devices["qiskit.aer"]["is_ready"]
    assert not devices["qiskit.remote"]["is_ready"]
    assert "QISKIT_IBM_TOKEN" in devices["qiskit.remote"]["needs"]


@pytest.mark.parametrize("seed", [1, 2])
def test_verify_finds_aer_right(seed, qiskit, place):
    words = ("verify", "model.onnx", *AER, "--shots", SHOTS, "--seed", seed, "--json")
    report = qiskit.hybridx(*words, folder=place).json()
    assert report["consistency"]["p_value"] > report["consistency"]["significance"] == 0.01
    assert report["consistency"]["tests"] == 10


def test_verify_refuses_the_noise_of_a_machine(qiskit, place):
    words = ("verify", "model.onnx", *AER, *NOISE, "--shots", SHOTS, "--seed", 1)
    finished = qiskit.hybridx(*words, "--significance", "1e-6", folder=place)
    assert (finished.code, finished.out) == (1, "")
    assert "error HX603 " in finished.talk
